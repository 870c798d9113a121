"""Forgotten passwords: whoever can read the account's mail may set a new one.

Whether anybody has the address that was typed is looked up in a job, so that neither the answer nor the time it takes
tells it.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, known_permissions
from smmpanel.accounts.audit import audit
from smmpanel.accounts.finding import find_user, locked_user
from smmpanel.accounts.mailed_tokens import LinkWorthlessError, Purpose, find_token, use_token
from smmpanel.accounts.models import ApiKey, AttemptCounter, MailedToken, User
from smmpanel.accounts.passkeys import drop_passkeys
from smmpanel.accounts.passwords import check_password_rules, hash_password
from smmpanel.accounts.second_factor import drop_factor
from smmpanel.accounts.sessions import revoke_sessions
from smmpanel.accounts.sign_in_models import OutsideIdentity
from smmpanel.accounts.signing_in import ACCOUNT_LIMIT, Origin
from smmpanel.accounts.signing_up import normal_email
from smmpanel.accounts.states import AccountState, refuse_inactive
from smmpanel.accounts.steps import drop_steps
from smmpanel.accounts.throttling import Limit, count_attempt
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.db import Database
from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.jobs import Backoff, enqueue, job
from smmpanel.kernel.panel import Panel
from smmpanel.web.addresses import neighbourhood

FROM_LIMIT = Limit(
    kind="reset:from",
    free=10,
    first_wait=timedelta(minutes=1),
    longest_wait=timedelta(hours=1),
    forgotten_after=timedelta(hours=6),
)
TO_LIMIT = Limit(
    kind="reset:to",
    free=3,
    first_wait=timedelta(minutes=5),
    longest_wait=timedelta(hours=6),
    forgotten_after=timedelta(hours=12),
)


class ResetAsked(Fact):
    """Somebody asked for a link to set a new password of an account that exists."""

    fact: ClassVar[str] = "reset_asked"
    user_id: int
    asked_at: datetime


async def ask_reset(db: Database, *, email: str, origin: Origin, now: datetime) -> None:
    """Have a link sent to an address, if an account has it. Raises `InvalidInputError` or `TooManyAttemptsError`.

    Takes the database and not a session: a try that is refused must stay counted.
    """
    address = normal_email(email).lower()
    async with db.transaction() as session:
        await count_attempt(session, FROM_LIMIT, neighbourhood(origin.ip), now=now)
    async with db.transaction() as session:
        await count_attempt(session, TO_LIMIT, sha256(address.encode()).hexdigest(), now=now)
        await enqueue(session, find_account.call(email=address, asked_at=now.isoformat()))


@job(queue="mail", retry=Backoff(tries=5))
async def find_account(panel: Panel, *, email: str, asked_at: str) -> None:
    """Look up who is to get a link, if anybody. Idempotent: of two facts of the same moment one mail is made."""
    async with panel.db.transaction() as session:
        user = await find_user(session, email)
        if user is not None and user.state is AccountState.ACTIVE:
            await record(session, ResetAsked(user_id=user.id, asked_at=datetime.fromisoformat(asked_at)))


async def whose_reset(session: AsyncSession, vault: Vault, token: str, *, now: datetime) -> User:
    """Return whose password a link is good for. Raises `LinkWorthlessError`, or what the account's state forbids."""
    return await _owner(session, await find_token(session, vault, token, Purpose.RESET, now=now))


async def reset_password(db: Database, vault: Vault, *, token: str, new: str, origin: Origin, now: datetime) -> None:
    """Set a new password by a link, which then is used up, and end all sessions of the account.

    Raises `WeakPasswordError`, `LinkWorthlessError`, or what the account's state forbids.
    """
    check_password_rules(new)
    async with db.transaction() as session:
        # Looked at before the hash is computed: nobody has us hash for nothing.
        await whose_reset(session, vault, token, now=now)
    new_hash = await hash_password(new)
    async with db.transaction() as session:
        user = await _owner(session, await use_token(session, vault, token, Purpose.RESET, now=now))
        user.password_hash, user.password_changed_at = new_hash, now
        if user.email_verified_at is None:
            # Nobody has shown before that the address is theirs: whoever typed it in may be somebody else, and must not
            # keep a way in.
            await _drop_other_ways_in(session, user.id, now)
        # The mail was read, so the address is theirs.
        user.email_verified_at = user.email_verified_at or now
        actor = Actor("user", user.id, user.username, user.role, known_permissions(user.permissions), ip=origin.ip)
        await audit(session, actor, "account.reset_password", f"user:{user.id}")
        await revoke_sessions(session, user.id, now=now)
        # Whoever proves to own the account need not wait out the wrong guesses of others.
        await session.execute(
            delete(AttemptCounter).where(
                AttemptCounter.kind == ACCOUNT_LIMIT.kind, AttemptCounter.subject == f"user:{user.id}"
            )
        )


async def _drop_other_ways_in(session: AsyncSession, user_id: int, now: datetime) -> None:
    await drop_factor(session, user_id)
    await drop_passkeys(session, user_id)
    await drop_steps(session, user_id)
    await session.execute(delete(OutsideIdentity).where(OutsideIdentity.user_id == user_id))
    await session.execute(
        update(ApiKey)
        .where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now)
        .execution_options(synchronize_session=False)
    )


async def _owner(session: AsyncSession, token: MailedToken) -> User:
    user = await locked_user(session, token.user_id)
    if user.email.lower() != token.email.lower():
        raise LinkWorthlessError
    refuse_inactive(user.state)
    return user
