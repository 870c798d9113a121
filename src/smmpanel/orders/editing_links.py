"""Changing the link of an order that has not been sent yet."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.links import check_link
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.kernel.errors import ConflictError, NotFoundError
from smmpanel.orders.guarding import LinkInUseError, lock_links
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.owning import is_order_id, lock_own_order
from smmpanel.orders.timeline import Event, add_events


class LinkNotEditableError(ConflictError):
    """The order is on its way or over, or is of a type without a link."""

    code, message = "link_not_editable", "The link can only be changed while the order is pending."


_READ = text(
    "SELECT o.service_id, o.guard_key IS NOT NULL AS guarded, o.terms, c.platform FROM orders o"
    " JOIN services s ON s.id = o.service_id JOIN categories c ON c.id = s.category_id"
    " WHERE o.id = :id AND o.user_id = :user"
)
_WRITE = text("UPDATE orders SET link = :link, guard_key = :guard WHERE id = :id")


async def edit_link(session: AsyncSession, user_id: int, order_id: int, link: str, now: datetime) -> str:
    """Give a pending order another link and return it as it is stored.

    Raises `NotFoundError`, `OrderFieldError` for a bad link, `LinkInUseError`, or `LinkNotEditableError` once the order is
    being sent: the row's lock decides who came first.
    """
    read = {"id": order_id, "user": user_id}
    found = (await session.execute(_READ, read)).one_or_none() if is_order_id(order_id) else None
    if found is None:
        raise NotFoundError
    if not SERVICE_TYPES[found.terms["type"]].has_link:
        raise LinkNotEditableError
    checked = check_link(link, found.platform)
    guarded = (found.service_id, checked.key)
    # Links are locked before orders, as when placing.
    users = await lock_links(session, [guarded]) if found.guarded else {}
    row = await lock_own_order(session, user_id, order_id)
    if row["status"] != OrderStatus.PENDING:
        raise LinkNotEditableError
    if users.get(guarded, set()) - {order_id}:
        raise LinkInUseError
    if checked.text != row["link"]:
        guard = checked.key if found.guarded else None
        await session.execute(_WRITE, {"id": order_id, "link": checked.text, "guard": guard})
        note = f"{row['link']} → {checked.text}, {now:%Y-%m-%d %H:%M} UTC"
        await add_events(session, [Event(order_id, "link", note=note, actor_id=user_id)])
    return checked.text
