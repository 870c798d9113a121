"""Jobs commit or vanish with what caused them, run, are tried again, and survive the death of their worker."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from smmpanel.kernel.jobs import Backoff, Waker, enqueue, job, rescue_stalled_jobs, retry_failed_job, run_jobs, wake
from smmpanel.kernel.options import read_option, write_option
from smmpanel.kernel.panel import Panel

PATIENCE_SECONDS = 30


@job(queue="chores")
async def note_down(panel: Panel, *, name: str) -> None:
    """Write an option, so that a test can see that the job ran. Harmless to repeat."""
    async with panel.db.transaction() as session:
        await write_option(session, name, "done")


@job(queue="chores", retry=Backoff(tries=2, first_seconds=0))
async def fail_once(panel: Panel, *, name: str) -> None:
    """Fail the first time."""
    async with panel.db.transaction() as session:
        tried = await read_option(session, name, 0)
        await write_option(session, name, tried + 1)
    if tried == 0:
        raise ValueError("not yet")


async def _waiting(panel: Panel) -> list[str]:
    async with panel.db.transaction() as session:
        rows = await session.execute(
            text("SELECT args ->> 'name' AS name FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
        )
        return [row.name for row in rows]


@pytest.fixture
async def working(panel: Panel) -> AsyncIterator[None]:
    worker = asyncio.create_task(run_jobs(panel))
    yield
    panel.stopping.set()
    await worker


async def _becomes(panel: Panel, name: str, value: object) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with panel.db.transaction() as session:
                if await read_option(session, name) == value:
                    return
            await asyncio.sleep(0.05)


async def test_a_job_vanishes_with_its_transaction(panel: Panel) -> None:
    with pytest.raises(DBAPIError):
        async with panel.db.transaction() as session:
            await enqueue(session, note_down.call(name="a"))
            await session.execute(text("SELECT 1 / 0"))
    assert await _waiting(panel) == []


async def test_of_calls_with_one_key_one_waits_and_the_transaction_goes_on(panel: Panel) -> None:
    async with panel.db.transaction() as session:
        await enqueue(session, note_down.call(once="k", name="first"))
    async with panel.db.transaction() as session:
        await enqueue(session, note_down.call(once="k", name="second"))
        await enqueue(session, note_down.call(name="third"))
    assert await _waiting(panel) == ["first", "third"]


async def test_a_wake_is_sent_after_the_commit_and_only_then(panel: Panel) -> None:
    waker = Waker(panel.db)
    with pytest.raises(DBAPIError):
        async with panel.db.transaction() as session:
            wake(session, note_down.call(once="undone", name="undone"))
            await session.execute(text("SELECT 1 / 0"))
    async with panel.db.transaction() as session:
        wake(session, note_down.call(once="w", name="done"))
        assert await _waiting(panel) == []
    await waker.close()
    assert await _waiting(panel) == ["done"]


async def test_a_worker_runs_what_is_enqueued(panel: Panel, working: None) -> None:
    async with panel.db.transaction() as session:
        await enqueue(session, note_down.call(name="ran"))
    await _becomes(panel, "ran", "done")


async def test_a_failed_job_is_tried_again(panel: Panel, working: None) -> None:
    async with panel.db.transaction() as session:
        await enqueue(session, fail_once.call(name="tries"))
    await _becomes(panel, "tries", 2)


async def test_the_jobs_of_a_dead_worker_are_put_back(panel: Panel) -> None:
    async with panel.db.transaction() as session:
        await enqueue(session, note_down.call(name="orphan"))
    async with panel.db.transaction() as session:
        await session.execute(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '5 minutes')")
        )
        await session.execute(
            text(
                "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)"
            )
        )
    assert await _waiting(panel) == []

    await rescue_stalled_jobs.function(panel)

    assert await _waiting(panel) == ["orphan"]


@job(queue="chores")
async def always_fail(panel: Panel) -> None:
    """Fail."""
    raise ValueError("no luck\nand more that nobody needs")


async def test_a_job_that_is_given_up_keeps_why_and_runs_again_when_put_back(panel: Panel, working: None) -> None:
    async def given_up(times: int) -> tuple[int, str]:
        wanted = text(
            "SELECT j.id, e.error FROM procrastinate_jobs j JOIN job_errors e ON e.job_id = j.id"
            " WHERE j.status = 'failed' AND j.attempts = :times"
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                async with panel.db.transaction() as session:
                    row = (await session.execute(wanted, {"times": times})).one_or_none()
                if row is not None:
                    return row.id, row.error
                await asyncio.sleep(0.05)

    async with panel.db.transaction() as session:
        await enqueue(session, always_fail.call())
    job_id, error = await given_up(1)
    assert error == "ValueError: no luck"

    async with panel.db.transaction() as session:
        assert await retry_failed_job(session, job_id, now=panel.clock()) == always_fail.name
    assert (await given_up(3))[0] == job_id
