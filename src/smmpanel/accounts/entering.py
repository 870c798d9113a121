"""Letting somebody in who has proved who they are, and keeping on file how every try ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import LoginHistory, LoginOutcome, LoginWay, User
from smmpanel.accounts.sessions import USER_AGENT_MAX, OpenedSession, open_session
from smmpanel.accounts.sign_in_models import SecondFactor
from smmpanel.accounts.states import AccountState
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.facts import Fact, record
from smmpanel.web.addresses import neighbourhood

PLACES_REMEMBERED = 50
"""Of so many sign-ins before, the places are known ones."""


class SignedInFromNewPlace(Fact):
    """Somebody signed in from where this account has not been used of late."""

    fact: ClassVar[str] = "signed_in_from_new_place"
    user_id: int
    session_id: int
    ip: str
    user_agent: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a try comes from."""

    ip: str
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user who has proved who they are, and their new session."""

    user: User
    session: OpenedSession


@dataclass(frozen=True, slots=True)
class HalfWay:
    """Somebody whose first proof was right. Worth nothing once the password is another."""

    user_id: int
    way: LoginWay
    password_changed_at: datetime


class SecondFactorNeededError(PanelError):
    """The first proof was right, and the account asks for a second one."""

    code, status, message = "second_factor_needed", 401, "Enter the code from your authenticator app."

    def __init__(self, half: HalfWay) -> None:
        self.half = half
        super().__init__()


async def let_in(
    session: AsyncSession,
    user: User,
    way: LoginWay,
    *,
    origin: Origin,
    lifetime: timedelta,
    now: datetime,
    is_whole: bool = False,
) -> OpenedSession | HalfWay | None:
    """Open a session for a locked user who has proved who they are, and record it.

    Returns `HalfWay` if a second proof is due, unless this one `is_whole`; `None` if the account's state forbids it, for
    the caller to say so once that is on file.
    """
    if user.state is not AccountState.ACTIVE:
        remember_try(session, user.id, LoginOutcome.REFUSED, way, origin, now)
        return None
    if not is_whole and await has_second_factor(session, user.id):
        remember_try(session, user.id, LoginOutcome.HALF_WAY, way, origin, now)
        return HalfWay(user.id, way, user.password_changed_at)
    opened = await open_session(
        session, user.id, lifetime=lifetime, ip=origin.ip, user_agent=origin.user_agent, now=now
    )
    await _tell_of_new_place(session, user.id, opened.session_id, origin, now)
    remember_try(session, user.id, LoginOutcome.SIGNED_IN, way, origin, now)
    return opened


async def has_second_factor(session: AsyncSession, user_id: int) -> bool:
    """Whether signing in to the account takes a second proof."""
    known = select(SecondFactor.user_id).where(SecondFactor.user_id == user_id, SecondFactor.secret.is_not(None))
    return await session.scalar(known) is not None


def remember_try(  # noqa: PLR0917 - what a row has
    session: AsyncSession, user_id: int | None, outcome: LoginOutcome, way: LoginWay, origin: Origin, now: datetime
) -> None:
    """Put a try on file."""
    agent = origin.user_agent[:USER_AGENT_MAX] if origin.user_agent else None
    session.add(LoginHistory(user_id=user_id, outcome=outcome, way=way, ip=origin.ip, user_agent=agent, at=now))


async def _tell_of_new_place(
    session: AsyncSession, user_id: int, session_id: int, origin: Origin, now: datetime
) -> None:
    seen = (
        await session.scalars(
            select(LoginHistory.ip)
            .where(LoginHistory.user_id == user_id, LoginHistory.outcome == LoginOutcome.SIGNED_IN)
            .order_by(LoginHistory.id.desc())
            .limit(PLACES_REMEMBERED)
        )
    ).all()
    # The first time of all is no news to anybody.
    if seen and neighbourhood(origin.ip) not in {neighbourhood(ip) for ip in seen if ip}:
        agent = origin.user_agent[:USER_AGENT_MAX] if origin.user_agent else None
        await record(
            session,
            SignedInFromNewPlace(user_id=user_id, session_id=session_id, ip=origin.ip, user_agent=agent, at=now),
        )
