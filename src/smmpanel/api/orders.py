"""`/api/orders`: placing orders, following them, and what their owners may do with them."""

from dataclasses import replace
from decimal import Decimal
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.callers import CurrentCaller, spend_cap_of
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.idempotency import KeyHeader, one_key
from smmpanel.api.order_forms import LinkForm, NewOrderForm, ReorderForm
from smmpanel.api.order_views import OrderDetail, order_detail
from smmpanel.api.public import Number, OrderNumber, PublicId, Reference, reader_of
from smmpanel.catalog.pricing import charge
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.catalog.stock import read_stock
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of
from smmpanel.orders.cancels import request_cancel
from smmpanel.orders.drafting import ServiceUnknownError
from smmpanel.orders.editing_links import edit_link
from smmpanel.orders.histories import timeline_of
from smmpanel.orders.models import CancelState, OrderKind
from smmpanel.orders.noting import keep_note
from smmpanel.orders.owning import as_owner
from smmpanel.orders.placing import NewOrder, place_order
from smmpanel.orders.queries import order_for
from smmpanel.orders.refills import request_refill
from smmpanel.orders.reordering import reorder
from smmpanel.orders.steering_drips import cancel_drip_rest, pause_drip, resume_drip
from smmpanel.orders.words import refill_word
from smmpanel.web.languages import say
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/orders", tags=["Orders"])

PLACED = marked("The order has been placed and is being processed.")
CANCELED = marked("What had not been sent is canceled and paid back.")
CANCEL_REQUESTED = marked("The cancellation has been requested.")


class PriceBreakdown(BaseModel):
    """How the price came about."""

    base_price: Amount = Field(description="At the list price.", examples=[2500])
    discount: Amount = Field(examples=[125])
    final_price: Amount = Field(description="What was taken from the balance.", examples=[2375])


class Placed(BaseModel):
    """The order exists and is paid."""

    success: Literal[True] = True
    order_id: PublicId
    number: Number
    reference: Reference
    price_breakdown: PriceBreakdown
    new_balance: Amount = Field(examples=[7625])
    currency: str = Field(examples=["VND"])
    repeated: bool = Field(description="Whether an earlier call with the same key had placed it.")
    message: str = Field(examples=["Đơn hàng đã được tạo và đang xử lý"])


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


@router.post("", summary="Place an order", responses=errors(401, 402, 403, 409, 422, 429))
async def place(
    request: Request,
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    form: NewOrderForm,
    *,
    key: KeyHeader = None,
) -> Placed:
    """Place an order and pay for it from the balance. Which fields it needs is told by the service's type."""
    once, coupon = one_key(key, form.key), (form.coupon or "").strip()
    order = NewOrder(viewer.user_id, form.service_id, form.raw(), once, coupon=coupon)
    return await place_for(request, panel, session, viewer, order, note=form.note)


@router.get("/{order_id}", summary="One order", responses=errors(401, 403, 404, 422, 429))
async def order(panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: OrderNumber) -> OrderDetail:
    """Return one of the own orders with what happened to it."""
    owner = as_owner(viewer)
    found = await order_for(session, owner, order_id)
    return order_detail(found, await timeline_of(session, owner, order_id), reader_of(panel, viewer))


@router.post("/{order_id}/refill", summary="Ask for a refill", responses=errors(401, 403, 404, 409, 422, 429))
async def refill(panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: OrderNumber) -> RefillAsked:
    """Ask for a completed order to be refilled, within the service's period."""
    made = await request_refill(session, viewer.user_id, order_id, panel.clock())
    return RefillAsked(refill_id=made.id, status=refill_word(made.state))


@router.post("/{order_id}/cancel", summary="Cancel an order", responses=errors(401, 403, 404, 409, 422, 429))
async def cancel(
    request: Request, panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: OrderNumber
) -> CancelAsked:
    """Cancel an order that was not sent yet, or ask for the cancellation of one that was."""
    answer = (await request_cancel(session, viewer.user_id, [order_id], panel.clock()))[order_id]
    if isinstance(answer, PanelError):
        raise answer
    canceled = answer.state == CancelState.ACCEPTED
    return CancelAsked(canceled=canceled, message=say(request, CANCELED if canceled else CANCEL_REQUESTED))


