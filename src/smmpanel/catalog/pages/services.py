"""All services on sale: searched, narrowed down, ordered from; for visitors at list prices, for customers at their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_EVERYBODY, MaybeViewer
from smmpanel.catalog.kept_lists import KeptList, ShelfRow
from smmpanel.catalog.pages.looking import Line, Looker, lines_for, looker_for
from smmpanel.catalog.pages.shelves import EVERY_PLATFORM, Tile, tiles
from smmpanel.catalog.price_lists import ServiceRow, services_page
from smmpanel.kernel.paging import Paged, cursor_for, key_from, paged
from smmpanel.web.inputs import is_clean
from smmpanel.web.pages import page, wants_part
from smmpanel.web.redirects import safe_target
from smmpanel.web.transactions import Session, panel_of

router = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)

PATH = "/services"
ROWS = 50
COMPARED_MAX = 4
SEARCH_MAX = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list is narrowed down to; empty for what it is not."""

    search: str = ""
    platform: str = EVERY_PLATFORM
    category: int = 0
    refill: bool = False
    cancel: bool = False
    favourites: bool = False

    @property
    def is_all(self) -> bool:
        """Whether everything is wanted."""
        return self == Wanted()


@dataclass(frozen=True, slots=True)
class ServicesPage:
    """What catalog/services.html receives. A part of the page brings along the choice of categories."""

    shelves: Sequence[tuple[ShelfRow, Sequence[Line]]]
    found: int
    shown: int
    after: str | None
    wanted: Wanted
    tiles: Sequence[Tile]
    categories: Sequence[ShelfRow]
    is_member: bool
    is_part: bool
    address: str
    compared_max: int = COMPARED_MAX


@router.get(PATH)
async def show_services(request: Request, viewer: MaybeViewer, session: Session) -> Response:
    """Show a page of services; with a cursor and to htmx only the rows that go below those on the page."""
    looker = await looker_for(request, session, viewer)
    kept, given = looker.kept, request.query_params
    wanted = read_wanted(given, kept)
    after = key_from(given.get("after"))
    matching = matching_rows(looker, wanted)
    rest = matching if after is None else await rows_after(request, session, looker, matching, after)
    found = _page_of(rest)
    lines = await lines_for(session, looker, found.rows)
    shown = ServicesPage(
        shelves=on_shelves(kept, lines),
        found=len(matching),
        shown=len(lines),
        after=found.after,
        wanted=wanted,
        tiles=tiles(kept),
        categories=[one for one in kept.shelves if wanted.platform in {EVERY_PLATFORM, one.platform}],
        is_member=looker.is_member,
        is_part=wants_part(request),
        address=_address(request),
    )
    return page(request, "catalog/services.html", shown, fragment="found" if after is None else "shelves")


def read_wanted(given: Mapping[str, str], kept: KeptList) -> Wanted:
    """Read the address. What is not in the list any more is not asked for, a category of another platform neither."""
    platform = given.get("platform", "")
    platform = platform if platform in kept.platforms else EVERY_PLATFORM
    number = given.get("category", "")
    shelf = next((one for one in kept.shelves if str(one.id) == number), None)
    search = given.get("q", "").strip()[:SEARCH_MAX]
    return Wanted(
        search=search if is_clean(search) else "",
        platform=platform,
        category=shelf.id if shelf is not None and platform in {EVERY_PLATFORM, shelf.platform} else 0,
        refill=bool(given.get("refill")),
        cancel=bool(given.get("cancel")),
        favourites=bool(given.get("favourites")),
    )


def matching_rows(looker: Looker, wanted: Wanted) -> list[ServiceRow]:
    """Return all services that are wanted, in the order of the shelves; one that is searched by its number comes first."""
    rows = looker.kept.found(wanted.search) if wanted.search else looker.kept.rows
    return [
        row
        for row in rows
        if wanted.platform in {EVERY_PLATFORM, row.platform}
        and wanted.category in {0, row.category_id}
        and (row.refill or not wanted.refill)
        and (row.cancel or not wanted.cancel)
        and (not wanted.favourites or row.id in looker.favourites)
    ]


async def rows_after(
    request: Request, session: AsyncSession, looker: Looker, rows: Sequence[ServiceRow], last_id: int
) -> list[ServiceRow]:
    """Return the rows that stand on the shelves behind a service, which itself may have left them meanwhile."""
    places = looker.kept.places
    place = places.get(last_id)
    if place is None:
        currency = panel_of(request).currency
        following = await services_page(session, looker.user_id, currency, after=cursor_for(last_id), size=1)
        place = places.get(following.rows[0].id, len(places)) - 1 if following.rows else len(places)
    first = next(iter(rows), None)
    # A service that was found by its number stands before all others, wherever its shelf is.
    out_of_line = first is not None and any(places[row.id] < places[first.id] for row in rows[1:2])
    return [row for row in rows[out_of_line:] if places[row.id] > place]


def on_shelves(kept: KeptList, lines: Sequence[Line]) -> list[tuple[ShelfRow, list[Line]]]:
    """Put lines on their shelves, as far as they follow each other."""
    shelves = {one.id: one for one in kept.shelves}
    return [(shelves[number], list(group)) for number, group in groupby(lines, key=lambda one: one.row.category_id)]


def _page_of(rows: Sequence[ServiceRow]) -> Paged[ServiceRow]:
    some = rows[: ROWS + 1]
    return paged(some, ROWS, [row.id for row in some])


def _address(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    back = safe_target(f"{PATH}{query}")
    return PATH if back == "/" else back
