"""Proving once more who one is, before something is changed that lets people in: by the password or by a code."""

from datetime import datetime, timedelta

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.entering import has_second_factor
from smmpanel.accounts.models import LoginSession, User
from smmpanel.accounts.passwords import NO_PASSWORD, verify_password
from smmpanel.accounts.second_factor import count_code_try, looks_like_code, take_code
from smmpanel.accounts.signing_in import count_password_try
from smmpanel.accounts.throttling import Attempt, forgive
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import PanelError

FRESH_FOR = timedelta(minutes=15)


class WrongProofError(PanelError):
    """What was given is neither the password nor a code."""

    code, status, message = "wrong_proof", 422, "The password or the code is wrong."


class SignInAgainError(PanelError):
    """The account has neither password nor codes, and signed in too long ago to do this."""

    code, status, message = (
        "sign_in_again",
        403,
        "Sign out and in again first: this takes a sign-in of the last 15 minutes.",
    )


async def prove_again(db: Database, vault: Vault, viewer: Viewer, given: str, *, now: datetime) -> None:
    """Check the password of a signed-in user, or a code of theirs, which then is used up.

    An account that has neither is asked for a fresh sign-in instead. Raises `WrongProofError`, `SignInAgainError` or
    `TooManyAttemptsError`. Takes the database: wrong guesses stay counted, together with those at the door.
    """
    viewer.require_own_sign_in()
    async with db.transaction() as session:
        user = await session.get_one(User, viewer.user_id)
        has_codes = await has_second_factor(session, viewer.user_id)
        signed_in = await session.get_one(LoginSession, viewer.session_id)
    # A password may look like a code: what is no good as one is looked at as the other.
    if has_codes and looks_like_code(given) and await _is_code(db, vault, viewer, given, now):
        return
    if user.password_hash == NO_PASSWORD and not has_codes:
        if signed_in.created_at < now - FRESH_FOR:
            raise SignInAgainError
        return
    tried = await count_password_try(db, viewer.user_id, now=now)
    if not await verify_password(user.password_hash, given):
        raise WrongProofError(field="proof")
    await _forgive(db, tried, now)


async def _is_code(db: Database, vault: Vault, viewer: Viewer, given: str, now: datetime) -> bool:
    tried = await count_code_try(db, viewer.user_id, now=now)
    async with db.transaction() as session:
        is_good = await take_code(session, vault, viewer.user_id, given, now=now)
    if is_good:
        await _forgive(db, tried, now)
    return is_good


async def _forgive(db: Database, tried: Attempt, now: datetime) -> None:
    async with db.transaction() as session:
        await forgive(session, tried, everything=True, now=now)
