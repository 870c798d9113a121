"""Sessions: one per sign-in, ended at will. Cookies and access tokens are worth what their session's row says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt
from sqlalchemy import ColumnElement, Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from smmpanel.accounts.access import Actor, Viewer, known_permissions
from smmpanel.accounts.models import LoginSession, User
from smmpanel.accounts.staff_door import DOOR_RULES, HAS_SECOND_FACTOR, DoorRules, why_held_back
from smmpanel.accounts.states import AccountState, refuse_inactive
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import ForbiddenError, NotFoundError, PanelError
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged

TOKEN_LENGTH = 43
"""Letters and digits; about 256 bits."""
USER_AGENT_MAX = 300
SEEN_AT_MOST_EVERY = timedelta(minutes=5)
_ALGORITHM = "HS256"
_BIGINT_MAX = 2**63 - 1


class SignInNeededError(PanelError):
    """Nobody is signed in, or the session has ended."""

    code, status, message = "sign_in_needed", 401, "Sign in to go on."


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session, and the token that only its owner will ever hold."""

    session_id: int
    token: str
    expires_at: datetime


async def open_session(
    session: AsyncSession,
    user_id: int,
    *,
    lifetime: timedelta,
    ip: str | None,
    user_agent: str | None,
    now: datetime,
    acted_by: int | None = None,
) -> OpenedSession:
    """Start a session for a user who has just proved who they are, or for a member of staff who signs in as them."""
    token = random_text(TOKEN_LENGTH)
    row = LoginSession(
        user_id=user_id,
        token_hash=_hash(token),
        ip=ip,
        user_agent=user_agent[:USER_AGENT_MAX] if user_agent else None,
        created_at=now,
        last_seen_at=now,
        expires_at=now + lifetime,
        acted_by=acted_by,
    )
    session.add(row)
    await session.flush()
    return OpenedSession(row.id, token, row.expires_at)


