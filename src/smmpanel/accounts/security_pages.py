"""The own account's security: password, where one is signed in, and who tried to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.changing_password import (
    CurrentPasswordWrongError,
    PasswordChangedMeanwhileError,
    change_password,
)
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.accounts.entering import has_second_factor
from smmpanel.accounts.login_history import Try, device_name, login_history, tries_shown
from smmpanel.accounts.models import User
from smmpanel.accounts.openid.linking import list_identities
from smmpanel.accounts.openid.settings import openid_settings
from smmpanel.accounts.passkeys import list_passkeys
from smmpanel.accounts.passwords import NO_PASSWORD, TYPED_MAX, WeakPasswordError
from smmpanel.accounts.sessions import list_sessions, revoke_session, revoke_sessions
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/account/security"
SESSIONS_SHOWN, TRIES_SHOWN = 50, 10
DIFFERENT = marked("The two passwords differ.")
CHANGED, OTHERS_OUT = marked("Password changed"), marked("All other devices are signed out.")
SIGNED_OUT = marked("Device signed out")


@dataclass(frozen=True, slots=True)
class Device:
    """Somewhere that the account is signed in."""

    id: int
    name: str
    ip: str
    last_seen_at: datetime
    is_this: bool
    is_staff: bool
    """Whether a member of staff is signed in as this user."""


@dataclass(frozen=True, slots=True)
class SecurityPage:
    """What accounts/security.html receives."""

    username: str
    devices: Sequence[Device]
    tries: Sequence[Try]
    has_password: bool
    has_factor: bool
    passkeys: int
    other_site: str
    """The other site that people may sign in with, if there is one."""
    other_sites: int
    wrong_field: str = ""
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class SignInsPage:
    """What accounts/sign_ins.html receives."""

    tries: Sequence[Try]
    after: str | None


@router.get(PATH)
async def show_security(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show where the account is signed in, and the last tries."""
    return page(request, "accounts/security.html", await _shown(request, session, viewer))


@router.get(PATH + "/password")
async def lead_back() -> Response:
    """Lead whoever looks again at what the form was answered with to the page of the form."""
    return see_other(PATH)


@router.post(PATH + "/password")
async def save_password(request: Request, panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Change the password and end all other sessions, or show what is wrong."""
    form, now = await read_form(request), panel.clock()
    current, new, again = (form.get(name, "")[:TYPED_MAX] for name in ("current_password", "new_password", "again"))
    if new != again:
        return await _refused(request, viewer, "again", say(request, DIFFERENT))
    try:
        await change_password(panel.db, viewer, current=current, new=new, now=now)
    except WeakPasswordError as error:
        return await _refused(request, viewer, "new_password", failure_of(request, error).message)
    except (CurrentPasswordWrongError, TooManyAttemptsError, PasswordChangedMeanwhileError) as error:
        return await _refused(request, viewer, "current_password", failure_of(request, error).message, error)
    return with_toast(see_other(PATH), Toast(say(request, CHANGED), say(request, OTHERS_OUT)))


@router.get(PATH + "/sign-ins")
async def show_sign_ins(request: Request, viewer: CurrentViewer, session: Session, after: CleanText = "") -> Response:
    """Show all tries to sign in, newest first."""
    found = await login_history(session, viewer.user_id, after=after or None)
    shown = SignInsPage(tries_shown(request, found.rows), found.after)
    return page(request, "accounts/sign_ins.html", shown, fragment="rows")


@router.post(PATH + "/sessions/{session_id}/end")
async def end_session(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session, session_id: RowId
) -> Response:
    """Sign one device out."""
    await revoke_session(session, viewer.user_id, session_id, now=panel.clock())
    return with_toast(see_other(PATH), Toast(say(request, SIGNED_OUT)))


@router.post(PATH + "/sessions/end-others")
async def end_other_sessions(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session
) -> Response:
    """Sign all devices out but this one."""
    await revoke_sessions(session, viewer.user_id, but=viewer.session_id, now=panel.clock())
    return with_toast(see_other(PATH), Toast(say(request, OTHERS_OUT)))


async def _refused(
    request: Request, viewer: Viewer, field: str, told: str, error: PanelError | None = None
) -> Response:
    panel = request.app.state.panel
    async with panel.db.transaction() as session:
        shown = await _shown(request, session, viewer, wrong_field=field, wrong=told)
    status: int = HTTPStatus.UNPROCESSABLE_ENTITY
    headers: dict[str, str] = {}
    if isinstance(error, TooManyAttemptsError):
        status, headers = error.status, {"Retry-After": str(error.fields["retry_after_seconds"])}
    return page(request, "accounts/security.html", shown, status=status, headers=headers)


async def _shown(
    request: Request, session: AsyncSession, viewer: Viewer, *, wrong_field: str = "", wrong: str = ""
) -> SecurityPage:
    alive = await list_sessions(session, viewer.user_id, now=request.app.state.panel.clock())
    tried = await login_history(session, viewer.user_id, size=TRIES_SHOWN)
    devices = [
        Device(
            id=one.id,
            name=device_name(request, one.user_agent),
            ip=one.ip or "",
            last_seen_at=one.last_seen_at,
            is_this=one.id == viewer.session_id,
            is_staff=one.acted_by is not None,
        )
        for one in alive[:SESSIONS_SHOWN]
    ]
    user = await session.get_one(User, viewer.user_id)
    other = await openid_settings(session, request.app.state.panel)
    return SecurityPage(
        viewer.username,
        devices,
        tries_shown(request, tried.rows),
        has_password=user.password_hash != NO_PASSWORD,
        has_factor=await has_second_factor(session, viewer.user_id),
        passkeys=len(await list_passkeys(session, viewer.user_id)),
        other_site=other.label if other else "",
        other_sites=len(await list_identities(session, viewer.user_id)),
        wrong_field=wrong_field,
        wrong=wrong,
    )
