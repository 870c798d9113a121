"""The page on which somebody makes an account."""

from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.arrivals import arrival_of, device_of
from smmpanel.accounts.current import FOR_EVERYBODY, MaybeViewer, RequestOrigin
from smmpanel.accounts.openid.settings import openid_settings
from smmpanel.accounts.passwords import TYPED_MAX, WeakPasswordError
from smmpanel.accounts.referral_codes import CODE_MAX, owner_of_code
from smmpanel.accounts.sessions import open_session
from smmpanel.accounts.sign_up_gate import CODE_MAX as INVITATION_MAX
from smmpanel.accounts.sign_up_gate import (
    Gate,
    InvitationNeededError,
    InvitationWorthlessError,
    SignUpClosedError,
    SignUpFullError,
    SignUpMode,
    is_full,
    sign_up_rules,
)
from smmpanel.accounts.signing_in import count_sign_up
from smmpanel.accounts.signing_up import (
    EMAIL_MAX,
    EMAIL_WRONG,
    USERNAME_MAX,
    USERNAME_WRONG,
    EmailTakenError,
    UsernameTakenError,
    register,
)
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.web.cookies import set_session_cookie
from smmpanel.web.csrf import CsrfChecked
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.languages import language_of, say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.transactions import CurrentPanel

router = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)

PATH, FIRST_PAGE = "/sign-up", "/orders/new"
CODE_UNKNOWN = marked("Nobody has this code. Correct it, or leave the field empty.")
WRONG = {"username": USERNAME_WRONG, "referral_code": CODE_UNKNOWN}
_REFUSALS = (
    InvalidInputError,
    WeakPasswordError,
    UsernameTakenError,
    EmailTakenError,
    TooManyAttemptsError,
    SignUpClosedError,
    SignUpFullError,
    InvitationNeededError,
    InvitationWorthlessError,
)
ZONES = {"vi": "Asia/Ho_Chi_Minh", "id": "Asia/Jakarta"}
"""What most readers of a language live by; others begin with the panel's own zone."""


@dataclass(frozen=True, slots=True)
class SignUpPage:
    """What accounts/sign_up.html receives: what was typed, and what is wrong with which field."""

    username: str = ""
    email: str = ""
    referral_code: str = ""
    invitation_code: str = ""
    mode: SignUpMode = SignUpMode.OPEN
    is_full: bool = False
    other_site: str = ""
    """The other site that people may join with, if there is one."""
    wrong_field: str = ""
    wrong: str = ""


@router.get(PATH)
async def show_sign_up(request: Request, panel: CurrentPanel, viewer: MaybeViewer) -> Response:
    """Show the form, or say that nobody can join now; whoever is signed in has an account."""
    if viewer is not None:
        return see_other("/")
    invitation = request.query_params.get("invitation", "").strip()[:INVITATION_MAX]
    return page(request, "accounts/sign_up.html", await _shown(panel, SignUpPage(invitation_code=invitation)))


@router.post(PATH)
async def take_sign_up(request: Request, panel: CurrentPanel, origin: RequestOrigin, _csrf: CsrfChecked) -> Response:
    """Make the account, sign in and lead to the first order, or show the form again."""
    form = await read_form(request)
    username, email = form.get("username", "").strip()[:EMAIL_MAX], form.get("email", "").strip()[: EMAIL_MAX * 2]
    language, now = language_of(request), panel.clock()
    lifetime = timedelta(days=panel.settings.session_days)
    device, typed_code = device_of(request), form.get("referral_code", "").strip()
    invitation = form.get("invitation_code", "").strip()[:INVITATION_MAX]
    try:
        await count_sign_up(panel.db, origin.ip, now=now)
        async with panel.db.transaction() as session:
            await _check_code(session, typed_code)
            user = await register(
                session,
                username=username,
                email=email,
                password=form.get("password", "")[:TYPED_MAX],
                language=language,
                time_zone=ZONES.get(language, str(getattr(request.state, "panel_time_zone", "UTC"))),
                arrival=arrival_of(request, now=now, typed=typed_code, device=device),
                gate=Gate(panel.vault, now, invitation),
            )
            opened = await open_session(
                session, user.id, lifetime=lifetime, ip=origin.ip, user_agent=origin.user_agent, now=now
            )
    except _REFUSALS as error:
        failure = failure_of(request, error)
        field = str(error.fields.get("field", ""))
        told = failure.message
        if isinstance(error, InvalidInputError):
            told = say(request, WRONG.get(field, EMAIL_WRONG))
        is_shut = isinstance(error, (TooManyAttemptsError, SignUpClosedError, SignUpFullError))
        status = failure.status if is_shut else HTTPStatus.UNPROCESSABLE_ENTITY
        headers = {name: value for name, value in failure.headers.items() if name == "Retry-After"}
        typed = SignUpPage(username[:USERNAME_MAX], email[:EMAIL_MAX], typed_code[:CODE_MAX], invitation)
        shown = await _shown(panel, replace(typed, wrong_field=field, wrong=told))
        return page(request, "accounts/sign_up.html", shown, status=status, headers=headers)
    response = see_other(FIRST_PAGE)
    set_session_cookie(request, response, opened.token, int(lifetime.total_seconds()))
    device.keep(request, response)
    return response


async def _shown(panel: Panel, typed: SignUpPage) -> SignUpPage:
    async with panel.db.transaction() as session:
        rules = await sign_up_rules(session)
        other = await openid_settings(session, panel)
        name = other.label if other else ""
        return replace(typed, mode=rules.mode, is_full=await is_full(session, rules), other_site=name)


async def _check_code(session: AsyncSession, typed: str) -> None:
    if typed and await owner_of_code(session, typed) is None:
        raise InvalidInputError(field="referral_code", reason=CODE_UNKNOWN)
