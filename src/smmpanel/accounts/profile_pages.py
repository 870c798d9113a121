"""The own account: name and address, language and time zone. Security and notifications are pages beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.changing_password import CurrentPasswordWrongError
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import User
from smmpanel.accounts.passwords import TYPED_MAX
from smmpanel.accounts.profiles import (
    PHONE_TYPED_MAX,
    PHONE_WRONG,
    change_email,
    choose_region,
    rename,
    set_phone,
    time_zones,
)
from smmpanel.accounts.signing_up import (
    EMAIL_MAX,
    EMAIL_WRONG,
    USERNAME_MAX,
    USERNAME_WRONG,
    EmailTakenError,
    UsernameTakenError,
)
from smmpanel.accounts.throttling import TooManyAttemptsError
from smmpanel.accounts.verifying import ask_confirmation, count_confirmation
from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked, translate
from smmpanel.web.cookies import set_language_cookie
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.languages import offered_languages, say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/account"
CHOICE_WRONG = marked("Choose one of the list.")
LINK_SENT, LOOK_THERE = marked("Link sent"), marked("Open the link that we sent to {email}.")
SAVED = marked("Saved")
_WRONG = {
    "username": USERNAME_WRONG,
    "email": EMAIL_WRONG,
    "phone": PHONE_WRONG,
    "language": CHOICE_WRONG,
    "time_zone": CHOICE_WRONG,
}
_REFUSALS = (
    InvalidInputError,
    UsernameTakenError,
    EmailTakenError,
    CurrentPasswordWrongError,
    TooManyAttemptsError,
)


@dataclass(frozen=True, slots=True)
class AccountPage:
    """What accounts/account.html receives: what is kept or was typed, and what is wrong with which field."""

    username: str
    email: str
    phone: str
    kept_email: str
    pending_email: str
    is_confirmed: bool
    can_mail: bool
    language: str
    language_names: Sequence[tuple[str, str]]
    time_zone: str
    zones: Sequence[str]
    currency: str
    wrong_field: str = ""
    wrong: str = ""


@router.get(PATH)
async def show_account(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show the own account."""
    user = await session.get_one(User, viewer.user_id)
    return page(request, "accounts/account.html", _shown(request, user))


@router.get(PATH + "/profile")
@router.get(PATH + "/region")
async def lead_back() -> Response:
    """Lead whoever looks again at what a form was answered with to the page of the form."""
    return see_other(PATH)


@router.post(PATH + "/profile")
async def save_profile(request: Request, panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Change the name, and have a new address confirmed; or show what is wrong."""
    form = await read_form(request)
    username, email = form.get("username", "").strip(), form.get("email", "").strip()
    phone = form["phone"].strip()[:PHONE_TYPED_MAX] if "phone" in form else None
    now = panel.clock()
    try:
        # The address first: it is what can be refused for a reason that the form cannot know.
        is_moving = await change_email(
            panel.db,
            viewer,
            email=email[: EMAIL_MAX * 2],
            current_password=form.get("current_password", "")[:TYPED_MAX],
            can_mail=panel.settings.can_mail,
            now=now,
        )
        async with panel.db.transaction() as session:
            await rename(session, viewer, username[: EMAIL_MAX * 2])
            if phone is not None:
                await set_phone(session, viewer, phone)
    except _REFUSALS as error:
        typed = {"username": username[:USERNAME_MAX], "email": email[:EMAIL_MAX]}
        return await _refused(request, viewer, error, typed | ({"phone": phone} if phone is not None else {}))
    if is_moving and panel.settings.can_mail:
        told = Toast(say(request, LINK_SENT), say(request, LOOK_THERE, email=email[:EMAIL_MAX]))
        return with_toast(see_other(PATH), told)
    return with_toast(see_other(PATH), Toast(say(request, SAVED)))


@router.post(PATH + "/region")
async def save_region(request: Request, panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Set language and time zone, and say so in the new language."""
    form = await read_form(request)
    language, time_zone = form.get("language", ""), form.get("time_zone", "")
    try:
        async with panel.db.transaction() as session:
            await choose_region(session, viewer, language=language, time_zone=time_zone)
    except InvalidInputError as error:
        return await _refused(request, viewer, error, {})
    response = with_toast(see_other(PATH), Toast(translate(language, SAVED)))
    # What was chosen in this browser before must not speak louder.
    set_language_cookie(request, response, language)
    return response


@router.post(PATH + "/confirm")
async def send_confirmation(request: Request, panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Send the link that confirms the address once more."""
    now = panel.clock()
    await count_confirmation(panel.db, viewer.user_id, now=now)
    async with panel.db.transaction() as session:
        user = await locked_user(session, viewer.user_id)
        await ask_confirmation(session, user, now=now)
    told = Toast(say(request, LINK_SENT), say(request, LOOK_THERE, email=user.pending_email or user.email))
    return with_toast(see_other(PATH), told)


@router.post(PATH + "/keep-email")
async def drop_pending(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Stay with the old address: the link that was sent to the new one is worth nothing from now on."""
    await _forget_pending(session, viewer)
    return with_toast(see_other(PATH), Toast(say(request, SAVED)))


async def _forget_pending(session: AsyncSession, viewer: Viewer) -> None:
    viewer.require_own_sign_in()
    (await locked_user(session, viewer.user_id)).pending_email = None


async def _refused(request: Request, viewer: Viewer, error: PanelError, typed: dict[str, str]) -> Response:
    panel = request.app.state.panel
    failure = failure_of(request, error)
    field = str(error.fields.get("field", ""))
    told = say(request, _WRONG[field]) if isinstance(error, InvalidInputError) and field in _WRONG else failure.message
    if isinstance(error, TooManyAttemptsError):
        field = "current_password"
    async with panel.db.transaction() as session:
        user = await session.get_one(User, viewer.user_id)
    shown = _shown(request, user, wrong_field=field, wrong=told, **typed)
    status = failure.status if isinstance(error, TooManyAttemptsError) else HTTPStatus.UNPROCESSABLE_ENTITY
    headers = {name: value for name, value in failure.headers.items() if name == "Retry-After"}
    return page(request, "accounts/account.html", shown, status=status, headers=headers)


def _shown(
    request: Request,
    user: User,
    *,
    username: str | None = None,
    email: str | None = None,
    phone: str | None = None,
    wrong_field: str = "",
    wrong: str = "",
) -> AccountPage:
    panel = request.app.state.panel
    zones = time_zones()
    return AccountPage(
        username=user.username if username is None else username,
        email=user.email if email is None else email,
        phone=(user.phone or "") if phone is None else phone,
        kept_email=user.email,
        pending_email=user.pending_email or "",
        is_confirmed=user.email_verified_at is not None,
        can_mail=panel.settings.can_mail,
        language=user.language,
        language_names=list(offered_languages(request).items()),
        time_zone=user.time_zone,
        zones=zones if user.time_zone in zones else (user.time_zone, *zones),
        currency=panel.currency,
        wrong_field=wrong_field,
        wrong=wrong,
    )
