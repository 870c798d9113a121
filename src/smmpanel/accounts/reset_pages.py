"""Pages for whoever forgot a password or was sent a link: asking for one, setting a new password, confirming an address."""

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_EVERYBODY, RequestOrigin
from smmpanel.accounts.mailed_tokens import LinkWorthlessError
from smmpanel.accounts.passwords import TYPED_MAX, WeakPasswordError
from smmpanel.accounts.resetting import ask_reset, reset_password, whose_reset
from smmpanel.accounts.signing_up import EMAIL_MAX, EMAIL_WRONG, EmailTakenError
from smmpanel.accounts.states import AccountBannedError, AccountSuspendedError
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.accounts.verifying import confirm_address, waiting_address
from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.web.csrf import CsrfChecked
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText
from smmpanel.web.languages import say
from smmpanel.web.origins import address_of
from smmpanel.web.pages import page
from smmpanel.web.redirects import SIGN_IN_PATH, see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel

router = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)

RESET_PATH, VERIFY_PATH = "/reset", "/verify"
DIFFERENT = marked("The two passwords differ.")
PASSWORD_SET = marked("Password changed")
SIGN_IN_NOW = marked("Sign in with the new one.")
CONFIRMED = marked("Address confirmed")
TOKEN_PAGE = {"Referrer-Policy": "strict-origin"}
"""The address of the page, which is the secret, goes nowhere. With `no-referrer` browsers would also keep back the origin
of the form that is posted, and a form of unknown origin is refused."""
_REFUSALS = (LinkWorthlessError, AccountSuspendedError, AccountBannedError)


@dataclass(frozen=True, slots=True)
class ResetPage:
    """What accounts/reset.html receives."""

    email: str = ""
    wrong: str = ""
    sent: bool = False
    can_mail: bool = True


@dataclass(frozen=True, slots=True)
class NewPasswordPage:
    """What accounts/new_password.html receives."""

    username: str
    wrong_field: str = ""
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmPage:
    """What accounts/confirm_address.html receives."""

    email: str


@dataclass(frozen=True, slots=True)
class WorthlessLinkPage:
    """What accounts/worthless_link.html receives: why, and where to get another link."""

    message: str
    href: str


@router.get(RESET_PATH)
async def show_reset(request: Request, panel: CurrentPanel) -> Response:
    """Show the form that asks for a link."""
    return page(request, "accounts/reset.html", ResetPage(can_mail=panel.settings.can_mail))


@router.post(RESET_PATH)
async def take_reset(request: Request, panel: CurrentPanel, origin: RequestOrigin, _csrf: CsrfChecked) -> Response:
    """Have a link sent, and say the same whether an account has the address or not."""
    email = (await read_form(request)).get("email", "").strip()[: EMAIL_MAX * 2]
    can_mail = panel.settings.can_mail
    try:
        if can_mail:
            await ask_reset(panel.db, email=email, origin=origin, now=panel.clock())
    except InvalidInputError:
        shown = ResetPage(email[:EMAIL_MAX], say(request, EMAIL_WRONG))
        return page(request, "accounts/reset.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except TooManyAttemptsError as error:
        failure = failure_of(request, error)
        shown = ResetPage(email[:EMAIL_MAX], failure.message)
        return page(request, "accounts/reset.html", shown, status=failure.status, headers=failure.headers)
    return page(request, "accounts/reset.html", ResetPage(email[:EMAIL_MAX], sent=can_mail, can_mail=can_mail))


@router.get(RESET_PATH + "/{token}")
async def show_new_password(request: Request, panel: CurrentPanel, token: CleanText) -> Response:
    """Show the form for the new password, if the link is good."""
    try:
        async with panel.db.transaction() as session:
            username = (await whose_reset(session, panel.vault, token, now=panel.clock())).username
    except _REFUSALS as error:
        return _refused(request, error, RESET_PATH)
    return page(request, "accounts/new_password.html", NewPasswordPage(username), headers=TOKEN_PAGE)


@router.post(RESET_PATH + "/{token}")
async def take_new_password(
    request: Request, panel: CurrentPanel, origin: RequestOrigin, token: CleanText, _csrf: CsrfChecked
) -> Response:
    """Set the new password and lead to the sign-in page, or show the form again."""
    form = await read_form(request)
    new, again, now = form.get("password", "")[:TYPED_MAX], form.get("again", "")[:TYPED_MAX], panel.clock()
    try:
        if new == again:
            await reset_password(panel.db, panel.vault, token=token, new=new, origin=origin, now=now)
            told = Toast(say(request, PASSWORD_SET), say(request, SIGN_IN_NOW))
            return with_toast(see_other(SIGN_IN_PATH), told)
        wrong_field, wrong = "again", say(request, DIFFERENT)
    except WeakPasswordError as error:
        wrong_field, wrong = "password", failure_of(request, error).message
    except _REFUSALS as error:
        return _refused(request, error, RESET_PATH)
    try:
        async with panel.db.transaction() as session:
            username = (await whose_reset(session, panel.vault, token, now=now)).username
    except _REFUSALS as error:
        return _refused(request, error, RESET_PATH)
    shown = NewPasswordPage(username, wrong_field, wrong)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return page(request, "accounts/new_password.html", shown, status=status, headers=TOKEN_PAGE)


@router.get(VERIFY_PATH + "/{token}")
async def show_confirmation(request: Request, panel: CurrentPanel, token: CleanText) -> Response:
    """Ask whether to confirm: programs that look at links in mails must not do it."""
    try:
        async with panel.db.transaction() as session:
            email = await waiting_address(session, panel.vault, token, now=panel.clock())
    except _REFUSALS as error:
        return _refused(request, error, "/account")
    return page(request, "accounts/confirm_address.html", ConfirmPage(email), headers=TOKEN_PAGE)


@router.post(VERIFY_PATH + "/{token}")
async def take_confirmation(request: Request, panel: CurrentPanel, token: CleanText, _csrf: CsrfChecked) -> Response:
    """Confirm the address and lead on."""
    try:
        async with panel.db.transaction() as session:
            user = await confirm_address(session, panel.vault, token=token, ip=address_of(request), now=panel.clock())
    except (*_REFUSALS, EmailTakenError) as error:
        return _refused(request, error, "/account")
    return with_toast(see_other("/"), Toast(say(request, CONFIRMED), user.email))


def _refused(request: Request, error: PanelError, href: str) -> Response:
    failure = failure_of(request, error)
    shown = WorthlessLinkPage(failure.message, href)
    return page(request, "accounts/worthless_link.html", shown, status=failure.status, headers=TOKEN_PAGE)
