"""Signing in as a user: a member of staff sees the panel as somebody else does, for an hour, on the record."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Permission, Viewer, known_permissions
from smmpanel.accounts.audit import audit
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.sessions import OpenedSession, open_session, revoke_session
from smmpanel.accounts.states import refuse_inactive
from smmpanel.accounts.suspending import NotYourselfError
from smmpanel.kernel.errors import ConflictError

ACTING_LIFETIME = timedelta(hours=1)


class NotActingError(ConflictError):
    """Nobody is signed in as somebody else here."""

    code, message = "not_acting", "You are signed in as yourself."


async def sign_in_as(
    session: AsyncSession, actor: Viewer, user_id: int, *, user_agent: str | None, now: datetime
) -> OpenedSession:
    """Open a session of a user for a member of staff, who must hold whatever that account may do.

    It ends by itself after an hour, and at once when the member of staff might not open it any more.
    """
    actor.require_own_sign_in()
    if actor.user_id == user_id:
        raise NotYourselfError
    user = await locked_user(session, user_id)
    actor.require_to_act_as(user.role, known_permissions(user.permissions))
    refuse_inactive(user.state)
    opened = await open_session(
        session,
        user.id,
        lifetime=ACTING_LIFETIME,
        ip=actor.ip,
        user_agent=user_agent,
        now=now,
        acted_by=actor.user_id,
    )
    began = {"signed_in_as": user.username, "session": opened.session_id, "until": opened.expires_at}
    await audit(session, actor, Permission.USERS_EDIT, f"user:{user.id}", after=began)
    return opened


async def stop_acting(session: AsyncSession, viewer: Viewer, *, now: datetime) -> None:
    """End the session that a member of staff opened as this user. Raises `NotActingError` for anybody's own session."""
    if viewer.acted_by is None:
        raise NotActingError
    await revoke_session(session, viewer.user_id, viewer.session_id, now=now)
    ended = {"signed_in_as": None, "session": viewer.session_id}
    await audit(session, viewer, Permission.USERS_EDIT, f"user:{viewer.user_id}", after=ended)
