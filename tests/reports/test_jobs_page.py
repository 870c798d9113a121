"""Jobs for staff: what was given up and why, put back or dropped on the record, and what runs by itself."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import event, select, text

from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.kernel.db import Database
from smmpanel.kernel.job_errors import error_line, forget_errors_of_ended_jobs, note_job_error
from smmpanel.kernel.jobs import enqueue
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.queue_lists import periodic_jobs
from smmpanel.ledger.proving import verify_every_night
from smmpanel.ledger.rollups import roll_up
from staff_browser import StaffBrowser, sign_in

LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])
PATH = "/staff/jobs"


@pytest.fixture
async def admin(panel: Panel) -> AsyncIterator[StaffBrowser]:
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


async def fail(db: Database, once: str | None = None, error: str = "no route to host") -> int:
    """Enqueue a job and have it given up."""
    async with db.transaction() as session:
        await enqueue(session, roll_up.call(once=once))
        job_id = await session.scalar(text("SELECT max(id) FROM procrastinate_jobs"))
        await session.execute(
            text("UPDATE procrastinate_jobs SET status = 'failed', attempts = 3 WHERE id = :id"), {"id": job_id}
        )
    assert isinstance(job_id, int)
    await note_job_error(db, job_id, ConnectionError(error))
    return job_id


async def state_of(db: Database, job_id: int) -> str | None:
    async with db.transaction() as session:
        wanted = text("SELECT CAST(status AS text) FROM procrastinate_jobs WHERE id = :id")
        found: str | None = await session.scalar(wanted, {"id": job_id})
        return found


async def errors_kept(db: Database) -> int:
    async with db.transaction() as session:
        return int(await session.scalar(text("SELECT count(*) FROM job_errors")) or 0)


@LANGUAGES
async def test_an_idle_queue(admin: StaffBrowser, language: str) -> None:
    shown = await admin.get(PATH, params={"lang": language})

    assert shown.status_code == 200
    assert 'class="empty"' in shown.text
    # Its name may break after each dot.
    assert verify_every_night.name.replace(".", ".<wbr>") in shown.text
    assert 'class="alert is-bad"' in shown.text  # no worker has said that it lives


@LANGUAGES
async def test_what_was_given_up_is_shown_with_its_error(admin: StaffBrowser, db: Database, language: str) -> None:
    job_id = await fail(db, error="no <route> to host\n[parameters: {'secret': 1}]")

    shown = await admin.get(PATH, params={"lang": language})

    assert "ConnectionError: no &lt;route&gt; to host" in shown.text
    assert "secret" not in shown.text
    assert f'action="/staff/jobs/{job_id}/retry"' in shown.text


async def test_a_living_worker_raises_no_alarm(admin: StaffBrowser, db: Database) -> None:
    async with db.transaction() as session:
        await session.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES"))

    assert 'class="alert is-bad"' not in (await admin.get(PATH)).text


async def test_a_job_is_put_back_once(admin: StaffBrowser, db: Database) -> None:
    job_id = await fail(db)
    await admin.get(PATH)

    assert (await admin.post(f"{PATH}/{job_id}/retry")).status_code == 303
    assert await state_of(db, job_id) == "todo"
    assert await errors_kept(db) == 0
    assert (await admin.post(f"{PATH}/{job_id}/retry")).status_code == 404

    async with db.transaction() as session:
        [line] = (await session.scalars(select(AuditEntry).where(AuditEntry.subject == f"job:{job_id}"))).all()
    assert line.permission == "settings.edit"
    assert (line.before, line.after) == (
        {"job": roll_up.name, "state": "failed"},
        {"job": roll_up.name, "state": "waiting"},
    )


async def test_work_that_waits_already_is_not_doubled(admin: StaffBrowser, db: Database) -> None:
    job_id = await fail(db, once="the work")
    async with db.transaction() as session:
        await enqueue(session, roll_up.call(once="the work"))
    await admin.get(PATH)

    assert (await admin.post(f"{PATH}/{job_id}/retry")).status_code == 303

    assert await state_of(db, job_id) == "failed"
    assert "waiting already" in (await admin.get(PATH)).text
    async with db.transaction() as session:
        assert (await session.scalars(select(AuditEntry.id).where(AuditEntry.subject == f"job:{job_id}"))).all() == []


async def test_a_job_is_dropped(admin: StaffBrowser, db: Database) -> None:
    job_id, other = await fail(db), await fail(db)
    await admin.get(PATH)

    assert (await admin.post(f"{PATH}/{job_id}/drop")).status_code == 303

    assert await state_of(db, job_id) is None
    assert await state_of(db, other) == "failed"
    assert await errors_kept(db) == 1
    async with db.transaction() as session:
        after = await session.scalar(select(AuditEntry.after).where(AuditEntry.subject == f"job:{job_id}"))
    assert after == {"job": roll_up.name, "state": "dropped"}


async def test_a_job_that_waits_or_runs_is_neither_put_back_nor_dropped(admin: StaffBrowser, db: Database) -> None:
    async with db.transaction() as session:
        await enqueue(session, roll_up.call())
        job_id = await session.scalar(text("SELECT max(id) FROM procrastinate_jobs"))
    await admin.get(PATH)

    assert (await admin.post(f"{PATH}/{job_id}/retry")).status_code == 404
    assert (await admin.post(f"{PATH}/{job_id}/drop")).status_code == 404
    assert await state_of(db, job_id) == "todo"


async def test_the_list_is_paged_at_a_constant_number_of_queries(admin: StaffBrowser, db: Database) -> None:
    async def queries() -> int:
        seen: list[str] = []
        listener = lambda *args: seen.append(args[2])  # noqa: E731
        event.listen(db.engine.sync_engine, "before_cursor_execute", listener)
        await admin.get(PATH)
        event.remove(db.engine.sync_engine, "before_cursor_execute", listener)
        return len(seen)

    first = await fail(db)
    few = await queries()
    for _ in range(26):
        await fail(db)
    assert await queries() == few

    shown = await admin.get(PATH)
    assert shown.text.count("/retry") == 25
    older = shown.text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert f"/staff/jobs/{first}/retry" in (await admin.get(older)).text


async def test_when_jobs_last_ran_by_themselves(db: Database) -> None:
    async with db.transaction() as session:
        await session.execute(
            text("INSERT INTO procrastinate_periodic_defers (task_name, defer_timestamp) VALUES (:name, 1767225600)"),
            {"name": roll_up.name},
        )
        by_name = {one.name: one for one in await periodic_jobs(session)}

    last = by_name[roll_up.name].last_at
    assert last is not None
    assert last.isoformat() == "2026-01-01T00:00:00+00:00"
    assert by_name[verify_every_night.name].last_at is None


async def test_errors_of_jobs_that_are_gone_are_forgotten(db: Database) -> None:
    kept = await fail(db)
    await note_job_error(db, kept + 1000, ValueError("gone"))
    assert await errors_kept(db) == 2

    async with db.transaction() as session:
        await forget_errors_of_ended_jobs(session)

    assert await errors_kept(db) == 1


def test_errors_are_one_line() -> None:
    assert error_line(ValueError()) == "ValueError"
    assert error_line(ValueError("first\nsecond")) == "ValueError: first"
    assert len(error_line(ValueError("x" * 9000))) == 500


async def test_looking_is_not_doing(panel: Panel, db: Database) -> None:
    job_id = await fail(db)
    browser = await sign_in(panel, role=Role.STAFF, permissions=[Permission.SETTINGS_VIEW.value])
    shown = await browser.get(PATH)
    assert shown.status_code == 200
    assert "/retry" not in shown.text
    assert (await browser.post(f"{PATH}/{job_id}/retry")).status_code == 403
    assert (await browser.post(f"{PATH}/{job_id}/drop")).status_code == 403
    assert await state_of(db, job_id) == "failed"
    await browser.client.aclose()
