"""Whose order it is: locking an order for somebody is checking that it is theirs."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission, Viewer
from smmpanel.accounts.states import Role
from smmpanel.kernel.errors import NotFoundError
from smmpanel.orders.writing import OrderRow, lock_orders

ID_MAX = 2**63 - 1


def as_owner(viewer: Viewer) -> Actor:
    """Return the viewer as a customer: on their own pages staff see their own orders, with customers' eyes."""
    return Actor("user", viewer.user_id, viewer.username, Role.CUSTOMER, frozenset(), ip=viewer.ip)


# Whose an order is never changes, so it is looked up before anybody waits for its lock.
_OWNER = text("SELECT user_id FROM orders WHERE id = :id")


async def lock_own_order(session: AsyncSession, user_id: int, order_id: int) -> OrderRow:
    """Read a user's order under lock; raises `NotFoundError` if it is missing or somebody else's."""
    if await _owner(session, order_id) != user_id:
        raise NotFoundError
    return (await lock_orders(session, [order_id]))[order_id]


async def lock_order_for(session: AsyncSession, actor: Actor, order_id: int, permission: Permission) -> OrderRow:
    """Read an order under lock for its owner, or for whoever holds the permission; raises `NotFoundError` for others."""
    owner = await _owner(session, order_id)
    if owner is None or (owner != actor.user_id and not actor.may(permission)):
        raise NotFoundError
    return (await lock_orders(session, [order_id]))[order_id]


def is_order_id(number: int) -> bool:
    """Whether an order could have this id at all; larger numbers do not fit the column."""
    return 0 < number <= ID_MAX


async def _owner(session: AsyncSession, order_id: int) -> int | None:
    if not is_order_id(order_id):
        return None
    owner: int | None = await session.scalar(_OWNER, {"id": order_id})
    return owner
