"""Writing placed orders: one statement per table, whatever their number."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.orders.drafting import Draft
from smmpanel.orders.models import OrderKind, OrderStatus

_TAKE_IDS = text("SELECT nextval('orders_id_seq') FROM generate_series(1, :number)")

_COLUMNS = {
    "user_id": "bigint",
    "service_id": "bigint",
    "api_key_id": "bigint",
    "kind": "text",
    "status": "text",
    "link": "text",
    "quantity": "bigint",
    "fields": "jsonb",
    "charge": "numeric",
    "rate": "numeric",
    "cost": "numeric",
    "terms": "jsonb",
    "provider_id": "bigint",
    "route_id": "bigint",
    "key": "text",
    "key_content": "bytea",
    "guard_key": "text",
}
# One JSON document instead of an array per column: the driver escapes arrays of text slowly, and terms are full of quotes.
_INSERT = text(
    f"INSERT INTO orders (id, {', '.join(_COLUMNS)}, currency, created_at, due_at)"
    f" SELECT COALESCE(v.id, nextval('orders_id_seq')), {', '.join(f'v.{name}' for name in _COLUMNS)}, :currency, :now, :now"
    # Sorted before ids are taken: they rise in the order in which the orders were given.
    " FROM (SELECT * FROM json_to_recordset(CAST(:rows AS json))"
    f" AS r(place int, id bigint, {', '.join(f'{name} {kind}' for name, kind in _COLUMNS.items())}) ORDER BY place OFFSET 0) v"
    " RETURNING id"
)
_INSERT_DRIPS = text(
    "INSERT INTO drip_feeds (order_id, state, runs, interval_minutes, quantity_per_run, next_run_at)"
    " SELECT v.*, :now FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:runs AS int[]),"
    " CAST(:intervals AS int[]), CAST(:quantities AS bigint[])) AS v(order_id, state, runs, interval_minutes, quantity_per_run)"
)


async def take_order_ids(session: AsyncSession, number: int) -> list[int]:
    """Take the next order ids, ascending."""
    return sorted((await session.scalars(_TAKE_IDS, {"number": number})).all())


async def insert_orders(
    session: AsyncSession, drafts: Sequence[Draft], *, ids: Sequence[int] | None, currency: str, now: datetime
) -> dict[int, Draft]:
    """Insert orders, and the schedules of drip-feeds, and return them by their ids, which rise in the order given.

    `ids` are those that were taken for them before, ascending; otherwise they get theirs now.
    """
    rows = orjson.dumps(
        [{"place": place, "id": ids[place] if ids else None, **_row(one)} for place, one in enumerate(drafts)]
    )
    written = await session.scalars(_INSERT, {"rows": rows.decode(), "currency": currency, "now": now})
    placed = dict(zip(sorted(written), drafts, strict=True))
    drips = {order_id: one for order_id, one in placed.items() if one.kind is OrderKind.DRIP}
    if drips:
        contents = [one.content for one in drips.values()]
        schedule = {
            "ids": list(drips),
            "states": ["active"] * len(drips),
            "runs": [content.runs for content in contents],
            "intervals": [content.interval_minutes for content in contents],
            "quantities": [content.run_quantity for content in contents],
        }
        await session.execute(_INSERT_DRIPS, {**schedule, "now": now})
    return placed


def _row(one: Draft) -> dict[str, Any]:
    order, content = one.order, one.content
    # A drip-feed goes nowhere itself: its runs do.
    route = one.route if one.kind is not OrderKind.DRIP else None
    return {
        "user_id": order.user_id,
        "service_id": order.service_id,
        "api_key_id": order.api_key_id,
        "kind": one.kind.value,
        "status": OrderStatus.PENDING.value,
        "link": content.link,
        "quantity": content.quantity,
        "fields": content.fields,
        "charge": str(one.charge),
        "rate": str(one.rate),
        "cost": None if one.cost is None else str(one.cost),
        "terms": one.terms,
        "provider_id": None if route is None else route.provider_id,
        "route_id": None if route is None else route.id,
        "key": order.key,
        "key_content": None if order.key is None else f"\\x{order.content_hash().hex()}",
        "guard_key": one.guard_key,
    }
