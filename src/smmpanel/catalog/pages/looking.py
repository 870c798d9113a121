"""Who looks at the catalogue, at whose prices, and how its lines are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.sessions import SignInNeededError
from smmpanel.catalog.at_hand import Timing, favourite_services, timings
from smmpanel.catalog.kept_lists import KeptList
from smmpanel.catalog.pages.shelves import VISITOR, list_for
from smmpanel.catalog.price_lists import ServiceRow
from smmpanel.catalog.service_types import SERVICE_TYPES, PriceBasis
from smmpanel.kernel.options import read_option

PUBLIC_OPTION = "services_public"
"""Panel option: `false` shows services and prices only to whoever is signed in."""
PACKAGES = frozenset(one.slug for one in SERVICE_TYPES.values() if one.basis is PriceBasis.PER_PACKAGE)


class Line(NamedTuple):
    """A service as lists show it."""

    row: ServiceRow
    timing: Timing | None
    is_favourite: bool
    per_package: bool


@dataclass(frozen=True, slots=True)
class Looker:
    """Somebody who looks at the catalogue: a customer, or a visitor (`user_id` is then `VISITOR`)."""

    user_id: int
    kept: KeptList
    favourites: dict[int, None]

    @property
    def is_member(self) -> bool:
        """Whether they are signed in."""
        return self.user_id != VISITOR


async def looker_for(request: Request, session: AsyncSession, viewer: Viewer | None) -> Looker:
    """Return who looks; raises `SignInNeededError` for visitors of a panel that shows its services to members only."""
    if viewer is None:
        if await read_option(session, PUBLIC_OPTION) is False:
            raise SignInNeededError
        return Looker(VISITOR, await list_for(request, session, VISITOR), {})
    kept = await list_for(request, session, viewer.user_id)
    return Looker(viewer.user_id, kept, await favourite_services(session, viewer.user_id))


async def lines_for(session: AsyncSession, looker: Looker, rows: Sequence[ServiceRow]) -> list[Line]:
    """Complete some services with what lists show beside their terms."""
    known = await timings(session, [row.id for row in rows])
    return [Line(row, known.get(row.id), row.id in looker.favourites, row.type in PACKAGES) for row in rows]
