"""The job queue in lists, for those who look after it: queues, what failed, what runs by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import JOBS, QUEUES
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged

_COUNTS = text(
    "SELECT queue_name, CAST(status AS text) AS status, count(*) AS number FROM procrastinate_jobs"
    " WHERE status IN ('todo', 'doing', 'failed') GROUP BY queue_name, status"
)
_FAILED = text(
    """
SELECT j.id, j.task_name AS name, j.queue_name AS queue, j.args, j.attempts, e.error,
       coalesce(e.at, (SELECT max(at) FROM procrastinate_events WHERE job_id = j.id AND type = 'failed')) AS at
  FROM procrastinate_jobs j LEFT JOIN job_errors e ON e.job_id = j.id
 WHERE j.status = 'failed' AND (CAST(:before AS bigint) IS NULL OR j.id < CAST(:before AS bigint))
 ORDER BY j.id DESC LIMIT :size
"""
)
_LAST_RUNS = text("SELECT task_name, max(defer_timestamp) FROM procrastinate_periodic_defers GROUP BY task_name")


@dataclass(frozen=True, slots=True)
class QueueCount:
    """One queue: how many of its jobs wait, run, and have failed for good."""

    queue: str
    waiting: int
    running: int
    failed: int


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that was given up. `error` is `None` if it ended with its worker."""

    id: int
    name: str
    queue: str
    args: Mapping[str, Any]
    attempts: int
    error: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """A job that runs by itself, and when it was last due; `None` if it never was."""

    name: str
    queue: str
    cron: str
    last_at: datetime | None


async def queue_counts(session: AsyncSession) -> list[QueueCount]:
    """Count the jobs of each queue."""
    counts = {(row.queue_name, row.status): row.number for row in await session.execute(_COUNTS)}
    names = [*QUEUES, *sorted({queue for queue, _ in counts} - set(QUEUES))]
    return [
        QueueCount(name, *(counts.get((name, state), 0) for state in ("todo", "doing", "failed"))) for name in names
    ]


async def failed_jobs(session: AsyncSession, *, after: str | None = None, size: int = PAGE_SIZE) -> Paged[FailedJob]:
    """Return a page of the jobs that were given up, newest first."""
    found = await session.execute(_FAILED, {"before": key_from(after), "size": size + 1})
    rows: Sequence[FailedJob] = [FailedJob(*row) for row in found]
    return paged(rows, size, [row.id for row in rows])


async def periodic_jobs(session: AsyncSession) -> list[PeriodicJob]:
    """Return the jobs that run by themselves, by name."""
    last = {name: datetime.fromtimestamp(moment, UTC) for name, moment in await session.execute(_LAST_RUNS)}
    declared = sorted(JOBS.values(), key=lambda one: one.name)
    return [PeriodicJob(one.name, one.queue, one.cron, last.get(one.name)) for one in declared if one.cron is not None]
