"""Staff say how much of a running order is still to be delivered, where its provider says nothing or something wrong."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import ConflictError, InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.orders.models import OrderKind, OrderStatus
from smmpanel.orders.timeline import Event, add_events
from smmpanel.orders.writing import lock_orders

RUNNING = (OrderStatus.PROCESSING, OrderStatus.IN_PROGRESS)


class NotRunningError(ConflictError):
    """Of a finished order remains decide what is paid back, and one that was not sent has none."""

    code, message = "not_running", "Order {order} is not running."


_SET_REMAINS = text("UPDATE orders SET remains = :remains WHERE id = :id")


async def set_remains(session: AsyncSession, actor: Actor, order_id: int, remains: int) -> None:
    """Set how much of a running order is still to be delivered. No money moves; its provider's next word replaces it."""
    actor.require(Permission.ORDERS_EDIT)
    row = (await lock_orders(session, [order_id]))[order_id]
    if row["status"] not in RUNNING or row["kind"] == OrderKind.DRIP:
        raise NotRunningError(order=order_id)
    if not 0 <= remains <= row["quantity"]:
        raise InvalidInputError(
            field="remains", reason=marked("must be between {least} and {most}"), least=0, most=row["quantity"]
        )
    await session.execute(_SET_REMAINS, {"id": order_id, "remains": remains})
    note = f"remains {row['remains']} → {remains}"
    await add_events(session, [Event(order_id, "remains", note=note, actor_id=actor.user_id)])
    before, after = {"remains": row["remains"]}, {"remains": remains}
    await audit(session, actor, Permission.ORDERS_EDIT, f"order:{order_id}", before=before, after=after)
