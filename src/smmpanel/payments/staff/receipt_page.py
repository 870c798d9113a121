"""`/staff/deposits/money/{id}`: money that waits for somebody to say whose it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF
from smmpanel.accounts.finding import find_user
from smmpanel.catalog.staff.typed import faults_of
from smmpanel.kernel.errors import InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.payments.deciding import assign_to_deposit, assign_to_user, dismiss_receipt
from smmpanel.payments.models import Deposit, GatewayEvent, Receipt, ReceiptState
from smmpanel.payments.queries import DepositLine, candidates_for, receipt_line
from smmpanel.payments.return_models import Confirmation
from smmpanel.payments.staff.deposit_list import PATH as LIST_PATH
from smmpanel.payments.staff.deposit_list import Looking, Settling
from smmpanel.payments.staff.deposit_page import BODY_SHOWN_MAX
from smmpanel.payments.staff.going_back import AWAITS, Awaited, awaited_for
from smmpanel.payments.words import REASON_WORDS, RECEIPT_WORDS, STATE_WORDS
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = LIST_PATH + "/money/{receipt_id}"
ASSIGNED = marked("Money assigned and credited")
DISMISSED = marked("Money dismissed")
NOBODY = marked("There is no such user.")
NO_DEPOSIT = marked("There is no such deposit.")
NONE = marked("Enter the number of a deposit, or a user name.")
DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """What payments/staff/receipt.html receives."""

    receipt: Receipt
    method: str
    body: str
    candidates: Sequence[DepositLine]
    typed: Mapping[str, str]
    errors: Mapping[str, str]
    may_settle: bool
    awaited: Sequence[Awaited]
    words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: STATE_WORDS)
    receipt_words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: RECEIPT_WORDS)
    reasons: Mapping[str, str] = field(default_factory=lambda: REASON_WORDS)


@router.get(PATH)
async def show_receipt(request: Request, viewer: Looking, session: Session, receipt_id: RowId) -> Response:
    """Show money that arrived, and whose it may be."""
    return await _page(request, viewer, session, receipt_id)


@router.post(PATH + "/assign")
async def assign(
    request: Request, panel: CurrentPanel, viewer: Settling, session: Session, receipt_id: RowId
) -> Response:
    """Say whose it is: a deposit's, or a user's."""
    form = await read_form(request)
    try:
        async with session.begin_nested():
            done = await _assign(session, panel, viewer, receipt_id, form)
    except PanelError as wrong:
        return await _page(request, viewer, session, receipt_id, typed=form, wrong=wrong)
    if isinstance(done, Confirmation):
        return with_toast(see_other(PATH.format(receipt_id=receipt_id)), Toast(say(request, AWAITS), kind="is-info"))
    return with_toast(see_other(f"{LIST_PATH}/{done.id}"), Toast(say(request, ASSIGNED)))


@router.post(PATH + "/dismiss")
async def dismiss(
    request: Request, panel: CurrentPanel, viewer: Settling, session: Session, receipt_id: RowId
) -> Response:
    """Say that it is no customer's."""
    form = await read_form(request)
    try:
        async with session.begin_nested():
            await dismiss_receipt(session, receipt_id, actor=viewer, reason=form.get("reason", ""), now=panel.clock())
    except NotFoundError:
        raise
    except PanelError as wrong:
        return await _page(request, viewer, session, receipt_id, typed=form, wrong=wrong)
    return with_toast(see_other(f"{LIST_PATH}?status=review"), Toast(say(request, DISMISSED), kind="is-warn"))


async def _assign(
    session: AsyncSession, panel: Panel, viewer: Viewer, receipt_id: int, form: Mapping[str, str]
) -> Deposit | Confirmation:
    typed, name = form.get("deposit", "").strip().removeprefix("#"), form.get("user", "").strip()
    if typed.isascii() and typed.isdigit() and len(typed) <= DIGITS_MAX:
        if await session.get(Deposit, int(typed)) is None:
            raise InvalidInputError(field="deposit", reason=NO_DEPOSIT)
        return await assign_to_deposit(session, receipt_id, int(typed), actor=viewer, now=panel.clock())
    if not name:
        raise InvalidInputError(field="deposit", reason=NONE)
    user = await find_user(session, name)
    if user is None:
        raise InvalidInputError(field="user", reason=NOBODY)
    return await assign_to_user(session, panel, receipt_id, user.id, actor=viewer, now=panel.clock())


async def _page(
    request: Request,
    viewer: Viewer,
    session: AsyncSession,
    receipt_id: int,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: PanelError | None = None,
) -> Response:
    line = await receipt_line(session, receipt_id)
    receipt = line.receipt
    event = await session.get(GatewayEvent, receipt.event_id) if receipt.event_id is not None else None
    in_review = receipt.state == ReceiptState.REVIEW
    awaited = await awaited_for(session, viewer, receipt.id)
    shown = ReceiptPage(
        receipt=receipt,
        method=line.method,
        body=event.body[:BODY_SHOWN_MAX].decode("utf-8", "replace") if event is not None else "",
        candidates=await candidates_for(session, receipt) if in_review else (),
        typed={"deposit": "", "user": "", "reason": "", **(typed or {})},
        errors=faults_of(request, wrong) if wrong else {},
        may_settle=in_review and viewer.may(Permission.DEPOSITS_SETTLE) and not awaited,
        awaited=awaited,
    )
    status = wrong.status if wrong else HTTPStatus.OK
    return page(request, "payments/staff/receipt.html", shown, status=status)
