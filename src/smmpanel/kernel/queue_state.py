"""How the job queue is doing, for health checks and metrics."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_STATE = text(
    "SELECT (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo') AS waiting,"
    " (SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing') AS running,"
    " (SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed') AS failed,"
    " (SELECT count(*) FROM procrastinate_workers) AS workers,"
    " (SELECT max(last_heartbeat) FROM procrastinate_workers) AS last_heartbeat"
)
_NAMED = text(
    "SELECT CAST(status AS text) AS status, attempts, scheduled_at FROM procrastinate_jobs"
    " WHERE queueing_lock = :once AND status IN ('todo', 'doing') ORDER BY status LIMIT 1"
)
_HEARTBEAT = text("SELECT max(last_heartbeat) FROM procrastinate_workers")


@dataclass(frozen=True, slots=True)
class QueueState:
    """Counts of jobs and workers. Finished jobs are deleted, failed ones kept."""

    waiting: int
    running: int
    failed: int
    workers: int
    last_heartbeat: datetime | None
    """When a worker last said that it lives; each does every ten seconds."""


async def queue_state(session: AsyncSession) -> QueueState:
    """Count jobs and workers."""
    return QueueState(*(await session.execute(_STATE)).one())


async def last_heartbeat(session: AsyncSession) -> datetime | None:
    """Return when a worker last said that it lives; `None` if none ever did, or all have left."""
    moment: datetime | None = await session.scalar(_HEARTBEAT)
    return moment


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job that was enqueued once and is not over."""

    running: bool
    attempts: int
    scheduled_at: datetime | None
    """When it runs at the earliest; `None` is at once."""


async def job_named(session: AsyncSession, once: str) -> WaitingJob | None:
    """Return the job that was enqueued with this `once`, if it is waiting or running."""
    row = (await session.execute(_NAMED, {"once": once})).one_or_none()
    return None if row is None else WaitingJob(row.status == "doing", row.attempts, row.scheduled_at)
