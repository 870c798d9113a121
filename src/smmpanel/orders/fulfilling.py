"""What staff do to orders by hand: fulfilling manual services, correcting others, giving money back. Each time on the record.

Orders that nobody is sure of (`unconfirmed`, or just being sent) are not touched here: see `orders.resolving`.
"""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import ConflictError, InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import Money
from smmpanel.orders.cancels import close_cancels
from smmpanel.orders.models import CancelState, OrderKind, OrderStatus
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.steering_drips import cancel_drip_rest
from smmpanel.orders.timeline import Event, add_events
from smmpanel.orders.writing import OrderRow, lock_orders

COUNT_MAX = 10**15
REASON_LENGTH_MAX = 500
S = OrderStatus


class NotManualError(ConflictError):
    """The order is fulfilled by a provider, not by staff."""

    code, message = "not_manual", "Order {order} is not fulfilled by hand."


class OrderInDoubtError(ConflictError):
    """Nobody knows yet whether a provider took the order: that is settled first."""

    code, message = "order_in_doubt", "Order {order} is being sent or waits to be confirmed; settle that first."


class NotByHandError(ConflictError):
    """Orders of this kind end with what they consist of, not by a word of staff."""

    code, message = "not_by_hand", "Order {order} ends with its runs or posts; cancel what is left of it instead."


async def start_manual(
    session: AsyncSession, actor: Actor, order_id: int, *, start_count: int | None = None, now: datetime
) -> None:
    """Begin a manual service's order: in progress, with the count it starts from if there is one."""
    actor.require(Permission.ORDERS_EDIT)
    row = await _manual(session, order_id)
    count = None if start_count is None else _count("start_count", start_count)
    change = Change(order_id, S.IN_PROGRESS, note="begun by staff", start_count=count, actor_id=actor.user_id)
    await _move(session, actor, row, change, permission=Permission.ORDERS_EDIT, now=now)


async def complete_manual(session: AsyncSession, actor: Actor, order_id: int, *, now: datetime) -> None:
    """Say that a manual service's order was delivered in full."""
    actor.require(Permission.ORDERS_EDIT)
    row = await _manual(session, order_id)
    await _complete(session, actor, row, now)


async def partial_manual(session: AsyncSession, actor: Actor, order_id: int, remains: int, *, now: datetime) -> Money:
    """Say that a manual service's order was delivered except for `remains`, which is paid back; returns how much."""
    actor.require(Permission.ORDERS_EDIT)
    actor.require(Permission.ORDERS_REFUND)
    row = await _manual(session, order_id)
    if row["status"] == S.PENDING:
        begun = Change(order_id, S.IN_PROGRESS, note="begun by staff", actor_id=actor.user_id)
        await settle(session, [begun], now=now, watch=timedelta(0))
    return await _partial(session, actor, row, remains, now)


async def mark_completed(session: AsyncSession, actor: Actor, order_id: int, *, now: datetime) -> None:
    """Say that an order was delivered in full, whatever its provider says."""
    actor.require(Permission.ORDERS_EDIT)
    row = await _certain(session, order_id)
    if row["kind"] in {OrderKind.DRIP, OrderKind.SUBSCRIPTION}:
        raise NotByHandError(order=order_id)
    await _complete(session, actor, row, now)


async def set_partial(session: AsyncSession, actor: Actor, order_id: int, remains: int, *, now: datetime) -> Money:
    """Say that an order was delivered except for `remains`, which is paid back; returns how much."""
    actor.require(Permission.ORDERS_REFUND)
    row = await _certain(session, order_id)
    if row["kind"] == OrderKind.DRIP:
        raise NotByHandError(order=order_id)
    return await _partial(session, actor, row, remains, now)


