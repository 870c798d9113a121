"""Whether somebody can read the mail of the address they gave: a link goes there, and opening it proves it."""

from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, known_permissions
from smmpanel.accounts.audit import audit
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.mailed_tokens import LinkWorthlessError, Purpose, find_token, use_token
from smmpanel.accounts.models import User
from smmpanel.accounts.taking_names import take_email
from smmpanel.accounts.throttling import Limit, count_attempt
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.db import Database
from smmpanel.kernel.facts import Fact, record

LIMIT = Limit(
    kind="verify:account",
    free=5,
    first_wait=timedelta(minutes=10),
    longest_wait=timedelta(hours=6),
    forgotten_after=timedelta(days=1),
)


class ConfirmationAsked(Fact):
    """An address is to be confirmed: the account's own, or the one that is to take its place."""

    fact: ClassVar[str] = "confirmation_asked"
    user_id: int
    email: str
    asked_at: datetime


async def count_confirmation(db: Database, user_id: int, *, now: datetime) -> None:
    """Count a link that is about to be asked for. Raises `TooManyAttemptsError`."""
    async with db.transaction() as session:
        await count_attempt(session, LIMIT, f"user:{user_id}", now=now)


async def ask_confirmation(session: AsyncSession, user: User, *, now: datetime) -> None:
    """Have a link sent to the address that waits to be confirmed; none waits if it is confirmed already."""
    email = user.pending_email or (user.email if user.email_verified_at is None else None)
    if email is not None:
        await record(session, ConfirmationAsked(user_id=user.id, email=email, asked_at=now))


async def waiting_address(session: AsyncSession, vault: Vault, token: str, *, now: datetime) -> str:
    """Return the address that a link would confirm. Raises `LinkWorthlessError`."""
    return (await find_token(session, vault, token, Purpose.VERIFY, now=now)).email


async def confirm_address(session: AsyncSession, vault: Vault, *, token: str, ip: str | None, now: datetime) -> User:
    """Use up a link: its address is confirmed and, if it was a new one, becomes the account's.

    Raises `LinkWorthlessError`, or `EmailTakenError` if somebody else has taken the address in the meantime.
    """
    found = await use_token(session, vault, token, Purpose.VERIFY, now=now)
    user = await locked_user(session, found.user_id)
    if user.pending_email is not None and found.email.lower() == user.pending_email.lower():
        await _take_address(session, user, user.pending_email, ip)
    elif found.email.lower() != user.email.lower():
        raise LinkWorthlessError
    user.email_verified_at = now
    return user


async def _take_address(session: AsyncSession, user: User, email: str, ip: str | None) -> None:
    before = user.email
    await take_email(session, user, email)
    actor = Actor("user", user.id, user.username, user.role, known_permissions(user.permissions), ip=ip)
    await audit(
        session, actor, "account.change_email", f"user:{user.id}", before={"email": before}, after={"email": email}
    )
