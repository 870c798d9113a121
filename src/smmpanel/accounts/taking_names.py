"""Giving an account another user name or address: of two accounts that want the same, the second is told so."""

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import User
from smmpanel.accounts.signing_up import EmailTakenError, UsernameTakenError


async def check_email_free(session: AsyncSession, user: User, email: str) -> None:
    """Raise `EmailTakenError` if another account has this address."""
    taken = select(User.id).where(func.lower(User.email) == email.lower(), User.id != user.id)
    if await session.scalar(taken) is not None:
        raise EmailTakenError(field="email")


async def take_email(session: AsyncSession, user: User, email: str) -> None:
    """Give a locked account this address, which no longer waits. Raises `EmailTakenError`."""
    await check_email_free(session, user, email)
    try:
        async with session.begin_nested():
            user.email, user.pending_email = email, None
            await session.flush()
    except IntegrityError:
        raise EmailTakenError(field="email") from None


async def take_username(session: AsyncSession, user: User, username: str) -> None:
    """Give a locked account this name. Raises `UsernameTakenError`."""
    taken = select(User.id).where(func.lower(User.username) == username.lower(), User.id != user.id)
    if await session.scalar(taken) is not None:
        raise UsernameTakenError(field="username")
    try:
        async with session.begin_nested():
            user.username = username
            await session.flush()
    except IntegrityError:
        raise UsernameTakenError(field="username") from None
