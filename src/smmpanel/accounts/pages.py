"""The sign-in page, signing out, and the bare page behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import SecondFactorRequiredError
from smmpanel.accounts.arriving import arrive, lead_to_second_step
from smmpanel.accounts.current import FOR_EVERYBODY, CurrentViewer, MaybeViewer, RequestOrigin
from smmpanel.accounts.entering import SecondFactorNeededError
from smmpanel.accounts.openid.settings import openid_settings
from smmpanel.accounts.sessions import revoke_token
from smmpanel.accounts.signing_in import LOGIN_MAX, WrongPasswordError, sign_in
from smmpanel.accounts.states import AccountBannedError, AccountSuspendedError, Role
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.web.cookies import (
    drop_kept_cookie,
    drop_session_cookie,
    kept_cookie,
    session_cookie,
)
from smmpanel.web.csrf import CsrfChecked
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.languages import say
from smmpanel.web.live import PATH as LIVE_PATH
from smmpanel.web.live import live_response
from smmpanel.web.pages import page
from smmpanel.web.redirects import SIGN_IN_PATH, safe_target, see_other
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False)

NAME_MISSING = marked("Enter your user name or e-mail address.")
PASSWORD_MISSING = marked("Enter your password.")
SIGN_IN_WITH = marked("Sign in with {name}")
STAFF_HOMES = ("/staff", "/staff/orders")
CUSTOMER_HOMES = ("/orders/new", "/orders")
SECOND_FACTOR_PATH = "/account/security/second-factor"
ROLE_NAMES = {
    Role.CUSTOMER: marked("Customer"),
    Role.STAFF: marked("Staff"),
    Role.ADMIN: marked("Admin"),
    Role.MASTER_ADMIN: marked("Master admin"),
}


@dataclass(frozen=True, slots=True)
class SignInPage:
    """What accounts/sign_in.html receives: what was typed, and what was wrong with it."""

    login: str = ""
    target: str = "/"
    openid_label: str = ""
    """The other site that people may sign in with, if there is one."""
    login_error: str = ""
    password_error: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class HomePage:
    """What accounts/home.html receives."""

    username: str
    email: str
    role_name: str


@router.get("/", dependencies=FOR_EVERYBODY)
async def show_home(request: Request, viewer: CurrentViewer) -> Response:
    """Lead to where work begins: staff to the back office, customers to the order form, as far as this panel has them."""
    if viewer.held_back is SecondFactorRequiredError:
        return see_other(SECOND_FACTOR_PATH)
    ways: frozenset[str] = request.app.state.ways
    wanted = STAFF_HOMES if viewer.is_staff else CUSTOMER_HOMES
    for path in wanted:
        if path in ways:
            return see_other(path)
    return page(request, "accounts/home.html", HomePage(viewer.username, viewer.email, ROLE_NAMES[viewer.role]))


@router.get(SIGN_IN_PATH, dependencies=FOR_EVERYBODY)
async def show_sign_in(request: Request, panel: CurrentPanel, viewer: MaybeViewer) -> Response:
    """Show the sign-in form; whoever is signed in is led on."""
    target = safe_target(request.query_params.get("next", "/"))
    if viewer is not None:
        return see_other(target)
    return await _form(request, panel, SignInPage(target=target))


@router.post(SIGN_IN_PATH, dependencies=FOR_EVERYBODY)
async def take_sign_in(request: Request, panel: CurrentPanel, origin: RequestOrigin, _csrf: CsrfChecked) -> Response:
    """Sign in and lead on, or show the form again with what was typed and what is wrong."""
    form = await read_form(request)
    login, password = form.get("login", "").strip(), form.get("password", "")
    target = safe_target(form.get("next", "/"))
    missing = _missing(request, login, password, target)
    if missing is not None:
        return await _form(request, panel, missing, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    lifetime = timedelta(days=panel.settings.session_days)
    now = panel.clock()
    try:
        signed = await sign_in(
            panel.db, login=login[:LOGIN_MAX], password=password, origin=origin, lifetime=lifetime, now=now
        )
    except SecondFactorNeededError as due:
        return await lead_to_second_step(request, panel, due.half, target, now=now)
    except (WrongPasswordError, TooManyAttemptsError, AccountSuspendedError, AccountBannedError) as error:
        failure = failure_of(request, error)
        # Not 401: that would promise a way of signing in that this page does not use.
        status = HTTPStatus.UNPROCESSABLE_ENTITY if isinstance(error, WrongPasswordError) else failure.status
        headers = {name: value for name, value in failure.headers.items() if name == "Retry-After"}
        shown = SignInPage(login=login[:LOGIN_MAX], target=target, error=failure.message)
        return await _form(request, panel, shown, status=status, headers=headers)
    return await arrive(request, panel, signed.session, target, now=now)


@router.get(LIVE_PATH)
async def open_stream(request: Request, viewer: CurrentViewer) -> Response:
    """Open the stream of hints for a page; `?side=staff` is for staff."""
    on_staff_side = viewer.is_staff and request.query_params.get("side") == "staff"
    return live_response(request, viewer.user_id, is_staff=on_staff_side)


@router.post("/sign-out")
async def take_sign_out(request: Request, panel: CurrentPanel, session: Session, _csrf: CsrfChecked) -> Response:
    """End the session, here and on the server, and one that was kept aside with it."""
    for token in (session_cookie(request), kept_cookie(request)):
        if token is not None:
            await revoke_token(session, token, now=panel.clock())
    response = see_other(SIGN_IN_PATH)
    drop_session_cookie(request, response)
    drop_kept_cookie(request, response)
    return response


async def _form(
    request: Request,
    panel: Panel,
    shown: SignInPage,
    *,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    async with panel.db.transaction() as session:
        other = await openid_settings(session, panel)
    label = say(request, SIGN_IN_WITH, name=other.label) if other else ""
    return page(request, "accounts/sign_in.html", replace(shown, openid_label=label), status=status, headers=headers)


def _missing(request: Request, login: str, password: str, target: str) -> SignInPage | None:
    if login and password:
        return None
    return SignInPage(
        login=login[:LOGIN_MAX],
        target=target,
        login_error="" if login else say(request, NAME_MISSING),
        password_error="" if password else say(request, PASSWORD_MISSING),
    )
