"""Prices follow markup, exchange rates, routes and edits, with one precedence, and every change is logged."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import AuditEntry
from smmpanel.catalog.change_log import catalog_version
from smmpanel.catalog.fx import FxRateMissingError, fx_rates, rate_between, set_rate
from smmpanel.catalog.markups import set_panel_markup
from smmpanel.catalog.models import Category
from smmpanel.catalog.pricing import MarkupRule
from smmpanel.catalog.repricing import EVERYTHING, Scope, reprice
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.providers.connecting import edit_provider

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STAFF = Actor.cli()


async def again(panel, scope=EVERYTHING) -> int:
    async with panel.db.transaction() as session:
        return await reprice(session, scope, currency="USD", cause="markup", now=NOW)


async def fx(panel, base: str, quote: str, rate: str) -> int:
    async with panel.db.transaction() as session:
        return await set_rate(session, base, quote, Decimal(rate), currency="USD", actor=STAFF, now=NOW)


async def test_the_nearest_level_decides_each_part(panel, jap, shelves, line):
    await jap.take(line("1", rate=Decimal(10)))
    service = await shelves.service()
    [category] = await shelves.all(Category)

    async with panel.db.transaction() as session:
        await set_panel_markup(session, MarkupRule(Decimal(10), Decimal("0.5"), Decimal("0.2")))
    await again(panel)
    assert (await shelves.service()).rate == Decimal("11.6")  # 11.5 up to the step

    async with panel.db.transaction() as session:
        await edit_provider(session, panel, "jap", actor=STAFF, now=NOW, markup_percent=Decimal(20))
    await again(panel, Scope(provider_id=jap.id))
    assert (await shelves.service()).rate == Decimal("12.6")

    async with panel.db.transaction() as session:
        shelf = await session.get_one(Category, category.id)
        shelf.markup_percent, shelf.rounding_step = Decimal(30), Decimal(0)
    await again(panel, Scope(category_id=category.id))
    assert (await shelves.service()).rate == Decimal("13.5")

    await shelves.set(service.id, markup_percent=Decimal(40), markup_fixed=Decimal(0))
    await again(panel, Scope(service_ids=[service.id]))
    assert (await shelves.service()).rate == Decimal(14)


async def test_a_scope_leaves_everything_else_alone(panel, jap, a_provider, shelves, line):
    other = await a_provider("other")
    await jap.take(line("1"), line("2", category="TikTok"))
    await other.take(line("3"))
    async with panel.db.transaction() as session:
        await set_panel_markup(session, MarkupRule(Decimal(100)))
    one, two = await shelves.service("1"), await shelves.service("2")

    assert await again(panel, Scope(service_ids=[one.id])) == 1
    assert await again(panel, Scope(category_id=two.category_id)) == 1
    assert (await shelves.service("3")).rate == Decimal(1)
    assert await again(panel, Scope(provider_id=other.id)) == 1
    assert await again(panel) == 0
    assert {service.rate for service in await shelves.services()} == {Decimal(2)}


async def test_changes_are_logged_once_and_shown_by_the_stamp(panel, jap, shelves, line):
    await jap.take(line("1"))
    mark = await shelves.last_change()
    async with panel.db.transaction() as session:
        before = await catalog_version(session)
        await set_panel_markup(session, MarkupRule(Decimal(50)))

    assert await again(panel) == 1
    assert await again(panel) == 0

    assert await shelves.changes(after=mark) == [("rate", "1.00", "1.50", "markup")]
    async with panel.db.transaction() as session:
        assert await catalog_version(session) != before


async def test_never_below_cost_unless_allowed(panel, jap, shelves, line):
    await jap.take(line("1", rate=Decimal(10)))
    service = await shelves.service()
    await shelves.set(service.id, markup_percent=Decimal(-50))

    assert await again(panel) == 0
    assert (await shelves.service()).rate == Decimal(10)

    await shelves.set(service.id, allow_below_cost=True)
    assert await again(panel) == 1
    service = await shelves.service()
    assert (service.rate, service.held_reason) == (Decimal(5), None)


async def test_a_foreign_reason_to_hold_is_left_alone(panel, jap, shelves, line):
    await jap.take(line("1"))
    service = await shelves.service()
    await shelves.set(service.id, held_reason="by_court_order")

    assert await again(panel) == 0
    assert (await shelves.service()).held_reason == "by_court_order"


async def test_a_provider_that_is_off_keeps_its_prices(panel, jap, shelves, line):
    await jap.take(line("1"))
    async with panel.db.transaction() as session:
        (await jap.provider(session)).enabled = False
        await set_panel_markup(session, MarkupRule(Decimal(100)))

    await again(panel)

    service = await shelves.service()
    assert (service.cost, service.rate, service.held_reason) == (Decimal(1), Decimal(2), None)


async def test_switching_a_provider_changes_the_stamp(panel, jap):
    async with panel.db.transaction() as session:
        before = await catalog_version(session)
        (await jap.provider(session)).enabled = False
        await session.flush()
        assert await catalog_version(session) != before


async def test_prices_follow_the_exchange_rate(panel, a_provider, shelves, line):
    bumx = await a_provider("bumx", currency="VND")
    await fx(panel, "USD", "VND", "25000")
    await bumx.take(line("1", rate=Decimal(50_000)))
    mark = await shelves.last_change()

    assert await fx(panel, "USD", "VND", "20000") == 1

    assert (await shelves.service()).cost == Decimal("2.5")
    assert await shelves.changes(after=mark) == [("rate", "2.00", "2.50", "fx"), ("cost", "2.00", "2.50", "fx")]
    audited = [entry for entry in await shelves.all(AuditEntry) if entry.subject == "fx:USD:VND"]
    assert Decimal(audited[-1].before["rate"]) == Decimal(25_000)
    assert Decimal(audited[-1].after["rate"]) == Decimal(20_000)


async def test_rates_between_currencies(panel):
    await fx(panel, "usd", "vnd", "25000")
    async with panel.db.transaction() as session:
        assert await rate_between(session, "USD", "USD") == 1
        assert await rate_between(session, "USD", "VND") == 25_000
        assert await rate_between(session, "VND", "USD") == Decimal("0.00004")
        with pytest.raises(FxRateMissingError) as failure:
            await rate_between(session, "EUR", "USD")
    assert str(failure.value) == "There is no exchange rate from EUR to USD; set one first."

    # The last word counts, in whichever direction it was said.
    await fx(panel, "VND", "USD", "0.00005")
    async with panel.db.transaction() as session:
        assert [(one.base, one.quote) for one in await fx_rates(session)] == [("VND", "USD")]
        assert await rate_between(session, "USD", "VND") == 20_000


@pytest.mark.parametrize(
    ("base", "quote", "rate"),
    [("USD", "USD", "1"), ("USD", "VND", "0"), ("USD", "VND", "-1"), ("USD", "VND", "NaN"), ("$", "VND", "1")],
)
async def test_impossible_rates_are_refused(panel, base, quote, rate):
    with pytest.raises(InvalidInputError):
        await fx(panel, base, quote, rate)
    async with panel.db.transaction() as session:
        assert await fx_rates(session) == []
