"""Watching balances for those who asked: told once when one falls below their amount, and again after it was above."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balances_of
from smmpanel.notifications.models import BalanceWatch
from smmpanel.notifications.telling import Notice, notify

WATCHED_AT_ONCE = 500


async def watch_balance(session: AsyncSession, user_id: int, below: Decimal | None) -> None:
    """Have a user told when the balance falls below an amount, or no more. Another amount is a new watch."""
    if below is None:
        await session.execute(delete(BalanceWatch).where(BalanceWatch.user_id == user_id))
        return
    written = insert(BalanceWatch).values(user_id=user_id, below=below)
    await session.execute(
        written.on_conflict_do_update(
            index_elements=[BalanceWatch.user_id],
            set_={"below": below, "told_at": None},
            where=BalanceWatch.below != below,
        )
    )


async def watched_amount(session: AsyncSession, user_id: int) -> Decimal | None:
    """Return the amount below which a user wants to be told."""
    amount: Decimal | None = await session.scalar(select(BalanceWatch.below).where(BalanceWatch.user_id == user_id))
    return amount


@job(queue="chores", cron="*/5 * * * *")
async def look_at_balances(panel: Panel) -> None:
    """Tell whoever's balance has fallen below the amount they set. Idempotent: whom it told is noted with telling."""
    after = 0
    while not panel.stopping.is_set():
        async with panel.db.transaction() as session:
            last = await _look_at_some(session, after, panel.currency, panel.clock())
        if last is None:
            return
        after = last


async def _look_at_some(session: AsyncSession, after: int, currency: str, now: datetime) -> int | None:
    watched = (
        await session.scalars(
            select(BalanceWatch)
            .where(BalanceWatch.user_id > after)
            .order_by(BalanceWatch.user_id)
            .limit(WATCHED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
    ).all()
    if not watched:
        return None
    balances = await balances_of(session, [watch.user_id for watch in watched], currency)
    is_low = {watch.user_id: balances[watch.user_id] < watch.below for watch in watched}
    fallen = [watch for watch in watched if is_low[watch.user_id] and watch.told_at is None]
    risen = [watch.user_id for watch in watched if not is_low[watch.user_id] and watch.told_at is not None]
    notices = [
        Notice(
            watch.user_id,
            f"low_balance:{now.isoformat()}",
            "low_balance",
            {"balance": balances[watch.user_id], "below": watch.below, "currency": currency},
            "/add-funds",
        )
        for watch in fallen
    ]
    await notify(session, notices, now=now)
    for users, told_at in (([watch.user_id for watch in fallen], now), (risen, None)):
        if users:
            await session.execute(
                update(BalanceWatch)
                .where(BalanceWatch.user_id.in_(users))
                .values(told_at=told_at)
                .execution_options(synchronize_session=False)
            )
    return watched[-1].user_id
