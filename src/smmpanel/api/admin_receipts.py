"""`/api/admin/receipts`: money that arrived and names nobody surely; staff say whose it is, by permission and on the record."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.finding import user_named, usernames_of
from smmpanel.api.admin_deposits import Looking, ReceiptView, Rejection, Settling, receipt_view
from smmpanel.api.deposit_returns import ConfirmationView, confirmation_view
from smmpanel.api.errors import errors
from smmpanel.api.lists import AFTER, LIMIT_USUAL, NUMBERED_MAX, After, ByAge, Limit, Page, Pagination, skipped
from smmpanel.api.public import ID_TEXT_MAX, number_in
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.panel import Panel
from smmpanel.payments.confirming import confirm, withdraw
from smmpanel.payments.deciding import assign_to_deposit, assign_to_user, dismiss_receipt
from smmpanel.payments.models import Deposit, ReceiptState
from smmpanel.payments.queries import ReceiptLine, candidates_for, count_receipts, receipt_line, receipts_page
from smmpanel.payments.return_models import Confirmation
from smmpanel.payments.second_looks import confirmations_for
from smmpanel.payments.words import status_of
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/admin/receipts", tags=["Staff: deposits"])

Name = Annotated[CleanText, Field(min_length=1, max_length=320)]
State = Annotated[Literal["review", "credited", "dismissed"], Query(description="`review`: waits for somebody.")]


class MoneyRow(ReceiptView):
    """Money that arrived."""

    method: str
    account: str | None = Field(description="The account that it arrived on.")
    payer: str | None
    memo: str = Field(description="What stands in its text.")
    deposit_id: str | None = Field(description="The deposit that it is credited to, or seems to be for.")
    deposit_number: int | None


class MoneyPage(BaseModel):
    """A page of money that arrived."""

    success: Literal[True] = True
    data: list[MoneyRow]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


class Candidate(BaseModel):
    """A deposit that it may belong to."""

    deposit_id: str
    number: int
    username: str
    reference: str
    memo: str | None
    status: str


class MoneyDetail(MoneyRow):
    """Money that arrived, whose it may be, and what waits for a second person."""

    success: Literal[True] = True
    candidates: list[Candidate] = Field(
        description="Of money in review: the one that it names, then those of the same amount."
    )
    confirmations: list[ConfirmationView]


class Assignment(BaseModel):
    """Whose it is: a deposit's, or a user's who began none for it."""

    deposit_id: Annotated[CleanText, Field(max_length=ID_TEXT_MAX)] | None = Field(
        None, description="The UUID, or the plain number."
    )
    user: Name | None = Field(None, description="A user name or an e-mail address.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.deposit_id is None) == (self.user is None):
            raise ValueError("either deposit_id or user is needed")
        return self


@router.get("", summary="List money that arrived", responses=errors(401, 403, 422))
async def receipts(
    panel: CurrentPanel,
    session: Session,
    viewer: Looking,
    *,
    state: State = "review",
    sort: ByAge = "-created_at",
    page: Page = 1,
    limit: Limit = LIMIT_USUAL,
    after: After = None,
) -> MoneyPage:
    """Return money that arrived, the newest first unless sorted: what is in review, unless another state is asked for."""
    wanted, is_oldest = ReceiptState(state), sort == "created_at"
    found = await receipts_page(
        session, wanted, after=after, size=limit, skip=skipped(page, limit), oldest_first=is_oldest
    )
    total = await count_receipts(session, wanted, most=NUMBERED_MAX)
    return MoneyPage(
        data=[_row(panel, viewer, line) for line in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.get("/{receipt_id}", summary="Money that arrived", responses=errors(401, 403, 404, 422))
async def receipt(panel: CurrentPanel, session: Session, viewer: Looking, receipt_id: RowId) -> MoneyDetail:
    """Return money that arrived, and in review the deposits that it may belong to."""
    return await _detail(panel, session, viewer, receipt_id)


@router.put("/{receipt_id}/assign", summary="Assign money in review", responses=errors(401, 403, 404, 409, 422))
async def assign(
    panel: CurrentPanel, session: Session, viewer: Settling, receipt_id: RowId, form: Assignment
) -> MoneyDetail:
    """Say whose money in review is, and credit it, under the key that it would have had by itself. Nobody can assign to themselves.

    Above the panel's limit nothing is credited yet: the answer's `confirmations` has what somebody else must confirm.
    """
    now = panel.clock()
    if form.deposit_id is not None:
        deposit_id = number_in(panel, "deposit", form.deposit_id, field="deposit_id")
        await assign_to_deposit(session, receipt_id, deposit_id, actor=viewer, now=now)
    else:
        owner = await user_named(session, form.user or "")
        await assign_to_user(session, panel, receipt_id, owner.id, actor=viewer, now=now)
    return await _detail(panel, session, viewer, receipt_id)


@router.put("/{receipt_id}/dismiss", summary="Dismiss money in review", responses=errors(401, 403, 404, 409, 422))
async def dismiss(
    panel: CurrentPanel, session: Session, viewer: Settling, receipt_id: RowId, form: Rejection
) -> MoneyDetail:
    """Say that money in review is no customer's: it was sent back, or it is told twice."""
    await dismiss_receipt(session, receipt_id, actor=viewer, reason=form.reason, now=panel.clock())
    return await _detail(panel, session, viewer, receipt_id)


