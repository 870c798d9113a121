"""Staff end what lets a user in: sessions and API keys."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.api_keys import revoke_key
from smmpanel.accounts.audit import audit
from smmpanel.accounts.entering import has_second_factor
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.passkeys import drop_passkeys
from smmpanel.accounts.second_factor import drop_factor
from smmpanel.accounts.sessions import revoke_session, revoke_sessions
from smmpanel.accounts.steps import drop_steps


async def end_session(session: AsyncSession, actor: Actor, user_id: int, session_id: int, *, now: datetime) -> None:
    """Sign a user out on one device. Raises `NotFoundError` if they are not signed in there."""
    await _may_change(session, actor, user_id)
    await revoke_session(session, user_id, session_id, now=now)
    await _note(session, actor, user_id, {"sessions_ended": 1, "session": session_id})


async def end_all_sessions(session: AsyncSession, actor: Actor, user_id: int, *, now: datetime) -> int:
    """Sign a user out everywhere; returns on how many devices they were signed in."""
    await _may_change(session, actor, user_id)
    ended = await revoke_sessions(session, user_id, now=now)
    if ended:
        await _note(session, actor, user_id, {"sessions_ended": ended})
    return ended


async def end_key(session: AsyncSession, actor: Actor, user_id: int, key_id: int, *, now: datetime) -> None:
    """Revoke a user's API key for good. Raises `NotFoundError` if there is no such live key."""
    await _may_change(session, actor, user_id)
    await revoke_key(session, user_id, key_id, now=now)
    await _note(session, actor, user_id, {"api_key_revoked": key_id})


async def reset_proofs(session: AsyncSession, actor: Actor, user_id: int, *, now: datetime) -> None:
    """Take a user's second factor and passkeys away, for somebody who lost them, and sign them out everywhere.

    What is left to sign in with is the password, or a sign-in of another site.
    """
    await _may_change(session, actor, user_id)
    before = {
        "second_factor": "on" if await has_second_factor(session, user_id) else "off",
        "passkeys": await drop_passkeys(session, user_id),
    }
    await drop_factor(session, user_id)
    await drop_steps(session, user_id)
    await revoke_sessions(session, user_id, now=now)
    after = {"second_factor": "off", "passkeys": 0}
    await audit(session, actor, Permission.USERS_EDIT, f"user:{user_id}", before=before, after=after)


async def _may_change(session: AsyncSession, actor: Actor, user_id: int) -> None:
    actor.require(Permission.USERS_EDIT)
    user = await locked_user(session, user_id)
    actor.require_over(user.role)


async def _note(session: AsyncSession, actor: Actor, user_id: int, after: dict[str, int]) -> None:
    await audit(session, actor, Permission.USERS_EDIT, f"user:{user_id}", after=after)
