"""`/api/orders`: placing orders, following them, and what their owners may do with them."""

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.callers import CurrentCaller, spend_cap_of
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.lists import After, Limit, Search
from smmpanel.api.order_forms import LinkForm, NewOrderForm, ReorderForm
from smmpanel.api.order_views import OrderDetail, OrderHistory, Orders, Pagination, order_detail, order_row
from smmpanel.catalog.pricing import charge
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.catalog.stock import read_stock
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.paging import PAGE_SIZE
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of
from smmpanel.orders.cancels import request_cancel
from smmpanel.orders.editing_links import edit_link
from smmpanel.orders.histories import timeline_of
from smmpanel.orders.models import CancelState, OrderKind
from smmpanel.orders.numbered_pages import count_orders, cursor_of_page
from smmpanel.orders.owning import as_owner
from smmpanel.orders.placing import NewOrder, place_order
from smmpanel.orders.queries import OrderFilter, order_for, orders_page
from smmpanel.orders.refills import request_refill
from smmpanel.orders.reordering import reorder
from smmpanel.orders.steering_drips import cancel_drip_rest, pause_drip, resume_drip
from smmpanel.orders.words import TABS, refill_word
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/orders", tags=["Orders"])

PLACED = marked("The order has been placed and is being processed.")
CANCELED = marked("What had not been sent is canceled and paid back.")
CANCEL_REQUESTED = marked("The cancellation has been requested.")
PAGES_MAX = 100_000
HISTORY_LIMIT = 20

Tab = Annotated[
    Literal["all", "pending", "processing", "in_progress", "completed", "partial", "canceled"],
    Query(description="Only orders of this status."),
]


class PriceBreakdown(BaseModel):
    """How the price came about."""

    base_price: Amount = Field(description="At the list price.")
    discount: Amount
    final_price: Amount = Field(description="What was taken from the balance.")


class Placed(BaseModel):
    """The order exists and is paid."""

    success: Literal[True] = True
    order_id: int
    price_breakdown: PriceBreakdown
    new_balance: Amount
    currency: str
    repeated: bool = Field(description="Whether an earlier call with the same key had placed it.")
    message: str


class RefillAsked(BaseModel):
    """The refill has been asked for."""

    success: Literal[True] = True
    refill_id: int
    status: str = Field(examples=["Pending"])


class CancelAsked(BaseModel):
    """The order is canceled, or that has been asked for."""

    success: Literal[True] = True
    canceled: bool = Field(description="Whether it is canceled already; otherwise the provider may still refuse.")
    message: str


class LinkChanged(BaseModel):
    """The link as it is stored now."""

    success: Literal[True] = True
    link: str


class DripChanged(BaseModel):
    """It was done."""

    success: Literal[True] = True


class DripCanceled(BaseModel):
    """What had not been started is canceled."""

    success: Literal[True] = True
    refunded: Amount
    currency: str


class Units(BaseModel):
    """What was bought, one entry per unit."""

    success: Literal[True] = True
    units: list[str]


@router.post("", summary="Place an order", responses=errors(401, 402, 403, 409, 422))
async def place(
    request: Request, panel: CurrentPanel, session: Session, viewer: CurrentCaller, form: NewOrderForm
) -> Placed:
    """Place an order and pay for it from the balance. Which fields it needs is told by the service's type."""
    order = NewOrder(
        viewer.user_id,
        form.service_id,
        form.raw(),
        form.key,
        api_key_id=viewer.api_key_id,
        daily_cap=spend_cap_of(viewer),
    )
    return await _place(request, panel, session, viewer, order)


@router.get("", summary="List orders", responses=errors(401, 403, 422))
async def orders(
    session: Session,
    viewer: CurrentCaller,
    *,
    status: Tab = "all",
    service_id: RowId | None = None,
    parent_id: Annotated[RowId | None, Query(description="The runs of this drip-feed.")] = None,
    search: Search = None,
    after: After = None,
    limit: Limit = PAGE_SIZE,
) -> Orders:
    """Return the own orders, newest first; `search` is an order's id or its exact link."""
    wanted = OrderFilter(
        statuses=TABS.get(status, ()),
        service_id=service_id,
        parent_id=parent_id,
        search=search,
    )
    found = await orders_page(session, as_owner(viewer), wanted, after=after, size=limit)
    return Orders(data=[order_row(order) for order in found.rows], after=found.after)