@router.put(
    "/{receipt_id}/confirmations/{confirmation_id}/confirm",
    summary="Confirm whose money somebody else said it is",
    responses=errors(401, 403, 404, 409, 422),
)
async def confirm_assignment(
    panel: CurrentPanel, session: Session, viewer: Settling, receipt_id: RowId, confirmation_id: RowId
) -> MoneyDetail:
    """Be the second person: the money is credited, in both names."""
    await _waiting(session, receipt_id, confirmation_id)
    await confirm(session, panel, confirmation_id, actor=viewer)
    return await _detail(panel, session, viewer, receipt_id)


@router.put(
    "/{receipt_id}/confirmations/{confirmation_id}/withdraw",
    summary="Withdraw whose money somebody said it is",
    responses=errors(401, 403, 404, 409, 422),
)
async def withdraw_assignment(
    panel: CurrentPanel, session: Session, viewer: Settling, receipt_id: RowId, confirmation_id: RowId
) -> MoneyDetail:
    """Say that what waits for a second person is not to be done."""
    await _waiting(session, receipt_id, confirmation_id)
    await withdraw(session, confirmation_id, actor=viewer, now=panel.clock())
    return await _detail(panel, session, viewer, receipt_id)


async def _waiting(session: AsyncSession, receipt_id: int, confirmation_id: int) -> None:
    found = await session.get(Confirmation, confirmation_id)
    if found is None or found.receipt_id != receipt_id:
        raise NotFoundError


async def _detail(panel: Panel, session: AsyncSession, viewer: Viewer, receipt_id: int) -> MoneyDetail:
    line = await receipt_line(session, receipt_id)
    in_review = line.receipt.state == ReceiptState.REVIEW
    candidates = await candidates_for(session, line.receipt) if in_review else []
    rows = await confirmations_for(session, receipt_id)
    names = await usernames_of(session, [one for row in rows for one in (row.first_by, row.second_by)])
    return MoneyDetail(
        **_row(panel, viewer, line).model_dump(),
        candidates=[_candidate(panel, one.deposit, one.username) for one in candidates],
        confirmations=[confirmation_view(row, viewer, names) for row in rows],
    )


def _row(panel: Panel, viewer: Viewer, line: ReceiptLine) -> MoneyRow:
    row = line.receipt
    return MoneyRow(
        **receipt_view(row, viewer).model_dump(),
        method=line.method,
        account=row.account,
        payer=row.payer,
        memo=row.memo,
        deposit_id=None if row.deposit_id is None else panel.public_ids.uuid_of("deposit", row.deposit_id),
        deposit_number=row.deposit_id,
    )


def _candidate(panel: Panel, made: Deposit, username: str) -> Candidate:
    return Candidate(
        deposit_id=panel.public_ids.uuid_of("deposit", made.id),
        number=made.id,
        username=username,
        reference=made.reference,
        memo=made.memo,
        status=status_of(made.state),
    )
