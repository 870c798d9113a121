"""Services that a customer keeps at hand: the list of them, and the star that puts them there."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.catalog.at_hand import drop_favourite, keep_favourite
from smmpanel.catalog.kept_lists import ShelfRow
from smmpanel.catalog.pages.looking import Line, lines_for, looker_for
from smmpanel.catalog.pages.services import COMPARED_MAX, on_shelves
from smmpanel.kernel.i18n import marked
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page, wants_part
from smmpanel.web.redirects import safe_target, see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/favourites"
SHOWN_MAX = 500
KEPT = marked("Added to your favourites")
DROPPED = marked("Taken from your favourites")


@dataclass(frozen=True, slots=True)
class FavouritesPage:
    """What catalog/favourites.html receives. Favourites that are not on sale are counted, not shown."""

    shelves: Sequence[tuple[ShelfRow, Sequence[Line]]]
    not_on_sale: int
    address: str = PATH
    compared_max: int = COMPARED_MAX


@dataclass(frozen=True, slots=True)
class StarPart:
    """What catalog/star.html receives."""

    service_id: int
    name: str
    is_kept: bool


@router.get(PATH)
async def show_favourites(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show the favourites that are on sale, on their shelves."""
    looker = await looker_for(request, session, viewer)
    kept = looker.kept
    rows = sorted(
        (kept.by_id[one] for one in looker.favourites if one in kept.by_id), key=lambda row: kept.places[row.id]
    )
    lines = await lines_for(session, looker, rows[:SHOWN_MAX])
    shown = FavouritesPage(on_shelves(kept, lines), len(looker.favourites) - len(rows))
    return page(request, "catalog/favourites.html", shown)


@router.post(PATH + "/{service_id}/keep")
async def keep(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session, service_id: RowId
) -> Response:
    """Keep a service at hand."""
    await keep_favourite(session, viewer.user_id, service_id, now=panel.clock())
    return await _answer(request, session, viewer, service_id, is_kept=True)


@router.post(PATH + "/{service_id}/drop")
async def drop(request: Request, viewer: CurrentViewer, session: Session, service_id: RowId) -> Response:
    """Keep a service at hand no longer."""
    await drop_favourite(session, viewer.user_id, service_id)
    return await _answer(request, session, viewer, service_id, is_kept=False)


async def _answer(
    request: Request, session: AsyncSession, viewer: Viewer, service_id: int, *, is_kept: bool
) -> Response:
    if not wants_part(request):
        back = safe_target((await read_form(request)).get("back", PATH))
        return with_toast(see_other(PATH if back == "/" else back), Toast(say(request, KEPT if is_kept else DROPPED)))
    looker = await looker_for(request, session, viewer)
    row = looker.kept.by_id.get(service_id)
    return page(request, "catalog/star.html", StarPart(service_id, row.name if row else str(service_id), is_kept))
