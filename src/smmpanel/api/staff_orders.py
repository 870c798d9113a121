"""`/api/admin/orders`: what staff see of orders, and what they may do to them; each deed by permission and on the record."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import staff_with
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.lists import NUMBERED_MAX, After, ByAge, Limit, Page, Pagination, Search, skipped
from smmpanel.api.order_views import LedgerLine, StaffOrderDetail, StaffOrders, staff_detail, staff_row
from smmpanel.api.public import Number, OrderNumber, ParentAsked, PublicId, UserAsked, maybe_number_in, reader_of
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import Money
from smmpanel.kernel.paging import PAGE_SIZE
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import transfers_for
from smmpanel.orders.fulfilling import (
    COUNT_MAX,
    REASON_LENGTH_MAX,
    cancel_and_refund,
    mark_completed,
    set_partial,
    start_manual,
)
from smmpanel.orders.histories import timeline_of
from smmpanel.orders.models import OrderKind, OrderStatus
from smmpanel.orders.queries import OrderFilter, count_orders, order_for, orders_page
from smmpanel.orders.resolving import EXTERNAL_ID_MAX, resend_order, resolve_not_taken, resolve_taken
from smmpanel.orders.writing import lock_orders
from smmpanel.web.inputs import CleanText, RowId, Whole
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/admin/orders", tags=["Staff: orders"])

NEEDED = marked("must not be empty")

Looking = Annotated[Viewer, Depends(staff_with(Permission.ORDERS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.ORDERS_EDIT))]
Settling = Annotated[Viewer, Depends(staff_with(Permission.ORDERS_SETTLE))]
Resending = Annotated[Viewer, Depends(staff_with(Permission.ORDERS_RESEND))]
Refunding = Annotated[Viewer, Depends(staff_with(Permission.ORDERS_REFUND))]


class Resolution(BaseModel):
    """What became of an order that nobody was sure of."""

    taken: bool = Field(description="Whether the provider took it. If not, it is sent again.")
    external_id: Annotated[CleanText, Field(max_length=EXTERNAL_ID_MAX)] | None = Field(
        None, description="The order's id there, if it was taken."
    )

    @model_validator(mode="after")
    def _id_goes_with_taken(self) -> "Resolution":
        if self.taken and not (self.external_id or "").strip():
            raise ValueError("external_id is needed if the provider took the order")
        if not self.taken and self.external_id is not None:
            raise ValueError("external_id makes no sense if the provider did not take the order")
        return self


class Refund(BaseModel):
    """Why everything is paid back."""

    reason: Annotated[CleanText, Field(min_length=1, max_length=REASON_LENGTH_MAX)]


class Partial(BaseModel):
    """How much was not delivered."""

    remains: Annotated[Whole, Field(ge=1, le=COUNT_MAX)]


class Start(BaseModel):
    """Where an order starts from."""

    start_count: Annotated[Whole, Field(ge=0, le=COUNT_MAX)] | None = None


class NewStatus(BaseModel):
    """Where an order is to go, and what has to be known of that."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "completed"},
                {"status": "partial", "remains": 250},
                {"status": "canceled", "reason": "The link is private"},
            ]
        }
    )

    status: Literal["pending", "in_progress", "completed", "partial", "canceled", "cancelled"] = Field(
        description="`in_progress` begins an order that is fulfilled by hand, `completed` ends it as delivered in full, "
        "`partial` pays `remains` back, `canceled` pays everything back, `pending` sends a failed order again."
    )
    remains: Annotated[Whole, Field(ge=1, le=COUNT_MAX)] | None = Field(
        None, description="For `partial`: not delivered."
    )
    reason: Annotated[CleanText, Field(min_length=1, max_length=REASON_LENGTH_MAX)] | None = Field(
        None, description="For `canceled`: why."
    )
    start_count: Annotated[Whole, Field(ge=0, le=COUNT_MAX)] | None = Field(None, description="For `in_progress`.")


class StatusChanged(BaseModel):
    """The order after the change."""

    success: Literal[True] = True
    order_id: PublicId
    number: Number
    status: OrderStatus
    refunded: Amount = Field(description="What this change paid back.", examples=[0])
    currency: str = Field(examples=["VND"])


class Done(BaseModel):
    """It was done."""

    success: Literal[True] = True


class Refunded(BaseModel):
    """What was paid back."""

    success: Literal[True] = True
    refunded: Amount
    currency: str


