"""Health: counted by the minute, from many workers at a time."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select

from smmpanel.kernel.jobs import JOBS
from smmpanel.providers.health import CallRecord, Health, health_of, prune_health, record_calls
from smmpanel.providers.models import ProviderHealth
from smmpanel.providers.protocol import NotSent, RefusedAccount, RefusedOrder, TryLater, Unclear

T0 = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)


async def record(panel, provider, *calls, now=T0):
    async with panel.db.transaction() as session:
        await record_calls(session, provider.id, calls, now)


async def health(panel, *providers, since=T0 - timedelta(hours=1)):
    async with panel.db.transaction() as session:
        return await health_of(session, [provider.id for provider in providers], since)


async def test_calls_add_up(panel, a_provider):
    provider, quiet = await a_provider(), await a_provider(slug="quiet")
    await record(panel, provider, CallRecord("add", ok=True, took_ms=100), CallRecord("status", ok=True, took_ms=300))
    await record(panel, provider, CallRecord("add", ok=False, took_ms=500), now=T0 + timedelta(seconds=40))
    await record(panel, provider, CallRecord("add", ok=True, took_ms=100))
    await record(panel, provider)

    seen = await health(panel, provider, quiet)

    assert seen[provider.id] == Health(4, 1, Decimal("0.25"), 250, 500, T0)
    assert seen[quiet.id] == Health(0, 0, Decimal(0), 0, 0, None)
    async with panel.db.transaction() as session:
        rows = (await session.execute(select(ProviderHealth.minute, ProviderHealth.action, ProviderHealth.calls))).all()
    minute = T0.replace(second=0)
    assert sorted(map(tuple, rows)) == [
        (minute, "add", 2),
        (minute, "status", 1),
        (minute + timedelta(minutes=1), "add", 1),
    ]


async def test_only_what_was_since_then_counts(panel, a_provider):
    provider = await a_provider()
    await record(panel, provider, CallRecord("add", ok=False, took_ms=9), now=T0 - timedelta(hours=2))
    await record(panel, provider, CallRecord("add", ok=True, took_ms=5))

    seen = (await health(panel, provider))[provider.id]

    assert (seen.calls, seen.failures, seen.slowest_ms) == (1, 0, 5)


async def test_many_workers_lose_no_call_and_do_not_lock_up(panel, a_provider):
    provider = await a_provider()

    async def worker(number):
        actions = ["add", "status", "balance"] if number % 2 else ["balance", "status", "add"]
        for _ in range(10):
            await record(panel, provider, *(CallRecord(action, ok=True, took_ms=number) for action in actions))

    async with asyncio.timeout(20):
        await asyncio.gather(*(worker(number) for number in range(10)))

    seen = (await health(panel, provider))[provider.id]
    assert (seen.calls, seen.failures, seen.slowest_ms) == (300, 0, 9)


def test_turning_one_order_down_is_no_sign_of_illness():
    failures = [None, RefusedOrder("Bad link"), TryLater("wait"), RefusedAccount("key"), NotSent("no"), Unclear("?")]

    assert [CallRecord.of("add", failure, 1).ok for failure in failures] == [True, True, True, False, False, False]


async def test_the_last_success_is_of_all_times(panel, a_provider):
    provider = await a_provider()
    await record(panel, provider, CallRecord("add", ok=True, took_ms=1), now=T0 - timedelta(days=2))
    await record(panel, provider, CallRecord("add", ok=False, took_ms=1))

    assert (await health(panel, provider))[provider.id].last_success_at == T0 - timedelta(days=2)


async def test_old_calls_are_forgotten(panel, a_provider):
    provider = await a_provider()
    now = datetime.now(UTC)
    for days in (31, 29, 0):
        await record(panel, provider, CallRecord("add", ok=True, took_ms=1), now=now - timedelta(days=days))

    await prune_health.function(panel)

    assert prune_health.cron is not None
    assert prune_health in JOBS.values()
    async with panel.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(ProviderHealth)) == 2
