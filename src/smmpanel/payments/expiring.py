"""Deposits that nobody paid in time. Money that arrives after all is still theirs."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.live import tell
from smmpanel.kernel.panel import Panel
from smmpanel.payments.crediting import LIVE_NAME

AT_ONCE = 500
_EXPIRE = text(
    "UPDATE deposits SET state = 'expired', closed_at = :now WHERE id IN ("
    " SELECT id FROM deposits WHERE state IN ('created', 'pending') AND expires_at <= :now"
    # Whose customer says that they have paid stay until staff have looked.
    " AND NOT EXISTS (SELECT FROM deposit_claims c WHERE c.deposit_id = deposits.id)"
    " ORDER BY expires_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED)"
    " RETURNING user_id"
)


@job(queue="chores", cron="* * * * * */20")
async def expire_deposits(panel: Panel) -> None:
    """Close deposits whose time has run out. Idempotent."""
    while not panel.stopping.is_set():
        async with panel.db.transaction() as session:
            if await _expire_some(session, panel.clock()) < AT_ONCE:
                return


async def _expire_some(session: AsyncSession, now: datetime) -> int:
    owners = (await session.scalars(_EXPIRE, {"now": now, "most": AT_ONCE})).all()
    await tell(session, LIVE_NAME, owners)
    return len(owners)
