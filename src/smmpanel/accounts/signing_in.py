"""Signing in with a user name or an e-mail address, with waits that grow while the password is wrong.

Takes the database and not a session, as jobs do: it counts the try, lets no transaction wait for the hash, and records
how it ended, so that a failure stays on file although the request is answered with an error.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from smmpanel.accounts.entering import (
    HalfWay,
    Origin,
    SecondFactorNeededError,
    SignedIn,
    SignedInFromNewPlace,
    let_in,
    remember_try,
)
from smmpanel.accounts.finding import find_user
from smmpanel.accounts.models import LoginOutcome, LoginWay, User
from smmpanel.accounts.passwords import should_upgrade, upgraded_hash, verify_password
from smmpanel.accounts.states import refuse_inactive
from smmpanel.accounts.throttling import Attempt, Limit, count_attempt, forgive
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import PanelError
from smmpanel.web.addresses import neighbourhood

__all__ = ["Origin", "SignedIn", "SignedInFromNewPlace", "sign_in"]

LOGIN_MAX = 254
ACCOUNT_LIMIT = Limit(
    kind="sign_in:account",
    free=5,
    first_wait=timedelta(seconds=30),
    longest_wait=timedelta(hours=1),
    forgotten_after=timedelta(days=1),
)
ADDRESS_LIMIT = Limit(
    kind="sign_in:address",
    free=20,
    first_wait=timedelta(seconds=30),
    longest_wait=timedelta(hours=1),
    forgotten_after=timedelta(days=1),
)
SIGN_UP_LIMIT = Limit(
    kind="sign_up:address",
    free=30,
    first_wait=timedelta(minutes=1),
    longest_wait=timedelta(hours=1),
    forgotten_after=timedelta(hours=1),
)


STEP_LIMIT = Limit(
    kind="sign_in:steps",
    free=200,
    first_wait=timedelta(seconds=30),
    longest_wait=timedelta(minutes=10),
    forgotten_after=timedelta(minutes=10),
)
"""Beginning costs us a row, and proves nothing."""


class WrongPasswordError(PanelError):
    """Nobody has this name, or the password is not theirs: no difference is told, nor can it be timed."""

    code, status, message = "wrong_password", 401, "The name or the password is wrong."


@dataclass(frozen=True, slots=True)
class _Try:
    user: User | None
    account: Attempt
    address: Attempt


async def sign_in(
    db: Database, *, login: str, password: str, origin: Origin, lifetime: timedelta, now: datetime
) -> SignedIn:
    """Check a password and open a session that lives `lifetime`.

    Raises `TooManyAttemptsError` (a right password is refused too), `WrongPasswordError`, `SecondFactorNeededError` if the
    password is only half of what it takes, or what the account's state forbids.
    """
    tried = await _count(db, login, origin, now)
    user = tried.user
    right = await verify_password(user.password_hash if user else None, password)
    if user is None or not right:
        async with db.transaction() as session:
            # Written for names that nobody has as well, so that the time it takes tells nothing.
            known = user.id if user else None
            remember_try(session, known, LoginOutcome.WRONG_PASSWORD, LoginWay.PASSWORD, origin, now)
        raise WrongPasswordError
    better = await upgraded_hash(password) if should_upgrade(user.password_hash, password) else None
    entered = None
    async with db.transaction() as session:
        await forgive(session, tried.address, everything=False, now=now)
        await forgive(session, tried.account, everything=True, now=now)
        # Read again under a lock: a password that was changed, or an account that was banned while we hashed, counts.
        current = await session.get_one(User, user.id, with_for_update={"key_share": True})
        if current.password_hash == user.password_hash:
            entered = await let_in(session, current, LoginWay.PASSWORD, origin=origin, lifetime=lifetime, now=now)
            if better is not None:
                current.password_hash = better
        else:
            remember_try(session, user.id, LoginOutcome.REFUSED, LoginWay.PASSWORD, origin, now)
    if entered is None:
        refuse_inactive(current.state)
        raise WrongPasswordError
    if isinstance(entered, HalfWay):
        raise SecondFactorNeededError(entered)
    return SignedIn(current, entered)


async def count_sign_up(db: Database, ip: str, *, now: datetime) -> None:
    """Count a new account from an address. Raises `TooManyAttemptsError` when one address makes very many."""
    async with db.transaction() as session:
        await count_attempt(session, SIGN_UP_LIMIT, neighbourhood(ip), now=now)


async def count_address_try(db: Database, ip: str, *, now: datetime) -> Attempt:
    """Count a try that names no account. Raises `TooManyAttemptsError`."""
    async with db.transaction() as session:
        return await count_attempt(session, ADDRESS_LIMIT, neighbourhood(ip), now=now)


async def count_step(db: Database, ip: str, *, now: datetime) -> None:
    """Count a step that a visitor begins. Raises `TooManyAttemptsError` when one address begins very many."""
    async with db.transaction() as session:
        await count_attempt(session, STEP_LIMIT, neighbourhood(ip), now=now)


async def count_password_try(db: Database, user_id: int, *, now: datetime) -> Attempt:
    """Count a try to give the present password of a signed-in account: no way around the lock-out."""
    async with db.transaction() as session:
        return await count_attempt(session, ACCOUNT_LIMIT, f"user:{user_id}", now=now)


async def _count(db: Database, login: str, origin: Origin, now: datetime) -> _Try:
    async with db.transaction() as session:
        user = await find_user(session, login)
    subject = f"user:{user.id}" if user is not None else f"name:{_digest(login)}"
    async with db.transaction() as session:
        # Addresses before accounts, always: two tries cannot wait for each other in a circle.
        address = await count_attempt(session, ADDRESS_LIMIT, neighbourhood(origin.ip), now=now)
        account = await count_attempt(session, ACCOUNT_LIMIT, subject, now=now)
    return _Try(user, account, address)


def _digest(login: str) -> str:
    # People type their password into the wrong field: what was typed is not kept.
    return sha256(login.strip().lower().encode("utf-8", "replace")).hexdigest()
