"""The page of one order, and what its owner may do with it there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Actor
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.catalog.order_faults import OrderFieldError
from smmpanel.catalog.stock import read_stock
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.orders.cancels import CannotCancelError, request_cancel
from smmpanel.orders.editing_links import LinkNotEditableError, edit_link
from smmpanel.orders.guarding import LinkInUseError
from smmpanel.orders.histories import timeline_of
from smmpanel.orders.lists import Posts, RefillLine, Timing, posts_of, refills_of, timing_of
from smmpanel.orders.models import FINISHED, CancelState, OrderKind
from smmpanel.orders.owning import as_owner
from smmpanel.orders.pages.charges import Charges, charges_of, fields_of
from smmpanel.orders.pages.history_words import Told, told
from smmpanel.orders.pages.rows import (
    CANCEL_ASKED,
    NO_CANCEL,
    OrderLine,
    host_of_link,
    lines_of,
    no_refill_said,
)
from smmpanel.orders.pages.wording import FIELD_LABELS
from smmpanel.orders.queries import OrderFilter, OrderView, order_for, orders_page
from smmpanel.orders.refills import NotEligibleError, request_refill
from smmpanel.orders.steering_drips import DripStateError, pause_drip, resume_drip
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import safe_target, see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session, panel_of

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/orders/{order_id:int}"
RUNS_SHOWN = 100
LINK_MAX = 2000
ORDER_NAMED = marked("Order {id}")
BAD_LINK = marked("Enter a full link, such as https://example.com/page.")
LINK_BUSY = marked("Another order of this service is still running on this link.")
LINK_FIXED = marked("The order is on its way, so its link stays.")
LINK_SAVED = marked("Link changed")
REFILL_ASKED = marked("Refill requested")
NOT_REFILLED = marked("No refill")
ORDER_CANCELED = marked("Order {id} canceled")
PAID_BACK = marked("{amount} is back in your balance.")
NOT_CANCELED = marked("Order {id} was not canceled")
PAUSED = marked("Drip-feed paused")
RESUMED = marked("Drip-feed resumed")
DRIP_OVER = marked("The drip-feed is past that already")


@dataclass(frozen=True, slots=True)
class OrderPage:
    """What orders/order.html receives."""

    line: OrderLine
    order: OrderView
    host: str
    charges: Charges
    fields: Sequence[tuple[str, str]]
    history: Sequence[Told]
    refills: Sequence[RefillLine]
    runs: Sequence[OrderView]
    posts: Posts | None
    timing: Timing | None
    took: timedelta | None
    """From placing to its end, or until now."""
    late: bool
    """Whether it takes more than twice as long as usual."""
    units: Sequence[str]
    """What was bought from stock."""
    link_typed: str = ""
    link_error: str = ""


@dataclass(frozen=True, slots=True)
class CancelPage:
    """What orders/cancel.html receives."""

    line: OrderLine
    order: OrderView
    back: str


@router.get(PATH)
async def show_order(request: Request, viewer: CurrentViewer, session: Session, order_id: RowId) -> Response:
    """Show one of the own orders."""
    shown = await _order_page(request, session, as_owner(viewer), order_id)
    return page(request, "orders/order.html", shown, fragment="order")


async def _order_page(
    request: Request, session: AsyncSession, owner: Actor, order_id: int, *, link_typed: str = "", link_error: str = ""
) -> OrderPage:
    panel = panel_of(request)
    order = await order_for(session, owner, order_id)
    (line,) = await lines_of(request, session, [order])
    timing = await timing_of(session, order.service_id)
    # What was paid back lets an order end; one without an end may be waiting for staff, or for its provider.
    took = (order.finished_at or panel.clock()) - order.created_at
    unfinished = order.status not in FINISHED
    runs = await orders_page(session, owner, OrderFilter(parent_id=order_id), size=RUNS_SHOWN)
    return OrderPage(
        line=line,
        order=order,
        host=host_of_link(order.link),
        charges=charges_of(order),
        fields=[(say(request, FIELD_LABELS[name]), value) for name, value in fields_of(order)],
        history=told(request, await timeline_of(session, owner, order_id)),
        refills=await refills_of(session, order_id),
        runs=runs.rows if order.kind == OrderKind.DRIP else (),
        posts=(await posts_of(session, [order_id])).get(order_id, Posts())
        if order.kind == OrderKind.SUBSCRIPTION
        else None,
        timing=timing,
        took=took,
        late=timing is not None and unfinished and took.total_seconds() > 2 * timing.median_seconds,
        units=await read_stock(session, panel.vault, order_id) if order.kind == OrderKind.STOCK else (),
        link_typed=link_typed or order.link,
        link_error=link_error,
    )


@router.post(f"{PATH}/link")
async def take_link(
    request: Request,
    viewer: CurrentViewer,
    session: Session,
    panel: CurrentPanel,
    order_id: RowId,
    *,
    link: Annotated[CleanText, Form(max_length=LINK_MAX)] = "",
) -> Response:
    """Give a pending order another link, or show the form again with what is wrong."""
    try:
        await edit_link(session, viewer.user_id, order_id, link, panel.clock())
    except (OrderFieldError, LinkInUseError, LinkNotEditableError) as error:
        text = LINK_BUSY if isinstance(error, LinkInUseError) else BAD_LINK
        owner = as_owner(viewer)
        shown = await _order_page(
            request, session, owner, order_id, link_typed=link.strip(), link_error=say(request, text)
        )
        if not shown.line.possible.edit_link:
            return with_toast(see_other(f"/orders/{order_id}"), Toast(say(request, LINK_FIXED), kind="is-warn"))
        return page(request, "orders/order.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return with_toast(see_other(f"/orders/{order_id}"), Toast(say(request, LINK_SAVED)))


@router.post(f"{PATH}/refill")
async def take_refill(
    request: Request,
    viewer: CurrentViewer,
    session: Session,
    panel: CurrentPanel,
    order_id: RowId,
    *,
    back: Annotated[CleanText, Form()] = "",
) -> Response:
    """Ask for a refill."""
    target = see_other(safe_target(back) if back else f"/orders/{order_id}")
    try:
        await request_refill(session, viewer.user_id, order_id, panel.clock())
    except NotEligibleError as error:
        why = no_refill_said(request, error.refusal)
        return with_toast(target, Toast(say(request, NOT_REFILLED), why, kind="is-warn"))
    return with_toast(target, Toast(say(request, REFILL_ASKED), say(request, ORDER_NAMED, id=order_id)))


@router.get(f"{PATH}/cancel")
async def ask_cancel(
    request: Request, viewer: CurrentViewer, session: Session, order_id: RowId, back: CleanText = ""
) -> Response:
    """Say what canceling means, and ask: in a dialog, or on a page of its own."""
    order = await order_for(session, as_owner(viewer), order_id)
    (line,) = await lines_of(request, session, [order])
    target = safe_target(back) if back else f"/orders/{order_id}"
    return page(request, "orders/cancel.html", CancelPage(line, order, target), fragment="ask")


@router.post(f"{PATH}/cancel")
async def take_cancel(
    request: Request,
    viewer: CurrentViewer,
    session: Session,
    panel: CurrentPanel,
    order_id: RowId,
    *,
    back: Annotated[CleanText, Form()] = "",
) -> Response:
    """Cancel what was not sent, or ask for the cancellation of what was."""
    target = see_other(safe_target(back) if back else f"/orders/{order_id}")
    owner = as_owner(viewer)
    before = await order_for(session, owner, order_id)
    answer = (await request_cancel(session, viewer.user_id, [order_id], panel.clock()))[order_id]
    if isinstance(answer, CannotCancelError):
        title, why = say(request, NOT_CANCELED, id=order_id), say(request, NO_CANCEL[answer.reason])
        return with_toast(target, Toast(title, why, kind="is-warn"))
    if isinstance(answer, Exception):
        raise NotFoundError
    if answer.state != CancelState.ACCEPTED:
        return with_toast(target, Toast(say(request, CANCEL_ASKED), say(request, ORDER_NAMED, id=order_id)))
    paid_back: Decimal = (await order_for(session, owner, order_id)).refunded - before.refunded
    amount = formats_of(request).exact(paid_back, before.currency)
    toast = Toast(say(request, ORDER_CANCELED, id=order_id), say(request, PAID_BACK, amount=amount))
    return with_toast(target, toast)


@router.post(f"{PATH}/pause")
async def take_pause(request: Request, viewer: CurrentViewer, session: Session, order_id: RowId) -> Response:
    """Start no more runs of a drip-feed for now."""
    target = see_other(f"/orders/{order_id}")
    try:
        await pause_drip(session, as_owner(viewer), order_id)
    except DripStateError:
        return with_toast(target, Toast(say(request, DRIP_OVER), kind="is-warn"))
    return with_toast(target, Toast(say(request, PAUSED)))


@router.post(f"{PATH}/resume")
async def take_resume(
    request: Request, viewer: CurrentViewer, session: Session, panel: CurrentPanel, order_id: RowId
) -> Response:
    """Go on with a drip-feed."""
    target = see_other(f"/orders/{order_id}")
    try:
        await resume_drip(session, as_owner(viewer), order_id, now=panel.clock())
    except DripStateError:
        return with_toast(target, Toast(say(request, DRIP_OVER), kind="is-warn"))
    return with_toast(target, Toast(say(request, RESUMED)))