async def cancel_and_refund(session: AsyncSession, actor: Actor, order_id: int, reason: str, *, now: datetime) -> Money:
    """Cancel an order and pay back all that it has not been paid back yet; returns how much.

    Of a drip-feed, what was not started: its runs are canceled by themselves. The provider is not asked: if it delivers all
    the same, that is our loss.
    """
    actor.require(Permission.ORDERS_REFUND)
    reason = reason.strip()
    if not reason or len(reason) > REASON_LENGTH_MAX:
        raise InvalidInputError(
            field="reason", reason=marked("is needed, at most {most} characters"), most=REASON_LENGTH_MAX
        )
    row = await _certain(session, order_id)
    if row["kind"] == OrderKind.DRIP:
        return await cancel_drip_rest(session, actor, order_id, now=now)
    change = Change(order_id, S.CANCELED, note=reason, reason=reason, actor_id=actor.user_id)
    await _move(session, actor, row, change, permission=Permission.ORDERS_REFUND, now=now)
    await close_cancels(session, [order_id], CancelState.ACCEPTED, now, actor_id=actor.user_id)
    return Money(row["charge"] - row["refunded"], row["currency"])


_SET_START_COUNT = text("UPDATE orders SET start_count = :count WHERE id = :id")


async def set_start_count(session: AsyncSession, actor: Actor, order_id: int, start_count: int) -> None:
    """Set the count that an order started from."""
    actor.require(Permission.ORDERS_EDIT)
    count = _count("start_count", start_count)
    row = (await lock_orders(session, [order_id]))[order_id]
    await session.execute(_SET_START_COUNT, {"id": order_id, "count": count})
    note = f"start count {row['start_count']} → {count}"
    await add_events(session, [Event(order_id, "start_count", note=note, actor_id=actor.user_id)])
    before, after = {"start_count": row["start_count"]}, {"start_count": count}
    await audit(session, actor, Permission.ORDERS_EDIT, f"order:{order_id}", before=before, after=after)


async def _complete(session: AsyncSession, actor: Actor, row: OrderRow, now: datetime) -> None:
    change = Change(row["id"], S.COMPLETED, note="completed by staff", actor_id=actor.user_id)
    await _move(session, actor, row, change, permission=Permission.ORDERS_EDIT, now=now)
    why = "the order was completed"
    await close_cancels(session, [row["id"]], CancelState.REJECTED, now, reason=why, actor_id=actor.user_id)


async def _partial(session: AsyncSession, actor: Actor, row: OrderRow, remains: int, now: datetime) -> Money:
    if not 0 < remains < row["quantity"]:
        raise InvalidInputError(
            field="remains", reason=marked("must be between {least} and {most}"), least=1, most=row["quantity"] - 1
        )
    note = f"partial by staff, {remains} remain"
    change = Change(row["id"], S.PARTIAL, note=note, remains=remains, actor_id=actor.user_id)
    await _move(session, actor, row, change, permission=Permission.ORDERS_REFUND, now=now)
    await close_cancels(session, [row["id"]], CancelState.ACCEPTED, now, actor_id=actor.user_id)
    after = (await lock_orders(session, [row["id"]]))[row["id"]]
    return Money(after["refunded"] - row["refunded"], row["currency"])


async def _move(
    session: AsyncSession, actor: Actor, row: OrderRow, change: Change, *, permission: Permission, now: datetime
) -> None:
    """Settle the move and put it on the record. Its provider is not followed any more: staff have had the last word."""
    await settle(session, [change], now=now, watch=timedelta(0))
    before = {"status": row["status"], "remains": row["remains"], "refunded": row["refunded"]}
    after = {"status": change.status.value, "remains": change.remains, "note": change.note}
    await audit(session, actor, permission, f"order:{row['id']}", before=before, after=after)


async def _certain(session: AsyncSession, order_id: int) -> OrderRow:
    row = (await lock_orders(session, [order_id]))[order_id]
    if row["unconfirmed"] or row["status"] == S.SUBMITTING:
        raise OrderInDoubtError(order=order_id)
    return row


async def _manual(session: AsyncSession, order_id: int) -> OrderRow:
    row = (await lock_orders(session, [order_id]))[order_id]
    if row["kind"] != OrderKind.MANUAL:
        raise NotManualError(order=order_id)
    return row


def _count(field: str, number: int) -> int:
    if not 0 <= number <= COUNT_MAX:
        raise InvalidInputError(
            field=field, reason=marked("must be between {least} and {most}"), least=0, most=COUNT_MAX
        )
    return number
