"""`/deposits`: the own deposits; one deposit with how to pay it, and how it stands while one looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from fastapi import APIRouter
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.methods import gateway_class
from smmpanel.payments.models import Deposit, ReceiptState
from smmpanel.payments.opening import is_over
from smmpanel.payments.queries import DepositFilter, DepositLine, deposit_line, deposits_page, story_of
from smmpanel.payments.showing import TransferDetails, transfer_details
from smmpanel.payments.states import OPEN, DepositState
from smmpanel.payments.vietqr import qr_png, qr_svg
from smmpanel.payments.words import STATE_WORDS, TAB_WORDS, TABS
from smmpanel.web.formats import zone_of
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/deposits"
ROWS = 25
QR_TITLE = marked("QR code for bank apps")


@dataclass(frozen=True, slots=True)
class DepositsPage:
    """What payments/deposits.html receives."""

    lines: Sequence[DepositLine]
    after: str | None
    tab: str
    first: date | None
    last: date | None
    cursor: str
    tabs: Mapping[str, str] = field(default_factory=lambda: TAB_WORDS)
    words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: STATE_WORDS)


@dataclass(frozen=True, slots=True)
class DepositPage:
    """What payments/deposit.html receives."""

    deposit: Deposit
    method: str
    details: TransferDetails | None
    """What to transfer (still); `None` when there is nothing to transfer, or it is paid elsewhere."""
    qr: Markup | None
    redirect_url: str
    stage: str
    """`waiting`, `part`, `paid`, `expired`, `rejected`, `back` or `review`: what its page says first."""
    by_staff: bool
    overpaid: Decimal
    rest: Decimal
    is_open: bool
    """Whether something is still to come."""
    words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: STATE_WORDS)


@router.get(PATH)
async def show_deposits(
    request: Request,
    viewer: CurrentViewer,
    session: Session,
    *,
    status: CleanText = "",
    after: CleanText = "",
) -> Response:
    """Show the own deposits, newest first."""
    tab = status if status in TABS else ""
    first, last = _day(request, "from"), _day(request, "to")
    wanted = DepositFilter(
        user_id=viewer.user_id,
        states=TABS.get(tab, ()),
        since=_begin(request, first),
        until=_begin(request, last + timedelta(days=1)) if last else None,
    )
    found = await deposits_page(session, wanted, after=after or None, size=ROWS)
    shown = DepositsPage(found.rows, found.after, tab, first, last, after)
    return page(request, "payments/deposits.html", shown, fragment="rows")


@router.get(PATH + "/{deposit_id}")
async def show_deposit(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session, deposit_id: RowId
) -> Response:
    """Show how to pay a deposit, and how it stands."""
    line = await deposit_line(session, deposit_id, user_id=viewer.user_id)
    deposit = line.deposit
    story = await story_of(session, deposit_id)
    in_review = any(one.state == ReceiptState.REVIEW for one in story.receipts)
    stage = _stage(deposit, panel.clock(), in_review=in_review)
    details = transfer_details(deposit, rest=True) if stage in {"waiting", "part"} else None
    drawn = qr_svg(details.qr_payload, say(request, QR_TITLE)) if details is not None and details.has_qr else None
    shown = DepositPage(
        deposit=deposit,
        method=line.method,
        details=details,
        # Drawn by our own library from our own text: markup that nobody else has a part in.
        qr=None if drawn is None else Markup(drawn),  # noqa: S704
        redirect_url=str(deposit.shown.get("redirect_url") or ""),
        stage=stage,
        by_staff=gateway_class(panel, deposit.gateway).approved_by_staff,
        overpaid=max(deposit.received - deposit.amount, Decimal(0)),
        rest=max(deposit.amount - deposit.received, Decimal(0)),
        is_open=stage in {"waiting", "part", "review"},
    )
    return page(request, "payments/deposit.html", shown, fragment="state")


@router.get(PATH + "/{deposit_id}/qr.png")
async def send_qr(viewer: CurrentViewer, session: Session, deposit_id: RowId) -> Response:
    """Hand out the code as a picture, to keep or to send to another phone."""
    line = await deposit_line(session, deposit_id, user_id=viewer.user_id)
    details = transfer_details(line.deposit, rest=True)
    if details is None or not details.has_qr:
        raise NotFoundError
    name = f"{line.deposit.memo_code or line.deposit.reference}.png"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(qr_png(details.qr_payload), media_type="image/png", headers=headers)


def _stage(deposit: Deposit, now: datetime, *, in_review: bool) -> str:
    state = DepositState(deposit.state)
    if in_review and state != DepositState.PAID:
        return "review"
    if state in OPEN and not is_over(deposit, now):
        return "waiting"
    others = {
        DepositState.PARTIAL: "part",
        DepositState.PAID: "paid",
        DepositState.FAILED: "rejected",
        DepositState.CREATED: "expired",
        DepositState.PENDING: "expired",
        DepositState.EXPIRED: "expired",
    }
    return others.get(state, "back")


def _day(request: Request, name: str) -> date | None:
    try:
        day = date.fromisoformat(request.query_params.get(name, ""))
    except ValueError:
        return None
    # Beyond these the day's begin may not be a moment that can be written down.
    return day if 2000 <= day.year <= 9000 else None


def _begin(request: Request, day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), zone_of(formats_of(request).time_zone))
