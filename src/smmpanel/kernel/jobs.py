"""Background jobs: declared beside the behaviour they run, enqueued in the caller's transaction, run by workers.

The only module that knows Procrastinate. House rules: a job carries ids; it is idempotent; it never combines a lock with
a future time. What is the state of a row is claimed from its own table; jobs only schedule, wake and retry.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued, UniqueViolation
from procrastinate.jobs import Job as QueuedJob
from procrastinate.manager import JobManager
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.sql import queries as queue_sql
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.db import Database, after_commit, psycopg_connection
from smmpanel.kernel.errors import ConflictError, NotFoundError
from smmpanel.kernel.job_errors import forget_errors_of_ended_jobs, forget_job_error, note_job_error
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel

QUEUES = {"orders": 30, "payments": 25, "tracking": 20, "facts": 10, "mail": 5, "chores": 0}
"""Queues and their priorities: of waiting jobs the one with the higher number starts first."""
JOBS_AT_ONCE = 32
"""Jobs that one worker process runs at a time. They wait for the network most of the time, and the long ones yield."""

WAKE_PAUSE_SECONDS = 0.05
"""Wakes for the same work within this time become one."""
STALLED_AFTER_SECONDS = 30
FAILED_KEPT_HOURS = 24 * 30
STOP_GRACE_SECONDS = 50

log = get_logger()
JobFunction = Callable[..., Awaitable[None]]
_manager = JobManager(procrastinate.PsycopgConnector())
"""Only ever given a connection of the caller's; its own pool stays closed."""


@dataclass(frozen=True, slots=True)
class Backoff(BaseRetryStrategy):
    """Try again up to `tries` times in all, first after `first_seconds`, then twice as long each time."""

    tries: int
    first_seconds: int = 5
    most_seconds: int = 3600

    def get_retry_decision(self, *, exception: BaseException, job: QueuedJob) -> RetryDecision | None:  # noqa: ARG002
        """Tell the queue when to run a failed job again; `None` gives up."""
        if job.attempts + 1 >= self.tries:
            return None
        return RetryDecision(retry_in={"seconds": min(self.first_seconds * 2**job.attempts, self.most_seconds)})


@dataclass(frozen=True, slots=True)
class Job:
    """A declared job: an async function of the panel and of arguments that fit into JSON."""

    name: str
    queue: str
    function: JobFunction
    retry: Backoff | None
    cron: str | None

    def call(self, *, once: str | None = None, at: datetime | None = None, **args: Any) -> "Call":
        """Say with which arguments it is to run; of waiting calls with the same `once` only one is kept; `at` defers it."""
        return Call(self, args, once, at)


@dataclass(frozen=True, slots=True)
class Call:
    """A job with its arguments, ready to be enqueued."""

    job: Job
    args: Mapping[str, Any]
    once: str | None = None
    at: datetime | None = None

    def queued(self) -> QueuedJob:
        """Return the queue's own form of it."""
        return QueuedJob(
            id=None,
            queue=self.job.queue,
            priority=QUEUES[self.job.queue],
            lock=None,
            queueing_lock=self.once,
            task_name=self.job.name,
            task_kwargs=dict(self.args),
            scheduled_at=self.at,
        )


JOBS: dict[str, Job] = {}
"""All declared jobs, by name. Declarations only: nothing here holds a connection."""


def job(*, queue: str, retry: Backoff | None = None, cron: str | None = None) -> Callable[[JobFunction], Job]:
    """Declare an async function `(panel, …) -> None` as a job; with `cron` (a sixth field is seconds) it runs by itself."""
    assert queue in QUEUES, queue

    def declare(function: JobFunction) -> Job:
        name = f"{function.__module__.removeprefix('smmpanel.')}.{function.__name__}"
        assert name not in JOBS, f"two jobs are named {name}"
        declared = JOBS[name] = Job(name, queue, function, retry, cron)
        return declared

    return declare


async def enqueue(session: AsyncSession, *calls: Call) -> None:
    """Enqueue jobs on the session's own connection: they commit or vanish with what caused them."""
    plain = [call.queued() for call in calls if call.once is None]
    if plain:
        await _manager.batch_defer_jobs_async(plain, connection=await psycopg_connection(session))
    for call in calls:
        if call.once is not None:
            await _enqueue_once(session, call)


async def _enqueue_once(session: AsyncSession, call: Call) -> None:
    # The savepoint: a refused duplicate would otherwise poison the caller's transaction.
    try:
        async with session.begin_nested():
            await _manager.defer_job_async(call.queued(), connection=await psycopg_connection(session))
    except AlreadyEnqueued:
        log.debug("job_already_waiting", job=call.job.name, once=call.once)


def wake(session: AsyncSession, call: Call) -> None:
    """Have a job run soon after this transaction is committed. A hint: a periodic job must find the work without it.

    Enqueuing it inside the transaction would lose wakes: a waiting duplicate may start, and end, before this commit shows.
    """
    assert call.once is not None, "only work that can be coalesced is woken"
    database = session.info["database"]
    assert isinstance(database, Database)
    if database.wake_sink is not None:
        sink = database.wake_sink
        after_commit(session, lambda: sink(call))


