"""The page between the password and being signed in: it asks for a code."""

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.arriving import CODE_PATH, arrive
from smmpanel.accounts.current import FOR_EVERYBODY, RequestOrigin
from smmpanel.accounts.passkeys import list_passkeys
from smmpanel.accounts.second_factor import TYPED_MAX, WrongCodeError
from smmpanel.accounts.second_step import give_code, half_of
from smmpanel.accounts.states import AccountBannedError, AccountSuspendedError
from smmpanel.accounts.steps import StepKind, StepOverError, look_at_step, take_step
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.kernel.errors import PanelError
from smmpanel.web.cookies import step_cookie
from smmpanel.web.csrf import CsrfChecked
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.pages import page
from smmpanel.web.redirects import SIGN_IN_PATH, safe_target, see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel

router = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)


@dataclass(frozen=True, slots=True)
class CodePage:
    """What accounts/second_step.html receives."""

    target: str
    has_passkeys: bool
    wrong: str = ""


@router.get(CODE_PATH)
async def show_code(request: Request, panel: CurrentPanel) -> Response:
    """Ask for the code, if a first proof was given in this browser just now."""
    target = safe_target(request.query_params.get("next", "/"))
    try:
        async with panel.db.transaction() as session:
            token = step_cookie(request, StepKind.SECOND)
            half = half_of(await look_at_step(session, panel.vault, StepKind.SECOND, token, now=panel.clock()))
            has_passkeys = bool(await list_passkeys(session, half.user_id))
    except StepOverError:
        return see_other(SIGN_IN_PATH)
    return page(request, "accounts/second_step.html", CodePage(target, has_passkeys))


@router.post(CODE_PATH)
async def take_code(request: Request, panel: CurrentPanel, origin: RequestOrigin, _csrf: CsrfChecked) -> Response:
    """Check the code and sign in, or ask again."""
    form, now = await read_form(request), panel.clock()
    target, token = safe_target(form.get("next", "/")), step_cookie(request, StepKind.SECOND)
    lifetime = timedelta(days=panel.settings.session_days)
    try:
        async with panel.db.transaction() as session:
            half = half_of(await look_at_step(session, panel.vault, StepKind.SECOND, token, now=now))
            has_passkeys = bool(await list_passkeys(session, half.user_id))
        code = form.get("code", "")[:TYPED_MAX]
        signed = await give_code(panel.db, panel.vault, half, code, origin=origin, lifetime=lifetime, now=now)
    except (WrongCodeError, TooManyAttemptsError) as wrong:
        failure = failure_of(request, wrong)
        # Not 401: that would promise a way of signing in that this page does not use.
        status = HTTPStatus.UNPROCESSABLE_ENTITY if isinstance(wrong, WrongCodeError) else failure.status
        headers = {name: value for name, value in failure.headers.items() if name == "Retry-After"}
        shown = CodePage(target, has_passkeys, failure.message)
        return page(request, "accounts/second_step.html", shown, status=status, headers=headers)
    except (StepOverError, AccountSuspendedError, AccountBannedError) as over:
        return begin_again(request, over)
    async with panel.db.transaction() as session:
        await take_step(session, panel.vault, StepKind.SECOND, token, now=now)
    return await arrive(request, panel, signed.session, target, now=now)


def begin_again(request: Request, why: PanelError) -> Response:
    """Lead to the sign-in page, and say why."""
    return with_toast(see_other(SIGN_IN_PATH), Toast(failure_of(request, why).message, kind="is-bad"))