def access_token(vault: Vault, *, user_id: int, session_id: int, lifetime: timedelta, now: datetime) -> str:
    """Sign a token that stands for a session for a short while; it ends with the session all the same."""
    claims = {
        "sub": str(user_id),
        "sid": session_id,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    return jwt.encode(claims, vault.derive("access-token"), algorithm=_ALGORITHM)


async def viewer_of_token(session: AsyncSession, vault: Vault, token: str, *, ip: str | None, now: datetime) -> Viewer:
    """Return who an access token stands for. Raises `SignInNeededError`, or what the account's state forbids."""
    user_id, session_id = _read(vault, token, now)
    return await _viewer(session, (LoginSession.id == session_id, LoginSession.user_id == user_id), ip=ip, now=now)


async def viewer_of_cookie(session: AsyncSession, token: str, *, ip: str | None, now: datetime) -> Viewer:
    """Return whose session a cookie holds. Raises `SignInNeededError`, or what the account's state forbids."""
    return await _viewer(session, (LoginSession.token_hash == _hash(token),), ip=ip, now=now)


async def list_sessions(session: AsyncSession, user_id: int, *, now: datetime) -> Sequence[LoginSession]:
    """Return a user's live sessions, newest first."""
    wanted = select(LoginSession).where(LoginSession.user_id == user_id, *_alive(now)).order_by(LoginSession.id.desc())
    return (await session.scalars(wanted)).all()


async def sessions_page(
    session: AsyncSession,
    user_id: int,
    *,
    now: datetime,
    after: str | None = None,
    size: int = PAGE_SIZE,
    skip: int = 0,
    oldest_first: bool = False,
) -> Paged[LoginSession]:
    """Return a page of a user's live sessions, newest first unless asked otherwise."""
    wanted = select(LoginSession).where(LoginSession.user_id == user_id, *_alive(now))
    wanted = wanted.order_by(LoginSession.id if oldest_first else LoginSession.id.desc())
    if (key := key_from(after)) is not None:
        wanted = wanted.where(LoginSession.id > key if oldest_first else LoginSession.id < key)
    elif skip:
        wanted = wanted.offset(skip)
    rows = (await session.scalars(wanted.limit(size + 1))).all()
    return paged(rows, size, [row.id for row in rows])


async def count_sessions(session: AsyncSession, user_id: int, *, now: datetime, most: int) -> int:
    """Return how many live sessions a user has, counted up to `most`."""
    few = select(LoginSession.id).where(LoginSession.user_id == user_id, *_alive(now)).limit(most).subquery()
    return int(await session.scalar(select(func.count()).select_from(few)) or 0)


async def revoke_session(session: AsyncSession, user_id: int, session_id: int, *, now: datetime) -> None:
    """End one session of a user at once. Raises `NotFoundError` if there is no such live session."""
    if not await _revoke(session, now, LoginSession.user_id == user_id, LoginSession.id == session_id):
        raise NotFoundError


async def revoke_sessions(session: AsyncSession, user_id: int, *, but: int | None = None, now: datetime) -> int:
    """End all sessions of a user at once, except the one given. Returns how many there were."""
    kept = () if but is None else (LoginSession.id != but,)
    return await _revoke(session, now, LoginSession.user_id == user_id, *kept)


async def revoke_token(session: AsyncSession, token: str, *, now: datetime) -> None:
    """End the session that a cookie holds, if it is still alive."""
    await _revoke(session, now, LoginSession.token_hash == _hash(token))


async def _viewer(
    session: AsyncSession, which: tuple[ColumnElement[bool], ...], *, ip: str | None, now: datetime
) -> Viewer:
    staff = aliased(User)
    found = await session.execute(
        select(
            LoginSession.id.label("session_id"),
            LoginSession.last_seen_at,
            LoginSession.expires_at,
            LoginSession.revoked_at,
            User.id.label("user_id"),
            User.username,
            User.email,
            User.role,
            User.permissions,
            User.state,
            User.language,
            User.time_zone,
            LoginSession.acted_by,
            staff.username.label("acting_for"),
            staff.role.label("acting_role"),
            staff.permissions.label("acting_permissions"),
            staff.state.label("acting_state"),
            DOOR_RULES.label("door_rules"),
            HAS_SECOND_FACTOR.label("has_second_factor"),
        )
        .join(User, User.id == LoginSession.user_id)
        .outerjoin(staff, staff.id == LoginSession.acted_by)
        .where(*which)
    )
    row = found.one_or_none()
    if row is None:
        raise SignInNeededError
    # The state before the session: a banned person is told so, not sent to sign in again.
    if row.state is not AccountState.ACTIVE and row.expires_at > now:
        refuse_inactive(row.state)
    if row.revoked_at is not None or row.expires_at <= now:
        raise SignInNeededError
    held_back = _held_back(row, ip)
    if row.acted_by is not None:
        _refuse_acting(row)
        if held_back is not None:
            raise SignInNeededError
    if row.last_seen_at < now - SEEN_AT_MOST_EVERY:
        await _note_seen(session, row.session_id, ip, now)
    return Viewer(
        kind="user",
        user_id=row.user_id,
        username=row.username,
        role=row.role,
        permissions=known_permissions(row.permissions),
        ip=ip,
        session_id=row.session_id,
        email=row.email,
        language=row.language,
        time_zone=row.time_zone,
        acted_by=row.acted_by,
        acting_for=row.acting_for,
        held_back=held_back,
    )


def _held_back(row: Row[*tuple[Any, ...]], ip: str | None) -> type[ForbiddenError] | None:
    if row.door_rules is None:
        return None
    # Whoever is signed in as somebody else has shown their own second factor before.
    has_factor = row.has_second_factor or row.acted_by is not None
    return why_held_back(DoorRules.read(row.door_rules), ip=ip, has_second_factor=has_factor)


def _refuse_acting(row: Row[*tuple[Any, ...]]) -> None:
    """Raise `SignInNeededError` if who opened this session as somebody else might not do so any more."""
    held = known_permissions(row.acting_permissions)
    staff = Actor("user", row.acted_by, row.acting_for, row.acting_role, held)
    try:
        refuse_inactive(row.acting_state)
        staff.require_to_act_as(row.role, known_permissions(row.permissions))
    except PanelError:
        raise SignInNeededError from None


async def _note_seen(session: AsyncSession, session_id: int, ip: str | None, now: datetime) -> None:
    await session.execute(
        update(LoginSession)
        .where(LoginSession.id == session_id, LoginSession.last_seen_at < now - SEEN_AT_MOST_EVERY)
        .values(last_seen_at=now, ip=ip)
        .execution_options(synchronize_session=False)
    )


async def _revoke(session: AsyncSession, now: datetime, *which: ColumnElement[bool]) -> int:
    ended = await session.scalars(
        update(LoginSession)
        .where(*which, *_alive(now))
        .values(revoked_at=now)
        .returning(LoginSession.id)
        .execution_options(synchronize_session=False)
    )
    return len(ended.all())


def _alive(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return LoginSession.revoked_at.is_(None), LoginSession.expires_at > now


def _read(vault: Vault, token: str, now: datetime) -> tuple[int, int]:
    # Time is checked here and not by the library, which would look at its own clock.
    options: Any = {"require": ["sub", "sid", "exp", "iat"], "verify_exp": False, "verify_iat": False}
    try:
        claims = jwt.decode(token, vault.derive("access-token"), algorithms=[_ALGORITHM], options=options)
        user_id, session_id, ends = int(claims["sub"]), int(claims["sid"]), float(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
        raise SignInNeededError from None
    if ends <= now.timestamp() or not 0 < user_id <= _BIGINT_MAX or not 0 < session_id <= _BIGINT_MAX:
        raise SignInNeededError
    return user_id, session_id


def _hash(token: str) -> bytes:
    # The token is random enough that a plain hash gives nothing away.
    return sha256(token.encode("utf-8", "replace")).digest()
