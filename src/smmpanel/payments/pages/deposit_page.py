"""`/deposits/{id}`: one deposit with how to pay it, and how it stands while one looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus

from fastapi import APIRouter
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.accounts.throttling import Limit, TooManyAttemptsError, count_attempt
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.payments.asking_now import Question, ask_now, can_be_asked
from smmpanel.payments.bonuses import Bonus, best_bonus, rules_since
from smmpanel.payments.bonuses_given import bonuses_given
from smmpanel.payments.elsewhere import Elsewhere, elsewhere
from smmpanel.payments.fees import fee_on, in_wallet
from smmpanel.payments.methods import gateway_class
from smmpanel.payments.models import Deposit
from smmpanel.payments.pages.deposits import PATH
from smmpanel.payments.proof_models import DepositClaim, DepositProof
from smmpanel.payments.proofs import PROOFS_MAX, claim_of, proofs_of, takes_proofs
from smmpanel.payments.queries import deposit_line, story_of
from smmpanel.payments.returned_payments import is_being_paid_back
from smmpanel.payments.showing import TransferDetails, transfer_details
from smmpanel.payments.stages import Stage, is_open, stage_of
from smmpanel.payments.vietqr import qr_png, qr_svg
from smmpanel.payments.words import STATE_WORDS
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

CHECKS = Limit(
    kind="payment:check",
    free=20,
    first_wait=timedelta(seconds=30),
    longest_wait=timedelta(minutes=10),
    forgotten_after=timedelta(hours=1),
)
"""Questions that a customer has asked, by customer."""
QR_TITLE = marked("QR code for bank apps")
QR_ELSEWHERE = marked("QR code to pay with")
ASKED = marked("The payment provider is asked")
ASKED_NEXT = marked("This page changes by itself when the money is there.")
JUST_ASKED = marked("It was asked a moment ago")
CHECK_LATER = marked("Nothing to ask right now")
WAIT = marked("Try again in a moment.")


@dataclass(frozen=True, slots=True)
class DepositPage:
    """What payments/deposit.html receives."""

    deposit: Deposit
    method: str
    stage: Stage
    """What its page says first."""
    is_open: bool
    """Whether something is still to come."""
    details: TransferDetails | None
    """What to transfer (still); `None` when there is nothing to transfer, or it is paid elsewhere."""
    elsewhere: Elsewhere | None
    qr: Markup | None
    by_staff: bool
    overpaid: Decimal
    repeated: bool
    more_in_review: bool
    """Whether more money has arrived for a paid deposit than anybody expected, and is looked at."""
    rest: Decimal
    bonus: Decimal
    """What came on top of it."""
    gained: Decimal | None
    """What it will come to in the wallet, where that has another currency."""
    on_its_way: bool
    """Whether some of it is being paid back, and nobody has said yet that it is done."""
    promised: Bonus | None
    """What will come on top of it, if it is paid in time."""
    can_check: bool
    has_receipt: bool
    takes_proofs: bool
    claim: DepositClaim | None
    proofs: Sequence[DepositProof]
    typed: Mapping[str, str]
    errors: Mapping[str, str]
    proofs_max: int = PROOFS_MAX
    words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: STATE_WORDS)


@router.get(PATH + "/{deposit_id}")
async def show_deposit(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session, deposit_id: RowId
) -> Response:
    """Show how to pay a deposit, and how it stands."""
    return await deposit_page(request, panel, viewer, session, deposit_id)


@router.get(PATH + "/{deposit_id}/qr.png")
async def send_qr(viewer: CurrentViewer, session: Session, deposit_id: RowId) -> Response:
    """Hand out the code as a picture, to keep or to send to another phone."""
    line = await deposit_line(session, deposit_id, user_id=viewer.user_id)
    details, outside = transfer_details(line.deposit, rest=True), elsewhere(line.deposit)
    payload = details.qr_payload if details is not None and details.has_qr else outside.qr_payload if outside else ""
    if not payload:
        raise NotFoundError
    name = f"{line.deposit.memo_code or line.deposit.reference}.png"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(qr_png(payload), media_type="image/png", headers=headers)


@router.post(PATH + "/{deposit_id}/check")
async def check(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session, deposit_id: RowId
) -> Response:
    """Have the gateway asked, because its customer says that they have paid."""
    await deposit_line(session, deposit_id, user_id=viewer.user_id)
    try:
        await count_attempt(session, CHECKS, str(viewer.user_id), now=panel.clock())
        asked = await ask_now(session, panel, deposit_id)
    except TooManyAttemptsError:
        asked = Question.JUST_NOW
    told = {
        Question.ASKED: Toast(say(request, ASKED), say(request, ASKED_NEXT), kind="is-info"),
        Question.JUST_NOW: Toast(say(request, JUST_ASKED), say(request, WAIT), kind="is-info"),
        Question.NEVER: Toast(say(request, CHECK_LATER), kind="is-info"),
    }
    return with_toast(see_other(f"{PATH}/{deposit_id}"), told[asked])


async def deposit_page(
    request: Request,
    panel: Panel,
    viewer: Viewer,
    session: AsyncSession,
    deposit_id: int,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    """Show a deposit to its owner, with what they typed and what is wrong with it."""
    line = await deposit_line(session, deposit_id, user_id=viewer.user_id)
    deposit, receipts = line.deposit, (await story_of(session, deposit_id)).receipts
    by_staff = gateway_class(panel, deposit.gateway).approved_by_staff
    claim = await claim_of(session, deposit_id) if by_staff else None
    stage = stage_of(deposit, receipts, panel.clock(), is_claimed=claim is not None)
    waits = stage in {Stage.WAITING, Stage.PART}
    outside = elsewhere(deposit) if stage is Stage.WAITING else None
    details = transfer_details(deposit, rest=True) if waits else None
    on_its_way = stage in {Stage.REFUNDED, Stage.PARTLY_REFUNDED} and await is_being_paid_back(session, deposit_id)
    shown = DepositPage(
        deposit=deposit,
        method=line.method,
        stage=stage,
        is_open=is_open(stage) or on_its_way,
        details=details,
        elsewhere=outside,
        qr=_qr(request, details, outside),
        by_staff=by_staff,
        overpaid=max(deposit.received - deposit.amount, Decimal(0)),
        repeated=any(one.reason == "repeated" for one in receipts),
        more_in_review=stage is Stage.PAID and any(one.state == "review" for one in receipts),
        rest=max(deposit.amount - deposit.received, Decimal(0)),
        bonus=(await bonuses_given(session, [deposit_id])).get(deposit_id, Decimal(0)),
        gained=_gained(deposit) if stage is Stage.WAITING else None,
        on_its_way=on_its_way,
        promised=await _promised(session, deposit) if stage is Stage.WAITING else None,
        can_check=is_open(stage) and not by_staff and await can_be_asked(session, panel, deposit),
        has_receipt=deposit.credited > 0,
        takes_proofs=takes_proofs(deposit, by_staff=by_staff),
        claim=claim,
        proofs=await proofs_of(session, deposit_id) if by_staff else (),
        typed={"payer": claim.payer if claim else "", **(typed or {})},
        errors=errors or {},
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return page(request, "payments/deposit.html", shown, fragment="state", status=status)


def _gained(deposit: Deposit) -> Decimal | None:
    if deposit.currency == deposit.wallet_currency:
        return None
    return in_wallet(deposit.amount - fee_on(deposit.amount, deposit.fee_percent, deposit.fee_fixed), deposit.rate)


async def _promised(session: AsyncSession, deposit: Deposit) -> Bonus | None:
    """Return the bonus that its customer was told when it was begun."""
    paid = in_wallet(deposit.amount, deposit.rate)
    fee = in_wallet(fee_on(deposit.amount, deposit.fee_percent, deposit.fee_fixed), deposit.rate)
    rules = await rules_since(session, deposit.created_at)
    return best_bonus(rules, method_id=deposit.method_id, paid=paid, credited=paid - fee, at=deposit.created_at)


def _qr(request: Request, details: TransferDetails | None, outside: Elsewhere | None) -> Markup | None:
    # Drawn by our own library from our own text: markup that nobody else has a part in.
    if details is not None and details.has_qr:
        return Markup(qr_svg(details.qr_payload, say(request, QR_TITLE)))  # noqa: S704
    if outside is not None and outside.qr_payload:
        return Markup(qr_svg(outside.qr_payload, say(request, QR_ELSEWHERE)))  # noqa: S704
    return None
