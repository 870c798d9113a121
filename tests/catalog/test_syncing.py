"""Syncs follow what providers change, and believe no broken list."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from smmpanel.accounts.access import Actor
from smmpanel.catalog.change_log import catalog_version
from smmpanel.catalog.models import ProviderService
from smmpanel.catalog.price_lists import service_rows
from smmpanel.catalog.routes import add_route, provider_line
from smmpanel.catalog.syncing import apply_catalogue, sync_provider, sync_services
from smmpanel.kernel.options import write_option
from smmpanel.providers.connecting import add_provider, disable_provider
from smmpanel.providers.protocol import Catalogue, NotSent, Unclear
from smmpanel.sandbox.process import SandboxProcess

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STAFF = Actor.cli()


def day(number: int) -> datetime:
    return NOW + timedelta(days=number)


@pytest.fixture
async def markup(panel):
    """The panel's default: half on top."""
    async with panel.db.transaction() as session:
        await write_option(session, "default_markup_percent", 50)


async def on_sale(panel) -> list[str]:
    async with panel.db.transaction() as session:
        return [row.name for row in await service_rows(session, None, "USD")]


@pytest.mark.usefixtures("markup")
async def test_rate_bounds_and_flags_follow_and_are_logged(jap, shelves, line):
    await jap.take(line("1", dripfeed=True))
    mark = await shelves.last_change()

    result = await jap.sync(
        line("1", rate=Decimal(2), min=20, max=5000, refill=False, cancel=True, dripfeed=False), now=day(1)
    )

    service = await shelves.service()
    assert (service.cost, service.rate) == (Decimal(2), Decimal(3))
    assert (service.min, service.max) == (20, 5000)
    assert (service.refill, service.cancel, service.dripfeed) == (False, True, False)
    assert (result.refused, result.listed, result.changed, result.missing) == (None, 1, 1, 0)
    assert await shelves.changes(after=mark) == [
        ("min", 10, 20, "sync"),
        ("max", 10_000, 5000, "sync"),
        ("refill", True, False, "sync"),
        ("cancel", False, True, "sync"),
        ("dripfeed", True, False, "sync"),
        ("rate", "1.50", "3.00", "sync"),
        ("cost", "1.00", "2.00", "sync"),
    ]


async def test_an_unchanged_list_changes_nothing(panel, jap, shelves, line):
    await jap.take(line("1"), line("2"))
    mark = await shelves.last_change()
    async with panel.db.transaction() as session:
        before = await catalog_version(session)

    result = await jap.sync(line("1"), line("2"), now=day(1))

    assert (result.changed, result.new, result.refused) == (0, 0, None)
    assert await shelves.changes(after=mark) == []
    async with panel.db.transaction() as session:
        assert await catalog_version(session) == before


async def test_what_the_owner_set_stands_until_the_provider_moves_it(jap, shelves, line):
    await jap.take(line("1"))
    service = await shelves.service()
    await shelves.set(service.id, min=100, refill=False, name="Ours")

    await jap.sync(line("1", max=9000), now=day(1))
    service = await shelves.service()
    assert (service.min, service.max, service.refill, service.name) == (100, 9000, False, "Ours")

    await jap.sync(line("1", max=9000, min=30), now=day(2))
    assert (await shelves.service()).min == 30


async def test_an_unknown_flag_turns_nothing_off(jap, shelves, line):
    await jap.take(line("1", dripfeed=True, refill=True, cancel=True))

    await jap.sync(line("1", dripfeed=None, refill=None, cancel=None), now=day(1))

    service = await shelves.service()
    assert (service.dripfeed, service.refill, service.cancel) == (True, True, True)


async def test_gone_only_after_two_misses_and_back_when_it_reappears(panel, jap, shelves, line):
    stay = [line(str(number)) for number in range(2, 10)]
    await jap.take(line("1"), *stay)
    mark = await shelves.last_change()

    first = await jap.sync(*stay, now=day(1))
    assert (first.missing, first.held) == (1, 0)
    assert (await shelves.service("1")).held_reason is None
    assert len(await on_sale(panel)) == 9

    second = await jap.sync(*stay, now=day(2))
    assert (second.missing, second.held) == (1, 1)
    service = await shelves.service("1")
    assert (service.held_reason, service.enabled) == ("gone_at_provider", True)
    assert len(await on_sale(panel)) == 8

    assert (await jap.sync(*stay, now=day(3))).missing == 0
    back = await jap.sync(line("1"), *stay, now=day(4))
    assert back.released == 1
    assert (await shelves.service("1")).held_reason is None
    assert len(await on_sale(panel)) == 9
    assert await shelves.changes(after=mark) == [
        ("held_reason", None, "gone_at_provider", "sync"),
        ("held_reason", "gone_at_provider", None, "sync"),
    ]


async def test_two_misses_must_be_in_a_row(jap, shelves, line):
    stay = [line(str(number)) for number in range(2, 10)]
    await jap.take(line("1"), *stay)

    for number, lines in enumerate([stay, [line("1"), *stay], stay], start=1):
        await jap.sync(*lines, now=day(number))

    assert (await shelves.service("1")).held_reason is None


