"""Which providers stand behind a service, in which order they are asked, and which of them can be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.catalog.change_log import Change, begin_change, bump_version, record_changes
from smmpanel.catalog.fx import rate_between
from smmpanel.catalog.live_routes import FX, LIVE_ROUTES, MISSES_UNTIL_GONE
from smmpanel.catalog.models import ProviderService, Service, ServiceMode, ServiceRoute
from smmpanel.catalog.pricing import base_cost
from smmpanel.catalog.repricing import Scope, reprice
from smmpanel.catalog.terms import first_routes, follow_first_routes
from smmpanel.kernel.errors import ConflictError, NotFoundError
from smmpanel.providers.models import Provider


class RouteExistsError(ConflictError):
    """The provider's service stands behind this service already."""

    code, message = "route_exists", "This service has that route already."


class RouteUnfitError(ConflictError):
    """The two services cannot stand for each other."""

    code, message = "route_unfit", "This route does not fit: {reason}."


@dataclass(frozen=True, slots=True)
class Route:
    """A live route with what placing and handing in need of it. `rate` is in `currency`, `cost` in the panel's."""

    id: int
    service_id: int
    priority: int
    provider_id: int
    provider: str
    """The provider's slug; its alias is what others may see."""
    paused: bool
    currency: str
    provider_service_id: int
    external_id: str
    type: str
    rate: Decimal
    min: int
    max: int
    refill: bool | None
    cancel: bool | None
    fx: Decimal
    """Units of the panel's currency for one of the provider's."""

    @property
    def cost(self) -> Decimal:
        """What 1,000 (one package) cost us there, in the panel's currency."""
        return base_cost(self.rate, self.fx)

    def takes(self, quantity: int) -> bool:
        """Whether the provider's bounds admit this quantity in one order."""
        return self.min <= quantity <= self.max


async def routes_for(session: AsyncSession, service_ids: Iterable[int], currency: str) -> dict[int, list[Route]]:
    """Return the live routes of services, the one to ask first in front; services without any are left out.

    Routes of paused providers are among them, flagged: an order may wait for such a route, but is not handed in there.
    `currency` is the panel's.
    """
    found: dict[int, list[Route]] = {}
    for row in await session.execute(_ROUTES, {"service_ids": list(service_ids), "currency": currency}):
        route = Route(*row)
        found.setdefault(route.service_id, []).append(route)
    return found


def first_open(routes: Sequence[Route]) -> Route | None:
    """Return the route to ask now: the first whose provider is not paused."""
    return next((route for route in routes if not route.paused), None)


async def why_no_route(session: AsyncSession, service_ids: Iterable[int], currency: str) -> dict[int, str]:
    """Return for services that no route can take orders of now the reason, of several routes that of the nearest to it.

    Reasons: `no_route`, `route_disabled`, `provider_disabled`, `gone_at_provider`, `type_changed`, `fx_missing`,
    `provider_paused`.
    """
    rows = await session.execute(_WHY_NOT, {"service_ids": list(service_ids), "currency": currency})
    return {service_id: _REASONS[rank] for service_id, rank in rows if rank < len(_REASONS)}


