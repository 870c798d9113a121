"""How providers have been doing, from the calls that were really made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel
from smmpanel.providers.models import Provider, ProviderHealth
from smmpanel.providers.protocol import ProviderFailure, RefusedOrder, TryLater

KEPT_DAYS = 30
LAST_SUCCESS_STEP_SECONDS = 5
"""The moment of the last success is kept to within this, so that workers do not queue up to write it."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call that was made: what for, whether the provider did its part, how long it took."""

    action: str
    ok: bool
    took_ms: int

    @classmethod
    def of(cls, action: str, failure: ProviderFailure | None, took_ms: int) -> "CallRecord":
        """Record a call by its failure. Turning one order down, or putting it off, is an answer: the provider is well."""
        return cls(action, failure is None or isinstance(failure, RefusedOrder | TryLater), took_ms)


@dataclass(frozen=True, slots=True)
class Health:
    """A provider's calls over some time."""

    calls: int
    failures: int
    error_share: Decimal
    """Between 0 and 1; 0 if nothing was called."""
    average_ms: int
    slowest_ms: int
    last_success_at: datetime | None
    """Of all times, not only of those asked for."""


async def record_calls(session: AsyncSession, provider_id: int, calls: Iterable[CallRecord], now: datetime) -> None:
    """Count calls into the minute in which they ended. Before any other provider's in this transaction, or locks may cross."""
    minute = now.replace(second=0, microsecond=0)
    by_action: dict[str, list[CallRecord]] = {}
    for call in calls:
        by_action.setdefault(call.action, []).append(call)
    if not by_action:
        return
    # In the order of their keys, so that two workers cannot wait for each other.
    rows = [
        {
            "provider_id": provider_id,
            "minute": minute,
            "action": action,
            "calls": len(own),
            "failures": sum(not call.ok for call in own),
            "total_ms": sum(call.took_ms for call in own),
            "slowest_ms": max(call.took_ms for call in own),
        }
        for action, own in sorted(by_action.items())
    ]
    counted = insert(ProviderHealth).values(rows)
    added = {
        column.name: column + counted.excluded[column.name]
        for column in (ProviderHealth.calls, ProviderHealth.failures, ProviderHealth.total_ms)
    }
    slowest = func.greatest(ProviderHealth.slowest_ms, counted.excluded.slowest_ms)
    await session.execute(
        counted.on_conflict_do_update(
            index_elements=[ProviderHealth.provider_id, ProviderHealth.minute, ProviderHealth.action],
            set_={**added, "slowest_ms": slowest},
        )
    )
    if any(call.ok for own in by_action.values() for call in own):
        await _note_success(session, provider_id, now)


async def _note_success(session: AsyncSession, provider_id: int, now: datetime) -> None:
    step = now - timedelta(seconds=LAST_SUCCESS_STEP_SECONDS)
    last = Provider.last_success_at
    await session.execute(
        update(Provider)
        # The first success after a pause is always noted: it says that the provider answers again.
        .where(
            Provider.id == provider_id, or_(last.is_(None), last < step, (last <= Provider.paused_at) & (last < now))
        )
        .values(last_success_at=now)
        .execution_options(synchronize_session=False)
    )


async def health_of(session: AsyncSession, provider_ids: Sequence[int], since: datetime) -> dict[int, Health]:
    """Return how these providers have been doing since then, those without a call included."""
    total = func.coalesce(func.sum(ProviderHealth.calls), 0)
    rows = await session.execute(
        select(
            Provider.id,
            total,
            func.coalesce(func.sum(ProviderHealth.failures), 0),
            func.coalesce(func.sum(ProviderHealth.total_ms), 0),
            func.coalesce(func.max(ProviderHealth.slowest_ms), 0),
            Provider.last_success_at,
        )
        .outerjoin(ProviderHealth, (ProviderHealth.provider_id == Provider.id) & (ProviderHealth.minute >= since))
        .where(Provider.id.in_(provider_ids))
        .group_by(Provider.id)
    )
    return {
        provider_id: Health(
            calls=int(calls),
            failures=int(failures),
            error_share=Decimal(int(failures)) / int(calls) if calls else Decimal(0),
            average_ms=round(int(total_ms) / int(calls)) if calls else 0,
            slowest_ms=int(slowest_ms),
            last_success_at=last_success_at,
        )
        for provider_id, calls, failures, total_ms, slowest_ms, last_success_at in rows
    }


@job(queue="chores", cron="23 4 * * *")
async def prune_health(panel: Panel) -> None:
    """Forget calls of long ago. Harmless to repeat."""
    async with panel.db.transaction() as session:
        await session.execute(
            delete(ProviderHealth)
            .where(ProviderHealth.minute < panel.clock() - timedelta(days=KEPT_DAYS))
            .execution_options(synchronize_session=False)
        )
