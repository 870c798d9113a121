"""What the owners of orders may do with them now, and what would come of it: for buttons, with the reason where not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.pricing import refund_part
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.orders.cancels import NoCancel, why_not
from smmpanel.orders.models import CancelState, DripState, OrderKind, OrderStatus
from smmpanel.orders.queries import OrderView
from smmpanel.orders.refill_rules import Eligible, NoRefill, NotEligible
from smmpanel.orders.refills import refill_outlook

_STANDING = text(
    "SELECT o.id, o.charge - o.refunded - o.earned - o.allocated AS held, c.state FROM orders o"
    " LEFT JOIN LATERAL (SELECT state FROM cancel_requests WHERE order_id = o.id ORDER BY id DESC LIMIT 1) c ON true"
    " WHERE o.id = ANY(CAST(:ids AS bigint[]))"
)


@dataclass(frozen=True, slots=True)
class Possible:
    """What may be done with one order."""

    refill: Eligible | NotEligible
    no_cancel: NoCancel | None
    """Why it cannot be canceled as it stands."""
    cancel_state: CancelState | None
    """Where its latest cancel request stands."""
    at_once: bool
    """Whether canceling it needs nobody's consent: it, or what is left of it, has not been sent."""
    back: Decimal
    """What canceling would bring back; the most that it could, unless it is at once."""
    edit_link: bool

    @property
    def may_refill(self) -> bool:
        """Whether a refill may be asked for."""
        return isinstance(self.refill, Eligible)

    @property
    def refilling(self) -> bool:
        """Whether a refill is under way."""
        return isinstance(self.refill, NotEligible) and self.refill.code is NoRefill.ALREADY_OPEN

    @property
    def canceling(self) -> bool:
        """Whether a cancel request waits for its answer, or for taking effect."""
        return self.no_cancel is None and self.cancel_state not in {None, CancelState.REJECTED}

    @property
    def may_cancel(self) -> bool:
        """Whether it can be canceled, or that be asked for."""
        return self.no_cancel is None and not self.canceling


async def possibilities(session: AsyncSession, orders: Sequence[OrderView], now: datetime) -> dict[int, Possible]:
    """Tell of each order what its owner may do, in three statements for all of them."""
    if not orders:
        return {}
    ids = [order.id for order in orders]
    refills = await refill_outlook(session, ids, now)
    standing = {row.id: row for row in await session.execute(_STANDING, {"ids": ids})}
    return {order.id: _possible(order, refills[order.id], *standing[order.id][1:]) for order in orders}


def _possible(order: OrderView, refill: Eligible | NotEligible, held: Decimal, state: str | None) -> Possible:
    at_once = order.kind == OrderKind.DRIP or order.status == OrderStatus.PENDING
    undelivered = refund_part(order.charge, order.remains, order.quantity)
    return Possible(
        refill=refill,
        no_cancel=_no_cancel(order),
        cancel_state=None if state is None else CancelState(state),
        at_once=at_once,
        back=held if at_once else min(held, undelivered),
        edit_link=order.status == OrderStatus.PENDING and SERVICE_TYPES[order.terms["type"]].has_link,
    )


def _no_cancel(order: OrderView) -> NoCancel | None:
    if order.kind == OrderKind.DRIP and order.drip_state not in {DripState.ACTIVE, DripState.PAUSED}:
        return NoCancel.FINISHED
    return why_not({"status": order.status, "kind": order.kind, "unconfirmed": order.unconfirmed, "terms": order.terms})
