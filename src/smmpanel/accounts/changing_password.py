"""Changing a password ends every other session: whoever had the old one is out."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission, Viewer
from smmpanel.accounts.audit import audit
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import User
from smmpanel.accounts.passwords import check_password_rules, hash_password, verify_password
from smmpanel.accounts.sessions import revoke_sessions
from smmpanel.accounts.signing_in import count_password_try
from smmpanel.accounts.throttling import forgive
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import ConflictError, PanelError


class CurrentPasswordWrongError(PanelError):
    """The present password was not given right."""

    code, status, message = "current_password_wrong", 422, "The present password is wrong."


class PasswordChangedMeanwhileError(ConflictError):
    """Somebody else changed the password at the same moment."""

    code, message = "password_changed_meanwhile", "The password was changed in the meantime. Sign in again."


async def change_password(db: Database, viewer: Viewer, *, current: str, new: str, now: datetime) -> int:
    """Give a signed-in user a new password. Returns how many other sessions it ended.

    Wrong guesses count towards the lock-out of the account, as they do when signing in; hence the database, not a session.
    """
    check_password_rules(new)
    tried = await count_password_try(db, viewer.user_id, now=now)
    async with db.transaction() as session:
        known = await session.get_one(User, viewer.user_id)
    if not await verify_password(known.password_hash, current):
        raise CurrentPasswordWrongError(field="current_password")
    new_hash = await hash_password(new)
    async with db.transaction() as session:
        await forgive(session, tried, everything=True, now=now)
        user = await locked_user(session, viewer.user_id)
        if user.password_hash != known.password_hash:
            raise PasswordChangedMeanwhileError
        user.password_hash, user.password_changed_at = new_hash, now
        await audit(session, viewer, "account.change_password", f"user:{user.id}")
        return await revoke_sessions(session, user.id, but=viewer.session_id, now=now)


async def set_password(session: AsyncSession, actor: Actor, user_id: int, new: str, *, now: datetime) -> None:
    """Give somebody else a new password and end all their sessions."""
    actor.require(Permission.USERS_EDIT)
    new_hash = await hash_password(new)
    user = await locked_user(session, user_id)
    actor.require_over(user.role)
    user.password_hash, user.password_changed_at = new_hash, now
    await audit(session, actor, Permission.USERS_EDIT, f"user:{user.id}", after={"password": "set"})
    await revoke_sessions(session, user.id, now=now)
