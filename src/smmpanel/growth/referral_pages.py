"""`/affiliates`: a customer's link, what it has earned order by order, the people who followed it, and payouts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import APIRouter
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.arrivals import device_of
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.growth.earning_chart import EarningChart, earning_chart
from smmpanel.growth.payouts import (
    AFFILIATES_PATH,
    NO_AMOUNT,
    EarningsTooLowError,
    PayoutTooSmallError,
    PayoutWaitingError,
    request_payout,
)
from smmpanel.growth.referral_links import link_of
from smmpanel.growth.referral_models import Payout, PayoutState, ReferralState
from smmpanel.growth.referral_reading import (
    EarningLine,
    ReferralFigures,
    ReferredLine,
    earnings_page,
    figures_of,
    payouts_page,
    referred_page,
)
from smmpanel.growth.referring import note_device
from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.paging import Paged
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import BalanceBelowZeroError, KeyReusedError
from smmpanel.payments.vietqr import qr_svg
from smmpanel.web.amounts import amount_typed
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

ROWS = 25
TYPED_MAX = 40
KEY_LENGTH = 24
TABS: Mapping[str, str] = {"": marked("Commission"), "people": marked("People"), "payouts": marked("Payouts")}
REFERRAL_WORDS: Mapping[str, tuple[str, str]] = {
    ReferralState.CLEAR: ("is-ok", marked("Counts")),
    ReferralState.FLAGGED: ("is-warn", marked("Being checked")),
    ReferralState.REFUSED: ("is-bad", marked("Refused")),
}
PAYOUT_WORDS: Mapping[str, tuple[str, str]] = {
    PayoutState.WAITING: ("is-warn", marked("Waiting")),
    PayoutState.PAID: ("is-ok", marked("Paid out")),
    PayoutState.REFUSED: ("is-bad", marked("Refused")),
}
QR_TITLE = marked("Your link as a QR code")
ASKED = marked("Payout requested")
ASKED_TEXT = marked("We look at it and tell you.")
MOVED = marked("{amount} moved to your balance")
SENT_BEFORE = marked("This form was sent before with other content. Check it and send it again.")
_REFUSALS = (
    InvalidInputError,
    KeyReusedError,
    BalanceBelowZeroError,
    EarningsTooLowError,
    PayoutTooSmallError,
    PayoutWaitingError,
)


@dataclass(frozen=True, slots=True)
class AffiliatesPage:
    """What growth/affiliates.html receives."""

    figures: ReferralFigures
    link: str
    qr: Markup
    tab: str
    earnings: Paged[EarningLine] | None
    people: Paged[ReferredLine] | None
    payouts: Paged[Payout] | None
    key: str
    """Of the payout that the form asks for."""
    chart: EarningChart | None = None
    typed: str = ""
    error: str = ""
    tabs: Mapping[str, str] = field(default_factory=lambda: TABS)
    referral_words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: REFERRAL_WORDS)
    payout_words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: PAYOUT_WORDS)


@router.get(AFFILIATES_PATH)
async def show_affiliates(
    request: Request,
    panel: CurrentPanel,
    viewer: CurrentViewer,
    session: Session,
    *,
    show: CleanText = "",
    after: CleanText = "",
) -> Response:
    """Show the link and what came of it. The browser in which somebody copies their link is remembered as theirs."""
    device = device_of(request)
    if viewer.acted_by is None:
        await note_device(session, viewer.user_id, device.digest, now=panel.clock())
    shown = await _shown(request, panel, viewer, session, tab=show if show in TABS else "", after=after)
    response = page(request, "growth/affiliates.html", shown, fragment="rows")
    if viewer.acted_by is None:
        device.keep(request, response)
    return response


@router.post(AFFILIATES_PATH + "/payout")
async def ask_payout(request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session) -> Response:
    """Ask for earnings to go into the wallet, or show the form again. Sent twice, it is one."""
    form = await read_form(request)
    typed, key = form.get("amount", "")[:TYPED_MAX], form.get("key", "")[:KEY_LENGTH] or None
    formats = formats_of(request)
    try:
        wanted = amount_typed(formats, typed)
        async with session.begin_nested():
            payout = await request_payout(session, viewer, wanted, currency=panel.currency, now=panel.clock(), key=key)
    except _REFUSALS as error:
        shown = await _shown(request, panel, viewer, session, typed=typed, error=_said(request, error))
        return page(request, "growth/affiliates.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if payout.state == PayoutState.PAID:
        toast = Toast(say(request, MOVED, amount=formats.exact(payout.amount)))
    else:
        toast = Toast(say(request, ASKED), say(request, ASKED_TEXT))
    return with_toast(see_other(f"{AFFILIATES_PATH}?show=payouts"), toast)


async def _shown(
    request: Request,
    panel: Panel,
    viewer: Viewer,
    session: AsyncSession,
    *,
    tab: str = "",
    after: str = "",
    typed: str = "",
    error: str = "",
) -> AffiliatesPage:
    figures = await figures_of(session, viewer.user_id, panel.currency)
    link = link_of(request, figures.code)
    user, cursor = viewer.user_id, after or None
    return AffiliatesPage(
        figures=figures,
        link=link,
        qr=Markup(qr_svg(link, say(request, QR_TITLE))),  # noqa: S704 - drawn by ourselves
        tab=tab,
        earnings=await earnings_page(session, user, after=cursor, size=ROWS) if not tab else None,
        people=await referred_page(session, user, after=cursor, size=ROWS) if tab == "people" else None,
        payouts=await payouts_page(session, user, after=cursor, size=ROWS) if tab == "payouts" else None,
        key=random_text(KEY_LENGTH),
        chart=await earning_chart(session, user, formats_of(request), panel.clock()) if figures.credited else None,
        typed=typed,
        error=error,
    )


def _said(request: Request, error: PanelError) -> str:
    if isinstance(error, KeyReusedError):
        return say(request, SENT_BEFORE)
    return say(request, NO_AMOUNT) if isinstance(error, InvalidInputError) else failure_of(request, error).message