@router.post("/{order_id}/reorder", summary="Order the same again", responses=errors(401, 402, 403, 404, 409, 422, 429))
async def order_again(
    request: Request,
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    order_id: OrderNumber,
    *,
    form: ReorderForm | None = None,
) -> Placed:
    """Place an old order's content as a new one, under today's terms and price; fields that are given replace the old."""
    form = form or ReorderForm()
    again = await reorder(session, viewer.user_id, order_id, form.raw(), key=form.key)
    return await place_for(request, panel, session, viewer, again)


@router.post("/{order_id}/link", summary="Change the link", responses=errors(401, 403, 404, 409, 422, 429))
async def change_link(
    panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: OrderNumber, form: LinkForm
) -> LinkChanged:
    """Give an order that was not sent yet another link."""
    return LinkChanged(link=await edit_link(session, viewer.user_id, order_id, form.link, panel.clock()))


@router.post("/{order_id}/drip/pause", summary="Pause a drip-feed", responses=errors(401, 403, 404, 409, 422, 429))
async def pause(session: Session, viewer: CurrentCaller, order_id: OrderNumber) -> DripChanged:
    """Start no more runs until it is resumed."""
    await pause_drip(session, as_owner(viewer), order_id)
    return DripChanged()


@router.post("/{order_id}/drip/resume", summary="Resume a drip-feed", responses=errors(401, 403, 404, 409, 422, 429))
async def resume(panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: OrderNumber) -> DripChanged:
    """Go on with a paused drip-feed."""
    await resume_drip(session, as_owner(viewer), order_id, now=panel.clock())
    return DripChanged()


@router.post("/{order_id}/drip/cancel", summary="Cancel the rest", responses=errors(401, 403, 404, 409, 422, 429))
async def cancel_rest(
    panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: OrderNumber
) -> DripCanceled:
    """Start no more runs of a drip-feed and pay back what was held for them."""
    back = await cancel_drip_rest(session, as_owner(viewer), order_id, now=panel.clock())
    return DripCanceled(refunded=back.amount, currency=back.currency)


@router.get("/{order_id}/stock", summary="What was bought", responses=errors(401, 403, 404, 422, 429))
async def stock(panel: CurrentPanel, session: Session, viewer: CurrentCaller, order_id: OrderNumber) -> Units:
    """Return the units of an order of goods in stock."""
    found = await order_for(session, as_owner(viewer), order_id)
    if found.kind != OrderKind.STOCK:
        raise NotFoundError
    return Units(units=await read_stock(session, panel.vault, order_id))


async def place_for(
    request: Request, panel: Panel, session: AsyncSession, viewer: Viewer, new: NewOrder, *, note: str | None = None
) -> Placed:
    """Place an order for whoever calls, keep its note, and tell what it cost."""
    new = replace(new, api_key_id=viewer.api_key_id, daily_cap=spend_cap_of(viewer))
    try:
        placed = await place_order(session, new, currency=panel.currency, now=panel.clock())
    except ServiceUnknownError:
        raise ServiceUnknownError(field="service_id") from None  # its name here
    if note and note.strip() and not placed.repeated:
        await keep_note(session, placed.order_id, note.strip())
    view = await order_for(session, as_owner(viewer), placed.order_id)
    listed = charge(Decimal(view.terms["list_rate"]), view.quantity, SERVICE_TYPES[view.terms["type"]].basis)
    final = placed.charge.amount
    base = max(listed, final)  # an own rate may lie above the list: that is no negative discount
    balance = await balance_of(session, viewer.user_id, panel.currency)
    reader = reader_of(panel, viewer)
    return Placed(
        order_id=reader.order(placed.order_id),
        number=placed.order_id,
        reference=reader.reference(placed.order_id),
        price_breakdown=PriceBreakdown(base_price=base, discount=base - final, final_price=final),
        new_balance=balance.amount,
        currency=panel.currency,
        repeated=placed.repeated,
        message=say(request, PLACED),
    )