async def add_route(
    session: AsyncSession,
    service_id: int,
    provider_service_id: int,
    *,
    priority: int | None = None,
    currency: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Put a provider's service behind one of ours, last in line unless a priority is given, and return the route's id.

    Raises `RouteUnfitError` where the types differ or the service is no provider's, `FxRateMissingError`, `RouteExistsError`.
    """
    actor.require(Permission.SERVICES_EDIT)
    await begin_change(session)
    service = await session.get(Service, service_id, populate_existing=True)
    upstream = await session.get(ProviderService, provider_service_id, populate_existing=True)
    if service is None or upstream is None:
        raise NotFoundError
    if service.mode != ServiceMode.PROVIDER:
        raise RouteUnfitError(reason="the service is fulfilled by ourselves")
    if service.type != upstream.type:
        raise RouteUnfitError(reason=f"ours is of type {service.type}, theirs of {upstream.type}")
    provider = await session.get_one(Provider, upstream.provider_id)
    await rate_between(session, provider.currency, currency)
    if await session.scalar(_EXISTS, {"service_id": service_id, "provider_service_id": provider_service_id}):
        raise RouteExistsError
    if priority is None:
        priority = await session.scalar(_LAST, {"service_id": service_id}) or 0
    before = await first_routes(session, [service_id], currency=currency)
    route = ServiceRoute(service_id=service_id, provider_service_id=provider_service_id, priority=priority)
    session.add(route)
    await session.flush()
    after = {"provider": provider.slug, "external_id": upstream.external_id, "priority": priority}
    await _settle(session, before, currency=currency, now=now)
    await audit(session, actor, Permission.SERVICES_EDIT, f"service:{service_id}", after={"route_added": after})
    return route.id


async def change_route(
    session: AsyncSession,
    route_id: int,
    *,
    priority: int | None = None,
    enabled: bool | None = None,
    currency: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Move a route in line or switch it on or off; terms and price follow whichever route is first then."""
    actor.require(Permission.SERVICES_EDIT)
    await begin_change(session)
    route = await _route(session, route_id)
    old = {"route": route_id, "priority": route.priority, "enabled": route.enabled}
    before = await first_routes(session, [route.service_id], currency=currency)
    route.priority = route.priority if priority is None else priority
    route.enabled = route.enabled if enabled is None else enabled
    await session.flush()
    new = {"route": route_id, "priority": route.priority, "enabled": route.enabled}
    if new != old:
        await _settle(session, before, currency=currency, now=now)
        subject = f"service:{route.service_id}"
        await audit(session, actor, Permission.SERVICES_EDIT, subject, before=old, after=new)


async def remove_route(session: AsyncSession, route_id: int, *, currency: str, actor: Actor, now: datetime) -> None:
    """Take a route away; orders that went there keep what they know of it."""
    actor.require(Permission.SERVICES_EDIT)
    await begin_change(session)
    route = await _route(session, route_id)
    before = await first_routes(session, [route.service_id], currency=currency)
    gone = {"route": route_id, "provider_service_id": route.provider_service_id, "priority": route.priority}
    await session.delete(route)
    await session.flush()
    await _settle(session, before, currency=currency, now=now)
    await audit(session, actor, Permission.SERVICES_EDIT, f"service:{route.service_id}", before={"route_removed": gone})


async def _route(session: AsyncSession, route_id: int) -> ServiceRoute:
    route = await session.get(ServiceRoute, route_id, populate_existing=True)
    if route is None:
        raise NotFoundError
    return route


async def _settle(session: AsyncSession, before: dict[int, int | None], *, currency: str, now: datetime) -> None:
    """Have terms and prices follow after routes of these services changed."""
    changes: list[Change] = await follow_first_routes(session, before, moved={}, currency=currency, now=now)
    await record_changes(session, changes, cause="route", now=now)
    await reprice(session, Scope(service_ids=list(before)), currency=currency, cause="route", now=now)
    await bump_version(session)


async def provider_line(session: AsyncSession, provider_id: int, external_id: str) -> ProviderService:
    """Return our copy of one line of a provider's catalogue; raises `NotFoundError`."""
    wanted = select(ProviderService).where(
        ProviderService.provider_id == provider_id, ProviderService.external_id == external_id
    )
    if (line := await session.scalar(wanted)) is None:
        raise NotFoundError
    return line


_ROUTES = text(
    f"""
SELECT x.* FROM services s
 CROSS JOIN LATERAL (
    SELECT r.id, r.service_id, r.priority, p.id AS provider_id, p.slug, p.paused_at IS NOT NULL AS paused, p.currency,
           ps.id AS provider_service_id, ps.external_id, ps.type, ps.rate, ps.min, ps.max, ps.refill, ps.cancel, {FX} AS fx
    {LIVE_ROUTES}
 ) x
 WHERE s.id = ANY(CAST(:service_ids AS bigint[])) AND s.mode = 'provider'
 ORDER BY x.service_id, x.priority, x.id
"""
)
_REASONS = (
    "no_route",
    "route_disabled",
    "provider_disabled",
    "gone_at_provider",
    "type_changed",
    "fx_missing",
    "provider_paused",
)
_WHY_NOT = text(
    f"""
SELECT s.id, COALESCE(max(CASE
           WHEN r.id IS NULL THEN 0
           WHEN NOT r.enabled THEN 1
           WHEN NOT p.enabled THEN 2
           WHEN ps.misses >= {MISSES_UNTIL_GONE} THEN 3
           WHEN ps.type <> s.type THEN 4
           WHEN ({FX}) IS NULL THEN 5
           WHEN p.paused_at IS NOT NULL THEN 6
           ELSE 7 END), 0) AS rank
  FROM services s
  LEFT JOIN service_routes r ON r.service_id = s.id
  LEFT JOIN provider_services ps ON ps.id = r.provider_service_id
  LEFT JOIN providers p ON p.id = ps.provider_id
 WHERE s.id = ANY(CAST(:service_ids AS bigint[])) AND s.mode = 'provider'
 GROUP BY s.id
"""
)
_EXISTS = text(
    "SELECT 1 FROM service_routes WHERE service_id = :service_id AND provider_service_id = :provider_service_id"
)
_LAST = text("SELECT max(priority) + 1 FROM service_routes WHERE service_id = :service_id")