@router.get("/history", summary="List orders by page number", responses=errors(401, 403, 422))
async def history(
    session: Session,
    viewer: CurrentCaller,
    page: Annotated[int, Query(ge=1, le=PAGES_MAX)] = 1,
    limit: Limit = HISTORY_LIMIT,
    status: Tab = "all",
) -> OrderHistory:
    """Return the own orders, newest first, by page number. For long lists `GET /api/orders` is faster."""
    statuses = TABS.get(status, ())
    total = await count_orders(session, viewer.user_id, statuses)
    after = await cursor_of_page(session, viewer.user_id, statuses, page=page, size=limit)
    found = await orders_page(session, as_owner(viewer), OrderFilter(statuses=statuses), after=after, size=limit)
    return OrderHistory(
        data=[order_row(order) for order in found.rows],
        pagination=Pagination(total=total, page=page, limit=limit, total_pages=-(-total // limit)),
    )


@router.get("/{order_id}", summary="One order", responses=errors(401, 403, 404, 422))
async def order(session: Session, viewer: CurrentCaller, order_id: RowId) -> OrderDetail:
    """Return one of the own orders with what happened to it."""
    owner = as_owner(viewer)
    found = await order_for(session, owner, order_id)
    return order_detail(found, await timeline_of(session, owner, order_id))


@router.post("/{order_id}/refill", summary="Ask for a refill", responses=errors(401, 403, 404, 409, 422))
async def refill(panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: RowId) -> RefillAsked:
    """Ask for a completed order to be refilled, within the service's period."""
    made = await request_refill(session, viewer.user_id, order_id, panel.clock())
    return RefillAsked(refill_id=made.id, status=refill_word(made.state))


@router.post("/{order_id}/cancel", summary="Cancel an order", responses=errors(401, 403, 404, 409, 422))
async def cancel(
    request: Request, panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: RowId
) -> CancelAsked:
    """Cancel an order that was not sent yet, or ask for the cancellation of one that was."""
    answer = (await request_cancel(session, viewer.user_id, [order_id], panel.clock()))[order_id]
    if isinstance(answer, PanelError):
        raise answer
    canceled = answer.state == CancelState.ACCEPTED
    return CancelAsked(canceled=canceled, message=say(request, CANCELED if canceled else CANCEL_REQUESTED))


@router.post("/{order_id}/reorder", summary="Order the same again", responses=errors(401, 402, 403, 404, 409, 422))
async def order_again(
    request: Request,
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    order_id: RowId,
    *,
    form: ReorderForm | None = None,
) -> Placed:
    """Place an old order's content as a new one, under today's terms and price; fields that are given replace the old."""
    form = form or ReorderForm()
    again = await reorder(session, viewer.user_id, order_id, form.raw(), key=form.key)
    again = replace(again, api_key_id=viewer.api_key_id, daily_cap=spend_cap_of(viewer))
    return await _place(request, panel, session, viewer, again)


@router.post("/{order_id}/link", summary="Change the link", responses=errors(401, 403, 404, 409, 422))
async def change_link(
    panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: RowId, form: LinkForm
) -> LinkChanged:
    """Give an order that was not sent yet another link."""
    return LinkChanged(link=await edit_link(session, viewer.user_id, order_id, form.link, panel.clock()))


@router.post("/{order_id}/drip/pause", summary="Pause a drip-feed", responses=errors(401, 403, 404, 409, 422))
async def pause(session: Session, viewer: CurrentCaller, order_id: RowId) -> DripChanged:
    """Start no more runs until it is resumed."""
    await pause_drip(session, as_owner(viewer), order_id)
    return DripChanged()


@router.post("/{order_id}/drip/resume", summary="Resume a drip-feed", responses=errors(401, 403, 404, 409, 422))
async def resume(panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: RowId) -> DripChanged:
    """Go on with a paused drip-feed."""
    await resume_drip(session, as_owner(viewer), order_id, now=panel.clock())
    return DripChanged()


@router.post("/{order_id}/drip/cancel", summary="Cancel the rest", responses=errors(401, 403, 404, 409, 422))
async def cancel_rest(panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: RowId) -> DripCanceled:
    """Start no more runs of a drip-feed and pay back what was held for them."""
    back = await cancel_drip_rest(session, as_owner(viewer), order_id, now=panel.clock())
    return DripCanceled(refunded=back.amount, currency=back.currency)


@router.get("/{order_id}/stock", summary="What was bought", responses=errors(401, 403, 404, 422))
async def stock(panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: RowId) -> Units:
    """Return the units of an order of goods in stock."""
    found = await order_for(session, as_owner(viewer), order_id)
    if found.kind != OrderKind.STOCK:
        raise NotFoundError
    return Units(units=await read_stock(session, panel.vault, order_id))


async def _place(request: Request, panel: Panel, session: AsyncSession, viewer: Viewer, new: NewOrder) -> Placed:
    placed = await place_order(session, new, currency=panel.currency, now=panel.clock())
    view = await order_for(session, as_owner(viewer), placed.order_id)
    listed = charge(Decimal(view.terms["list_rate"]), view.quantity, SERVICE_TYPES[view.terms["type"]].basis)
    final = placed.charge.amount
    base = max(listed, final)  # an own rate may lie above the list: that is no negative discount
    balance = await balance_of(session, viewer.user_id, panel.currency)
    return Placed(
        order_id=placed.order_id,
        price_breakdown=PriceBreakdown(base_price=base, discount=base - final, final_price=final),
        new_balance=balance.amount,
        currency=panel.currency,
        repeated=placed.repeated,
        message=say(request, PLACED),
    )
