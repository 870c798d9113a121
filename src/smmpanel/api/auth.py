"""`/api/auth`: signing up and in, the own account, its sessions and its password."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.arrivals import arrival_of
from smmpanel.accounts.changing_password import change_password
from smmpanel.accounts.current import CurrentViewer, RequestOrigin
from smmpanel.accounts.entering import SecondFactorNeededError
from smmpanel.accounts.models import LoginSession
from smmpanel.accounts.passwords import LENGTH_MAX, LENGTH_MIN, TYPED_MAX
from smmpanel.accounts.referral_codes import owner_of_code
from smmpanel.accounts.second_factor import TYPED_MAX as CODE_MAX
from smmpanel.accounts.second_step import give_code
from smmpanel.accounts.sessions import (
    access_token,
    count_sessions,
    revoke_session,
    revoke_sessions,
    sessions_page,
    viewer_of_cookie,
)
from smmpanel.accounts.sign_up_gate import Gate
from smmpanel.accounts.signing_in import LOGIN_MAX, count_sign_up, sign_in
from smmpanel.accounts.signing_up import USERNAME_MAX, USERNAME_MIN, register
from smmpanel.api.account_views import Account, OwnAccount, account_of
from smmpanel.api.errors import errors
from smmpanel.api.lists import AFTER, LIMIT_USUAL, NUMBERED_MAX, After, ByAge, Limit, Page, Pagination, skipped
from smmpanel.api.public import PublicId, Reader, reader_of
from smmpanel.api.times import LocalTime
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import language_of, say
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/auth", tags=["Accounts"])

REGISTERED = marked("The account is ready.")
CODE_UNKNOWN = marked("Nobody has the referral code {code}: it was left out.")
NAME_MISSING = marked("Give a user name or an e-mail address.")

Password = Annotated[CleanText, Field(max_length=TYPED_MAX)]
NewPassword = Annotated[CleanText, Field(max_length=TYPED_MAX, description=f"{LENGTH_MIN} to {LENGTH_MAX} characters.")]


class Registration(BaseModel):
    """What it takes to make an account."""

    username: Annotated[
        CleanText, Field(max_length=TYPED_MAX, description=f"{USERNAME_MIN} to {USERNAME_MAX} characters.")
    ]
    email: Annotated[CleanText, Field(max_length=TYPED_MAX)]
    password: NewPassword
    referral_code: Annotated[CleanText, Field(max_length=64)] | None = None
    invitation_code: (
        Annotated[CleanText, Field(max_length=64, description="Where sign-up takes an invitation.")] | None
    ) = None


class Registered(BaseModel):
    """The new account."""

    success: Literal[True] = True
    user_id: PublicId
    message: str = Field(examples=["Đăng ký thành công"])
    note: str | None = Field(None, description="What did not work out: only if a referral code is nobody's.")


class Credentials(BaseModel):
    """A user name or an e-mail address, and the password."""

    username: Annotated[CleanText, Field(max_length=LOGIN_MAX)] | None = None
    email: Annotated[CleanText, Field(max_length=LOGIN_MAX, description="May hold a user name as well.")] | None = None
    password: Password
    otp: (
        Annotated[
            CleanText,
            Field(
                max_length=CODE_MAX,
                description="The code of the second factor, if the account has one: six digits, or a recovery code.",
            ),
        ]
        | None
    ) = None


class LoggedIn(BaseModel):
    """The tokens of a new session. The access token is short-lived; the refresh token lasts as long as the session."""

    success: Literal[True] = True
    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a word, not a secret
    expires_in: int
    refresh_token: str
    user: Account


class Refresh(BaseModel):
    """The token of a session."""

    refresh_token: Annotated[CleanText, Field(max_length=200)]


class Refreshed(BaseModel):
    """A new access token for the same session."""

    success: Literal[True] = True
    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a word, not a secret
    expires_in: int


class Done(BaseModel):
    """It was done."""

    success: Literal[True] = True


class SessionView(BaseModel):
    """One device that is signed in."""

    id: int
    ip: str | None
    user_agent: str | None
    created_at: LocalTime
    last_seen_at: LocalTime
    expires_at: LocalTime
    current: bool


class Sessions(BaseModel):
    """A page of sessions."""

    success: Literal[True] = True
    data: list[SessionView]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


class Revoked(BaseModel):
    """How many sessions were ended."""

    success: Literal[True] = True
    revoked: int


class PasswordChange(BaseModel):
    """The present password and the new one."""

    current_password: Password
    new_password: NewPassword


@router.post(
    "/register", summary="Make an account", responses=errors(403, 409, 422, 429), response_model_exclude_none=True
)
async def make_account(
    request: Request, panel: CurrentPanel, session: Session, origin: RequestOrigin, form: Registration
) -> Registered:
    """Make a customer's account. The user name and the e-mail address must be nobody else's.

    A referral code that is nobody's is left out, and a note says so.
    """
    await count_sign_up(panel.db, origin.ip, now=panel.clock())
    user = await register(
        session,
        username=form.username,
        email=form.email,
        password=form.password,
        language=language_of(request),
        time_zone=str(getattr(request.state, "panel_time_zone", "UTC")),
        arrival=arrival_of(request, now=panel.clock(), typed=form.referral_code or ""),
        gate=Gate(panel.vault, panel.clock(), form.invitation_code or ""),
    )
    # An unknown code must not keep anybody out: many a front end sends whatever stood in the link.
    is_unknown = bool(form.referral_code) and await owner_of_code(session, form.referral_code or "") is None
    return Registered(
        user_id=panel.public_ids.uuid_of("user", user.id),
        message=say(request, REGISTERED),
        note=say(request, CODE_UNKNOWN, code=form.referral_code) if is_unknown else None,
    )


@router.post("/login", summary="Sign in", responses=errors(401, 403, 422, 429))
async def log_in(panel: CurrentPanel, origin: RequestOrigin, form: Credentials) -> LoggedIn:
    """Sign in with a user name or an e-mail address. Wrong passwords make the next try wait, longer each time.

    An account with a second factor is answered 401 with `second_factor_needed` until `otp` comes along.
    """
    login = form.email or form.username
    if not login:
        raise InvalidInputError(field="username", reason=NAME_MISSING)
    now, lifetime = panel.clock(), timedelta(days=panel.settings.session_days)
    try:
        signed = await sign_in(panel.db, login=login, password=form.password, origin=origin, lifetime=lifetime, now=now)
    except SecondFactorNeededError as due:
        if not form.otp:
            raise
        signed = await give_code(panel.db, panel.vault, due.half, form.otp, origin=origin, lifetime=lifetime, now=now)
    return LoggedIn(
        access_token=_access_token(panel, signed.user.id, signed.session.session_id, now),
        expires_in=panel.settings.access_token_minutes * 60,
        refresh_token=signed.session.token,
        user=Account.model_validate(await account_of(panel, signed.user)),
    )


@router.post("/refresh", summary="Get a new access token", responses=errors(401, 403, 422))
async def refresh(panel: CurrentPanel, origin: RequestOrigin, session: Session, form: Refresh) -> Refreshed:
    """Exchange the refresh token of a live session for a new access token."""
    now = panel.clock()
    viewer = await viewer_of_cookie(session, form.refresh_token, ip=origin.ip, now=now)
    return Refreshed(
        access_token=_access_token(panel, viewer.user_id, viewer.session_id, now),
        expires_in=panel.settings.access_token_minutes * 60,
    )


@router.get("/me", summary="The own account", responses=errors(401, 403))
async def me(panel: CurrentPanel, viewer: CurrentViewer) -> OwnAccount:
    """Return the account that is signed in."""
    return OwnAccount.model_validate(await account_of(panel, viewer))


@router.post("/logout", summary="Sign out", responses=errors(401, 403))
async def log_out(panel: CurrentPanel, session: Session, viewer: CurrentViewer) -> Done:
    """End the session. Its access tokens are worthless from now on."""
    await revoke_session(session, viewer.user_id, viewer.session_id, now=panel.clock())
    return Done()


@router.get("/sessions", summary="List sessions", responses=errors(401, 403, 422))
async def sessions(
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentViewer,
    *,
    sort: ByAge = "-created_at",
    page: Page = 1,
    limit: Limit = LIMIT_USUAL,
    after: After = None,
) -> Sessions:
    """Return where the account is signed in, the newest first unless sorted otherwise."""
    now, reader = panel.clock(), reader_of(panel, viewer)
    found = await sessions_page(
        session,
        viewer.user_id,
        now=now,
        after=after,
        size=limit,
        skip=skipped(page, limit),
        oldest_first=sort == "created_at",
    )
    total = await count_sessions(session, viewer.user_id, now=now, most=NUMBERED_MAX)
    return Sessions(
        data=[_session_view(row, viewer, reader) for row in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.delete("/sessions/{session_id}", summary="End a session", responses=errors(401, 403, 404, 422))
async def end_session(panel: CurrentPanel, session: Session, viewer: CurrentViewer, session_id: RowId) -> Done:
    """Sign one device out, at once."""
    await revoke_session(session, viewer.user_id, session_id, now=panel.clock())
    return Done()


@router.post("/sessions/revoke-others", summary="End all other sessions", responses=errors(401, 403))
async def end_other_sessions(panel: CurrentPanel, session: Session, viewer: CurrentViewer) -> Revoked:
    """Sign all other devices out, at once."""
    count = await revoke_sessions(session, viewer.user_id, but=viewer.session_id, now=panel.clock())
    return Revoked(revoked=count)


@router.post("/password", summary="Change the password", responses=errors(401, 403, 409, 422, 429))
async def new_password(panel: CurrentPanel, viewer: CurrentViewer, form: PasswordChange) -> Revoked:
    """Change the password and end all other sessions."""
    count = await change_password(
        panel.db, viewer, current=form.current_password, new=form.new_password, now=panel.clock()
    )
    return Revoked(revoked=count)


def _access_token(panel: Panel, user_id: int, session_id: int, now: datetime) -> str:
    lifetime = timedelta(minutes=panel.settings.access_token_minutes)
    return access_token(panel.vault, user_id=user_id, session_id=session_id, lifetime=lifetime, now=now)


def _session_view(row: LoginSession, viewer: Viewer, reader: Reader) -> SessionView:
    return SessionView(
        id=row.id,
        ip=row.ip,
        user_agent=row.user_agent,
        created_at=reader.time(row.created_at),
        last_seen_at=reader.time(row.last_seen_at),
        expires_at=reader.time(row.expires_at),
        current=row.id == viewer.session_id,
    )
