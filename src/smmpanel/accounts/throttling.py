"""Counting tries at the door. A try is counted before it is made, so that many at once get no more than many in turn."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import AttemptCounter
from smmpanel.kernel.errors import PanelError

DOUBLINGS_MAX = 16


class TooManyAttemptsError(PanelError):
    """There were too many failed tries; the next one counts only after a while."""

    code, status, message = "too_many_attempts", 429, "Too many tries. Try again in {retry_after_seconds} s."


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failed tries are free, and how the wait after each further one grows."""

    kind: str
    free: int
    first_wait: timedelta
    longest_wait: timedelta
    forgotten_after: timedelta

    def wait_after(self, failures: int) -> timedelta:
        """Return how long the next try waits after so many failures."""
        if failures < self.free:
            return timedelta(0)
        doubled: int = 2 ** min(failures - self.free, DOUBLINGS_MAX)
        return min(self.first_wait * doubled, self.longest_wait)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One counted try: if it succeeds, `forgive` takes it back."""

    limit: Limit
    subject: str
    number: int


async def count_attempt(session: AsyncSession, limit: Limit, subject: str, *, now: datetime) -> Attempt:
    """Count a try as failed before it is made. Raises `TooManyAttemptsError`, counting nothing, while a wait is on.

    Must be committed before the try is made; tries at the same moment wait for each other here and nowhere else.
    """
    fresh = insert(AttemptCounter).values(
        kind=limit.kind, subject=subject, failures=1, last_at=now, blocked_until=now + limit.wait_after(1)
    )
    forgotten = AttemptCounter.last_at < now - limit.forgotten_after
    failures = case((forgotten, 1), else_=AttemptCounter.failures + 1)
    waits = [(failures == number, limit.wait_after(number)) for number in range(1, limit.free + DOUBLINGS_MAX)]
    counted = fresh.on_conflict_do_update(
        index_elements=[AttemptCounter.kind, AttemptCounter.subject],
        set_={"failures": failures, "last_at": now, "blocked_until": now + case(*waits, else_=limit.longest_wait)},
        # Free tries wait for nothing, not even for one that read the clock a moment later and was counted first.
        where=or_(AttemptCounter.failures < limit.free, AttemptCounter.blocked_until <= now),
    ).returning(AttemptCounter.failures)
    number = await session.scalar(counted)
    if number is None:
        raise TooManyAttemptsError(retry_after_seconds=await _wait_left(session, limit, subject, now))
    return Attempt(limit, subject, number)


async def forgive(session: AsyncSession, attempt: Attempt, *, everything: bool, now: datetime) -> None:
    """Take back a try that succeeded: alone, or with all failures before it."""
    mine = (AttemptCounter.kind == attempt.limit.kind, AttemptCounter.subject == attempt.subject)
    if everything:
        await session.execute(delete(AttemptCounter).where(*mine))
        return
    # A wait is lifted only if this very try caused it.
    lifted = case((AttemptCounter.failures == attempt.number, now), else_=AttemptCounter.blocked_until)
    await session.execute(
        update(AttemptCounter)
        .where(*mine)
        .values(failures=func.greatest(AttemptCounter.failures - 1, 0), blocked_until=lifted)
        .execution_options(synchronize_session=False)
    )


async def _wait_left(session: AsyncSession, limit: Limit, subject: str, now: datetime) -> int:
    until = await session.scalar(
        select(AttemptCounter.blocked_until).where(AttemptCounter.kind == limit.kind, AttemptCounter.subject == subject)
    )
    return max(1, ceil((until - now).total_seconds())) if until is not None else 1
