"""The second step of signing in: somebody whose first proof was right gives the second one.

Between the two there is no session: a step of its own, bound to the browser, soon over, and worthless once the password
is changed.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.entering import HalfWay, Origin, SignedIn, let_in, remember_try
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import LoginOutcome, LoginWay, User
from smmpanel.accounts.second_factor import WrongCodeError, count_code_try, take_code
from smmpanel.accounts.sessions import OpenedSession
from smmpanel.accounts.states import refuse_inactive
from smmpanel.accounts.steps import Step, StepKind, StepOverError, begin_step
from smmpanel.accounts.throttling import forgive
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.db import Database


async def begin_second_step(db: Database, vault: Vault, half: HalfWay, *, now: datetime) -> str:
    """Begin the second step and return its token, for the browser that gave the first proof."""
    body = {"way": half.way.value, "password_changed_at": half.password_changed_at.isoformat()}
    async with db.transaction() as session:
        return await begin_step(session, vault, StepKind.SECOND, user_id=half.user_id, body=body, now=now)


def half_of(step: Step) -> HalfWay:
    """Return whose first proof a step stands for."""
    if step.user_id is None:
        raise StepOverError
    changed_at = datetime.fromisoformat(step.body["password_changed_at"])
    return HalfWay(step.user_id, LoginWay(step.body["way"]), changed_at)


async def give_code(
    db: Database, vault: Vault, half: HalfWay, code: str, *, origin: Origin, lifetime: timedelta, now: datetime
) -> SignedIn:
    """Check a code after a first proof, and open the session.

    Raises `TooManyAttemptsError`, `WrongCodeError`, `StepOverError`, or what the account's state forbids.
    """
    tried = await count_code_try(db, half.user_id, now=now)
    entered: OpenedSession | None = None
    async with db.transaction() as session:
        user = await locked_half(session, half)
        is_good = await take_code(session, vault, user.id, code, now=now)
        if is_good:
            await forgive(session, tried, everything=True, now=now)
            entered = await enter_whole(session, user, half.way, origin=origin, lifetime=lifetime, now=now)
        else:
            remember_try(session, user.id, LoginOutcome.WRONG_CODE, half.way, origin, now)
    if not is_good:
        raise WrongCodeError
    if entered is None:
        refuse_inactive(user.state)
        raise StepOverError
    return SignedIn(user, entered)


async def locked_half(session: AsyncSession, half: HalfWay) -> User:
    """Return the locked user of a first proof. Raises `StepOverError` if the password has been changed since."""
    user = await locked_user(session, half.user_id)
    if user.password_changed_at != half.password_changed_at:
        raise StepOverError
    return user


async def enter_whole(
    session: AsyncSession, user: User, way: LoginWay, *, origin: Origin, lifetime: timedelta, now: datetime
) -> OpenedSession | None:
    """Open a session for a locked user who has given all the proof it takes; `None` if the account is not active."""
    entered = await let_in(session, user, way, origin=origin, lifetime=lifetime, now=now, is_whole=True)
    assert not isinstance(entered, HalfWay)
    return entered
