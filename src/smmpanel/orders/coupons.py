"""Coupons while orders are placed: read under lock, taken off the charge, counted with the orders that were placed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import plain, round_down
from smmpanel.orders.coupon_models import Coupon, CouponHolder
from smmpanel.orders.drafting import Draft, NewOrder, Off
from smmpanel.orders.models import OrderKind

CODE_MAX = 40
FITTING = frozenset({OrderKind.NORMAL, OrderKind.DRIP, OrderKind.MANUAL, OrderKind.STOCK})
"""What a coupon is for: orders that are paid as one. A subscription is earned post by post, at prices that are not frozen as a whole."""
HUNDRED, ZERO = Decimal(100), Decimal(0)


class CouponWorthlessError(PanelError):
    """There is no such coupon, it is used up, over or stopped, or this order is none for it: no difference is told."""

    code, status, message = "coupon_worthless", 422, marked("This coupon cannot be used for this order.")


def code_typed(typed: str) -> str:
    """Return a coupon's code however it was typed."""
    return "".join(typed.split()).upper()[: CODE_MAX + 1]


def could_be_code(typed: str) -> bool:
    """Whether there may be such a coupon at all; what no code can hold is not asked of the database."""
    return typed.isascii() and typed.isprintable()


def taken_off(coupon: Coupon, charge: Decimal, cost: Decimal | None) -> Decimal:
    """Return what a coupon takes off a charge: never more than the charge, nor what is above its cost unless it may."""
    off = coupon.amount if coupon.amount is not None else round_down(charge * (coupon.percent or ZERO) / HUNDRED)
    most = [off, charge]
    if coupon.maximum is not None:
        most.append(coupon.maximum)
    if not coupon.below_cost and cost is not None:
        most.append(max(charge - cost, ZERO))
    return min(most)


@dataclass(slots=True)
class Coupons:
    """The coupons that a batch of orders names, with how often they are used, running along with what is accepted."""

    now: datetime
    by_code: dict[str, Coupon] = field(default_factory=dict)
    uses: Counter[int] = field(default_factory=Counter)
    uses_by: Counter[tuple[int, int]] = field(default_factory=Counter)

    @classmethod
    async def read(cls, session: AsyncSession, orders: Iterable[NewOrder], now: datetime) -> "Coupons":
        """Lock and read the coupons that these orders name, by id, so that two of us cannot cross."""
        named = [order for order in orders if order.coupon]
        coupons = cls(now)
        if not named:
            return coupons
        codes = {code for order in named if could_be_code(code := code_typed(order.coupon))}
        wanted = select(Coupon).where(Coupon.code.in_(codes))
        locked = wanted.order_by(Coupon.id).with_for_update(key_share=True).execution_options(populate_existing=True)
        coupons.by_code = {row.code: row for row in await session.scalars(locked)}
        ids = [row.id for row in coupons.by_code.values()]
        coupons.uses.update({row.id: row.uses for row in coupons.by_code.values()})
        holder = CouponHolder
        own = select(holder.coupon_id, holder.user_id, holder.uses).where(
            holder.coupon_id.in_(ids), holder.user_id.in_({order.user_id for order in named})
        )
        coupons.uses_by.update({(row.coupon_id, row.user_id): row.uses for row in await session.execute(own)})
        return coupons

    def priced(self, one: Draft) -> Draft:
        """Return an order with its coupon taken off, as it is frozen. Raises `CouponWorthlessError`."""
        if not one.order.coupon:
            return one
        coupon = self.by_code.get(code_typed(one.order.coupon))
        if coupon is None or not self._holds(coupon, one):
            raise CouponWorthlessError(field="coupon")
        off = taken_off(coupon, one.charge, one.cost)
        if off <= 0:
            raise CouponWorthlessError(field="coupon")
        frozen = {"id": coupon.id, "code": coupon.code, "off": plain(off)}
        terms = {**one.terms, "coupon": frozen, "below_cost": one.terms["below_cost"] or coupon.below_cost}
        return replace(one, charge=one.charge - off, off=Off(coupon.id, off), terms=terms)

    def _holds(self, coupon: Coupon, one: Draft) -> bool:
        return (
            one.kind in FITTING
            and coupon.stopped_at is None
            and (coupon.valid_until is None or self.now < coupon.valid_until)
            and (coupon.max_uses is None or self.uses[coupon.id] < coupon.max_uses)
            and (coupon.uses_per_user is None or self.uses_by[coupon.id, one.order.user_id] < coupon.uses_per_user)
            and one.charge >= coupon.min_charge
        )

    def add(self, one: Draft) -> None:
        """Count the use of an order that is accepted."""
        if one.off is not None:
            self.uses[one.off.coupon_id] += 1
            self.uses_by[one.off.coupon_id, one.order.user_id] += 1

    async def write(self, session: AsyncSession, placed: Mapping[int, Draft]) -> None:
        """Store the uses of the orders that were placed."""
        used = {order_id: (one.off, one.order.user_id) for order_id, one in placed.items() if one.off is not None}
        if not used:
            return
        rows = {
            "orders": list(used),
            "coupons": [off.coupon_id for off, _ in used.values()],
            "users": [user for _, user in used.values()],
            "offs": [off.amount for off, _ in used.values()],
        }
        await session.execute(_WRITE, rows)


_WRITE = text(
    """
WITH given AS (
    SELECT * FROM unnest(CAST(:orders AS bigint[]), CAST(:coupons AS bigint[]), CAST(:users AS bigint[]),
                         CAST(:offs AS numeric[])) AS v(order_id, coupon_id, user_id, off)
), written AS (
    INSERT INTO coupon_uses (order_id, coupon_id, off) SELECT order_id, coupon_id, off FROM given
), held AS (
    INSERT INTO coupon_holders AS h (coupon_id, user_id, uses)
    SELECT coupon_id, user_id, count(*) FROM given GROUP BY coupon_id, user_id ORDER BY 1, 2
        ON CONFLICT (coupon_id, user_id) DO UPDATE SET uses = h.uses + excluded.uses
)
UPDATE coupons c SET uses = c.uses + g.n
  FROM (SELECT coupon_id, count(*) AS n FROM given GROUP BY coupon_id) g WHERE c.id = g.coupon_id
"""
)
