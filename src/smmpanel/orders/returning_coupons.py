"""Giving a coupon's use back when its order came to nothing: canceled, and paid back to the last cent."""

from collections.abc import Iterable, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.facts import on_many
from smmpanel.kernel.panel import Panel
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.settling import OrderFinished


@on_many(OrderFinished)
async def return_coupons_of_canceled(panel: Panel, facts: Sequence[OrderFinished]) -> None:
    """Give back the uses of orders that were canceled. Told twice, a use is given back once: it is gone then."""
    canceled = {fact.order_id for fact in facts if fact.status == OrderStatus.CANCELED}
    if canceled:
        async with panel.db.transaction() as session:
            await return_coupons(session, canceled)


async def return_coupons(session: AsyncSession, order_ids: Iterable[int]) -> int:
    """Give back the coupons of those of these orders that came to nothing, and return how many that were.

    What was taken off stays on the order's terms: only the use is not counted any more.
    """
    asked = {"orders": sorted(set(order_ids))}
    if not (await session.scalars(_LOCK, asked)).all():
        return 0
    returned: int = (await session.execute(_RETURN, asked)).scalar_one()
    return returned


# Canceled is for good, so what comes to nothing stays so. What runs of a drip-feed were paid is passed on to them, and a
# canceled parent has none that earned anything; it is asked all the same, because money follows from it.
_NOTHING_EARNED = (
    "o.status = 'canceled' AND o.earned = 0 AND o.refunded + o.allocated = o.charge"
    " AND NOT EXISTS (SELECT FROM orders r WHERE r.parent_id = o.id AND (r.status <> 'canceled' OR r.earned > 0))"
)
# In the order in which placing locks them, and before anything is counted: what is deleted next is what nobody else has.
_LOCK = text(
    "SELECT c.id FROM coupons c WHERE c.id IN"
    " (SELECT u.coupon_id FROM coupon_uses u WHERE u.order_id = ANY(CAST(:orders AS bigint[])))"
    " ORDER BY c.id FOR NO KEY UPDATE"
)
_RETURN = text(
    f"""
WITH returned AS (
    DELETE FROM coupon_uses u USING orders o
     WHERE o.id = u.order_id AND o.id = ANY(CAST(:orders AS bigint[])) AND {_NOTHING_EARNED}
    RETURNING u.coupon_id, o.user_id
), held AS (
    UPDATE coupon_holders h SET uses = h.uses - g.n
      FROM (SELECT coupon_id, user_id, count(*) AS n FROM returned GROUP BY coupon_id, user_id) g
     WHERE h.coupon_id = g.coupon_id AND h.user_id = g.user_id
), counted AS (
    UPDATE coupons c SET uses = c.uses - g.n
      FROM (SELECT coupon_id, count(*) AS n FROM returned GROUP BY coupon_id) g WHERE c.id = g.coupon_id
)
SELECT count(*) FROM returned
"""
)