async def test_a_broken_list_changes_nothing_and_raises_an_alert(panel, jap, shelves, line):
    lines = [line(str(number)) for number in range(10)]
    await jap.take(*lines)
    mark = await shelves.last_change()
    changed = [line(str(number), rate=Decimal(5)) for number in range(10)]

    assert (await jap.sync(now=day(1))).refused == "empty"
    assert (await jap.sync(*changed[:6], now=day(2))).refused == "shrunken"
    jap.script.services = Catalogue(changed, skipped=5)
    assert (await sync_provider(panel, jap.id, now=day(3))).refused == "malformed"
    unusable = [line(str(number), rate=Decimal("NaN")) for number in range(10)]
    assert (await jap.sync(*unusable, now=day(4))).refused == "malformed"
    jap.script.failure = Unclear("an object instead of a list")
    result = await sync_provider(panel, jap.id, now=day(5))
    assert (result.refused, result.text) == ("malformed", "an object instead of a list")

    assert await shelves.changes(after=mark) == []
    assert {row.misses for row in await shelves.all(ProviderService)} == {0}
    assert {service.cost for service in await shelves.services()} == {Decimal(1)}
    assert await shelves.alerts() == [("catalogue_refused", f"provider:{jap.id}", "malformed")]

    await jap.sync(*lines, now=day(6))
    assert await shelves.alerts() == []


async def test_thirty_percent_less_is_still_believed(jap, shelves, line):
    lines = [line(str(number)) for number in range(10)]
    await jap.take(*lines)

    result = await jap.sync(*lines[:7], now=day(1))

    assert (result.refused, result.missing) == (None, 3)
    assert await shelves.alerts() == []


async def test_an_operator_may_say_that_a_list_has_really_shrunk(jap, shelves, line):
    lines = [line(str(number)) for number in range(10)]
    await jap.take(*lines)

    for number in (1, 2):
        result = await jap.sync(*lines[:2], now=day(number), accept_shrunken=True)

    assert (result.refused, result.held) == (None, 8)
    assert (await jap.sync(now=day(3), accept_shrunken=True)).refused == "empty"


async def test_a_line_without_sense_is_not_a_missing_one(jap, shelves, line):
    stay = [line(str(number)) for number in range(2, 10)]
    await jap.take(line("1"), *stay)

    for number in (1, 2, 3):
        result = await jap.sync(line("1", min=100, max=10), *stay, now=day(number))

    assert result.missing == 0
    service = await shelves.service("1")
    assert (service.held_reason, service.min, service.max) == (None, 10, 10_000)


async def test_a_line_without_sense_ends_a_row_of_misses(jap, shelves, line):
    stay = [line(str(number)) for number in range(2, 10)]
    await jap.take(line("1"), *stay)

    for number, lines in enumerate([stay, [line("1", min=100, max=10), *stay], stay], start=1):
        await jap.sync(*lines, now=day(number))

    assert (await shelves.service("1")).held_reason is None


async def test_cost_above_a_fixed_price_holds_until_it_is_right_again(panel, jap, shelves, line):
    await jap.take(line("1"), line("2"))
    service = await shelves.service("1")
    await shelves.set(service.id, fixed_rate=Decimal("1.50"), rate=Decimal("1.50"))
    other = await shelves.service("2")
    await shelves.set(other.id, fixed_rate=Decimal("1.50"), rate=Decimal("1.50"), allow_below_cost=True)

    result = await jap.sync(line("1", rate=Decimal(2)), line("2", rate=Decimal(2)), now=day(1))
    assert result.held == 1
    service = await shelves.service("1")
    assert (service.held_reason, service.rate, service.cost) == ("cost_above_price", Decimal("1.50"), Decimal(2))
    assert (await shelves.service("2")).held_reason is None
    assert await on_sale(panel) == ["Instagram Followers 2"]

    result = await jap.sync(line("1", rate=Decimal("1.5")), line("2"), now=day(2))
    assert result.released == 1
    assert (await shelves.service("1")).held_reason is None


@pytest.mark.usefixtures("markup")
async def test_prices_that_follow_markup_are_never_held(jap, shelves, line):
    await jap.take(line("1"))

    result = await jap.sync(line("1", rate=Decimal(100)), now=day(1))

    service = await shelves.service()
    assert (result.held, service.held_reason, service.rate) == (0, None, Decimal(150))


