"""`/api/smm/orders`: orders by reference, from `processing` over `in_progress` to `completed`."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.idempotency import KeyHeader, one_key
from smmpanel.api.lists import AFTER, LIMIT_USUAL, NUMBERED_MAX, After, ByAge, Limit, Page, Pagination, Search, skipped
from smmpanel.api.order_forms import NewOrderForm
from smmpanel.api.order_views import progress_of, status_slug
from smmpanel.api.orders import CANCEL_REQUESTED, CANCELED, place_for
from smmpanel.api.public import EXAMPLE_REFERENCE, Reader, Reference, reader_of
from smmpanel.api.times import LocalTime
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.orders.cancels import request_cancel
from smmpanel.orders.models import CancelState, OrderStatus
from smmpanel.orders.owning import as_owner
from smmpanel.orders.placing import NewOrder
from smmpanel.orders.queries import OrderFilter, OrderView, count_orders, order_for, orders_page
from smmpanel.orders.refills import request_refill
from smmpanel.orders.words import TABS
from smmpanel.web.inputs import CleanText
from smmpanel.web.languages import say
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/smm/orders", tags=["Shop"])

REFILL_REQUESTED = marked("The refill has been requested.")
REFERENCE_TEXT_MAX = 40
# From placing on an order is being processed, whoever has it in hand.
_WORDS = {"pending": "processing", "active": "in_progress"}
_STATUSES: dict[str, tuple[OrderStatus, ...]] = {**TABS, "processing": TABS["pending"] + TABS["processing"]}
STATUSES = ("processing", "in_progress", "paused", "completed", "partial", "canceled")

Tab = Annotated[
    Literal["all", "processing", "in_progress", "completed", "partial", "canceled"],
    Query(description="Only orders of this status."),
]


class SmmOrder(BaseModel):
    """One order of the caller's."""

    reference: Reference
    service_id: int = Field(examples=[1])
    service: str = Field(examples=["Instagram Followers [High Quality]"])
    link: str = Field(examples=["https://instagram.com/username"])
    quantity: int = Field(examples=[1000])
    price: Amount = Field(description="What it has cost, after refunds.", examples=[400])
    currency: str = Field(examples=["NGN"])
    status: str = Field(
        description="One of " + ", ".join(f"`{status}`" for status in STATUSES) + ".", examples=["processing"]
    )
    progress: int = Field(description="Percent delivered, as far as is known.", ge=0, le=100, examples=[0])
    start_count: int | None
    remains: int = Field(examples=[1000])
    created_at: LocalTime
    completed_at: LocalTime | None = Field(description="When it ended, delivered or not.")


class SmmPlaced(BaseModel):
    """The order exists and is paid."""

    success: Literal[True] = True
    data: SmmOrder
    new_balance: Amount = Field(examples=[4600])
    message: str


class SmmOrders(BaseModel):
    """A page of orders."""

    success: Literal[True] = True
    data: list[SmmOrder]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


class SmmFound(BaseModel):
    """One order."""

    success: Literal[True] = True
    data: SmmOrder


class SmmAsked(BaseModel):
    """It is done, or has been asked for: the message says which, the order how it stands now."""

    success: Literal[True] = True
    data: SmmOrder
    message: str


async def referenced(
    panel: CurrentPanel,
    reference: Annotated[CleanText, Path(max_length=REFERENCE_TEXT_MAX, examples=[EXAMPLE_REFERENCE])],
) -> int:
    """Read the order that a path names; what is no reference of ours leads nowhere."""
    number = panel.public_ids.number_of_reference("order", reference.strip())
    if number is None:
        raise NotFoundError
    return number


Referenced = Annotated[int, Depends(referenced)]


@router.post("", summary="Place an order", responses=errors(401, 402, 403, 409, 422, 429))
async def place(
    request: Request,
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    form: NewOrderForm,
    *,
    key: KeyHeader = None,
) -> SmmPlaced:
    """Place an order and pay for it from the balance."""
    once, coupon = one_key(key, form.key), (form.coupon or "").strip()
    order = NewOrder(viewer.user_id, form.service_id, form.raw(), once, coupon=coupon)
    placed = await place_for(request, panel, session, viewer, order, note=form.note)
    found = await order_for(session, as_owner(viewer), placed.number)
    return SmmPlaced(
        data=_shown(found, reader_of(panel, viewer)), new_balance=placed.new_balance, message=placed.message
    )


@router.get("", summary="List orders", responses=errors(401, 403, 422, 429))
async def orders(
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    *,
    status: Tab = "all",
    search: Search = None,
    sort: ByAge = "-created_at",
    page: Page = 1,
    after: After = None,
    limit: Limit = LIMIT_USUAL,
) -> SmmOrders:
    """Return the own orders, the newest first unless sorted otherwise; `search` is an exact link."""
    wanted = OrderFilter(statuses=_STATUSES.get(status, ()), search=search)
    owner, before = as_owner(viewer), 0 if after else skipped(page, limit)
    found = await orders_page(
        session, owner, wanted, after=after, size=limit, skip=before, oldest_first=sort == "created_at"
    )
    total = await count_orders(session, owner, wanted, most=NUMBERED_MAX)
    reader = reader_of(panel, viewer)
    return SmmOrders(
        data=[_shown(order, reader) for order in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.get("/{reference}", summary="One order", responses=errors(401, 403, 404, 422, 429))
async def order(panel: CurrentPanel, session: Session, viewer: CurrentCaller, number: Referenced) -> SmmFound:
    """Return one of the own orders."""
    return SmmFound(data=_shown(await order_for(session, as_owner(viewer), number), reader_of(panel, viewer)))


@router.post("/{reference}/cancel", summary="Cancel an order", responses=errors(401, 403, 404, 409, 422, 429))
async def cancel(
    request: Request, panel: CurrentPanel, session: Session, viewer: CurrentCaller, number: Referenced
) -> SmmAsked:
    """Cancel an order that was not sent yet, or ask for the cancellation of one that was."""
    answer = (await request_cancel(session, viewer.user_id, [number], panel.clock()))[number]
    if isinstance(answer, PanelError):
        raise answer
    message = CANCELED if answer.state == CancelState.ACCEPTED else CANCEL_REQUESTED
    found = await order_for(session, as_owner(viewer), number)
    return SmmAsked(data=_shown(found, reader_of(panel, viewer)), message=say(request, message))


@router.post("/{reference}/refill", summary="Ask for a refill", responses=errors(401, 403, 404, 409, 422, 429))
async def refill(
    request: Request, panel: CurrentPanel, session: Session, viewer: CurrentCaller, number: Referenced
) -> SmmAsked:
    """Ask for a completed order to be refilled, within the service's period."""
    await request_refill(session, viewer.user_id, number, panel.clock())
    found = await order_for(session, as_owner(viewer), number)
    return SmmAsked(data=_shown(found, reader_of(panel, viewer)), message=say(request, REFILL_REQUESTED))


def _shown(order: OrderView, reader: Reader) -> SmmOrder:
    status = status_slug(order)
    return SmmOrder(
        reference=reader.reference(order.id),
        service_id=order.service_id,
        service=order.service,
        link=order.link,
        quantity=order.quantity,
        price=order.net_charge,
        currency=order.currency,
        status=_WORDS.get(status, status),
        progress=progress_of(order),
        start_count=order.start_count,
        remains=order.remains,
        created_at=reader.time(order.created_at),
        completed_at=reader.maybe_time(order.finished_at),
    )
