"""Staff say what became of an order that nobody was sure of, or send one again that failed."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import ConflictError, InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.submission import wake_submission
from smmpanel.orders.writing import OrderRow, lock_orders

EXTERNAL_ID_MAX = 100


class NotUnconfirmedError(ConflictError):
    """The order is in no doubt: it was settled, or its call is still on its way."""

    code, message = "not_unconfirmed", "Order {order} is not waiting to be confirmed."


class ExternalIdTakenError(ConflictError):
    """Another order has this external id."""

    code, message = "external_id_taken", "Order {other} has the external id {external_id} already."


class NotFailedError(ConflictError):
    """Only failed orders are sent again by hand."""

    code, message = "not_failed", "Order {order} has not failed."


async def resolve_taken(
    session: AsyncSession, panel: Panel, actor: Actor, order_id: int, external_id: str, *, now: datetime
) -> None:
    """Settle an unconfirmed order: the provider took it, under this external id. It is followed from now on."""
    actor.require(Permission.ORDERS_SETTLE)
    external_id = external_id.strip()
    if not external_id or len(external_id) > EXTERNAL_ID_MAX or not external_id.isprintable():
        raise InvalidInputError(
            field="external_id", reason=marked("must have 1 to {most} printable characters"), most=EXTERNAL_ID_MAX
        )
    row = await _unconfirmed(session, order_id)
    await refuse_taken_id(session, row["provider_id"], external_id)
    change = Change(
        order_id,
        OrderStatus.PROCESSING,
        note=f"settled by {actor.username}: it was taken",
        external_id=external_id,
        actor_id=actor.user_id,
    )
    await settle(session, [change], now=now, watch=_watch(panel))
    after = {"status": OrderStatus.PROCESSING.value, "external_id": external_id}
    await _audit(session, actor, Permission.ORDERS_SETTLE, row, after)


async def resolve_not_taken(session: AsyncSession, panel: Panel, actor: Actor, order_id: int, *, now: datetime) -> None:
    """Settle an unconfirmed order: the provider did not take it. It is sent again."""
    actor.require(Permission.ORDERS_SETTLE)
    row = await _unconfirmed(session, order_id)
    note = f"settled by {actor.username}: it was not taken"
    change = Change(order_id, OrderStatus.PENDING, note=note, due_at=now, actor_id=actor.user_id)
    await settle(session, [change], now=now, watch=_watch(panel))
    wake_submission(session, row["provider_id"])
    await _audit(session, actor, Permission.ORDERS_SETTLE, row, {"status": OrderStatus.PENDING.value})


async def resend_order(session: AsyncSession, panel: Panel, actor: Actor, order_id: int, *, now: datetime) -> None:
    """Send a failed order again. It failed because no provider took it, so nothing can be doubled."""
    actor.require(Permission.ORDERS_RESEND)
    row = (await lock_orders(session, [order_id]))[order_id]
    if row["status"] != OrderStatus.FAILED:
        raise NotFailedError(order=order_id)
    note = f"sent again by {actor.username}"
    change = Change(order_id, OrderStatus.PENDING, note=note, due_at=now, actor_id=actor.user_id)
    await settle(session, [change], now=now, watch=_watch(panel))
    if row["provider_id"] is not None:
        wake_submission(session, row["provider_id"])
    await _audit(session, actor, Permission.ORDERS_RESEND, row, {"status": OrderStatus.PENDING.value})


async def _unconfirmed(session: AsyncSession, order_id: int) -> OrderRow:
    row = (await lock_orders(session, [order_id]))[order_id]
    if row["status"] != OrderStatus.SUBMITTING or not row["unconfirmed"]:
        raise NotUnconfirmedError(order=order_id)
    return row


_HOLDER = text("SELECT id FROM orders WHERE provider_id = :provider AND external_id = :external_id")


async def refuse_taken_id(session: AsyncSession, provider_id: int, external_id: str) -> None:
    """Raise `ExternalIdTakenError` if an order of this provider has the id."""
    holder = await session.scalar(_HOLDER, {"provider": provider_id, "external_id": external_id})
    if holder is not None:
        raise ExternalIdTakenError(other=holder, external_id=external_id)


async def _audit(
    session: AsyncSession, actor: Actor, permission: Permission, row: OrderRow, after: dict[str, Any]
) -> None:
    before = {"status": row["status"], "unconfirmed": row["unconfirmed"]}
    await audit(session, actor, permission, f"order:{row['id']}", before=before, after=after)


def _watch(panel: Panel) -> timedelta:
    return timedelta(days=panel.settings.finished_watch_days)
