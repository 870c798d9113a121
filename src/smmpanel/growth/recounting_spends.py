"""Counting anew what users have spent, from their orders, a few at a time, while the panel runs."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.growth.spends import count_orders, recount_users
from smmpanel.kernel.jobs import Backoff, enqueue, job
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.options import read_option, write_option
from smmpanel.kernel.panel import Panel

COUNTED_OPTION = "spends_counted"
"""Panel option: when all orders were last gone through."""
ORDERS_AT_ONCE = 2_000
USERS_AT_ONCE = 500

log = get_logger()
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Recounted:
    """What counting anew came to."""

    orders: int
    """Orders that were gone through."""
    missed: int
    """Of them, those that had not been counted as they stand."""
    users: int
    corrected: int
    """Users whose sum or tier was not right."""


def _silent(_doing: str, _done: int, _total: int | None) -> None:
    return None


async def recount_spends(panel: Panel, *, progress: Progress = _silent) -> Recounted:
    """Go through all orders and all users. May be broken off at any point, and run beside everything else."""
    orders, missed = await _count_missed_orders(panel, progress)
    users, corrected = await _recount_all_users(panel, progress)
    if not panel.stopping.is_set():
        async with panel.db.transaction() as session:
            await write_option(session, COUNTED_OPTION, panel.clock().isoformat())
    return Recounted(orders, missed, users, corrected)


@job(queue="chores", retry=Backoff(tries=5), cron="17 3 * * 0")
async def recount_all_spends(panel: Panel) -> None:
    """Prove once a week that what users have spent is what their orders earned, and put right what is not. Idempotent."""
    done = await recount_spends(panel)
    log.info("spends_recounted", orders=done.orders, missed=done.missed, users=done.users, corrected=done.corrected)


@job(queue="chores", retry=Backoff(tries=5))
async def fit_tiers(panel: Panel) -> None:
    """Put everybody into the tier that the present table gives them. Idempotent."""
    async with panel.db.transaction() as session:
        counted = await read_option(session, COUNTED_OPTION)
    if counted is None:
        # A panel that is older than its tiers: what was spent before is counted first.
        await recount_spends(panel)
        return
    await _recount_all_users(panel, _silent)


async def fit_tiers_soon(session: AsyncSession) -> None:
    """Have everybody put into their tiers once this transaction is committed."""
    await enqueue(session, fit_tiers.call())


async def _count_missed_orders(panel: Panel, progress: Progress) -> tuple[int, int]:
    async with panel.db.transaction() as session:
        last = await session.scalar(_LAST_ORDER) or 0
    missed, after = 0, 0
    while after < last and not panel.stopping.is_set():
        async with panel.db.transaction() as session:
            asked = {"after": after, "until": after + ORDERS_AT_ONCE}
            owners = {row.id: row.user_id for row in await session.execute(_MISSED, asked)}
            if owners:
                await count_orders(session, owners)
        missed, after = missed + len(owners), after + ORDERS_AT_ONCE
        progress("orders", min(after, last), last)
    return min(after, last), missed


async def _recount_all_users(panel: Panel, progress: Progress) -> tuple[int, int]:
    users = corrected = after = 0
    while not panel.stopping.is_set():
        async with panel.db.transaction() as session:
            found = (await session.scalars(_USERS, {"after": after, "most": USERS_AT_ONCE})).all()
            if not found:
                break
            corrected += await recount_users(session, found)
        users, after = users + len(found), found[-1]
        progress("users", users, None)
    return users, corrected


_LAST_ORDER = text("SELECT max(id) FROM orders")
_MISSED = text(
    "SELECT o.id, o.user_id FROM orders o LEFT JOIN order_spends s ON s.order_id = o.id"
    " WHERE o.id > :after AND o.id <= :until AND o.earned <> COALESCE(s.earned, 0)"
)
_USERS = text(
    "SELECT u.id FROM users u WHERE u.id > :after AND (EXISTS (SELECT FROM user_spends s WHERE s.user_id = u.id)"
    " OR EXISTS (SELECT FROM order_spends s WHERE s.user_id = u.id)) ORDER BY u.id LIMIT :most"
)
