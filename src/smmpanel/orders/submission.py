"""Handing orders to providers: claim, call, record.

The order row is the queue. One job per provider is woken when orders arrive, and by the clock; it keeps as many calls in
flight as the provider's limits allow over all workers, and ends when nothing is due.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import Backoff, enqueue, job, wake
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.orders.claiming import Claim, claim_orders
from smmpanel.orders.recording import ACCEPTED, UNKNOWN, Outcome, record_outcomes
from smmpanel.providers.backing_off import back_off
from smmpanel.providers.connecting import adapter_for, provider_by
from smmpanel.providers.health import CallRecord, record_calls
from smmpanel.providers.models import Provider
from smmpanel.providers.pausing import pause_provider
from smmpanel.providers.protocol import Adapter, ProviderFailure, RefusedAccount, TryLater
from smmpanel.providers.throttle import Lease, give_back, take_calls

CLAIM_MAX = 100
SLICE_SECONDS = 10.0
"""A job gives way to others after this long and is woken again if work is left."""
RECORD_PAUSE_SECONDS = 0.01
RECORD_TRIES = 5
LEASE_GRACE_SECONDS = 30
UNRECORDABLE = "the answer could not be recorded"

log = get_logger()


def wake_submission(session: AsyncSession, provider_id: int) -> None:
    """Have a provider's queue looked at soon after this transaction."""
    wake(session, submit_pending.call(once=f"submit:{provider_id}", provider_id=provider_id))


@job(queue="orders", retry=Backoff(tries=3, first_seconds=2))
async def submit_pending(panel: Panel, *, provider_id: int) -> None:
    """Hand a provider's due orders in until none are left. Idempotent: what is claimed is not due any more."""
    name = f"submit:{provider_id}"
    if name in panel.running:
        panel.running[name].set()  # the loop that runs here looks once more before it ends
        return
    more = panel.running[name] = asyncio.Event()
    try:
        left = await _Submission(panel, provider_id, more).run()
    finally:
        del panel.running[name]
    if (left or more.is_set()) and not panel.stopping.is_set():
        async with panel.db.transaction() as session:
            await enqueue(session, submit_pending.call(once=name, provider_id=provider_id))


_DUE = text(
    "SELECT p.id FROM providers p WHERE p.enabled AND p.paused_at IS NULL AND EXISTS ("
    " SELECT FROM orders o WHERE o.provider_id = p.id AND o.status = 'pending' AND o.due_at <= :now)"
)


@job(queue="chores", cron="* * * * * */5")
async def submit_whatever_is_due(panel: Panel) -> None:
    """Find queues that nobody was woken for: after a crash, a pause, a back-off. Idempotent."""
    async with panel.db.transaction() as session:
        due = (await session.scalars(_DUE, {"now": panel.clock()})).all()
        await enqueue(session, *(submit_pending.call(once=f"submit:{one}", provider_id=one) for one in due))