@router.get("", summary="List orders", responses=errors(401, 403, 404, 422))
async def orders(
    panel: CurrentPanel,
    session: Session,
    viewer: Looking,
    *,
    user_id: UserAsked = None,
    status: Annotated[list[OrderStatus] | None, Query(description="May be given several times.")] = None,
    service_id: RowId | None = None,
    provider_id: RowId | None = None,
    unconfirmed: bool | None = None,
    parent_id: ParentAsked = None,
    kind: Annotated[list[OrderKind] | None, Query(description="May be given several times.")] = None,
    search: Search = None,
    sort: ByAge = "-created_at",
    page: Page = 1,
    after: After = None,
    limit: Limit = PAGE_SIZE,
) -> StaffOrders:
    """Return all customers' orders; `search` is an order's id, a provider's id, or an exact link."""
    wanted = OrderFilter(
        user_id=maybe_number_in(panel, "user", user_id, field="user_id"),
        statuses=tuple(status or ()),
        service_id=service_id,
        provider_id=provider_id,
        unconfirmed=unconfirmed,
        parent_id=maybe_number_in(panel, "order", parent_id, field="parent_id"),
        kinds=tuple(one.value for one in kind or ()),
        search=search,
    )
    before = 0 if after else skipped(page, limit)
    oldest_first = sort == "created_at"
    found = await orders_page(session, viewer, wanted, after=after, size=limit, skip=before, oldest_first=oldest_first)
    total = await count_orders(session, viewer, wanted, most=NUMBERED_MAX)
    reader = reader_of(panel, viewer)
    return StaffOrders(
        data=[staff_row(order, reader) for order in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.get("/{order_id}", summary="One order", responses=errors(401, 403, 404, 422))
async def order(panel: CurrentPanel, session: Session, viewer: Looking, order_id: OrderNumber) -> StaffOrderDetail:
    """Return an order with its history, every attempt to hand it in, and every movement of its money."""
    reader = reader_of(panel, viewer)
    found = await order_for(session, viewer, order_id)
    ledger = [
        LedgerLine(
            id=line.id,
            at=reader.time(line.at),
            key=line.key,
            reason=line.reason,
            debit=line.debit,
            credit=line.credit,
            amount=line.amount.amount,
            currency=line.amount.currency,
            note=line.note,
        )
        for line in await transfers_for(session, f"order:{order_id}")
    ]
    return staff_detail(found, await timeline_of(session, viewer, order_id), ledger, reader)


@router.post("/{order_id}/resolve", summary="Settle an unconfirmed order", responses=errors(401, 403, 404, 409, 422))
async def resolve(
    panel: CurrentPanel, session: Session, viewer: Settling, order_id: OrderNumber, form: Resolution
) -> Done:
    """Say whether the provider took an order whose answer was lost: it is followed from now on, or sent again."""
    if form.taken:
        await resolve_taken(session, panel, viewer, order_id, form.external_id or "", now=panel.clock())
    else:
        await resolve_not_taken(session, panel, viewer, order_id, now=panel.clock())
    return Done()


@router.post("/{order_id}/resend", summary="Send a failed order again", responses=errors(401, 403, 404, 409, 422))
async def resend(panel: CurrentPanel, session: Session, viewer: Resending, order_id: OrderNumber) -> Done:
    """Send an order again that no provider took."""
    await resend_order(session, panel, viewer, order_id, now=panel.clock())
    return Done()


@router.post("/{order_id}/refund", summary="Cancel and pay back", responses=errors(401, 403, 404, 409, 422))
async def refund(
    panel: CurrentPanel, session: Session, viewer: Refunding, order_id: OrderNumber, form: Refund
) -> Refunded:
    """Cancel an order and pay back all that was not paid back yet; of a drip-feed, what was not started."""
    return _refunded(await cancel_and_refund(session, viewer, order_id, form.reason, now=panel.clock()))


@router.post("/{order_id}/partial", summary="Delivered in part", responses=errors(401, 403, 404, 409, 422))
async def partial(
    panel: CurrentPanel, session: Session, viewer: Refunding, order_id: OrderNumber, form: Partial
) -> Refunded:
    """Say that an order was delivered except for `remains`, which is paid back."""
    return _refunded(await set_partial(session, viewer, order_id, form.remains, now=panel.clock()))


@router.post("/{order_id}/complete", summary="Delivered in full", responses=errors(401, 403, 404, 409, 422))
async def complete(panel: CurrentPanel, session: Session, viewer: Editing, order_id: OrderNumber) -> Done:
    """Say that an order was delivered in full, whatever its provider says."""
    await mark_completed(session, viewer, order_id, now=panel.clock())
    return Done()


@router.post("/{order_id}/start", summary="Begin by hand", responses=errors(401, 403, 404, 409, 422))
async def start(
    panel: CurrentPanel, session: Session, viewer: Editing, order_id: OrderNumber, form: Start | None = None
) -> Done:
    """Begin an order of a service that is fulfilled by hand."""
    start_count = None if form is None else form.start_count
    await start_manual(session, viewer, order_id, start_count=start_count, now=panel.clock())
    return Done()


@router.put("/{order_id}/status", summary="Change an order's status", responses=errors(401, 403, 404, 409, 422))
async def change_status(
    panel: CurrentPanel, session: Session, viewer: Editing, order_id: OrderNumber, form: NewStatus
) -> StatusChanged:
    """Move an order by hand, where its status admits that; its money follows.

    `partial` and `canceled` take `orders.refund` as well, `pending` takes `orders.resend`.
    """
    back = await _move(panel, session, viewer, order_id, form)
    # Whoever may change orders need not be allowed to read them all.
    after = (await lock_orders(session, [order_id]))[order_id]
    return StatusChanged(
        order_id=reader_of(panel, viewer).order(order_id),
        number=order_id,
        status=OrderStatus(after["status"]),
        refunded=back.amount,
        currency=back.currency,
    )


async def _move(panel: Panel, session: AsyncSession, viewer: Viewer, order_id: int, form: NewStatus) -> Money:
    now, nothing = panel.clock(), Money(Decimal(0), panel.currency)
    match form.status:
        case "pending":
            await resend_order(session, panel, viewer, order_id, now=now)
        case "in_progress":
            await start_manual(session, viewer, order_id, start_count=form.start_count, now=now)
        case "completed":
            await mark_completed(session, viewer, order_id, now=now)
        case "partial":
            if form.remains is None:
                raise InvalidInputError(field="remains", reason=NEEDED)
            return await set_partial(session, viewer, order_id, form.remains, now=now)
        case "canceled" | "cancelled":
            return await cancel_and_refund(session, viewer, order_id, form.reason or "", now=now)
    return nothing


def _refunded(back: Money) -> Refunded:
    return Refunded(refunded=back.amount, currency=back.currency)
