"""`/api/admin/deposits`: all customers' deposits, and what staff decide about them; each deed by permission and on the record."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import staff_with
from smmpanel.accounts.finding import usernames_of
from smmpanel.api.amounts import Amount
from smmpanel.api.deposit_returns import (
    ConfirmationView,
    RefundForm,
    ResolutionForm,
    ReturnView,
    confirmation_view,
    return_view,
)
from smmpanel.api.errors import errors
from smmpanel.api.idempotency import KeyHeader, one_key
from smmpanel.api.lists import AFTER, LIMIT_USUAL, NUMBERED_MAX, After, ByAge, Limit, Page, Pagination, Search, skipped
from smmpanel.api.payment import PublicId, Tab, deposit_number
from smmpanel.api.payment_views import DepositRow, deposit_row
from smmpanel.api.public import UserAsked, maybe_number_in
from smmpanel.api.times import LocalTime, maybe_local_time
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.money import LIMIT
from smmpanel.kernel.panel import Panel
from smmpanel.payments.bonuses_given import bonuses_given
from smmpanel.payments.confirming import confirm, withdraw
from smmpanel.payments.deciding import NOTE_MAX, ONCE, approve_deposit, reject_deposit
from smmpanel.payments.models import Receipt
from smmpanel.payments.opening import KEY_MAX
from smmpanel.payments.queries import DepositFilter, DepositLine, count_deposits, deposit_line, deposits_page, story_of
from smmpanel.payments.refunding import WantedRefund, ask_refund, resolve_refund, returns_of
from smmpanel.payments.return_models import Confirmation, PaymentReturn
from smmpanel.payments.second_looks import confirmations_of
from smmpanel.payments.words import TABS
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/admin/deposits", tags=["Staff: deposits"])

Looking = Annotated[Viewer, Depends(staff_with(Permission.DEPOSITS_VIEW))]
Refunding = Annotated[Viewer, Depends(staff_with(Permission.DEPOSITS_REFUND))]
Settling = Annotated[Viewer, Depends(staff_with(Permission.DEPOSITS_SETTLE))]


class StaffDepositRow(DepositRow):
    """One deposit, as staff see it."""

    user_id: str
    user_number: int
    username: str
    gateway: str
    reference: str
    memo: str | None


class StaffDeposits(BaseModel):
    """A page of deposits."""

    success: Literal[True] = True
    data: list[StaffDepositRow]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


class ReceiptView(BaseModel):
    """Money that arrived for a deposit."""

    id: int
    source: str
    external_id: str
    amount: Amount
    currency: str
    state: str
    reason: str
    fee: Amount
    credited: Amount
    bank_ref: str | None
    occurred_at: LocalTime | None
    arrived_at: LocalTime | None


class StaffDepositDetail(StaffDepositRow):
    """One deposit with the money that arrived for it and what went back of it."""

    success: Literal[True] = True
    receipts: list[ReceiptView]
    returns: list[ReturnView]
    confirmations: list[ConfirmationView] = Field(description="What takes two persons, and who they were.")


class Approval(BaseModel):
    """What has arrived."""

    amount: Annotated[Decimal, Field(gt=0, lt=LIMIT, decimal_places=6)] | None = Field(
        None, description="Left out: what is still missing of what was asked for."
    )
    note: Annotated[CleanText, Field(max_length=NOTE_MAX)] = ""
    key: Annotated[CleanText, Field(min_length=1, max_length=KEY_MAX)] = Field(
        ONCE, description="The same key credits a deposit once. Give another one for a second sum."
    )
    received: Annotated[Decimal, Field(ge=0, lt=LIMIT, decimal_places=6)] | None = Field(
        None, description="What had arrived when you looked: refused with `deposit_changed` if that is not so any more."
    )


class Rejection(BaseModel):
    """Why it is turned down; the customer reads it."""

    reason: Annotated[CleanText, Field(min_length=1, max_length=NOTE_MAX)]


@router.get("", summary="List deposits", responses=errors(401, 403, 404, 422))
async def deposits(
    panel: CurrentPanel,
    session: Session,
    viewer: Looking,
    *,
    status: Tab = "all",
    user_id: UserAsked = None,
    method_id: RowId | None = None,
    search: Search = None,
    sort: ByAge = "-created_at",
    page: Page = 1,
    limit: Limit = LIMIT_USUAL,
    after: After = None,
) -> StaffDeposits:
    """Return all customers' deposits, the newest first unless sorted; `search` is a number, a reference, a memo or a user name."""
    wanted = DepositFilter(
        user_id=maybe_number_in(panel, "user", user_id, field="user_id"),
        states=TABS.get(status, ()),
        method_id=method_id,
        search=search or "",
    )
    found = await deposits_page(
        session, wanted, after=after, size=limit, skip=skipped(page, limit), oldest_first=sort == "created_at"
    )
    total = await count_deposits(session, wanted, most=NUMBERED_MAX)
    bonuses = await bonuses_given(session, [line.deposit.id for line in found.rows])
    return StaffDeposits(
        data=[_row(panel, viewer, line, bonuses) for line in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.get("/{deposit_id}", summary="One deposit", responses=errors(401, 403, 404, 422))
async def deposit(panel: CurrentPanel, session: Session, viewer: Looking, deposit_id: PublicId) -> StaffDepositDetail:
    """Return one deposit with the money that arrived for it, what went back of it, and what waits for a second person."""
    return await _detail(panel, session, viewer, deposit_number(panel, deposit_id))


@router.put("/{deposit_id}/approve", summary="Approve a deposit", responses=errors(401, 403, 404, 409, 422))
async def approve(
    panel: CurrentPanel, session: Session, viewer: Settling, deposit_id: PublicId, *, form: Approval | None = None
) -> StaffDepositDetail:
    """Credit what has arrived for a deposit. Nobody can approve their own.

    Above the panel's limit nothing is credited yet: the answer's `confirmations` has what somebody else must confirm.
    """
    asked, number = form or Approval(), deposit_number(panel, deposit_id)
    await approve_deposit(
        session,
        number,
        actor=viewer,
        now=panel.clock(),
        amount=asked.amount,
        note=asked.note,
        key=asked.key,
        seen=asked.received,
    )
    return await _detail(panel, session, viewer, number)


@router.put("/{deposit_id}/reject", summary="Reject a deposit", responses=errors(401, 403, 404, 409, 422))
async def reject(
    panel: CurrentPanel, session: Session, viewer: Settling, deposit_id: PublicId, form: Rejection
) -> StaffDepositDetail:
    """Say that nothing has arrived for a deposit. If it does after all, it is still credited."""
    number = deposit_number(panel, deposit_id)
    await reject_deposit(session, number, actor=viewer, reason=form.reason, now=panel.clock())
    return await _detail(panel, session, viewer, number)


@router.post("/{deposit_id}/refund", summary="Pay a deposit back", responses=errors(401, 403, 404, 409, 422))
async def refund(
    panel: CurrentPanel,
    session: Session,
    viewer: Refunding,
    deposit_id: PublicId,
    form: RefundForm,
    *,
    key: KeyHeader = None,
) -> StaffDepositDetail:
    """Take money out of the wallet and have the gateway pay it back; or note that it was paid back by hand.

    Limited to what the customer has not spent, unless you hold `deposits.refund_over`. What became of it is in `returns`:
    `pending` until the gateway has said so, `unknown` if it did not answer. Above the panel's limit nothing is done yet:
    `confirmations` has what somebody else must confirm.
    """
    number = deposit_number(panel, deposit_id)
    wanted = WantedRefund(
        number,
        one_key(key, form.key) or random_text(20),
        form.reason,
        amount=form.amount,
        by_hand=form.by_hand,
        bank_ref=form.bank_ref,
    )
    await ask_refund(session, panel, wanted, actor=viewer)
    return await _detail(panel, session, viewer, number)


@router.put(
    "/{deposit_id}/refunds/{return_id}",
    summary="Say what became of a refund",
    responses=errors(401, 403, 404, 409, 422),
)
async def resolve(
    panel: CurrentPanel,
    session: Session,
    viewer: Refunding,
    deposit_id: PublicId,
    return_id: RowId,
    *,
    form: ResolutionForm,
) -> StaffDepositDetail:
    """Say whether a refund whose gateway did not answer was paid back. If it was not, it is credited again."""
    number = deposit_number(panel, deposit_id)
    found = await session.get(PaymentReturn, return_id)
    if found is None or found.deposit_id != number:
        raise NotFoundError
    now, paid_back = panel.clock(), form.became == "paid_back"
    await resolve_refund(session, return_id, paid_back=paid_back, actor=viewer, note=form.note, now=now)
    return await _detail(panel, session, viewer, number)


@router.put(
    "/{deposit_id}/confirmations/{confirmation_id}/confirm",
    summary="Confirm what somebody else decided on",
    responses=errors(401, 403, 404, 409, 422),
)
async def confirm_deed(
    panel: CurrentPanel, session: Session, viewer: Looking, deposit_id: PublicId, confirmation_id: RowId
) -> StaffDepositDetail:
    """Be the second person: what was decided on is done, in both names. Takes the permission that the deed takes."""
    number = await _confirmation_of(panel, session, deposit_id, confirmation_id)
    await confirm(session, panel, confirmation_id, actor=viewer)
    return await _detail(panel, session, viewer, number)


@router.put(
    "/{deposit_id}/confirmations/{confirmation_id}/withdraw",
    summary="Withdraw what somebody decided on",
    responses=errors(401, 403, 404, 409, 422),
)
async def withdraw_deed(
    panel: CurrentPanel, session: Session, viewer: Looking, deposit_id: PublicId, confirmation_id: RowId
) -> StaffDepositDetail:
    """Say that what waits for a second person is not to be done. Takes the permission that the deed takes."""
    number = await _confirmation_of(panel, session, deposit_id, confirmation_id)
    await withdraw(session, confirmation_id, actor=viewer, now=panel.clock())
    return await _detail(panel, session, viewer, number)


async def _confirmation_of(panel: Panel, session: AsyncSession, deposit_id: str, confirmation_id: int) -> int:
    number = deposit_number(panel, deposit_id)
    found = await session.get(Confirmation, confirmation_id)
    if found is None or found.deposit_id != number:
        raise NotFoundError
    return number


async def _detail(panel: Panel, session: AsyncSession, viewer: Viewer, number: int) -> StaffDepositDetail:
    line = await deposit_line(session, number)
    story = await story_of(session, number)
    returns, confirmations = await returns_of(session, number), await confirmations_of(session, number)
    ids = [one for row in returns for one in (row.requested_by, row.confirmed_by, row.resolved_by)]
    names = await usernames_of(
        session, [*ids, *(one for row in confirmations for one in (row.first_by, row.second_by))]
    )
    return StaffDepositDetail(
        **_row(panel, viewer, line, await bonuses_given(session, [number])).model_dump(),
        receipts=[receipt_view(one, viewer) for one in story.receipts],
        returns=[return_view(one, viewer, names) for one in returns],
        confirmations=[confirmation_view(one, viewer, names) for one in confirmations],
    )


def _row(panel: Panel, viewer: Viewer, line: DepositLine, bonuses: Mapping[int, Decimal]) -> StaffDepositRow:
    made = line.deposit
    return StaffDepositRow(
        **deposit_row(panel, viewer, line, bonuses).model_dump(),
        user_id=panel.public_ids.uuid_of("user", made.user_id),
        user_number=made.user_id,
        username=line.username,
        gateway=made.gateway,
        reference=made.reference,
        memo=made.memo,
    )


def receipt_view(row: Receipt, viewer: Viewer) -> ReceiptView:
    """Show money that arrived to staff."""
    return ReceiptView(
        id=row.id,
        source=row.source,
        external_id=row.external_id,
        amount=row.amount,
        currency=row.currency,
        state=row.state,
        reason=row.reason,
        fee=row.fee,
        credited=row.credited,
        bank_ref=row.bank_ref,
        occurred_at=maybe_local_time(row.occurred_at, viewer.time_zone),
        arrived_at=maybe_local_time(row.arrived_at, viewer.time_zone),
    )
