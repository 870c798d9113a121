"""Balances: read from a real server, watched, and the end of a pause."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from smmpanel.kernel.facts import FactRow
from smmpanel.kernel.jobs import JOBS
from smmpanel.notifications import open_alerts
from smmpanel.providers.balances import (
    BalanceResult,
    check_balances,
    check_balances_hourly,
    check_paused_balances,
    look_at_paused_provider,
    record_balance,
)
from smmpanel.providers.connecting import provider_by
from smmpanel.providers.pausing import ProviderPaused, pause_provider
from smmpanel.providers.protocol import UpstreamBalance


async def provider_now(panel, provider):
    async with panel.db.transaction() as session:
        return await provider_by(session, provider.id)


async def alerts(panel):
    async with panel.db.transaction() as session:
        return [(row.kind, row.times, row.fields) for row in (await open_alerts(session)).rows]


async def pause(panel, provider, reason="Not enough funds on balance"):
    async with panel.db.transaction() as session:
        await pause_provider(session, provider.id, reason, datetime.now(UTC))
    await look_at_paused_provider(panel, ProviderPaused(provider_id=provider.id, reason=reason))


async def is_paused(panel, provider):
    return (await provider_now(panel, provider)).paused_at is not None


async def test_balances_are_read_and_kept(panel, a_provider, sandbox):
    sandbox.configure(balance="41.5")
    good = await a_provider(slug="good", base_url=sandbox.url)
    dead = await a_provider(slug="dead")
    off = await a_provider(slug="off", base_url=sandbox.url, enabled=False)

    results = await check_balances(panel)

    assert results[0] == BalanceResult(good.id, "good", Decimal("41.5"), "USD")
    assert (results[1].slug, results[1].amount, results[1].failure) == ("dead", None, "not_sent")
    assert len(results) == 2
    assert (await provider_now(panel, good)).balance == Decimal("41.5")
    assert (await provider_now(panel, good)).balance_at is not None
    assert (await provider_now(panel, dead)).balance is None
    assert (await provider_now(panel, off)).balance is None


async def test_only_those_that_are_asked_for(panel, a_provider, sandbox):
    await a_provider(slug="one", base_url=sandbox.url)
    two = await a_provider(slug="two", base_url=sandbox.url)

    assert [result.slug for result in await check_balances(panel, [two.id])] == ["two"]
    assert await check_balances(panel, []) == []


async def test_a_low_balance_is_told_once_until_it_recovers(panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url, low_balance=Decimal(10))
    sandbox.configure(balance="9.99")
    for _ in range(2):
        [result] = await check_balances(panel)
        assert result.is_low is True

    fields = {"provider": "jap", "balance": "9.99", "low_balance": "10.00", "currency": "USD"}
    assert await alerts(panel) == [("provider_low_balance", 2, fields)]

    sandbox.configure(balance="10")
    await check_balances(panel)
    assert await alerts(panel) == []

    sandbox.configure(balance="1")
    await check_balances(panel, [provider.id])
    assert [(kind, times) for kind, times, _ in await alerts(panel)] == [("provider_low_balance", 1)]


async def test_another_currency_than_configured_is_an_alarm(panel, a_provider, sandbox):
    await a_provider(base_url=sandbox.url, currency="VND")
    await check_balances(panel)

    assert await alerts(panel) == [("provider_currency", 1, {"provider": "jap", "configured": "VND", "told": "USD"})]

    sandbox.configure(currency="VND")
    await check_balances(panel)
    assert await alerts(panel) == []


async def test_a_provider_out_of_funds_goes_on_once_there_is_more_than_before(panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url)
    sandbox.configure(balance="0.40")
    await pause(panel, provider)
    await check_paused_balances.function(panel)
    assert await is_paused(panel, provider) is True
    assert (await provider_now(panel, provider)).balance == Decimal("0.40")

    sandbox.configure(balance="50.40")
    await check_paused_balances.function(panel)

    assert await is_paused(panel, provider) is False
    async with panel.db.transaction() as session:
        assert list(await session.scalars(select(FactRow.name).order_by(FactRow.id))) == [
            "provider_paused",
            "provider_resumed",
        ]
    assert await alerts(panel) == []


async def test_the_hourly_check_lets_a_provider_try_with_what_is_left(panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url)
    sandbox.configure(balance="0")
    await pause(panel, provider)
    await check_balances_hourly.function(panel)
    assert await is_paused(panel, provider) is True

    sandbox.configure(balance="0.40")
    await check_balances_hourly.function(panel)
    assert await is_paused(panel, provider) is False


async def test_a_refused_key_is_not_tried_every_few_minutes(panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url)
    sandbox.configure(key="another-key")
    await pause(panel, provider, "Invalid API key")
    asked = sandbox.stats()["requests"]

    await check_paused_balances.function(panel)
    assert sandbox.stats()["requests"] == asked
    [result] = await check_balances(panel)
    assert (result.failure, result.resumed) == ("refused_account", False)
    assert await is_paused(panel, provider) is True

    sandbox.configure(key="sandbox-key")
    [result] = await check_balances(panel)
    assert result.resumed is True
    assert await is_paused(panel, provider) is False


async def test_more_decimals_than_fit_are_cut_and_unnamed_currencies_are_ours(panel, a_provider):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        balance = UpstreamBalance(Decimal("3.14159265"), None)
        result = await record_balance(session, provider.id, balance, datetime.now(UTC))

    assert (result.amount, result.currency) == (Decimal("3.141592"), "USD")
    assert (await provider_now(panel, provider)).balance == Decimal("3.141592")


class Broken:
    """An adapter with a mistake in it."""

    def __init__(self, connection, http):
        pass

    async def balance(self):
        raise KeyError("amount")


async def test_a_broken_adapter_does_not_keep_others_from_being_read(panel, a_provider, sandbox):
    panel.provider_adapters.put("broken", Broken)
    await a_provider(slug="broken", adapter="broken")
    await a_provider(slug="good", base_url=sandbox.url)

    results = await check_balances(panel)

    assert [(result.slug, result.failure) for result in results] == [("broken", "error"), ("good", None)]


@pytest.mark.parametrize("job", [check_balances_hourly, check_paused_balances])
def test_the_checks_run_by_themselves(job):
    assert job.cron is not None
    assert JOBS[job.name] is job


async def test_a_pause_has_the_balance_looked_at(panel, a_provider, sandbox):
    provider = await a_provider(base_url=sandbox.url)
    sandbox.configure(balance="0.40")
    async with panel.db.transaction() as session:
        await pause_provider(session, provider.id, "Not enough funds on balance", datetime.now(UTC))
        # Others may want to know of a pause too; theirs are other jobs.
        queued = await session.execute(
            text("SELECT task_name, args FROM procrastinate_jobs WHERE task_name LIKE 'providers.balances.%'")
        )
        [(name, arguments)] = queued.all()

    await JOBS[name].function(panel, **arguments)

    assert (await provider_now(panel, provider)).balance == Decimal("0.40")
    assert await is_paused(panel, provider) is True
