"""What the page of one service shows beside its own fields: routes, own rates of customers, stock."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.live_routes import FX, MISSES_UNTIL_GONE

CUSTOM_RATES_SHOWN = 100


class RouteLine(NamedTuple):
    """A provider's service behind one of ours, in the order of asking."""

    id: int
    enabled: bool
    provider_id: int
    provider: str
    provider_enabled: bool
    paused_at: datetime | None
    external_id: str
    name: str
    rate: Decimal
    currency: str
    fx: Decimal | None
    min: int
    max: int
    gone: bool
    fits: bool
    """Whether it is of our service's type."""

    @property
    def cost(self) -> Decimal | None:
        """What it costs in the panel's currency, roughly; `None` without an exchange rate."""
        return None if self.fx is None else self.rate * self.fx


class OwnRate(NamedTuple):
    """A customer who pays another rate for this service."""

    user_id: int
    username: str
    rate: Decimal


async def route_lines(session: AsyncSession, service_id: int, currency: str) -> list[RouteLine]:
    """Return all routes of a service, live or not."""
    return [RouteLine(*row) for row in await session.execute(_ROUTES, {"id": service_id, "currency": currency})]


async def own_rates(session: AsyncSession, service_id: int) -> list[OwnRate]:
    """Return the customers with a rate of their own for a service, the first hundred by name."""
    found = await session.execute(_OWN_RATES, {"id": service_id, "most": CUSTOM_RATES_SHOWN})
    return [OwnRate(*row) for row in found]


async def figures_of(session: AsyncSession, service_id: int) -> Any:
    """Return what the panel worked out for a service: rate, cost, hold."""
    return (await session.execute(_FIGURES, {"id": service_id})).one()


_ROUTES = text(
    f"""
SELECT r.id, r.enabled, p.id, p.name, p.enabled, p.paused_at, ps.external_id, ps.name, ps.rate, p.currency, {FX},
       ps.min, ps.max, ps.misses >= {MISSES_UNTIL_GONE}, ps.type = s.type
  FROM service_routes r JOIN services s ON s.id = r.service_id
  JOIN provider_services ps ON ps.id = r.provider_service_id JOIN providers p ON p.id = ps.provider_id
 WHERE r.service_id = :id ORDER BY r.priority, r.id
"""
)
_OWN_RATES = text(
    "SELECT u.id, u.username, c.rate FROM custom_rates c JOIN users u ON u.id = c.user_id"
    " WHERE c.service_id = :id ORDER BY u.username LIMIT :most"
)
_FIGURES = text("SELECT rate, cost, held_reason, updated_at FROM services WHERE id = :id")