@dataclass(slots=True)
class _Submission:
    """One worker's calls to one provider, for one slice of time.

    Where only concurrency is limited, the slice holds one lease and uses its places again and again; where the rate is
    limited too, every call is leased by itself.
    """

    panel: Panel
    provider_id: int
    more: asyncio.Event
    calls: set[asyncio.Task[None]] = field(default_factory=set)
    outcomes: list[tuple[Outcome, int | None]] = field(default_factory=list)
    """What has been answered and is not recorded yet, with the lease to give the call back to."""
    lease: Lease | None = None
    recording: asyncio.Task[None] | None = None
    closing: bool = False
    """Set when the provider asked us to wait or refused our account: the limits have to be read again before going on."""

    async def run(self) -> bool:
        """Work until nothing is due, the slice is over or the provider is closed; says whether work may be left."""
        async with self.panel.db.transaction() as session:
            provider = await provider_by(session, self.provider_id)
        ends = time.monotonic() + SLICE_SECONDS
        try:
            while not self.panel.stopping.is_set():
                if self.closing or time.monotonic() > ends:
                    return True
                if not await self._round(provider):
                    return False
            return True
        finally:
            await self._finish()

    async def _round(self, provider: Provider) -> bool:
        """Claim and start what there is room for, or wait for room or news; `False` when neither is to come."""
        self.more.clear()
        claims, taken, lease_id = await self._claim(provider)
        adapter = adapter_for(self.panel, provider)
        for claim in claims:
            task = asyncio.create_task(self._call(adapter, claim, lease_id))
            self.calls.add(task)
            task.add_done_callback(self.calls.discard)
        if taken:
            await asyncio.sleep(0)
            return True
        if self._full():
            await asyncio.wait(self.calls, return_when=asyncio.FIRST_COMPLETED)
            return True
        if self.calls:
            news: asyncio.Task[bool] = asyncio.create_task(self.more.wait())
            everything = asyncio.create_task(_all_done(self.calls))
            await asyncio.wait([news, everything], return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            return True
        if self.recording is not None:
            await self.recording
            return True
        return self.more.is_set()

    def _full(self) -> bool:
        return self.lease is not None and len(self.calls) >= self.lease.calls

    async def _claim(self, provider: Provider) -> tuple[list[Claim], int, int | None]:
        """Claim as many due orders as may be called now; also says how many were taken from the queue, and the lease."""
        if self._full():
            return [], 0, None
        now = self.panel.clock()
        metered = provider.rate_per_minute is not None
        async with self.panel.db.transaction() as session:
            lease = self.lease
            if lease is None:
                wanted = await _count_due(session, provider.id, now) if metered else provider.concurrency
                lease = await self._take(session, provider, wanted, now)
            if lease is None:
                return [], 0, None
            room = lease.calls if metered else lease.calls - len(self.calls)
            claims, taken = await claim_orders(
                session,
                provider.id,
                currency=self.panel.currency,
                number=min(room, CLAIM_MAX),
                timeout_seconds=provider.timeout_seconds,
                now=now,
            )
            if metered and len(claims) < lease.calls:
                await give_back(session, lease.id, lease.calls - len(claims), unused=True)
        self.lease = None if metered else lease
        return claims, taken, lease.id if metered else None

    async def _take(self, session: AsyncSession, provider: Provider, wanted: int, now: datetime) -> Lease | None:
        if not wanted:
            return None
        seconds = int(SLICE_SECONDS) + provider.timeout_seconds + LEASE_GRACE_SECONDS
        return await take_calls(session, provider.id, wanted=wanted, urgent=True, now=now, lease_seconds=seconds)

    async def _call(self, adapter: Adapter, claim: Claim, lease_id: int | None) -> None:
        """Make the call, with no transaction open, and leave its outcome to be recorded."""
        began = time.monotonic()
        try:
            accepted = await adapter.add(claim.request)
            outcome = Outcome(claim, ACCEPTED, answer=accepted.answer, external_id=accepted.external_id)
        except ProviderFailure as failure:
            outcome = Outcome(claim, failure.outcome, failure.text, failure.answer, failure=failure)
            self.closing = self.closing or isinstance(failure, RefusedAccount | TryLater)
        except Exception:
            # An adapter's bug says nothing about what the provider did.
            log.exception("adapter_broke", order_id=claim.order_id, provider_id=self.provider_id)
            outcome = Outcome(claim, UNKNOWN, "the answer could not be read")
        took_ms = round((time.monotonic() - began) * 1000)
        self.outcomes.append((replace(outcome, took_ms=took_ms), lease_id))
        if self.recording is None or self.recording.done():
            self.recording = asyncio.create_task(self._record_all())

    async def _record_all(self) -> None:
        while self.outcomes:
            await asyncio.sleep(RECORD_PAUSE_SECONDS)
            batch, self.outcomes = self.outcomes, []
            await self._record(batch)
        self.recording = None

    async def _record(self, batch: list[tuple[Outcome, int | None]]) -> None:
        """Record outcomes, patiently: what cannot be recorded leaves its orders unconfirmed."""
        for tries_left in reversed(range(RECORD_TRIES)):
            try:
                async with self.panel.db.transaction() as session:
                    await self._write(session, batch)
            except (OperationalError, InterfaceError, IntegrityError, PoolTimeoutError, OSError):
                if not tries_left:
                    log.exception("outcomes_not_recorded", orders=[one.claim.order_id for one, _ in batch])
                    return
                await asyncio.sleep(1)
            except Exception:
                log.exception("outcomes_unrecordable", orders=[one.claim.order_id for one, _ in batch])
                await self._record_apart(batch)
                return
            else:
                return

    async def _record_apart(self, batch: list[tuple[Outcome, int | None]]) -> None:
        """Record one by one what could not be recorded together; an outcome that is itself at fault becomes a doubt."""
        if len(batch) > 1:
            for one in batch:
                await self._record([one])
            return
        outcome, lease_id = batch[0]
        if outcome.text != UNRECORDABLE:
            doubt = Outcome(outcome.claim, UNKNOWN, UNRECORDABLE, took_ms=outcome.took_ms)
            await self._record([(doubt, lease_id)])

    async def _write(self, session: AsyncSession, batch: list[tuple[Outcome, int | None]]) -> None:
        """Write all that a batch of answers means. The provider's rows first, then orders, then money: claims lock so too."""
        now = self.panel.clock()
        outcomes = [one for one, _ in batch]
        records = [CallRecord.of("add", one.failure, one.took_ms) for one in outcomes]
        await record_calls(session, self.provider_id, records, now)
        failures = [one.failure for one in outcomes if one.failure is not None]
        refused = [failure.text for failure in failures if isinstance(failure, RefusedAccount)]
        if refused:
            await pause_provider(session, self.provider_id, refused[0], now)
        for lease_id, calls in Counter(lease_id for _, lease_id in batch if lease_id is not None).items():
            await give_back(session, lease_id, calls)
        for failure in failures:
            await back_off(session, self.provider_id, failure, now)
        watch = timedelta(days=self.panel.settings.finished_watch_days)
        await record_outcomes(session, self.provider_id, outcomes, currency=self.panel.currency, now=now, watch=watch)

    async def _finish(self) -> None:
        """Let the calls under way end, record them, and give the places back."""
        if self.calls:
            await asyncio.wait(self.calls)
        if self.recording is not None:
            await self.recording
        if self.lease is not None:
            async with self.panel.db.transaction() as session:
                await give_back(session, self.lease.id, self.lease.calls)


async def _all_done(calls: Collection[asyncio.Task[None]]) -> bool:
    if calls:  # they may have ended before this task began
        await asyncio.wait(list(calls))
    return True


_COUNT_DUE = text(
    "SELECT count(*) FROM (SELECT FROM orders WHERE provider_id = :provider AND status = 'pending' AND due_at <= :now"
    " LIMIT :most) due"
)


async def _count_due(session: AsyncSession, provider_id: int, now: datetime) -> int:
    found = await session.scalar(_COUNT_DUE, {"provider": provider_id, "now": now, "most": CLAIM_MAX})
    assert isinstance(found, int)
    return found
