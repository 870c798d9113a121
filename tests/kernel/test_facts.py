"""Facts commit or vanish with what caused them, reach every subscriber, and are forgotten in time."""

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from smmpanel.kernel.facts import FactRow, prune_facts, record
from smmpanel.kernel.jobs import JOBS
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.proving import BooksDiffer
from smmpanel.notifications import Alert


async def _count(panel: Panel, what) -> int:
    async with panel.db.transaction() as session:
        return await session.scalar(select(func.count()).select_from(what)) or 0


async def _queued(panel: Panel) -> list[tuple[str, dict]]:
    async with panel.db.transaction() as session:
        rows = await session.execute(text("SELECT task_name, args FROM procrastinate_jobs ORDER BY id"))
        return [(row.task_name, row.args) for row in rows]


async def test_a_fact_and_its_jobs_vanish_with_the_transaction(panel: Panel) -> None:
    with pytest.raises(DBAPIError):
        async with panel.db.transaction() as session:
            await record(session, BooksDiffer(differences=1, first="balance of account:1"))
            await session.execute(text("SELECT 1 / 0"))
    assert await _count(panel, FactRow) == 0
    assert await _queued(panel) == []


async def test_a_subscriber_is_told_what_was_recorded_and_bears_being_told_twice(panel: Panel) -> None:
    async with panel.db.transaction() as session:
        await record(session, BooksDiffer(differences=2, first="balance of account:1"))
    [(name, arguments)] = await _queued(panel)

    await JOBS[name].function(panel, **arguments)
    await JOBS[name].function(panel, **arguments)

    async with panel.db.transaction() as session:
        alerts = (await session.scalars(select(Alert))).all()
    assert [(alert.kind, alert.fields["differences"]) for alert in alerts] == [("books_differ", 2)]


async def test_old_facts_are_forgotten_and_young_ones_kept(panel: Panel) -> None:
    async with panel.db.transaction() as session:
        await record(session, BooksDiffer(differences=1, first="a"), BooksDiffer(differences=2, first="b"))
        await session.execute(
            text("UPDATE facts SET recorded_at = now() - interval '61 days' WHERE body ->> 'first' = 'a'")
        )

    await prune_facts.function(panel)

    async with panel.db.transaction() as session:
        assert (await session.scalars(select(FactRow.body))).all() == [{"differences": 2, "first": "b"}]
