"""Telling referrers what came in: once an hour for all orders together, not once for each."""

from sqlalchemy import text

from smmpanel.growth.payouts import AFFILIATES_PATH
from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.telling import Notice, notify

TOLD_AT_ONCE = 1_000

_TAKE = text(
    "UPDATE referrers r SET untold = 0, untold_orders = 0 FROM (SELECT user_id, untold, untold_orders FROM referrers"
    " WHERE untold_orders > 0 ORDER BY user_id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED) w"
    " WHERE r.user_id = w.user_id RETURNING r.user_id, w.untold, w.untold_orders"
)


@job(queue="chores", cron="23 * * * *")
async def tell_of_commissions(panel: Panel) -> None:
    """Tell each referrer the sum of the last hour. What is told is told in the transaction that takes it: never twice."""
    while await _tell_some(panel):
        pass


async def _tell_some(panel: Panel) -> bool:
    now = panel.clock()
    async with panel.db.transaction() as session:
        rows = (await session.execute(_TAKE, {"most": TOLD_AT_ONCE})).all()
        notices = [
            Notice(
                row.user_id,
                f"commissions:{now.isoformat()}",
                "commission_credited" if row.untold > 0 else "commission_taken_back",
                {"amount": abs(row.untold), "currency": panel.currency, "n": row.untold_orders},
                AFFILIATES_PATH,
            )
            for row in rows
            if row.untold != 0
        ]
        await notify(session, notices, now=now)
    return len(rows) == TOLD_AT_ONCE
