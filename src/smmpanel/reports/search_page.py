"""`/staff/search`: one field for everything, as a page and as the lines of the command palette."""

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission
from smmpanel.accounts.current import FOR_STAFF, CurrentViewer
from smmpanel.reports.searching import FOUND_MAX, SEARCH_MAX, Found, ServiceNames, search_everything
from smmpanel.web.inputs import CleanText
from smmpanel.web.pages import page, wants_part
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/search"
ORDERS_SHOWN = 20
"""On the page; the palette has room for fewer."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What reports/search.html receives."""

    q: str
    found: Found
    sees_orders: bool
    sees_users: bool
    """Whether there is a page of single users, and the viewer may see it."""


@router.get(PATH)
async def show_found(request: Request, viewer: CurrentViewer, session: Session, q: CleanText = "") -> Response:
    """Show what was found; with nothing asked, the field."""
    typed = q.strip()[:SEARCH_MAX]
    part = wants_part(request)
    orders = FOUND_MAX if part else ORDERS_SHOWN
    found = await search_everything(session, viewer, typed, _names(request), orders=orders) if typed else Found()
    shown = SearchPage(typed, found, viewer.may(Permission.ORDERS_VIEW), viewer.may(Permission.USERS_VIEW))
    return page(request, "reports/search_options.html" if part else "reports/search.html", shown)


def _names(request: Request) -> ServiceNames:
    state = request.app.state
    if not hasattr(state, "service_names"):
        state.service_names = ServiceNames()
    names: ServiceNames = state.service_names
    return names
