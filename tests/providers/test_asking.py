"""Asking a provider what can wait, over real HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, update

from smmpanel.kernel.errors import NotFoundError
from smmpanel.providers.asking import ProviderBusyError, ProviderUnavailableError, asking
from smmpanel.providers.connecting import provider_by
from smmpanel.providers.health import health_of
from smmpanel.providers.models import Provider, ProviderLease, ProviderThrottle
from smmpanel.providers.protocol import RefusedAccount, TryLater, Unclear
from smmpanel.providers.throttle import take_calls

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def in_flight(panel):
    async with panel.db.transaction() as session:
        return await session.scalar(select(func.coalesce(func.sum(ProviderLease.calls), 0)))


async def health(panel, provider):
    async with panel.db.transaction() as session:
        return (await health_of(session, [provider.id], LONG_AGO))[provider.id]


async def balance_of(panel, provider, **how):
    async with asking(panel, provider.id, "balance", **how) as adapter:
        return await adapter.balance()


async def test_a_call_is_made_counted_and_its_place_given_back(panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url)

    async with asking(panel, provider.id, "balance") as adapter:
        assert await in_flight(panel) == 1
        assert (await adapter.balance()).amount == Decimal(1000)

    assert await in_flight(panel) == 0
    seen = await health(panel, provider)
    assert (seen.calls, seen.failures, seen.error_share) == (1, 0, Decimal(0))
    assert seen.last_success_at is not None


async def test_no_transaction_is_open_during_the_call(panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url)

    async with asking(panel, provider.id, "balance") as adapter:
        assert panel.db.engine.pool.checkedout() == 0
        await adapter.balance()


async def test_a_failure_passes_through_and_counts(panel, a_provider, sandbox):
    sandbox.add_fault("garbage", action="balance", times=1)
    provider = await a_provider(base_url=sandbox.url)

    with pytest.raises(Unclear):
        await balance_of(panel, provider)

    seen = await health(panel, provider)
    assert (seen.calls, seen.failures, seen.last_success_at) == (1, 1, None)
    assert await in_flight(panel) == 0
    async with panel.db.transaction() as session:
        assert (await provider_by(session, provider.id)).paused_at is None


async def test_a_refused_account_pauses_the_provider(panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url, api_key="not-the-key")

    with pytest.raises(RefusedAccount):
        await balance_of(panel, provider)
    with pytest.raises(ProviderUnavailableError) as refusal:
        await balance_of(panel, provider)

    async with panel.db.transaction() as session:
        paused = await provider_by(session, provider.id)
    assert paused.paused_reason == refusal.value.fields["reason"]
    assert (await health(panel, provider)).calls == 1


@pytest.mark.parametrize("style", ["429", "200"])
async def test_too_many_requests_holds_everybody_back(panel, a_provider, sandbox, style):
    sandbox.configure(rate_limit=1, rate_limit_style=style)
    provider = await a_provider(base_url=sandbox.url)
    try:
        await balance_of(panel, provider)
        with pytest.raises(TryLater):
            await balance_of(panel, provider)
    finally:
        sandbox.configure(rate_limit=0)

    async with panel.db.transaction() as session:
        blocked_until = await session.scalar(select(ProviderThrottle.blocked_until))
        assert await session.scalar(select(Provider.paused_at)) is None
    assert blocked_until > datetime.now(UTC)
    with pytest.raises(ProviderBusyError):
        await balance_of(panel, provider, wait_seconds=0.2)


async def test_a_switched_off_provider_is_asked_only_on_purpose(panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url, enabled=False)

    with pytest.raises(ProviderUnavailableError):
        await balance_of(panel, provider)

    assert (await balance_of(panel, provider, probing=True)).amount == Decimal(1000)


async def test_it_waits_for_its_turn(panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url, concurrency=1)
    async with panel.db.transaction() as session:
        now = datetime.now(UTC)
        lease = await take_calls(session, provider.id, wanted=1, urgent=True, now=now, lease_seconds=0.6)

    with pytest.raises(ProviderBusyError):
        await balance_of(panel, provider, wait_seconds=0.1)
    assert (await balance_of(panel, provider, wait_seconds=10)).amount == Decimal(1000)
    assert datetime.now(UTC) >= lease.expires_at


async def test_waiting_ends_when_the_process_is_asked_to(panel, a_provider):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        until = datetime.now(UTC) + timedelta(seconds=50)
        await session.execute(update(ProviderThrottle).values(blocked_until=until))
    panel.stopping.set()

    async with asyncio.timeout(2):
        with pytest.raises(ProviderBusyError):
            await balance_of(panel, provider, wait_seconds=60)


@pytest.mark.parametrize("end", [ZeroDivisionError, asyncio.CancelledError])
async def test_what_goes_wrong_on_our_side_is_not_held_against_the_provider(panel, a_provider, end):
    provider = await a_provider()

    with pytest.raises(end):
        async with asking(panel, provider.id, "balance"):
            raise end

    assert (await health(panel, provider)).calls == 0
    assert await in_flight(panel) == 0


async def test_nobody_asks_a_provider_that_does_not_exist(panel):
    with pytest.raises(NotFoundError):
        async with asking(panel, 404, "balance"):
            pass
