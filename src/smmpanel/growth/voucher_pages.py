"""`/voucher`: a customer types a code and has its money in the wallet."""

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.growth.redeeming import VoucherWorthlessError, redeem
from smmpanel.growth.voucher_codes import TYPED_MAX
from smmpanel.kernel.i18n import marked
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/voucher"
ADDED = marked("{amount} added to your balance")
TO_STATEMENT = marked("Statement")


@dataclass(frozen=True, slots=True)
class VoucherPage:
    """What growth/voucher.html receives."""

    typed: str = ""
    error: str = ""
    typed_max: int = TYPED_MAX


@router.get(PATH)
async def show_voucher(request: Request, _viewer: CurrentViewer) -> Response:
    """Show the form."""
    return page(request, "growth/voucher.html", VoucherPage())


@router.post(PATH)
async def redeem_typed(request: Request, panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Redeem a code, or show the form again; all codes that are no good get the same answer."""
    typed = (await read_form(request)).get("code", "")[:TYPED_MAX]
    try:
        redeemed = await redeem(panel, viewer.user_id, typed, ip=viewer.ip or "")
    except (VoucherWorthlessError, TooManyAttemptsError) as wrong:
        shown = VoucherPage(typed, failure_of(request, wrong).message)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if isinstance(wrong, VoucherWorthlessError) else wrong.status
        return page(request, "growth/voucher.html", shown, status=status)
    amount = formats_of(request).exact(redeemed.amount.amount)
    said = Toast(say(request, ADDED, amount=amount), redeemed.name, href="/statement", link=say(request, TO_STATEMENT))
    return with_toast(see_other(PATH), said)
