"""Ordering the same again: an old order's content as a new one, with whatever is to be different."""

from collections.abc import Mapping
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.kernel.errors import NotFoundError
from smmpanel.orders.drafting import NewOrder
from smmpanel.orders.owning import is_order_id

_READ = text(
    "SELECT o.service_id, o.link, o.quantity, o.fields, o.terms, d.runs, d.interval_minutes, d.quantity_per_run"
    " FROM orders o LEFT JOIN drip_feeds d ON d.order_id = o.id WHERE o.id = :id AND o.user_id = :user"
)


async def reorder(
    session: AsyncSession,
    user_id: int,
    order_id: int,
    edits: Mapping[str, str] | None = None,
    *,
    key: str | None = None,
    api_key_id: int | None = None,
    daily_cap: Decimal | None = None,
) -> NewOrder:
    """Return a user's order as a new one, to be placed by `place_order` under today's terms and price.

    `edits` replaces fields by their API v2 names; one that is empty leaves the field out. Raises `NotFoundError`.
    """
    found = await session.execute(_READ, {"id": order_id, "user": user_id}) if is_order_id(order_id) else None
    row = None if found is None else found.one_or_none()
    if row is None:
        raise NotFoundError
    raw: dict[str, str] = dict(row.fields)
    service_type = SERVICE_TYPES[row.terms["type"]]
    if service_type.has_link:
        raw["link"] = row.link
    if service_type.has_quantity:
        raw["quantity"] = str(row.quantity if row.runs is None else row.quantity_per_run)
    if row.runs is not None:
        raw |= {"runs": str(row.runs), "interval": str(row.interval_minutes)}
    raw |= edits or {}
    given = {name: value for name, value in raw.items() if value}
    return NewOrder(user_id, row.service_id, given, key, api_key_id, daily_cap)
