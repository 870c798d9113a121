"""One time for everybody in a history that is lived through quickly: the panel, its database, its provider.

The panel's verbs and jobs are handed the moment by its clock. Rows that name none get the database's: its column defaults
say `now()`, so for as long as the history lasts they say what the machine says instead.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import text

from smmpanel.entrypoints.demo.upstream import Upstream
from smmpanel.kernel.db import Database

# The job queue's own tables keep real time: its workers live in it.
_DEFAULTS = text(
    "SELECT quote_ident(c.relname) AS name, quote_ident(a.attname) AS attribute FROM pg_attrdef d"
    " JOIN pg_class c ON c.oid = d.adrelid JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
    " WHERE c.relnamespace = current_schema()::regnamespace AND c.relname NOT LIKE 'procrastinate%'"
    " AND pg_get_expr(d.adbin, d.adrelid) = :expression ORDER BY c.relname, a.attname"
)
_BEGIN = (
    "CREATE TABLE demo_moment (at timestamptz NOT NULL)",
    "INSERT INTO demo_moment VALUES (now())",
    "CREATE FUNCTION demo_now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM demo_moment'",
)
_END = ("DROP FUNCTION demo_now()", "DROP TABLE demo_moment")
_SET = text("UPDATE demo_moment SET at = :at")


class TimeMachine:
    """Says what time it is, and makes it another time, which then stands still."""

    def __init__(self, db: Database, upstream: Upstream, moment: datetime) -> None:
        self._db = db
        self._upstream = upstream
        self._moment = moment

    def now(self) -> datetime:
        """Return the present moment: the panel's clock."""
        return self._moment

    async def go_to(self, moment: datetime) -> None:
        """Make it this moment for the panel and its database; there is no way back."""
        assert moment >= self._moment, "the provider cannot undo what it did"
        self._moment = moment
        async with self._db.transaction() as session:
            await session.execute(_SET, {"at": moment})

    async def bring_provider(self) -> None:
        """Make it this moment for the provider too: to be done before it is called."""
        await self._upstream.set_clock(self._moment, speed=0)


@asynccontextmanager
async def another_time(db: Database, upstream: Upstream, moment: datetime) -> AsyncIterator[TimeMachine]:
    """Begin a history at this moment. When it ends the database is as migrations made it, and time is real again."""
    await _swap(db, _BEGIN, was="now()", becomes="demo_now()")
    machine = TimeMachine(db, upstream, moment)
    await machine.go_to(moment)
    await machine.bring_provider()
    yield machine
    await _swap(db, (), was="demo_now()", becomes="now()", after=_END)


async def _swap(db: Database, before: tuple[str, ...], *, was: str, becomes: str, after: tuple[str, ...] = ()) -> None:
    async with db.transaction() as session:
        for statement in before:
            await session.execute(text(statement))
        for column in (await session.execute(_DEFAULTS, {"expression": was})).all():
            await session.execute(
                text(f"ALTER TABLE {column.name} ALTER COLUMN {column.attribute} SET DEFAULT {becomes}")
            )
        for statement in after:
            await session.execute(text(statement))
