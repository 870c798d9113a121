"""What users have spent: the sum of what their orders have earned, and the tier that follows from it.

Facts say which orders came to a result, or to another one. What that is now is read from the orders themselves, under
the locks of the users' rows, so facts may come twice, late, and in any order: the figure is that of the latest result.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.user_prices import set_tier_discounts
from smmpanel.kernel.facts import Fact, on_many, record
from smmpanel.kernel.panel import Panel
from smmpanel.orders.settling import OrderFinished


class TierChanged(Fact):
    """A user rose or fell to a tier."""

    fact = "tier_changed"
    user_id: int
    move: int
    """Which of the user's changes this is, from one."""
    promoted: bool
    tier_id: int
    name: str
    discount: Decimal


@on_many(OrderFinished)
async def count_finished_orders(panel: Panel, facts: Sequence[OrderFinished]) -> None:
    """Count what orders earned for those who paid them. Told twice, late or out of order, the sum is right."""
    async with panel.db.transaction() as session:
        await count_orders(session, {fact.order_id: fact.user_id for fact in facts})


async def count_orders(session: AsyncSession, owners: dict[int, int]) -> int:
    """Bring orders, given with their owners, to account, and return how many users' figures that changed."""
    users = list(set(owners.values()))
    await _lock(session, users)
    return await _settle(session, _COUNT_ORDERS, {"orders": list(owners), "users": users})


async def recount_users(session: AsyncSession, user_ids: Iterable[int]) -> int:
    """Add up what was counted of these users' orders, and put them into their tiers; returns how many were not right."""
    users = list(user_ids)
    await _lock(session, users)
    return await _settle(session, _RECOUNT_USERS, {"users": users})


async def _lock(session: AsyncSession, user_ids: Iterable[int]) -> None:
    """Lock the rows of users, made if they are new, so that what is read after this is the latest of them."""
    asked = {"users": sorted(set(user_ids))}
    # All of them in one order, the new ones first: two who lock some of the same rows cannot wait for each other.
    await session.execute(_MAKE, asked)
    await session.execute(_LOCK, asked)


async def _settle(session: AsyncSession, statement: Any, asked: dict[str, list[int]]) -> int:
    rows = (await session.execute(statement, asked)).all()
    await set_tier_discounts(session, {row.user_id: row.discount for row in rows if row.discount != row.old_discount})
    moved = [row for row in rows if row.tier_id is not None and row.tier_id != row.old_tier_id]
    await record(
        session,
        *(
            TierChanged(
                user_id=row.user_id,
                move=row.moves,
                promoted=row.level > row.old_level,
                tier_id=row.tier_id,
                name=row.name,
                discount=row.discount,
            )
            for row in moved
            if row.level != row.old_level
        ),
    )
    return len(rows)


_MAKE = text(
    "INSERT INTO user_spends (user_id) SELECT u.user_id FROM unnest(CAST(:users AS bigint[])) AS u(user_id)"
    " ORDER BY u.user_id ON CONFLICT (user_id) DO NOTHING"
)
_LOCK = text(
    "SELECT user_id FROM user_spends WHERE user_id = ANY(CAST(:users AS bigint[])) ORDER BY user_id FOR NO KEY UPDATE"
)
# Whoever has no tier yet stood in the lowest: being there is no news.
_PLACE = """
     ranked AS (SELECT id, name, discount, min_spent, row_number() OVER (ORDER BY min_spent) - 1 AS level FROM tiers),
     placed AS (
    SELECT s.user_id, s.spent, u.tier_id AS old_tier_id, COALESCE(was.level, u.tier_level, 0) AS old_level,
           u.discount AS old_discount, t.id AS tier_id, t.level, t.name, COALESCE(t.discount, 0) AS discount
      FROM sums s JOIN user_spends u ON u.user_id = s.user_id
      LEFT JOIN ranked was ON was.id = u.tier_id
      LEFT JOIN LATERAL (SELECT * FROM ranked WHERE min_spent <= s.spent ORDER BY min_spent DESC LIMIT 1) t ON true)
UPDATE user_spends u SET spent = p.spent, tier_id = p.tier_id, tier_level = p.level, discount = p.discount,
       moves = u.moves + CASE WHEN p.tier_id IS DISTINCT FROM p.old_tier_id THEN 1 ELSE 0 END
  FROM placed p
 WHERE u.user_id = p.user_id AND (u.spent, u.tier_id, u.tier_level, u.discount)
       IS DISTINCT FROM (p.spent, p.tier_id, CAST(p.level AS integer), p.discount)
RETURNING u.user_id, u.moves, p.old_tier_id, p.old_level, p.old_discount, p.tier_id, p.level, p.name, p.discount
"""
_COUNT_ORDERS = text(
    f"""
WITH fresh AS (
    SELECT o.id, o.user_id, o.earned, o.earned - COALESCE(s.earned, 0) AS more
      FROM orders o LEFT JOIN order_spends s ON s.order_id = o.id
     WHERE o.id = ANY(CAST(:orders AS bigint[])) AND o.earned <> COALESCE(s.earned, 0)),
     written AS (
    INSERT INTO order_spends (order_id, user_id, earned) SELECT id, user_id, earned FROM fresh
        ON CONFLICT (order_id) DO UPDATE SET earned = excluded.earned),
     sums AS (
    SELECT u.user_id, u.spent + COALESCE((SELECT sum(f.more) FROM fresh f WHERE f.user_id = u.user_id), 0) AS spent
      FROM user_spends u WHERE u.user_id = ANY(CAST(:users AS bigint[]))),
{_PLACE}"""
)
_RECOUNT_USERS = text(
    f"""
WITH sums AS (
    SELECT u.user_id, COALESCE((SELECT sum(s.earned) FROM order_spends s WHERE s.user_id = u.user_id), 0) AS spent
      FROM user_spends u WHERE u.user_id = ANY(CAST(:users AS bigint[]))),
{_PLACE}"""
)
