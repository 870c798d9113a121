"""Telling customers how their orders and refills ended: one insert for all that ended together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.facts import on_many
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.telling import Notice, notify
from smmpanel.orders.asking_refills import RefillChanged
from smmpanel.orders.models import OrderKind, OrderStatus, RefillState
from smmpanel.orders.settling import OrderFinished

SINGLY_MAX = 10
"""If more of a customer's orders end together, one notification counts them."""
SERVICE_LENGTH_MAX = 120
KINDS = {
    OrderStatus.COMPLETED.value: "order_completed",
    OrderStatus.PARTIAL.value: "order_partial",
    OrderStatus.CANCELED.value: "order_canceled",
}
_REFILL_KINDS = {RefillState.COMPLETED.value: "refill_completed", RefillState.REJECTED.value: "refill_rejected"}


class _Ended(NamedTuple):
    """An order that a customer knows of, and what it was for."""

    fact: OrderFinished
    service: str


@on_many(OrderFinished)
async def tell_of_orders(panel: Panel, facts: Sequence[OrderFinished]) -> None:
    """Tell customers of orders that ended. Told twice, it is one notification each."""
    async with panel.db.transaction() as session:
        services = await _services_of(session, [fact.order_id for fact in facts])
        by_user: dict[int, list[_Ended]] = {}
        for fact in facts:
            if fact.order_id in services:
                by_user.setdefault(fact.user_id, []).append(_Ended(fact, services[fact.order_id]))
        notices = [notice for ended in by_user.values() for notice in _notices(ended)]
        await notify(session, notices, now=panel.clock())


@on_many(RefillChanged)
async def tell_of_refills(panel: Panel, facts: Sequence[RefillChanged]) -> None:
    """Tell customers of refills that ended. Told twice, it is one notification each."""
    notices = [
        Notice(
            fact.user_id,
            f"refill:{fact.refill_id}:{fact.state}",
            _REFILL_KINDS[fact.state],
            {"order_id": fact.order_id},
            f"/orders/{fact.order_id}",
        )
        for fact in facts
        if fact.state in _REFILL_KINDS
    ]
    async with panel.db.transaction() as session:
        await notify(session, notices, now=panel.clock())


_SERVICES = text(
    "SELECT o.id, s.name FROM orders o JOIN services s ON s.id = o.service_id"
    " WHERE o.id = ANY(CAST(:ids AS bigint[])) AND o.kind <> :run"
)


async def _services_of(session: AsyncSession, order_ids: Iterable[int]) -> Mapping[int, str]:
    # A drip-feed's runs are no orders to its customer: the drip-feed ends by itself.
    rows = await session.execute(_SERVICES, {"ids": list(set(order_ids)), "run": OrderKind.RUN.value})
    return {row.id: row.name[:SERVICE_LENGTH_MAX] for row in rows}


def _notices(ended: Sequence[_Ended]) -> list[Notice]:
    if len(ended) <= SINGLY_MAX:
        return [_single(one) for one in ended]
    facts = [one.fact for one in ended]
    counts = {kind.removeprefix("order_"): sum(KINDS[fact.status] == kind for fact in facts) for kind in KINDS.values()}
    ids = [fact.order_id for fact in facts]
    # The same facts always come together, so a job that runs again makes the same key.
    key = f"orders:{min(ids)}:{max(ids)}:{':'.join(map(str, counts.values()))}"
    return [Notice(facts[0].user_id, key, "orders_finished", {"n": len(facts), **counts}, "/orders")]


def _single(one: _Ended) -> Notice:
    fact = one.fact
    fields = {
        "order_id": fact.order_id,
        "service": one.service,
        "refunded": fact.refunded,
        "currency": fact.currency,
    }
    key = f"order:{fact.order_id}:{fact.status}"
    return Notice(fact.user_id, key, KINDS[fact.status], fields, f"/orders/{fact.order_id}")