class Waker:
    """Enqueues the wakes of one process, each kind of work at most once per `WAKE_PAUSE_SECONDS`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._due: dict[str, Call] = {}
        self._task: asyncio.Task[None] | None = None
        db.wake_sink = self._push

    def _push(self, call: Call) -> None:
        assert call.once is not None
        self._due[call.once] = call
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._due:
            await asyncio.sleep(WAKE_PAUSE_SECONDS)
            calls, self._due = list(self._due.values()), {}
            try:
                async with self._db.transaction() as session:
                    await enqueue(session, *calls)
            except Exception:
                log.warning("wake_failed", exc_info=True)

    async def close(self) -> None:
        """Send what is due and stop."""
        self._db.wake_sink = None
        if self._task is not None:
            await self._task


class JobWaitsAlreadyError(ConflictError):
    """The same work is in the queue, so that doing it again would do it twice."""

    code, message = "job_waits_already", "The same work is waiting already. Drop this one."


async def retry_failed_job(session: AsyncSession, job_id: int, *, now: datetime) -> str:
    """Put a job that was given up back into the queue, and return its name.

    Raises `NotFoundError` if it is not there or has not failed, and `JobWaitsAlreadyError` if the same work waits.
    """
    name = await _locked_failed(session, job_id)
    changes = {"new_priority": None, "new_queue_name": None, "new_lock": None}
    try:
        # The savepoint: a refused duplicate would otherwise poison the caller's transaction.
        async with session.begin_nested():
            await _manager.connector.execute_query_all_async_with_connection(
                await psycopg_connection(session), queue_sql["retry_job"], job_id=job_id, retry_at=now, **changes
            )
    except UniqueViolation as waits:
        raise JobWaitsAlreadyError from waits
    await forget_job_error(session, job_id)
    return name


async def drop_failed_job(session: AsyncSession, job_id: int) -> str:
    """Forget a job that was given up, and return its name. Raises `NotFoundError` as `retry_failed_job` does."""
    name = await _locked_failed(session, job_id)
    await session.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": job_id})
    await forget_job_error(session, job_id)
    return name


async def _locked_failed(session: AsyncSession, job_id: int) -> str:
    wanted = text("SELECT task_name FROM procrastinate_jobs WHERE id = :id AND status = 'failed' FOR UPDATE")
    name: str | None = await session.scalar(wanted, {"id": job_id})
    if name is None:
        raise NotFoundError
    return name


def _task_for(panel: Panel, declared: Job) -> Callable[..., Awaitable[None]]:
    async def run(context: procrastinate.JobContext, timestamp: int | None = None, **args: Any) -> None:  # noqa: ARG001 - the queue passes periodic jobs a time
        try:
            await declared.function(panel, **args)
        except Exception as error:
            if context.job.id is not None:
                await note_job_error(panel.db, context.job.id, error)
            raise

    return run


def _app_for(panel: Panel) -> procrastinate.App:
    connector = procrastinate.PsycopgConnector(conninfo=panel.db.url, min_size=1, max_size=4)
    app = procrastinate.App(connector=connector)
    for declared in JOBS.values():
        task = app.task(
            name=declared.name,
            queue=declared.queue,
            priority=QUEUES[declared.queue],
            # A tick that finds the one before still waiting is dropped.
            queueing_lock=declared.name if declared.cron else None,
            retry=declared.retry or False,
            pass_context=True,
        )(_task_for(panel, declared))
        if declared.cron is not None:
            app.periodic(cron=declared.cron)(task)
    return app


async def run_jobs(panel: Panel) -> None:
    """Run jobs until the panel is stopping; running ones then have `STOP_GRACE_SECONDS` to end."""
    app = _app_for(panel)
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                concurrency=JOBS_AT_ONCE,
                install_signal_handlers=False,
                delete_jobs="successful",
                stalled_worker_timeout=STALLED_AFTER_SECONDS,
                shutdown_graceful_timeout=STOP_GRACE_SECONDS,
            )
        )
        stopping = asyncio.create_task(panel.stopping.wait())
        await asyncio.wait([stopping, worker], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


@job(queue="chores", cron="* * * * *")
async def rescue_stalled_jobs(panel: Panel) -> None:
    """Put the jobs of workers that died back into the queue. Idempotent: a job is rescued once per death."""
    connector = procrastinate.PsycopgConnector(conninfo=panel.db.url, min_size=1, max_size=1)
    await connector.open_async()
    try:
        manager = JobManager(connector)
        for stalled in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_SECONDS):
            log.warning("job_rescued", job=stalled.task_name, job_id=stalled.id)
            await manager.retry_job(stalled, retry_at=datetime.now(UTC) + timedelta(seconds=1))
    finally:
        await connector.close_async()


@job(queue="chores", cron="17 * * * *")
async def prune_failed_jobs(panel: Panel) -> None:
    """Forget jobs that failed long ago; finished ones are deleted at once."""
    connector = procrastinate.PsycopgConnector(conninfo=panel.db.url, min_size=1, max_size=1)
    await connector.open_async()
    try:
        await JobManager(connector).delete_old_jobs(nb_hours=FAILED_KEPT_HOURS, include_failed=True)
    finally:
        await connector.close_async()
    async with panel.db.transaction() as session:
        await forget_errors_of_ended_jobs(session)
