"""Orders as the command line shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.finding import user_named
from smmpanel.accounts.models import User
from smmpanel.catalog.models import Service
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.paging import PAGE_SIZE, key_from, paged
from smmpanel.ledger import transfers_for
from smmpanel.orders.models import Order, OrderAttempt, OrderEvent
from smmpanel.providers.connecting import provider_by
from smmpanel.providers.models import Provider


class OrderNotFoundError(NotFoundError):
    """There is no such order."""

    code, message = "order_not_found", "There is no order {order}."


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders are wanted; what is `None` does not matter."""

    user: str | None = None
    status: str | None = None
    provider: str | None = None
    service: int | None = None
    unconfirmed: bool = False


@dataclass(frozen=True, slots=True)
class OrderList:
    """Some orders, and the cursor of those after them, if there are any."""

    rows: Sequence[Mapping[str, Any]]
    after: str | None


@dataclass(frozen=True, slots=True)
class OrderView:
    """All that is known about one order."""

    order: Mapping[str, Any]
    timeline: Sequence[Mapping[str, Any]]
    attempts: Sequence[Mapping[str, Any]]
    transfers: Sequence[Mapping[str, Any]]


_SHORT = (
    Order.id,
    Order.created_at,
    User.username.label("user"),
    Order.service_id.label("service"),
    Order.link,
    Order.quantity,
    Order.charge,
    Order.currency,
    Order.status,
    Order.unconfirmed,
    Provider.slug.label("provider"),
    Order.external_id,
    Order.remains,
    Order.reason,
)


async def list_orders(
    session: AsyncSession, wanted: OrderFilter, *, after: str | None = None, size: int = PAGE_SIZE
) -> OrderList:
    """Return orders, newest first."""
    found = (
        select(*_SHORT)
        .join(User, User.id == Order.user_id)
        .outerjoin(Provider, Provider.id == Order.provider_id)
        .order_by(Order.id.desc())
        .limit(size + 1)
    )
    if wanted.user is not None:
        found = found.where(Order.user_id == (await user_named(session, wanted.user)).id)
    if wanted.provider is not None:
        found = found.where(Order.provider_id == (await provider_by(session, wanted.provider)).id)
    if wanted.status is not None:
        found = found.where(Order.status == wanted.status)
    if wanted.service is not None:
        found = found.where(Order.service_id == wanted.service)
    if wanted.unconfirmed:
        found = found.where(Order.unconfirmed)
    if (key := key_from(after)) is not None:
        found = found.where(Order.id < key)
    rows = [dict(row) for row in (await session.execute(found)).mappings()]
    page = paged(rows, size, [row["id"] for row in rows])
    return OrderList(page.rows, page.after)


async def order_view(session: AsyncSession, order_id: int) -> OrderView:
    """Return one order with its timeline, attempts and transfers; raises `OrderNotFoundError`."""
    found = await session.execute(
        select(Order, User.username, Service.name, Provider.slug)
        .join(User, User.id == Order.user_id)
        .join(Service, Service.id == Order.service_id)
        .outerjoin(Provider, Provider.id == Order.provider_id)
        .where(Order.id == order_id)
    )
    row = found.one_or_none()
    if row is None:
        raise OrderNotFoundError(order=order_id)
    order: Order = row[0]
    columns = {column.key: getattr(order, column.key) for column in Order.__mapper__.column_attrs}
    hidden = {"key_content", "user_id", "service_id", "provider_id", "claimed_until"}
    named = {"id": order.id, "user": row[1], "service": f"{order.service_id} {row[2]}", "provider": row[3]}
    shown = {**named, **{name: value for name, value in columns.items() if name not in {*hidden, "id"}}}
    events = await session.scalars(select(OrderEvent).where(OrderEvent.order_id == order_id).order_by(OrderEvent.id))
    attempts = await session.scalars(
        select(OrderAttempt).where(OrderAttempt.order_id == order_id).order_by(OrderAttempt.id)
    )
    return OrderView(
        order=shown,
        timeline=[
            {"at": one.at, "kind": one.kind, "before": one.before, "after": one.after, "note": one.note}
            for one in events
        ],
        attempts=[_attempt(one) for one in attempts],
        transfers=[
            {
                "at": one.at,
                "reason": one.reason,
                "from": one.debit,
                "to": one.credit,
                "amount": one.amount.amount,
                "key": one.key,
            }
            for one in await transfers_for(session, f"order:{order_id}")
        ],
    )


def _attempt(attempt: OrderAttempt) -> dict[str, Any]:
    return {
        "at": attempt.started_at,
        "provider_id": attempt.provider_id,
        "outcome": attempt.outcome,
        "external_id": attempt.external_id,
        "took_ms": attempt.took_ms,
        "request": attempt.request,
        "answer": attempt.answer,
        "balance_before": attempt.balance_before,
        "balance_after": attempt.balance_after,
    }
