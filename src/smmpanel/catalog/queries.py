"""Reads of the catalogue shaped for pages: shelves with their counts, and a service's history."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.live_routes import LIVE_ROUTES
from smmpanel.catalog.models import ServiceChange
from smmpanel.kernel.paging import PAGE_SIZE, PAGE_SIZE_MAX, Paged, key_from, paged


class Shelf(NamedTuple):
    """A category that is open, and how many services are on sale in it."""

    id: int
    name: str
    platform: str | None
    services: int


async def shelves(session: AsyncSession, currency: str) -> list[Shelf]:
    """Return the open categories with something on sale, in order. `currency` is the panel's."""
    return [Shelf(*row) for row in await session.execute(_SHELVES, {"currency": currency})]


async def service_history(
    session: AsyncSession, service_id: int, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[ServiceChange]:
    """Return all changes of a service, newest first, for staff."""
    size = min(size, PAGE_SIZE_MAX)
    wanted = select(ServiceChange).where(ServiceChange.service_id == service_id)
    if (key := key_from(after)) is not None:
        wanted = wanted.where(ServiceChange.id < key)
    rows: Sequence[ServiceChange] = (
        await session.scalars(wanted.order_by(ServiceChange.id.desc()).limit(size + 1))
    ).all()
    return paged(rows, size, [row.id for row in rows])


_SHELVES = text(
    f"""
SELECT c.id, c.name, c.platform, count(*) FROM categories c JOIN services s ON s.category_id = c.id
 WHERE c.enabled AND s.enabled AND s.held_reason IS NULL AND (s.mode <> 'provider' OR EXISTS (SELECT {LIVE_ROUTES}))
 GROUP BY c.id ORDER BY c.position, c.id
"""
)
