"""The list of the own drip-feeds."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.kernel.i18n import marked
from smmpanel.orders.models import FINISHED, OPEN, OrderKind, OrderStatus
from smmpanel.orders.owning import as_owner
from smmpanel.orders.pages.rows import PAGE_ROWS, OrderLine, lines_of
from smmpanel.orders.queries import OrderFilter, orders_page
from smmpanel.web.pages import page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

SCHEDULE_TABS: dict[str, tuple[str, tuple[OrderStatus, ...]]] = {
    "": (marked("All"), ()),
    "running": (marked("Running"), (*OPEN, OrderStatus.FAILED)),
    "ended": (marked("Ended"), FINISHED),
}
"""The tabs of drip-feeds and of subscriptions: their words, and the statuses behind them."""


@dataclass(frozen=True, slots=True)
class DripFeedsPage:
    """What orders/drip_feeds.html receives."""

    lines: Sequence[OrderLine]
    after: str | None
    status: str
    tabs: Sequence[tuple[str, str]]
    cursor: str


@router.get("/drip-feed")
async def show_drip_feeds(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show the own drip-feeds, newest first."""
    status, cursor = asked_tab(request), request.query_params.get("after", "")
    wanted = OrderFilter(kinds=(OrderKind.DRIP,), statuses=SCHEDULE_TABS[status][1])
    found = await orders_page(session, as_owner(viewer), wanted, after=cursor or None, size=PAGE_ROWS)
    lines = await lines_of(request, session, found.rows)
    return page(
        request, "orders/drip_feeds.html", DripFeedsPage(lines, found.after, status, TABS, cursor), fragment="rows"
    )


def asked_tab(request: Request) -> str:
    """Return which tab of a list of schedules is asked for."""
    status = request.query_params.get("status", "")
    return status if status in SCHEDULE_TABS else ""


TABS = [(name, word) for name, (word, _) in SCHEDULE_TABS.items()]
