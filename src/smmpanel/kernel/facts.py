"""Facts: what happened, recorded in the transaction in which it happened, for packages above to react to.

Each subscriber runs as a job in its own transaction, at least once: it must bear being told twice.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, DateTime, Identity, String, delete, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base
from smmpanel.kernel.jobs import Backoff, Call, Job, enqueue, job
from smmpanel.kernel.panel import Panel

FACTS_PER_JOB = 100
KEPT_DAYS = 60
"""Longer than any subscriber's tries go on."""


class FactRow(Base):
    """One thing that happened."""

    __tablename__ = "facts"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)


class Fact(BaseModel):
    """Base of all facts: frozen, named, carrying ids and amounts rather than rows."""

    model_config = ConfigDict(frozen=True)
    fact: ClassVar[str]


F = TypeVar("F", bound=Fact)
_subscribers: dict[str, list[Job]] = {}


Listener = Callable[[Panel, F], Awaitable[None]]
ListenerOfMany = Callable[[Panel, Sequence[F]], Awaitable[None]]


def on(kind: type[F]) -> Callable[[Listener[F]], Listener[F]]:
    """Have a function called, in a job, for each recorded fact of this kind."""

    def subscribe(function: Listener[F]) -> Listener[F]:
        async def each(panel: Panel, facts: Sequence[F]) -> None:
            for fact in facts:
                await function(panel, fact)

        _subscribe(kind, each, function)
        return function

    return subscribe


def on_many(kind: type[F]) -> Callable[[ListenerOfMany[F]], ListenerOfMany[F]]:
    """Have a function called, in a job, with up to `FACTS_PER_JOB` facts that were recorded together, in order.

    For facts that come by the thousand: what is done about them can be one statement for all.
    """

    def subscribe(function: ListenerOfMany[F]) -> ListenerOfMany[F]:
        _subscribe(kind, function, function)
        return function

    return subscribe


def _subscribe(kind: type[F], listener: ListenerOfMany[F], named: Callable[..., Any]) -> None:
    async def tell(panel: Panel, *, fact_ids: list[int]) -> None:
        async with panel.db.transaction() as session:
            bodies = (
                await session.scalars(select(FactRow.body).where(FactRow.id.in_(fact_ids)).order_by(FactRow.id))
            ).all()
        if bodies:
            await listener(panel, [kind.model_validate(body) for body in bodies])

    tell.__module__, tell.__name__ = named.__module__, named.__name__
    told = job(queue="facts", retry=Backoff(tries=8))(tell)
    _subscribers.setdefault(kind.fact, []).append(told)


async def record(session: AsyncSession, *facts: Fact) -> None:
    """Record what happened and enqueue those who want to know, all in this transaction."""
    if not facts:
        return
    rows = [{"name": fact.fact, "body": fact.model_dump(mode="json")} for fact in facts]
    written = await session.execute(insert(FactRow).returning(FactRow.id, sort_by_parameter_order=True), rows)
    ids = written.scalars().all()
    by_name: dict[str, list[int]] = {}
    for fact, fact_id in zip(facts, ids, strict=True):
        by_name.setdefault(fact.fact, []).append(fact_id)
    await enqueue(session, *(call for name, own in by_name.items() for call in _calls(name, own)))


def _calls(name: str, ids: Sequence[int]) -> list[Call]:
    chunks = [ids[start : start + FACTS_PER_JOB] for start in range(0, len(ids), FACTS_PER_JOB)]
    return [told.call(fact_ids=list(chunk)) for told in _subscribers.get(name, ()) for chunk in chunks]


_PRUNE = delete(FactRow).where(FactRow.recorded_at < func.now() - timedelta(days=KEPT_DAYS))


@job(queue="chores", cron="23 4 * * *")
async def prune_facts(panel: Panel) -> None:
    """Forget what everybody has been told of long ago. Idempotent."""
    async with panel.db.transaction() as session:
        await session.execute(_PRUNE)
