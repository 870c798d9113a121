"""Passkeys in the browser: adding, naming and removing the own ones, and signing in with one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smmpanel.accounts.arriving import arrive, keep_step
from smmpanel.accounts.current import FOR_EVERYBODY, FOR_MEMBERS, CurrentViewer, RequestOrigin
from smmpanel.accounts.passkey_sign_in import sign_in_by_passkey
from smmpanel.accounts.passkeys import (
    NAME_MAX,
    Asked,
    PasskeyRefusedError,
    Place,
    TooManyPasskeysError,
    add_passkey,
    ask_for_known,
    ask_for_new,
    list_passkeys,
    remove_passkey,
    rename_passkey,
)
from smmpanel.accounts.passwords import TYPED_MAX
from smmpanel.accounts.proving_again import SignInAgainError, WrongProofError, prove_again
from smmpanel.accounts.second_step import half_of
from smmpanel.accounts.second_step_pages import begin_again
from smmpanel.accounts.sign_in_models import Passkey
from smmpanel.accounts.signing_in import count_step
from smmpanel.accounts.states import AccountBannedError, AccountSuspendedError
from smmpanel.accounts.steps import StepKind, StepOverError, look_at_step, take_step
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.web.cookies import step_cookie
from smmpanel.web.csrf import CsrfChecked
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.origins import site_of
from smmpanel.web.pages import page
from smmpanel.web.redirects import SIGN_IN_PATH, safe_target, see_other
from smmpanel.web.shell import shell_of
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session, panel_of

members = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)
visitors = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)
ROUTERS = (members, visitors)

PATH = "/account/security/passkeys"
OWN_NAME = marked("My passkey")
ADDED, REMOVED, RENAMED = marked("Passkey added"), marked("Passkey removed"), marked("Passkey renamed")
_DOOR = (PasskeyRefusedError, StepOverError, TooManyAttemptsError, AccountSuspendedError, AccountBannedError)


@dataclass(frozen=True, slots=True)
class PasskeysPage:
    """What accounts/passkeys.html receives."""

    passkeys: Sequence[Passkey]
    username: str


@members.get(PATH)
async def show_passkeys(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show the own passkeys."""
    shown = PasskeysPage(await list_passkeys(session, viewer.user_id), viewer.username)
    return page(request, "accounts/passkeys.html", shown)


@members.post(PATH + "/options")
async def ask_new(request: Request, panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Hand out what a device needs to make a key, once its owner has shown that it is them."""
    form, now = await read_form(request), panel.clock()
    name = " ".join(form.get("name", "").split())[:NAME_MAX] or say(request, OWN_NAME)
    try:
        await prove_again(panel.db, panel.vault, viewer, form.get("proof", "")[:TYPED_MAX], now=now)
        async with panel.db.transaction() as session:
            site = shell_of(request).brand.name
            asked = await ask_for_new(session, panel.vault, viewer, name, _place(request), site=site, now=now)
    except (WrongProofError, SignInAgainError, TooManyPasskeysError, TooManyAttemptsError) as wrong:
        return _refused(request, wrong)
    return _asked(request, StepKind.NEW_PASSKEY, asked)


@members.post(PATH)
async def add(request: Request, panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Keep the key that a device made."""
    answer, now = (await read_form(request)).get("credential", ""), panel.clock()
    token = step_cookie(request, StepKind.NEW_PASSKEY)
    try:
        async with panel.db.transaction() as session:
            step = await take_step(session, panel.vault, StepKind.NEW_PASSKEY, token, now=now)
        async with panel.db.transaction() as session:
            name = await add_passkey(session, viewer, _place(request), step, answer, now=now)
    except (PasskeyRefusedError, StepOverError) as wrong:
        return with_toast(see_other(PATH), Toast(failure_of(request, wrong).message, kind="is-bad"))
    return with_toast(see_other(PATH), Toast(say(request, ADDED), name))


@members.post(PATH + "/{passkey_id}/rename")
async def rename(request: Request, viewer: CurrentViewer, session: Session, passkey_id: RowId) -> Response:
    """Call a passkey something else."""
    name = " ".join((await read_form(request)).get("name", "").split())[:NAME_MAX] or say(request, OWN_NAME)
    await rename_passkey(session, viewer, passkey_id, name)
    return with_toast(see_other(PATH), Toast(say(request, RENAMED), name))


@members.post(PATH + "/{passkey_id}/remove")
async def remove(request: Request, viewer: CurrentViewer, session: Session, passkey_id: RowId) -> Response:
    """Have a passkey open nothing any more."""
    name = await remove_passkey(session, viewer, passkey_id)
    return with_toast(see_other(PATH), Toast(say(request, REMOVED), name))


@visitors.post(SIGN_IN_PATH + "/passkey/options")
async def ask_known(request: Request, panel: CurrentPanel, origin: RequestOrigin, _csrf: CsrfChecked) -> Response:
    """Hand out what a device needs to answer with a key: with any, or as the second proof with one of a user's."""
    now, user_id = panel.clock(), None
    is_second = (await read_form(request)).get("step") == "second"
    try:
        await count_step(panel.db, origin.ip, now=now)
        async with panel.db.transaction() as session:
            if is_second:
                token = step_cookie(request, StepKind.SECOND)
                user_id = half_of(await look_at_step(session, panel.vault, StepKind.SECOND, token, now=now)).user_id
            asked = await ask_for_known(session, panel.vault, _place(request), user_id=user_id, now=now)
    except (StepOverError, TooManyAttemptsError) as wrong:
        return _refused(request, wrong)
    return _asked(request, StepKind.PASSKEY, asked)


@visitors.post(SIGN_IN_PATH + "/passkey")
async def enter(request: Request, panel: CurrentPanel, origin: RequestOrigin, _csrf: CsrfChecked) -> Response:
    """Sign in with what a device answered."""
    form, now = await read_form(request), panel.clock()
    try:
        signed = await sign_in_by_passkey(
            panel.db,
            panel.vault,
            _place(request),
            token=step_cookie(request, StepKind.PASSKEY),
            second_token=step_cookie(request, StepKind.SECOND) if form.get("step") == "second" else None,
            answer=form.get("credential", ""),
            origin=origin,
            lifetime=timedelta(days=panel.settings.session_days),
            now=now,
        )
    except _DOOR as wrong:
        return begin_again(request, wrong)
    return await arrive(request, panel, signed.session, safe_target(form.get("next", "/")), now=now)


def _place(request: Request) -> Place:
    """Return where devices know the panel: at its public address, or else where this browser found it."""
    site = panel_of(request).settings.public_url.rstrip("/") or site_of(request)
    return Place(site, urlsplit(site).hostname or "")


def _asked(request: Request, kind: StepKind, asked: Asked) -> Response:
    response = Response(asked.options, media_type="application/json")
    keep_step(request, response, kind, asked.token)
    return response


def _refused(request: Request, wrong: PanelError) -> Response:
    failure = failure_of(request, wrong)
    status = failure.status if failure.status >= HTTPStatus.BAD_REQUEST else HTTPStatus.UNPROCESSABLE_ENTITY
    headers = {name: value for name, value in failure.headers.items() if name == "Retry-After"}
    return JSONResponse({"message": failure.message}, status, headers)
