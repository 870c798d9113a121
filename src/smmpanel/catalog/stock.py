"""Goods in stock: units put in sealed, sold once each, readable only through the order that bought them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.catalog.models import Service, ServiceMode, StockItem
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import ConflictError, NotFoundError

UNIT_MAX = 10_000
UNITS_AT_ONCE_MAX = 100_000
_FINGERPRINT = "stock unit"


class NotAStockServiceError(ConflictError):
    """Units can only be put behind services that are sold from stock."""

    code, message = "not_a_stock_service", "This service is not sold from stock."


class RefusedUnit(NamedTuple):
    """A unit that was not put in; `line` counts from one. Reasons: `duplicate`, `too_long`, `unusable`."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class StockAdded:
    """How many units were put in, and which were not."""

    added: int
    refused: tuple[RefusedUnit, ...]


class StockCount(NamedTuple):
    """How much of a service's stock is for sale and how much is sold."""

    free: int
    sold: int


async def add_stock(
    session: AsyncSession, vault: Vault, service_id: int, units: Sequence[str], *, actor: Actor
) -> StockAdded:
    """Put units into stock, one a line, blank lines aside; a unit that is or was in this service's stock is refused."""
    actor.require(Permission.SERVICES_EDIT)
    service = await session.get(Service, service_id, populate_existing=True)
    if service is None:
        raise NotFoundError
    if service.mode != ServiceMode.STOCK:
        raise NotAStockServiceError
    lines: dict[bytes, int] = {}
    contents: dict[bytes, str] = {}
    refused: list[RefusedUnit] = []
    for line, unit in enumerate(units, start=1):
        content = unit.strip()
        if not content:
            continue
        if (problem := _problem(content, line)) is not None:
            refused.append(RefusedUnit(line, problem))
            continue
        fingerprint = vault.keyed_hash(_FINGERPRINT, f"{service_id}:{content}")
        if fingerprint in lines:
            refused.append(RefusedUnit(line, "duplicate"))
        else:
            lines[fingerprint], contents[fingerprint] = line, content
    given = {
        "service_id": service_id,
        "fingerprints": list(lines),
        "sealed": [vault.seal(content) for content in contents.values()],
    }
    taken = {bytes(one) for one in (await session.scalars(_ADD, given)).all()}
    refused += [RefusedUnit(line, "duplicate") for fingerprint, line in lines.items() if fingerprint not in taken]
    if taken:
        await audit(
            session, actor, Permission.SERVICES_EDIT, f"service:{service_id}", after={"stock_added": len(taken)}
        )
    return StockAdded(len(taken), tuple(sorted(refused)))


def _problem(content: str, line: int) -> str | None:
    if len(content) > UNIT_MAX or line > UNITS_AT_ONCE_MAX:
        return "too_long"
    try:
        content.encode()
    except UnicodeEncodeError:
        return "unusable"
    return None


async def claim_stock(
    session: AsyncSession, wants: Mapping[int, tuple[int, int]], now: datetime
) -> dict[int, tuple[int, ...]]:
    """Sell units to orders, given as `{order id: (service id, quantity)}`, and return the ids of what each one got.

    An order gets all that it wants or nothing, and is then left out; one that has its units already is answered with
    them. No unit is sold twice, whoever claims beside us: units that others hold at this moment count as sold, so at the
    very end of a stock an order can be refused for the sake of one that is not paid in the end.
    """
    if not wants:
        return {}
    got = {order_id: tuple(items) for order_id, items in await _sold_to(session, wants)}
    totals: dict[int, int] = {}
    for order_id, (service_id, quantity) in wants.items():
        assert quantity > 0, "an order of nothing needs no stock"
        if order_id not in got:
            totals[service_id] = totals.get(service_id, 0) + quantity
    free: dict[int, list[int]] = {}
    locked = await session.execute(_LOCK_FREE, {"services": list(totals), "totals": list(totals.values())})
    for service_id, item_id in locked:
        free.setdefault(service_id, []).append(item_id)
    sold: dict[int, int] = {}
    for order_id in sorted(wants.keys() - got.keys()):
        service_id, quantity = wants[order_id]
        units = free.get(service_id, [])
        if len(units) >= quantity:
            got[order_id], free[service_id] = tuple(units[:quantity]), units[quantity:]
            sold |= dict.fromkeys(got[order_id], order_id)
    if sold:
        await session.execute(_SELL, {"items": list(sold), "orders": list(sold.values()), "now": now})
    return got


async def _sold_to(session: AsyncSession, order_ids: Iterable[int]) -> Sequence[tuple[int, list[int]]]:
    rows = await session.execute(_SOLD, {"orders": list(order_ids)})
    return [(order_id, items) for order_id, items in rows]


async def read_stock(session: AsyncSession, vault: Vault, order_id: int) -> list[str]:
    """Return the units that an order bought, opened. Whose order it is has been checked by whoever fetched it."""
    wanted = select(StockItem.content_sealed).where(StockItem.order_id == order_id).order_by(StockItem.id)
    return [vault.open(sealed) for sealed in (await session.scalars(wanted)).all()]


async def stock_counts(session: AsyncSession, service_ids: Iterable[int]) -> dict[int, StockCount]:
    """Return for each service how many units are free and how many are sold."""
    ids = list(service_ids)
    rows = await session.execute(_COUNT, {"services": ids})
    counted = {service_id: StockCount(free, sold) for service_id, free, sold in rows}
    return {service_id: counted.get(service_id, StockCount(0, 0)) for service_id in ids}


_ADD = text(
    "INSERT INTO stock_items (service_id, content_sealed, fingerprint)"
    " SELECT :service_id, v.sealed, v.fingerprint"
    " FROM unnest(CAST(:sealed AS bytea[]), CAST(:fingerprints AS bytea[])) WITH ORDINALITY"
    " AS v(sealed, fingerprint, place) ORDER BY v.place"
    " ON CONFLICT (service_id, fingerprint) DO NOTHING RETURNING fingerprint"
)
_SOLD = text(
    "SELECT order_id, array_agg(id ORDER BY id) FROM stock_items"
    " WHERE order_id = ANY(CAST(:orders AS bigint[])) GROUP BY order_id"
)
_LOCK_FREE = text(
    "SELECT w.service_id, i.id FROM unnest(CAST(:services AS bigint[]), CAST(:totals AS bigint[])) AS w(service_id, total)"
    " CROSS JOIN LATERAL (SELECT id FROM stock_items WHERE service_id = w.service_id AND order_id IS NULL"
    " ORDER BY id LIMIT w.total FOR UPDATE SKIP LOCKED) i ORDER BY w.service_id, i.id"
)
_SELL = text(
    "UPDATE stock_items i SET order_id = v.order_id, sold_at = :now"
    " FROM unnest(CAST(:items AS bigint[]), CAST(:orders AS bigint[])) AS v(id, order_id) WHERE i.id = v.id"
)
_COUNT = text(
    "SELECT service_id, count(*) FILTER (WHERE order_id IS NULL), count(*) FILTER (WHERE order_id IS NOT NULL)"
    " FROM stock_items WHERE service_id = ANY(CAST(:services AS bigint[])) GROUP BY service_id"
)
