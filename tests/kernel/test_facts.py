"""Facts commit or vanish with what caused them, reach every subscriber, and are forgotten in time."""

from collections.abc import Sequence
from typing import ClassVar

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from smmpanel.kernel.facts import FACTS_PER_JOB, Fact, FactRow, on_many, prune_facts, record
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


class ThingCounted(Fact):
    """Something that comes by the hundred."""

    fact: ClassVar[str] = "test_thing_counted"
    number: int


_told: list[list[int]] = []


@on_many(ThingCounted)
async def note_numbers(_panel: Panel, facts: Sequence[ThingCounted]) -> None:
    """Remember what came together."""
    _told.append([fact.number for fact in facts])


async def test_many_facts_are_told_in_chunks_and_in_order(panel: Panel) -> None:
    _told.clear()
    count = FACTS_PER_JOB * 2 + 50
    async with panel.db.transaction() as session:
        await record(session, *(ThingCounted(number=number) for number in range(count)))
    jobs = [(name, arguments) for name, arguments in await _queued(panel) if name.endswith("note_numbers")]

    for name, arguments in jobs:
        await JOBS[name].function(panel, **arguments)

    assert [len(numbers) for numbers in _told] == [FACTS_PER_JOB, FACTS_PER_JOB, 50]
    assert [number for numbers in _told for number in numbers] == list(range(count))


async def test_facts_that_were_forgotten_are_told_to_nobody(panel: Panel) -> None:
    _told.clear()
    async with panel.db.transaction() as session:
        await record(session, ThingCounted(number=1))
        await session.execute(text("DELETE FROM facts"))

    for name, arguments in await _queued(panel):
        await JOBS[name].function(panel, **arguments)

    assert _told == []
