"""Reading orders under lock and writing what changed of them, many at a time. Only for the verbs of this package."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import NotFoundError

_LOCK = text(
    "SELECT id, user_id, service_id, parent_id, kind, status, unconfirmed, link, quantity, fields, currency, charge, refunded,"
    " earned, allocated, rate, cost, terms, provider_id, route_id, external_id, start_count, remains, provider_charge,"
    " guard_key, attempts, due_at, check_at, created_at, submitted_at, finished_at"
    " FROM orders WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE"
)


OrderRow = Mapping[str, Any]
"""The columns of an order that its verbs decide by, as read under lock."""


async def lock_orders(session: AsyncSession, order_ids: Iterable[int]) -> dict[int, OrderRow]:
    """Read orders under lock, in id order; raises `NotFoundError` if one does not exist."""
    ids = list(set(order_ids))
    rows: dict[int, OrderRow] = {
        row["id"]: dict(row) for row in (await session.execute(_LOCK, {"ids": ids})).mappings()
    }
    if len(rows) != len(ids):
        raise NotFoundError
    return rows


@dataclass(frozen=True, slots=True)
class OrderWrite:
    """All columns of one order that a move may change, as they are to be. A move also ends any claim and doubt."""

    id: int
    status: str
    earned: Decimal
    refunded: Decimal
    remains: int | None
    start_count: int | None
    provider_charge: Decimal | None
    external_id: str | None
    reason: str | None
    due_at: datetime
    provider_id: int | None
    route_id: int | None
    cost: Decimal | None
    guard_key: str | None
    submitted_at: datetime | None
    finished_at: datetime | None
    check_at: datetime | None


_TYPES = {
    "id": "bigint",
    "status": "text",
    "earned": "numeric",
    "refunded": "numeric",
    "remains": "bigint",
    "start_count": "bigint",
    "provider_charge": "numeric",
    "external_id": "text",
    "reason": "text",
    "due_at": "timestamptz",
    "provider_id": "bigint",
    "route_id": "bigint",
    "cost": "numeric",
    "guard_key": "text",
    "submitted_at": "timestamptz",
    "finished_at": "timestamptz",
    "check_at": "timestamptz",
}
assert list(_TYPES) == [column.name for column in fields(OrderWrite)]
_CHANGED = [name for name in _TYPES if name != "id"]
_UPDATE = text(
    f"UPDATE orders o SET {', '.join(f'{name} = v.{name}' for name in _CHANGED)}, unconfirmed = false, claimed_until = NULL"
    f" FROM unnest({', '.join(f'CAST(:{name} AS {kind}[])' for name, kind in _TYPES.items())}) AS v({', '.join(_TYPES)})"
    " WHERE o.id = v.id"
)


async def write_orders(session: AsyncSession, writes: Sequence[OrderWrite]) -> None:
    """Write orders that are locked, in one statement."""
    await session.execute(_UPDATE, {name: [getattr(write, name) for write in writes] for name in _TYPES})
