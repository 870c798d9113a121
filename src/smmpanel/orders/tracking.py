"""Following orders at their providers: fresh ones often, old ones seldom, finished ones for some days.

One tracker works per provider at a time (a row says whose turn it is), so orders need not be claimed: asking twice does no
harm, and what comes back is compared with the row under its lock.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import Backoff, enqueue, job
from smmpanel.kernel.panel import Panel
from smmpanel.orders.reporting import record_reports
from smmpanel.providers.closing import MadeCall, close_calls
from smmpanel.providers.connecting import adapter_for, provider_by
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import Adapter, ProviderFailure, Rejected, UpstreamReport
from smmpanel.providers.throttle import Lease, take_calls

BATCHES_AT_ONCE = 4
SLICE_SECONDS = 30.0
TURN_SECONDS = 120
RETRY_AFTER = timedelta(minutes=1)
LEASE_MARGIN_SECONDS = 30


@dataclass(slots=True)
class TrackingSummary:
    """What one round of tracking did."""

    asked: int = 0
    moved: int = 0
    failures: int = 0
    providers: list[int] = field(default_factory=list)


_DUE_PROVIDERS = text(
    "SELECT p.id FROM providers p WHERE p.enabled AND EXISTS ("
    " SELECT FROM orders o WHERE o.provider_id = p.id AND o.check_at <= :now AND o.kind <> 'subscription')"
)


@job(queue="chores", cron="* * * * * */10")
async def track_whatever_is_due(panel: Panel) -> None:
    """Start tracking at every provider that has orders to look at. Idempotent."""
    async with panel.db.transaction() as session:
        due = (await session.scalars(_DUE_PROVIDERS, {"now": panel.clock()})).all()
        await enqueue(session, *(track_provider.call(once=f"track:{one}", provider_id=one) for one in due))


@job(queue="tracking", retry=Backoff(tries=3))
async def track_provider(panel: Panel, *, provider_id: int) -> None:
    """Look at a provider's due orders, for one slice of time. Idempotent: looking again finds the same."""
    await track(panel, provider_id, until=time.monotonic() + SLICE_SECONDS)


async def update_orders(panel: Panel) -> TrackingSummary:
    """Look at all due orders of all providers now: what `smmpanel update-orders` runs."""
    summary = TrackingSummary()
    async with panel.db.transaction() as session:
        due = (await session.scalars(_DUE_PROVIDERS, {"now": panel.clock()})).all()
    for provider_id in due:
        part = await track(panel, provider_id, until=None)
        summary.asked += part.asked
        summary.moved += part.moved
        summary.failures += part.failures
        summary.providers.append(provider_id)
    return summary


_TAKE_TURN = text(
    "INSERT INTO tracking_turns (provider_id, until) VALUES (:provider, :until) ON CONFLICT (provider_id)"
    " DO UPDATE SET until = excluded.until WHERE tracking_turns.until < :now RETURNING provider_id"
)
_END_TURN = text("DELETE FROM tracking_turns WHERE provider_id = :provider AND until = :until")
_DUE = text(
    "SELECT id, external_id FROM orders WHERE provider_id = :provider AND check_at <= :now AND kind <> 'subscription'"
    " ORDER BY check_at LIMIT :number"
)


_POSTPONE = text("UPDATE orders SET check_at = :until WHERE id = ANY(CAST(:ids AS bigint[])) AND check_at IS NOT NULL")


async def track(panel: Panel, provider_id: int, *, until: float | None) -> TrackingSummary:
    """Look at due orders of one provider until none are left or the time is up; nothing if another tracker is at it."""
    summary = TrackingSummary(providers=[provider_id])
    now = panel.clock()
    turn = now + timedelta(seconds=TURN_SECONDS)
    async with panel.db.transaction() as session:
        if await session.scalar(_TAKE_TURN, {"provider": provider_id, "until": turn, "now": now}) is None:
            return summary
    try:
        while not panel.stopping.is_set() and (until is None or time.monotonic() < until):
            if not await _track_some(panel, provider_id, summary):
                break
    finally:
        async with panel.db.transaction() as session:
            await session.execute(_END_TURN, {"provider": provider_id, "until": turn})
    return summary


async def _track_some(panel: Panel, provider_id: int, summary: TrackingSummary) -> bool:
    """Ask for the next due orders, a few batches at a time; `False` if nothing is due or the provider may not be asked."""
    async with panel.db.transaction() as session:
        provider = await provider_by(session, provider_id)
        adapter = adapter_for(panel, provider)
        size = adapter.status_batch_max
        now = panel.clock()
        asked = {"provider": provider_id, "now": now, "number": size * BATCHES_AT_ONCE}
        due = [(row.id, row.external_id) for row in await session.execute(_DUE, asked)]
        batches = [due[start : start + size] for start in range(0, len(due), size)]
        lease = await _lease(session, provider, len(batches), now) if batches else None
    if lease is None:
        return False
    results = await asyncio.gather(
        *(_track_batch(panel, adapter, lease, batch, summary) for batch in batches[: lease.calls])
    )
    return all(results)


async def _lease(session: AsyncSession, provider: Provider, calls: int, now: datetime) -> Lease | None:
    seconds = provider.timeout_seconds + LEASE_MARGIN_SECONDS
    return await take_calls(session, provider.id, wanted=calls, urgent=False, now=now, lease_seconds=seconds)


async def _track_batch(
    panel: Panel, adapter: Adapter, lease: Lease, batch: Sequence[tuple[int, str]], summary: TrackingSummary
) -> bool:
    """Ask for one batch and record the answer; `False` if the provider failed, so that it is left alone for a while."""
    began = time.perf_counter()
    failure: ProviderFailure | None = None
    reports: Mapping[str, UpstreamReport | Rejected] = {}
    try:
        reports = await adapter.status([external_id for _, external_id in batch])
    except ProviderFailure as caught:
        failure = caught
        summary.failures += 1
    took_ms = round((time.perf_counter() - began) * 1000)
    now = panel.clock()
    async with panel.db.transaction() as session:
        await close_calls(session, lease, [MadeCall("status", failure, took_ms)], now)
        if failure is not None:
            await session.execute(_POSTPONE, {"ids": [one for one, _ in batch], "until": now + RETRY_AFTER})
            return False
        watch = timedelta(days=panel.settings.finished_watch_days)
        by_order = {order_id: reports.get(external_id) for order_id, external_id in batch}
        summary.asked += len(batch)
        summary.moved += await record_reports(session, lease.provider_id, by_order, now=now, watch=watch)
    return True
