"""Following orders at their providers: fresh ones often, old ones seldom, finished ones for some days.

One tracker works per provider at a time (a row says whose turn it is), so orders need not be claimed: asking twice does no
harm, and what comes back is compared with the row under its lock.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import Backoff, enqueue, job
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.orders.progress import DueOrder, Report, moves_nothing, store_progress
from smmpanel.orders.reporting import record_reports
from smmpanel.providers.closing import MadeCall, close_calls
from smmpanel.providers.connecting import adapter_for, provider_by
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import Adapter, ProviderFailure, Rejected, Unclear, UpstreamReport
from smmpanel.providers.throttle import Lease, take_calls

BATCHES_AT_ONCE = 4
RECORDINGS_AT_ONCE = 2
RECORDED_TOGETHER = 8
"""Batches that are recorded in one transaction, if so many have been answered."""
BATCHES_TOGETHER = 250
"""Batches that are read from the table at once."""
SETTLED_TOGETHER = 300
"""Orders that are moved in one transaction, if so many have come together."""
SLICE_SECONDS = 30.0
TURN_SECONDS = 120
RETRY_AFTER = timedelta(minutes=1)
LEASE_MARGIN_SECONDS = 30


log = get_logger()


@dataclass(slots=True)
class TrackingSummary:
    """What one round of tracking did."""

    asked: int = 0
    moved: int = 0
    failures: int = 0
    providers: list[int] = field(default_factory=list)


_DUE_PROVIDERS = text(
    "SELECT p.id FROM providers p WHERE p.enabled AND EXISTS ("
    " SELECT FROM orders o WHERE o.provider_id = p.id AND o.check_at <= :now AND o.kind <> 'subscription'"
    " AND NOT o.unconfirmed)"
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
    "SELECT id, external_id, status FROM orders WHERE provider_id = :provider AND check_at <= :now AND kind <> 'subscription'"
    " AND NOT unconfirmed ORDER BY check_at LIMIT :number"
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
            if not await _track_some(panel, provider_id, summary, until):
                break
    finally:
        async with panel.db.transaction() as session:
            await session.execute(_END_TURN, {"provider": provider_id, "until": turn})
    return summary


async def _track_some(panel: Panel, provider_id: int, summary: TrackingSummary, until: float | None) -> bool:
    """Ask for the next due orders; `False` if nothing is due or the provider may not be asked."""
    async with panel.db.transaction() as session:
        provider = await provider_by(session, provider_id)
        adapter = adapter_for(panel, provider)
        size = adapter.status_batch_max
        now = panel.clock()
        # Places are used again and again; where the rate is limited, every call is leased by itself.
        most = BATCHES_AT_ONCE if provider.rate_per_minute is not None else BATCHES_TOGETHER
        asked = {"provider": provider_id, "now": now, "number": size * most}
        due = [DueOrder(*row) for row in await session.execute(_DUE, asked)]
        batches = [due[start : start + size] for start in range(0, len(due), size)]
        lease = await _lease(session, provider, min(len(batches), BATCHES_AT_ONCE), now) if batches else None
    if lease is None:
        return False
    if provider.rate_per_minute is not None:
        batches = batches[: lease.calls]
    ends = min(time.monotonic() + SLICE_SECONDS, float("inf") if until is None else until)
    return await _Round(panel, adapter, lease, batches, summary, ends=ends).run()


async def _lease(session: AsyncSession, provider: Provider, calls: int, now: datetime) -> Lease | None:
    seconds = SLICE_SECONDS + provider.timeout_seconds + LEASE_MARGIN_SECONDS
    return await take_calls(session, provider.id, wanted=calls, urgent=False, now=now, lease_seconds=seconds)


_Item = TypeVar("_Item")

Batch = Sequence[DueOrder]
"""Orders asked for in one call."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """What came of one call."""

    batch: Batch
    failed: bool
    reports: Mapping[str, UpstreamReport | Rejected]


class _Round:
    """Some batches of due orders: a few calls in flight, while what was answered before is recorded, some batches together."""

    def __init__(
        self,
        panel: Panel,
        adapter: Adapter,
        lease: Lease,
        batches: Iterable[Batch],
        summary: TrackingSummary,
        *,
        ends: float,
    ) -> None:
        self.panel = panel
        self.adapter = adapter
        self.lease = lease
        self.batches = deque(batches)
        self.summary = summary
        self.ends = ends
        self.failed = False
        """Set by the first failure: the provider is then left alone for a while."""
        self._watch = timedelta(days=panel.settings.finished_watch_days)
        self._calls: list[MadeCall] = []
        # Where recording is slower than the provider, asking waits.
        self._answered: asyncio.Queue[_Answered | None] = asyncio.Queue(RECORDINGS_AT_ONCE * RECORDED_TOGETHER)
        self._to_settle: asyncio.Queue[tuple[int, Report] | None] = asyncio.Queue(SETTLED_TOGETHER)
        """What moves orders, or needs a closer look, by our ids."""

    async def run(self) -> bool:
        """Ask for all batches unless the provider fails or the time is up; `False` if it failed."""
        try:
            async with asyncio.TaskGroup() as work:  # what cannot be recorded ends the round
                work.create_task(self._settle_in_turn())
                recording = [work.create_task(self._record_in_turn()) for _ in range(RECORDINGS_AT_ONCE)]
                await asyncio.wait([work.create_task(self._ask_in_turn()) for _ in range(self.lease.calls)])
                for _ in recording:
                    await self._answered.put(None)
                await asyncio.wait(recording)
                await self._to_settle.put(None)
        finally:
            async with self.panel.db.transaction() as session:
                await close_calls(session, self.lease, self._calls, self.panel.clock())
        return not self.failed

    async def _ask_in_turn(self) -> None:
        while self.batches and not (self.failed or self.panel.stopping.is_set() or time.monotonic() > self.ends):
            await self._answered.put(await self._ask(self.batches.popleft()))

    async def _ask(self, batch: Batch) -> _Answered:
        began = time.perf_counter()
        failure: ProviderFailure | None = None
        reports: Mapping[str, UpstreamReport | Rejected] = {}
        try:
            reports = await self.adapter.status([one.external_id for one in batch])
        except ProviderFailure as caught:
            failure = caught
        except Exception:
            log.exception("adapter_broke", provider_id=self.lease.provider_id)
            failure = Unclear("the answer could not be read")
        if failure is not None:
            self.failed = True
            self.summary.failures += 1
        self._calls.append(MadeCall("status", failure, round((time.perf_counter() - began) * 1000)))
        return _Answered(batch, failure is not None, reports)

    async def _record_in_turn(self) -> None:
        while answered := await _several(self._answered, RECORDED_TOGETHER):
            await self._record(answered)

    async def _record(self, answered: Sequence[_Answered]) -> None:
        """Record what moves no order, in one statement, and hand on the rest."""
        now = self.panel.clock()
        failed = [one.id for call in answered if call.failed for one in call.batch]
        reports = {one: call.reports.get(one.external_id) for call in answered if not call.failed for one in call.batch}
        steady = {one: report for one, report in reports.items() if moves_nothing(one, report)}
        async with self.panel.db.transaction() as session:
            if failed:
                await session.execute(_POSTPONE, {"ids": failed, "until": now + RETRY_AFTER})
            stored = await store_progress(session, steady, now=now, watch=self._watch)
        for one, report in reports.items():
            if not (stored and one in steady):
                await self._to_settle.put((one.id, report))
        self.summary.asked += len(reports)

    async def _settle_in_turn(self) -> None:
        while together := await _several(self._to_settle, SETTLED_TOGETHER):
            now = self.panel.clock()
            async with self.panel.db.transaction() as session:
                moved = await record_reports(
                    session, self.lease.provider_id, dict(together), now=now, watch=self._watch
                )
            self.summary.moved += moved


async def _several(queue: asyncio.Queue[_Item | None], most: int) -> list[_Item]:
    """Wait for something and take what has come with it; nothing once the end, which is `None`, is reached."""
    found: list[_Item] = []
    item = await queue.get()
    while item is not None:
        found.append(item)
        if len(found) == most or queue.empty():
            return found
        item = queue.get_nowait()
    if found:
        queue.put_nowait(None)  # to be met again
    return found
