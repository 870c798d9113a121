"""What a provider offers that is not on sale with us, from our stored copy of its catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.kept_lists import folded
from smmpanel.catalog.live_routes import MISSES_UNTIL_GONE
from smmpanel.catalog.sorting import bare_sql
from smmpanel.catalog.staff.listing import WORDS_MAX, literal
from smmpanel.kernel.paging import Paged, key_from, paged
from smmpanel.providers.protocol import UpstreamService

ROWS = 50
IMPORTED_AT_ONCE_MAX = 20_000


@dataclass(frozen=True, slots=True)
class OfferFilter:
    """Which of a provider's services: those that meet all that is given."""

    provider_id: int
    q: str = ""
    category: str = ""

    def parameters(self) -> dict[str, Any]:
        """Return it as parameters of the statements below."""
        words = [f"%{literal(word)}%" for word in folded(self.q).split()[:WORDS_MAX]]
        return {
            "provider": self.provider_id,
            "words": words or None,
            "external": self.q.strip().lstrip("#") or None,
            "category": self.category or None,
        }


class Offer(NamedTuple):
    """A line of a provider's catalogue that has no service of ours."""

    id: int
    external_id: str
    name: str
    category: str
    type: str
    rate: Decimal
    min: int
    max: int
    refill: bool | None
    cancel: bool | None
    dripfeed: bool | None
    description: str

    def upstream(self) -> UpstreamService:
        """Return it as the provider's adapter told it."""
        return UpstreamService(
            external_id=self.external_id,
            name=self.name,
            category=self.category,
            type=self.type,
            rate=self.rate,
            min=self.min,
            max=self.max,
            refill=self.refill,
            cancel=self.cancel,
            dripfeed=self.dripfeed,
            description=self.description,
        )


class OfferedCategory(NamedTuple):
    """A category of the provider's, and how much of it is not on sale with us."""

    name: str
    services: int


async def offers(session: AsyncSession, wanted: OfferFilter, *, after: str | None = None) -> Paged[Offer]:
    """Return a page of what a filter finds, in the provider's own order."""
    given = {**wanted.parameters(), "after": key_from(after), "most": ROWS + 1}
    rows = [Offer(*row) for row in await session.execute(_OFFERS, given)]
    return paged(rows, ROWS, [row.id for row in rows])


async def count_offers(session: AsyncSession, wanted: OfferFilter) -> int:
    """Return how many a filter finds."""
    return int(await session.scalar(_COUNT, wanted.parameters()) or 0)


async def all_offers(session: AsyncSession, wanted: OfferFilter) -> list[Offer]:
    """Return all that a filter finds, at most `IMPORTED_AT_ONCE_MAX`."""
    given = {**wanted.parameters(), "after": None, "most": IMPORTED_AT_ONCE_MAX}
    return [Offer(*row) for row in await session.execute(_OFFERS, given)]


async def offers_by_id(session: AsyncSession, provider_id: int, ids: Sequence[int]) -> list[Offer]:
    """Return those of these that are still there and not on sale with us."""
    return [Offer(*row) for row in await session.execute(_BY_ID, {"provider": provider_id, "ids": list(ids)})]


async def offered_categories(session: AsyncSession, provider_id: int) -> list[OfferedCategory]:
    """Return the provider's categories in which something is not on sale with us."""
    return [OfferedCategory(*row) for row in await session.execute(_CATEGORIES, {"provider": provider_id})]


_COLUMNS = (
    "ps.id, ps.external_id, ps.name, ps.category, ps.type, ps.rate, ps.min, ps.max, ps.refill, ps.cancel, ps.dripfeed,"
    " ps.description"
)
_OPEN = f"""
  FROM provider_services ps
 WHERE ps.provider_id = :provider AND ps.misses < {MISSES_UNTIL_GONE}
   AND NOT EXISTS (SELECT FROM service_routes r WHERE r.provider_service_id = ps.id)
"""
_FOUND = f"""
{_OPEN} AND (CAST(:category AS text) IS NULL OR ps.category = CAST(:category AS text))
   AND (CAST(:words AS text[]) IS NULL OR ps.external_id = CAST(:external AS text)
        OR {bare_sql("ps.name || ' ' || ps.category")} LIKE ALL (CAST(:words AS text[])))
"""
_OFFERS = text(
    f"SELECT {_COLUMNS} {_FOUND} AND (CAST(:after AS bigint) IS NULL OR ps.id > CAST(:after AS bigint))"
    " ORDER BY ps.id LIMIT :most"
)
_COUNT = text(f"SELECT count(*) {_FOUND}")
_BY_ID = text(f"SELECT {_COLUMNS} {_OPEN} AND ps.id = ANY(CAST(:ids AS bigint[])) ORDER BY ps.id")
_CATEGORIES = text(f"SELECT ps.category, count(*) {_OPEN} GROUP BY ps.category ORDER BY min(ps.id)")
