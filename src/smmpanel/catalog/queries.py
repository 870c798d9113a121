"""Reads of the catalogue shaped for pages: shelves with their counts, a service's history, what changed lately."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.live_routes import LIVE_ROUTES
from smmpanel.catalog.models import Category, Service, ServiceChange
from smmpanel.kernel.paging import PAGE_SIZE, PAGE_SIZE_MAX, Paged, key_from, paged

SHOWN_TO_CUSTOMERS = (
    "added",
    "rate",
    "min",
    "max",
    "refill",
    "refill_days",
    "cancel",
    "dripfeed",
    "enabled",
    "held_reason",
)
"""Changes that say nothing of what services cost us, or where they come from."""


class Shelf(NamedTuple):
    """A category that is open, and how many services are on sale in it."""

    id: int
    name: str
    platform: str | None
    services: int


@dataclass(frozen=True, slots=True)
class ServiceUpdate:
    """One line of the updates page. A service that was held or released shows as `available` false or true."""

    id: int
    service_id: int
    name: str
    field: str
    before: Any
    after: Any
    at: datetime


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


async def service_updates(
    session: AsyncSession, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[ServiceUpdate]:
    """Return what changed for customers lately, newest first, of services and categories that are switched on."""
    size = min(size, PAGE_SIZE_MAX)
    wanted = (
        select(
            ServiceChange.id,
            ServiceChange.service_id,
            Service.name,
            ServiceChange.field,
            ServiceChange.before,
            ServiceChange.after,
            ServiceChange.at,
        )
        .join(Service, Service.id == ServiceChange.service_id)
        .join(Category, Category.id == Service.category_id)
        .where(ServiceChange.field.in_(SHOWN_TO_CUSTOMERS), Service.enabled, Category.enabled)
    )
    if (key := key_from(after)) is not None:
        wanted = wanted.where(ServiceChange.id < key)
    found = await session.execute(wanted.order_by(ServiceChange.id.desc()).limit(size + 1))
    rows = [_told(ServiceUpdate(*row)) for row in found]
    return paged(rows, size, [row.id for row in rows])


def _told(update: ServiceUpdate) -> ServiceUpdate:
    """Leave out why a service is held: that is between us and the provider."""
    if update.field != "held_reason":
        return update
    was, becomes = update.before is None, update.after is None
    return ServiceUpdate(update.id, update.service_id, update.name, "available", was, becomes, update.at)


_SHELVES = text(
    f"""
SELECT c.id, c.name, c.platform, count(*) FROM categories c JOIN services s ON s.category_id = c.id
 WHERE c.enabled AND s.enabled AND s.held_reason IS NULL AND (s.mode <> 'provider' OR EXISTS (SELECT {LIVE_ROUTES}))
 GROUP BY c.id ORDER BY c.position, c.id
"""
)