async def test_when_the_first_route_is_gone_terms_and_price_follow_the_next(panel, jap, a_provider, shelves, line):
    peakerr = await a_provider("peakerr")
    stay = [line(str(number)) for number in range(2, 10)]
    await jap.take(line("1"), *stay)
    await peakerr.sync(line("x", rate=Decimal(3), min=500, max=800, refill=False), now=day(0))
    service = await shelves.service("1")
    async with panel.db.transaction() as session:
        spare = await provider_line(session, peakerr.id, "x")
        await add_route(session, service.id, spare.id, currency="USD", actor=STAFF, now=NOW)
    service = await shelves.service("1")
    assert (service.cost, service.min, service.max) == (Decimal(1), 10, 10_000)

    for number in (1, 2):
        await jap.sync(*stay, now=day(number))

    service = await shelves.service("1")
    assert (service.held_reason, service.cost, service.rate) == (None, Decimal(3), Decimal(3))
    assert (service.min, service.max, service.refill) == (500, 800, False)

    # The next in line is not first: what changes there, while the first one is back, concerns nobody.
    await jap.sync(line("1"), *stay, now=day(3))
    await peakerr.sync(line("x", min=1), now=day(4))
    service = await shelves.service("1")
    assert (service.cost, service.min, service.max, service.refill) == (Decimal(1), 10, 10_000, True)


async def test_a_service_that_becomes_another_type_is_not_sold_any_more(panel, jap, shelves, line):
    await jap.take(line("1"), line("2"))

    await jap.sync(line("1", type="package", rate=Decimal(7)), line("2"), now=day(1))

    assert await on_sale(panel) == ["Instagram Followers 2"]
    assert ("provider_type", "default", "package", "sync") in await shelves.changes()
    assert (await shelves.service("1")).rate == Decimal(1)


async def test_concurrent_syncs_of_one_provider_count_a_miss_once(panel, jap, shelves, line):
    stay = [line(str(number)) for number in range(2, 10)]
    await jap.take(line("1"), *stay)
    mark = await shelves.last_change()
    jap.script.services = [line(one.external_id, rate=Decimal(2)) for one in stay]

    results = await asyncio.gather(*(sync_provider(panel, jap.id, now=day(1)) for _ in range(6)))

    assert sorted(one.refused or "" for one in results) == ["", *["overtaken"] * 5]
    lines = {row.external_id: row.misses for row in await shelves.all(ProviderService)}
    assert lines["1"] == 1
    assert len(await shelves.changes(after=mark)) == 2 * 8  # rate and cost, once each


async def test_an_older_list_never_replaces_a_newer_one(panel, jap, shelves, line):
    await jap.take(line("1"))
    await jap.sync(line("1", rate=Decimal(5)), now=day(2))

    result = await jap.sync(line("1", rate=Decimal(4)), now=day(1))

    assert result.refused == "overtaken"
    assert (await shelves.service()).cost == Decimal(5)


async def test_one_silent_provider_does_not_stop_the_others(panel, jap, a_provider, shelves, line):
    peakerr, off = await a_provider("peakerr"), await a_provider("off")
    await peakerr.take(line("1"))
    jap.script.failure = NotSent("connection refused")
    await peakerr.list(line("1", rate=Decimal(2)))
    async with panel.db.transaction() as session:
        await disable_provider(session, "off", actor=STAFF)

    results = await sync_services(panel)

    assert [(one.provider, one.refused, one.changed) for one in results] == [
        ("jap", "not_sent", 0),
        ("peakerr", None, 1),
    ]
    assert off.script.asked == 0
    assert [one.provider for one in await sync_services(panel, ["peakerr"])] == ["peakerr"]


async def test_new_lines_are_kept_but_not_sold(panel, jap, shelves, line):
    await jap.take(line("1"))

    result = await jap.sync(line("1"), line("2"), now=day(1))

    assert result.new == 1
    assert await on_sale(panel) == ["Instagram Followers 1"]
    assert len(await shelves.all(ProviderService)) == 2


async def test_ten_thousand_services_sync_in_a_few_seconds(panel, jap, shelves, line):
    await jap.take(*(line(str(number)) for number in range(10_000)))
    changed = [line(str(number), rate=Decimal(2), max=500) for number in range(10_000)]
    started = time.perf_counter()
    async with panel.db.transaction() as session:
        result = await apply_catalogue(session, panel, jap.id, "jap", changed, now=day(1))
    took = time.perf_counter() - started

    assert result.changed == 10_000
    assert took < 25  # a few seconds on an idle machine


@pytest.mark.parametrize("kind", ["html_200", "garbage", "empty", "status_5xx", "cut", "wrong_type", "drop"])
async def test_a_misbehaving_provider_destroys_nothing(panel, shelves, kind):
    with SandboxProcess.start(services=40, seed=5, finish_after=0) as sandbox:
        async with panel.db.transaction() as session:
            provider = await add_provider(
                session, panel, actor=STAFF, slug="fake", adapter="panel_v2", api_key=sandbox.key, name="Fake",
                currency="USD", base_url=sandbox.url, timeout_seconds=5,
            )  # fmt: skip
        assert (await sync_services(panel))[0].listed == 40
        sandbox.add_fault(kind, action="services", **({"variant": "string"} if kind == "wrong_type" else {}))
        broken = (await sync_services(panel))[0]
        misses = {row.misses for row in await shelves.all(ProviderService)}
        sandbox.clear_faults()
        healed = (await sync_services(panel))[0]

    assert broken.refused is not None
    assert misses == {0}
    assert (healed.refused, healed.listed, healed.missing) == (None, 40, 0)
    assert provider.id == broken.provider_id
