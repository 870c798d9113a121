"""First routes in the catalogue's CSV file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.models import ServiceMode
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked

_PROVIDER, _EXTERNAL_ID = "provider", "provider_service"


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All first routes, and all providers' services that a route could lead to."""

    first: Mapping[int, tuple[str, str]]
    """Provider's slug and external id of each service's first route, switched on or not."""
    pairs: frozenset[tuple[int, int]]
    """Services and the providers' services behind them."""
    lines: Mapping[tuple[str, str], tuple[int, str]]
    """Id and type of providers' services by slug and external id."""

    def wanted(self, service_id: int | None, cells: Mapping[str, str], kind: str, mode: str) -> int | None:
        """Return the provider's service that a line of a file puts first; `None` if it is first already, or not said.

        Raises `InvalidInputError` for routes that cannot be.
        """
        if _PROVIDER not in cells and _EXTERNAL_ID not in cells:
            return None
        asked = (cells.get(_PROVIDER, "").strip(), cells.get(_EXTERNAL_ID, "").strip())
        present = None if service_id is None else self.first.get(service_id)
        if asked == present or (asked == ("", "") and present is None):
            return None
        if asked == ("", ""):
            raise InvalidInputError(
                field=_PROVIDER, reason=marked("cannot be emptied here; switch the route off instead")
            )
        if mode != ServiceMode.PROVIDER:
            raise InvalidInputError(
                field=_PROVIDER, reason=marked("means nothing for a service that we fulfil ourselves")
            )
        found = self.lines.get(asked)
        if found is None:
            raise InvalidInputError(field=_EXTERNAL_ID, reason=marked("is not in the catalogue of such a provider"))
        line_id, line_type = found
        if line_type != kind:
            raise InvalidInputError(field=_EXTERNAL_ID, reason=marked("is of type {type} there"), type=line_type)
        if service_id is not None and (service_id, line_id) in self.pairs:
            raise InvalidInputError(
                field=_EXTERNAL_ID, reason=marked("stands behind this service already, further down the line")
            )
        return line_id


async def route_table(session: AsyncSession) -> RouteTable:
    """Read what `RouteTable.wanted` needs."""
    first = {row.service_id: (row.slug, row.external_id) for row in await session.execute(_FIRST)}
    pairs = frozenset((row.service_id, row.provider_service_id) for row in await session.execute(_PAIRS))
    lines = {(row.slug, row.external_id): (row.id, row.type) for row in await session.execute(_LINES)}
    return RouteTable(first, pairs, lines)


async def write_first_routes(session: AsyncSession, wanted: Iterable[tuple[int, int]]) -> None:
    """Have the first route of each service lead to this provider's service, making it where there is none."""
    pairs = list(wanted)
    given = {"services": [service for service, _ in pairs], "lines": [line for _, line in pairs]}
    await session.execute(_REDIRECT, given)
    await session.execute(_INSERT, given)


_FIRST = text(
    "SELECT DISTINCT ON (r.service_id) r.service_id, p.slug, ps.external_id FROM service_routes r"
    " JOIN provider_services ps ON ps.id = r.provider_service_id JOIN providers p ON p.id = ps.provider_id"
    " ORDER BY r.service_id, r.priority, r.id"
)
_PAIRS = text("SELECT service_id, provider_service_id FROM service_routes")
_LINES = text(
    "SELECT p.slug, ps.external_id, ps.id, ps.type FROM provider_services ps JOIN providers p ON p.id = ps.provider_id"
)
_REDIRECT = text(
    "UPDATE service_routes r SET provider_service_id = v.line_id"
    " FROM unnest(CAST(:services AS bigint[]), CAST(:lines AS bigint[])) AS v(service_id, line_id)"
    " WHERE r.id = (SELECT f.id FROM service_routes f WHERE f.service_id = v.service_id"
    " ORDER BY f.priority, f.id LIMIT 1)"
)
_INSERT = text(
    "INSERT INTO service_routes (service_id, provider_service_id)"
    " SELECT v.service_id, v.line_id FROM unnest(CAST(:services AS bigint[]), CAST(:lines AS bigint[]))"
    " AS v(service_id, line_id)"
    " WHERE NOT EXISTS (SELECT FROM service_routes r WHERE r.service_id = v.service_id)"
)
