"""`GET /api/orders`, and the same list under the other names it goes by: `/api/orders/history` and `/api/user/orders`."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.errors import errors
from smmpanel.api.lists import (
    LIMIT_USUAL,
    NUMBERED_MAX,
    After,
    ByAge,
    Limit,
    Page,
    Pagination,
    Search,
    skipped,
)
from smmpanel.api.order_views import Orders, order_row
from smmpanel.api.public import ParentAsked, maybe_number_in, reader_of
from smmpanel.api.times import FromDay, UntilDay, day_begins, day_ends
from smmpanel.orders.owning import as_owner
from smmpanel.orders.queries import OrderFilter, count_orders, orders_page
from smmpanel.orders.words import TABS
from smmpanel.web.inputs import RowId
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(tags=["Orders"])

Tab = Annotated[
    Literal["all", "pending", "processing", "in_progress", "completed", "partial", "canceled"],
    Query(description="Only orders of this status."),
]


@router.get("/api/orders", summary="List orders", responses=errors(401, 403, 404, 422, 429))
@router.get("/api/orders/history", summary="List orders, as history", responses=errors(401, 403, 404, 422, 429))
@router.get("/api/user/orders", summary="List the user's orders", responses=errors(401, 403, 404, 422, 429))
async def orders(
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    *,
    status: Tab = "all",
    service_id: RowId | None = None,
    parent_id: ParentAsked = None,
    created_from: FromDay = None,
    created_to: UntilDay = None,
    search: Search = None,
    sort: ByAge = "-created_at",
    page: Page = 1,
    after: After = None,
    limit: Limit = LIMIT_USUAL,
) -> Orders:
    """Return the own orders, the newest first unless sorted otherwise; `search` is an order's number or its exact link."""
    wanted = OrderFilter(
        statuses=TABS.get(status, ()),
        service_id=service_id,
        parent_id=maybe_number_in(panel, "order", parent_id, field="parent_id"),
        since=day_begins(created_from, viewer.time_zone),
        until=day_ends(created_to, viewer.time_zone),
        search=search,
    )
    owner, before = as_owner(viewer), 0 if after else skipped(page, limit)
    found = await orders_page(
        session, owner, wanted, after=after, size=limit, skip=before, oldest_first=sort == "created_at"
    )
    total = await count_orders(session, owner, wanted, most=NUMBERED_MAX)
    reader = reader_of(panel, viewer)
    return Orders(
        data=[order_row(order, reader) for order in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )
