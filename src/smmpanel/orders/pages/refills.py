"""The list of the own refills."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.kernel.i18n import marked
from smmpanel.orders.lists import REFILL_TABS, RefillLine, refills_page
from smmpanel.orders.pages.rows import PAGE_ROWS
from smmpanel.web.pages import page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

TAB_WORDS = {
    "": marked("All"),
    "open": marked("Under way"),
    "completed": marked("Completed"),
    "rejected": marked("Rejected"),
}


@dataclass(frozen=True, slots=True)
class RefillsPage:
    """What orders/refills.html receives."""

    refills: Sequence[RefillLine]
    after: str | None
    status: str
    tabs: Sequence[tuple[str, str]]
    cursor: str


@router.get("/refills")
async def show_refills(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show the own refills, newest first."""
    asked, cursor = request.query_params.get("status", ""), request.query_params.get("after", "")
    tab = asked if asked in REFILL_TABS else ""
    found = await refills_page(session, viewer.user_id, tab=tab, after=cursor or None, size=PAGE_ROWS)
    shown = RefillsPage(found.rows, found.after, tab, list(TAB_WORDS.items()), cursor)
    return page(request, "orders/refills.html", shown, fragment="rows")
