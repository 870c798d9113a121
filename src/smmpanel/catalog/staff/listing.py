"""The services as staff see them: shelf by shelf, found by what they are called, paged by key, one query a page."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.kept_lists import folded
from smmpanel.catalog.sorting import LIST_RATE, ServiceOrder, bare_sql, mark_of, places_by
from smmpanel.kernel.paging import Paged, key_from, paged

ROWS = 50
WORDS_MAX = 8
ID_DIGITS_MAX = 18
STATES = ("on", "off", "held", "loss")
BULK_MAX = 20_000
"""So many services one bulk edit takes."""


@dataclass(frozen=True, slots=True)
class ServiceFilter:
    """Which services: those that meet all that is given."""

    q: str = ""
    provider_id: int | None = None
    category_id: int | None = None
    state: str = ""
    """One of `STATES`."""
    mode: str = ""

    @property
    def given(self) -> bool:
        """Whether anything narrows the list."""
        return bool(self.q or self.provider_id or self.category_id or self.state or self.mode)

    def parameters(self) -> dict[str, Any]:
        """Return it as parameters of the statements below."""
        words = folded(self.q).split()[:WORDS_MAX]
        digits = self.q.strip().lstrip("#")
        as_id = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= ID_DIGITS_MAX else None
        return {
            "words": [f"%{literal(word)}%" for word in words] or None,
            "as_id": as_id,
            "provider": self.provider_id,
            "category": self.category_id,
            "state": self.state or None,
            "mode": self.mode or None,
        }


class ServiceLine(NamedTuple):
    """One service of the list, with the provider that is asked first."""

    id: int
    category_id: int
    category: str
    category_enabled: bool
    platform: str | None
    name: str
    mode: str
    rate: Decimal
    cost: Decimal | None
    fixed_rate: Decimal | None
    min: int
    max: int
    enabled: bool
    held_reason: str | None
    provider_id: int | None
    provider: str | None
    external_id: str | None
    routes: int

    @property
    def margin(self) -> Decimal | None:
        """What is left of the rate after the cost, in percent of the rate."""
        if self.cost is None or not self.rate:
            return None
        return (self.rate - self.cost) * 100 / self.rate

    @property
    def at_loss(self) -> bool:
        """Whether it costs more than it brings."""
        return self.cost is not None and self.cost > self.rate


async def service_lines(
    session: AsyncSession,
    wanted: ServiceFilter,
    *,
    after: str | None = None,
    size: int = ROWS,
    skip: int = 0,
    order: ServiceOrder = "position",
) -> Paged[ServiceLine]:
    """Return a page of services, in the order of the shelves unless asked otherwise; `skip` is for numbered pages."""
    mark = mark_of(order)
    given = {**wanted.parameters(), "after": key_from(after, mark), "most": size + 1, "skip": skip}
    rows = [ServiceLine(*row) for row in await session.execute(_LINES[order], given)]
    return paged(rows, size, [row.id for row in rows], mark)


async def service_line(session: AsyncSession, service_id: int) -> ServiceLine | None:
    """Return one service as the list shows it."""
    row = (await session.execute(_LINE, {"id": service_id})).one_or_none()
    return None if row is None else ServiceLine(*row)


async def count_services(session: AsyncSession, wanted: ServiceFilter) -> int:
    """Return how many services a filter finds."""
    return int(await session.scalar(_COUNT, wanted.parameters()) or 0)


async def ids_of(session: AsyncSession, wanted: ServiceFilter) -> list[int]:
    """Return the ids of all services that a filter finds, at most `BULK_MAX`."""
    return list((await session.scalars(_IDS, {**wanted.parameters(), "most": BULK_MAX})).all())


class Named(NamedTuple):
    """Something to choose."""

    id: int
    name: str


async def category_names(session: AsyncSession) -> list[Named]:
    """Return all categories in order."""
    return [Named(*row) for row in await session.execute(text("SELECT id, name FROM categories ORDER BY position, id"))]


async def provider_names(session: AsyncSession) -> list[Named]:
    """Return all providers by name."""
    return [
        Named(*row) for row in await session.execute(text("SELECT id, name FROM providers ORDER BY lower(name), id"))
    ]


def literal(word: str) -> str:
    """Return a word with nothing left in it that LIKE takes for a pattern."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


_FOUND = f"""
       (CAST(:words AS text[]) IS NULL OR s.id = CAST(:as_id AS bigint)
        OR {bare_sql("s.name")} LIKE ALL (CAST(:words AS text[])))
   AND (CAST(:category AS bigint) IS NULL OR s.category_id = CAST(:category AS bigint))
   AND (CAST(:mode AS text) IS NULL OR s.mode = CAST(:mode AS text))
   AND (CAST(:provider AS bigint) IS NULL OR s.id IN (
        SELECT r.service_id FROM service_routes r JOIN provider_services ps ON ps.id = r.provider_service_id
         WHERE ps.provider_id = CAST(:provider AS bigint)))
   AND CASE CAST(:state AS text) WHEN 'on' THEN s.enabled AND s.held_reason IS NULL WHEN 'off' THEN NOT s.enabled
            WHEN 'held' THEN s.held_reason IS NOT NULL WHEN 'loss' THEN s.cost > s.rate ELSE true END
"""
_COLUMNS = """
SELECT s.id, c.id, c.name, c.enabled, c.platform, s.name, s.mode, s.rate, s.cost, s.fixed_rate, s.min, s.max, s.enabled,
       s.held_reason, f.provider_id, f.provider, f.external_id,
       (SELECT count(*) FROM service_routes r WHERE r.service_id = s.id) AS routes
"""
_FIRST_ASKED = """
  LEFT JOIN LATERAL (
    SELECT p.id AS provider_id, p.name AS provider, ps.external_id FROM service_routes r
      JOIN provider_services ps ON ps.id = r.provider_service_id JOIN providers p ON p.id = ps.provider_id
     WHERE r.service_id = s.id ORDER BY r.enabled DESC, r.priority, r.id LIMIT 1) f ON true
"""
# The rows are chosen before their routes are looked up, so that only a page's worth of those is read.
_LINES = {
    order: text(
        f"""
WITH chosen AS MATERIALIZED (
    SELECT s.id FROM services s JOIN categories c ON c.id = s.category_id
     WHERE {_FOUND}
       AND (CAST(:after AS bigint) IS NULL OR ({place}) > (
            SELECT {place} FROM services s JOIN categories c ON c.id = s.category_id
             WHERE s.id = CAST(:after AS bigint)))
     ORDER BY {place} LIMIT :most OFFSET :skip)
{_COLUMNS} FROM chosen x JOIN services s ON s.id = x.id JOIN categories c ON c.id = s.category_id {_FIRST_ASKED}
 ORDER BY {place}
"""
    )
    for order, place in places_by(LIST_RATE).items()
}
_LINE = text(
    f"{_COLUMNS} FROM services s JOIN categories c ON c.id = s.category_id {_FIRST_ASKED} WHERE s.id = CAST(:id AS bigint)"
)
_COUNT = text(f"SELECT count(*) FROM services s WHERE {_FOUND}")
_IDS = text(f"SELECT s.id FROM services s WHERE {_FOUND} ORDER BY s.id LIMIT :most")
