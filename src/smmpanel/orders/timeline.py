"""An order's timeline: what happened to it, in rows that are only ever added."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

NOTE_LENGTH_MAX = 2000

_INSERT = text(
    "INSERT INTO order_events (order_id, kind, before, after, note, actor_id)"
    " SELECT * FROM unnest(CAST(:orders AS bigint[]), CAST(:kinds AS text[]), CAST(:befores AS text[]),"
    " CAST(:afters AS text[]), CAST(:notes AS text[]), CAST(:actors AS bigint[]))"
)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a timeline: a move from one status to another, or something else worth knowing."""

    order_id: int
    kind: str
    before: str | None = None
    after: str | None = None
    note: str = ""
    actor_id: int | None = None


async def add_events(session: AsyncSession, events: Sequence[Event]) -> None:
    """Add lines to the timelines of orders."""
    if not events:
        return
    await session.execute(
        _INSERT,
        {
            "orders": [event.order_id for event in events],
            "kinds": [event.kind for event in events],
            "befores": [event.before for event in events],
            "afters": [event.after for event in events],
            "notes": [event.note[:NOTE_LENGTH_MAX] for event in events],
            "actors": [event.actor_id for event in events],
        },
    )
