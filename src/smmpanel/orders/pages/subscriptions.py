"""The list of the own subscriptions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.orders.lists import Posts, posts_of
from smmpanel.orders.models import OrderKind
from smmpanel.orders.owning import as_owner
from smmpanel.orders.pages.drip_feeds import SCHEDULE_TABS, TABS, asked_tab
from smmpanel.orders.pages.rows import PAGE_ROWS, OrderLine, lines_of
from smmpanel.orders.queries import OrderFilter, orders_page
from smmpanel.web.pages import page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)


@dataclass(frozen=True, slots=True)
class SubscriptionsPage:
    """What orders/subscriptions.html receives."""

    lines: Sequence[OrderLine]
    posts: Mapping[int, Posts]
    after: str | None
    status: str
    tabs: Sequence[tuple[str, str]]
    cursor: str


@router.get("/subscriptions")
async def show_subscriptions(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show the own subscriptions, newest first."""
    status, cursor = asked_tab(request), request.query_params.get("after", "")
    wanted = OrderFilter(kinds=(OrderKind.SUBSCRIPTION,), statuses=SCHEDULE_TABS[status][1])
    found = await orders_page(session, as_owner(viewer), wanted, after=cursor or None, size=PAGE_ROWS)
    known = await posts_of(session, [order.id for order in found.rows])
    shown = SubscriptionsPage(
        lines=await lines_of(request, session, found.rows),
        posts={order.id: known.get(order.id, Posts()) for order in found.rows},
        after=found.after,
        status=status,
        tabs=TABS,
        cursor=cursor,
    )
    return page(request, "orders/subscriptions.html", shown, fragment="rows")
