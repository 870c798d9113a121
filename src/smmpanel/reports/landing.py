"""What the start page says in figures: read from what was counted anyway, and kept until it is counted again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.kept_lists import KeptList
from smmpanel.catalog.platforms import PLATFORMS
from smmpanel.catalog.price_lists import ServiceRow
from smmpanel.kernel.options import read_option
from smmpanel.reports.counting import BY_DAY_OPTION, COUNTED_OPTION, Counted

POPULAR_DAYS = timedelta(days=30)
POPULAR_READ = 60
"""So many of the most ordered services are read, for some of them may not be on sale any more."""


@dataclass(frozen=True, slots=True)
class LandingFacts:
    """Figures that visitors may know; zero and empty for what nothing is known of."""

    completed: int = 0
    """Orders that were delivered in full, of the days that are kept (a year and some)."""
    measured: int = 0
    """Services whose time was measured."""
    median_seconds: int = 0
    """Half of them take no longer, by their own medians."""
    popular: Sequence[int] = ()
    """The services ordered most often lately, first of all the first."""


@dataclass(slots=True)
class KeptFacts:
    """The facts as this process read them last."""

    counted: Counted | None = None
    facts: LandingFacts = field(default_factory=LandingFacts)

    async def read(self, session: AsyncSession) -> LandingFacts:
        """Return the facts; one short query if nothing was counted since."""
        counted = Counted.read(await read_option(session, COUNTED_OPTION))
        if counted is not None and counted != self.counted:
            self.facts = await _read_facts(session, counted)
            self.counted = counted
        return self.facts


_POPULAR = text(
    "SELECT service_id FROM daily_sales WHERE day >= :since GROUP BY service_id"
    " ORDER BY sum(orders) DESC, service_id LIMIT :most"
)
_TIMES = text(
    "SELECT count(*) AS measured, percentile_disc(0.5) WITHIN GROUP (ORDER BY median_seconds) AS median"
    " FROM service_timings"
)


async def _read_facts(session: AsyncSession, counted: Counted) -> LandingFacts:
    by_day: Mapping[str, Any] = await read_option(session, BY_DAY_OPTION, {})
    times = (await session.execute(_TIMES)).one()
    popular = await session.scalars(_POPULAR, {"since": counted.day - POPULAR_DAYS, "most": POPULAR_READ})
    return LandingFacts(
        completed=sum(day["statuses"].get("completed", 0) for day in by_day.values()),
        measured=times.measured,
        median_seconds=int(times.median or 0),
        popular=popular.all(),
    )


def shown_services(kept: KeptList, popular: Sequence[int], size: int) -> list[ServiceRow]:
    """Return services to show: those ordered most, and where they do not suffice the cheapest of each platform."""
    chosen = {one: kept.by_id[one] for one in popular if one in kept.by_id}
    if len(chosen) < size:
        for row in _cheapest(kept):
            chosen.setdefault(row.id, row)
    return list(chosen.values())[:size]


def _cheapest(kept: KeptList) -> list[ServiceRow]:
    known = [slug for slug in PLATFORMS if slug in kept.platforms]
    rows = [min(kept.of(platform=slug), key=lambda row: row.rate) for slug in known]
    return [*rows, *sorted(kept.rows, key=lambda row: row.rate)]
