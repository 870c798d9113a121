"""Suspending, banning and letting back in. It holds at once, at every door: sessions, access tokens and API keys."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import User
from smmpanel.accounts.sessions import revoke_sessions
from smmpanel.accounts.states import ACCOUNT_FLOW, AccountState, Role
from smmpanel.kernel.errors import ConflictError, InvalidInputError
from smmpanel.kernel.i18n import marked

REASON_MAX = 500
LAST_MASTER_LOCK = 0x5A11_0002


class LastMasterAdminError(ConflictError):
    """The panel would be left without anybody who may do everything."""

    code, message = "last_master_admin", "The last active master admin has to stay."


class NotYourselfError(ConflictError):
    """One cannot do this to one's own account."""

    code, message = "not_yourself", "You cannot do this to your own account."


async def suspend_user(session: AsyncSession, actor: Actor, user_id: int, *, reason: str, now: datetime) -> User:
    """Stop an account until further notice and end its sessions."""
    return await _move(session, actor, user_id, AccountState.SUSPENDED, reason, now)


async def ban_user(session: AsyncSession, actor: Actor, user_id: int, *, reason: str, now: datetime) -> User:
    """Shut an account out and end its sessions."""
    return await _move(session, actor, user_id, AccountState.BANNED, reason, now)


async def reactivate_user(session: AsyncSession, actor: Actor, user_id: int, *, reason: str, now: datetime) -> User:
    """Let a suspended or banned account back in. Its API keys work again; it signs in anew."""
    return await _move(session, actor, user_id, AccountState.ACTIVE, reason, now)


async def keep_one_master_admin(session: AsyncSession, user: User) -> None:
    """Raise `LastMasterAdminError` if this is the only active master admin; hold others who ask until we are done."""
    await session.execute(select(func.pg_advisory_xact_lock(LAST_MASTER_LOCK)))
    others = await session.scalar(
        select(func.count())
        .select_from(User)
        .where(User.role == Role.MASTER_ADMIN, User.state == AccountState.ACTIVE, User.id != user.id)
    )
    if not others:
        raise LastMasterAdminError


async def _move(  # noqa: PLR0917 - the three verbs above pass on what they were given
    session: AsyncSession, actor: Actor, user_id: int, state: AccountState, reason: str, now: datetime
) -> User:
    actor.require(Permission.USERS_SUSPEND)
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_MAX:
        raise InvalidInputError(field="reason", reason=marked("has 1 to {most} characters"), most=REASON_MAX)
    if actor.user_id == user_id:
        raise NotYourselfError
    user = await locked_user(session, user_id)
    actor.require_over(user.role)
    if user.role is Role.MASTER_ADMIN and user.state is AccountState.ACTIVE:
        await keep_one_master_admin(session, user)
    ACCOUNT_FLOW.check(user.state, state)
    before = {"state": user.state, "reason": user.state_reason}
    user.state = state
    user.state_reason = None if state is AccountState.ACTIVE else reason
    await audit(
        session,
        actor,
        Permission.USERS_SUSPEND,
        f"user:{user.id}",
        before=before,
        after={"state": state, "reason": reason},
    )
    if state is not AccountState.ACTIVE:
        await revoke_sessions(session, user.id, now=now)
    return user
