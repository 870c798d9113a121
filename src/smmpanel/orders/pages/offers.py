"""What the order form offers to choose from: platforms, categories, services with their measured times."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.at_hand import Timing, favourite_services, timings
from smmpanel.catalog.kept_lists import KeptList, ShelfRow
from smmpanel.catalog.pages.shelves import EVERY_PLATFORM
from smmpanel.catalog.platforms import PLATFORMS
from smmpanel.catalog.price_lists import ServiceRow

SHOWN_MAX = 50
TIMED_MAX = 20_000


class Offer(NamedTuple):
    """One service to choose, with how long it takes, if that was measured."""

    row: ServiceRow
    timing: Timing | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where in the catalogue somebody stands: a platform (or all), a category, a service."""

    platform: str
    category: ShelfRow
    service: ServiceRow


class Wish(NamedTuple):
    """What an address or a form names of a choice; empty for what it does not name."""

    platform: str = ""
    category: int = 0
    service: int = 0
    type: str = ""


def choose(kept: KeptList, wish: Wish, last: int | None) -> Chosen | None:
    """Return the choice that fits a wish best, or else the last one; `None` if nothing is on sale."""
    service = kept.by_id.get(wish.service)
    platform = wish.platform if wish.platform in kept.platforms else None
    if service is None and wish.category:
        service = next(iter(kept.of(category_id=wish.category)), None)
    if service is None and platform is not None:
        service = next(iter(kept.of(platform=platform)), None)
    if service is None and wish.type:
        service = next((row for row in kept.rows if row.type == wish.type), None)
    if service is None:
        service = kept.by_id.get(last or 0) or next(iter(kept.rows), None)
    if service is None:
        return None
    shelf = next(one for one in kept.shelves if one.id == service.category_id)
    everywhere = wish.platform == EVERY_PLATFORM or service.platform not in PLATFORMS
    return Chosen(EVERY_PLATFORM if everywhere else service.platform or EVERY_PLATFORM, shelf, service)


def shelves_of(kept: KeptList, platform: str) -> list[ShelfRow]:
    """Return the categories of a platform, or all."""
    return [one for one in kept.shelves if platform in {EVERY_PLATFORM, one.platform}]


async def offers(
    session: AsyncSession, kept: KeptList, user_id: int, *, platform: str, category: int, search: str, order: str
) -> list[Offer]:
    """Return services to choose from, fifty at most: those of a category, or what a search finds.

    A search looks at the platform first, and everywhere if it has nothing.
    `order` is one of `cheapest`, `refill`, `fastest`, `favourites`, which look through the whole platform, or empty.
    """
    wanted = platform if platform in kept.platforms else None
    rows: Sequence[ServiceRow]
    if search.strip():
        rows = list(kept.found(search, platform=wanted)) or list(kept.found(search))
    elif order:
        rows = kept.of(platform=wanted)
    else:
        rows = kept.of(category_id=category) or kept.of(platform=wanted)
    if order == "cheapest":
        rows = sorted(rows, key=lambda row: row.rate)
    elif order == "refill":
        rows = [row for row in rows if row.refill]
    elif order == "favourites":
        kept_at_hand = await favourite_services(session, user_id)
        rows = [row for row in (rows if search.strip() else kept.rows) if row.id in kept_at_hand]
    elif order == "fastest":
        known = await timings(session, [row.id for row in islice(rows, TIMED_MAX)])
        measured = sorted((row for row in rows if row.id in known), key=lambda row: known[row.id].median_seconds)
        return [Offer(row, known[row.id]) for row in measured[:SHOWN_MAX]]
    shown = rows[:SHOWN_MAX]
    known = await timings(session, [row.id for row in shown])
    return [Offer(row, known.get(row.id)) for row in shown]


def first_offers(kept: KeptList, chosen: Chosen) -> list[ServiceRow]:
    """Return the services that are offered before anybody searches: those of the category, fifty at most."""
    return kept.of(category_id=chosen.category.id)[:SHOWN_MAX]
