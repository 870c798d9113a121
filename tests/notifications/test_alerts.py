"""Alerts for staff: one while it lasts, counted, cleared, and new when it comes back."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.facts import record
from smmpanel.kernel.jobs import JOBS
from smmpanel.ledger.proving import BooksDiffer
from smmpanel.notifications import Alert, AlertLevel, clear_alert, open_alerts, raise_alert
from smmpanel.notifications.alerts import alert_that_books_differ


async def raised(panel, kind="low", subject="provider:1", level=AlertLevel.WARNING, **fields):
    async with panel.db.transaction() as session:
        return await raise_alert(session, kind, subject, level, **fields)


async def opened(panel, **paging):
    async with panel.db.transaction() as session:
        return await open_alerts(session, **paging)


async def test_an_open_alert_counts_up_and_keeps_the_latest(panel):
    assert await raised(panel, balance=Decimal("9.5")) is True
    assert await raised(panel, balance=Decimal("8.5"), level=AlertLevel.CRITICAL) is False

    [alert] = (await opened(panel)).rows
    assert (alert.times, alert.level, alert.fields) == (2, AlertLevel.CRITICAL, {"balance": "8.5"})
    assert alert.last_raised_at > alert.raised_at
    assert alert.cleared_at is None


async def test_many_at_a_time_raise_one(panel):
    answers = await asyncio.gather(*(raised(panel) for _ in range(8)))

    assert sorted(answers) == [False] * 7 + [True]
    assert [alert.times for alert in (await opened(panel)).rows] == [8]


async def test_a_cleared_alert_is_history_and_the_next_one_new(panel):
    await raised(panel)
    await raised(panel, subject="provider:2")
    async with panel.db.transaction() as session:
        assert await clear_alert(session, "low", "provider:1") is True
    async with panel.db.transaction() as session:
        assert await clear_alert(session, "low", "provider:1") is False
        assert await clear_alert(session, "other", "provider:2") is False

    assert [alert.subject for alert in (await opened(panel)).rows] == ["provider:2"]
    assert await raised(panel) is True
    async with panel.db.transaction() as session:
        rows = (await session.scalars(select(Alert).order_by(Alert.id))).all()
    first = [row for row in rows if row.subject == "provider:1"]
    assert [row.cleared_at is None for row in first] == [False, True]
    assert first[0].cleared_at <= datetime.now(UTC)


async def test_it_vanishes_with_the_transaction_that_raised_it(panel):
    async def fail():
        async with panel.db.transaction() as session:
            await raise_alert(session, "low", "provider:1", AlertLevel.INFO)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert (await opened(panel)).rows == []


async def test_open_alerts_come_newest_first_and_in_pages(panel):
    for number in range(5):
        await raised(panel, subject=f"provider:{number}")

    first = await opened(panel, size=2)
    second = await opened(panel, size=2, after=first.after)
    third = await opened(panel, size=2, after=second.after)

    pages = [[row.subject for row in page.rows] for page in (first, second, third)]
    assert pages == [["provider:4", "provider:3"], ["provider:2", "provider:1"], ["provider:0"]]
    assert third.after is None
    with pytest.raises(InvalidInputError):
        await opened(panel, after="nonsense!")


async def test_books_that_differ_reach_staff(panel):
    for _ in range(2):
        await alert_that_books_differ(panel, BooksDiffer(differences=3, first="balance of account:7"))

    [alert] = (await opened(panel)).rows
    assert (alert.kind, alert.subject, alert.level, alert.times) == ("books_differ", "ledger", AlertLevel.CRITICAL, 2)
    assert alert.fields == {"differences": 3, "first": "balance of account:7"}


async def test_whoever_records_that_books_differ_has_staff_told(panel):
    async with panel.db.transaction() as session:
        await record(session, BooksDiffer(differences=1, first="balance of account:7"))
        queued = await session.execute(text("SELECT task_name, args FROM procrastinate_jobs"))
        [(name, arguments)] = queued.all()

    await JOBS[name].function(panel, **arguments)

    assert [alert.kind for alert in (await opened(panel)).rows] == ["books_differ"]
