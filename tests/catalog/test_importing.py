"""Importing makes services, categories, routes and prices; importing again changes nothing of ours."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from smmpanel.accounts.access import Actor, MissingPermissionError
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.catalog.change_log import catalog_version
from smmpanel.catalog.fx import FxRateMissingError, set_rate
from smmpanel.catalog.importing import Pick, fetch_catalogue, import_services, preview_import
from smmpanel.catalog.models import Category, ProviderService, ServiceRoute
from smmpanel.catalog.upstream_lines import Skipped, plain_text, refill_days_in
from smmpanel.kernel.options import write_option
from smmpanel.sandbox.process import SandboxProcess

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STAFF = Actor.cli()


async def test_import_makes_category_service_route_and_price(panel, jap, shelves, line):
    async with panel.db.transaction() as session:
        await write_option(session, "default_markup_percent", "50")

    result = await jap.take(
        line(
            "7",
            name="IG Followers &amp; more | R30",
            rate=Decimal("0.90"),
            description="Fast<br>No <b>drop</b>",
            dripfeed=None,
        )
    )

    assert (result.added, result.updated, result.skipped) == (1, 0, ())
    service = await shelves.service("7")
    assert result.service_ids == (service.id,)
    assert (service.name, service.description) == ("IG Followers & more | R30", "Fast\nNo drop")
    assert (service.type, service.mode, service.min, service.max) == ("default", "provider", 10, 10_000)
    assert (service.refill, service.refill_days, service.cancel, service.dripfeed) == (True, 30, False, True)
    assert (service.rate, service.cost, service.fixed_rate) == (Decimal("1.35"), Decimal("0.90"), None)
    [category] = await shelves.all(Category)
    assert (category.name, category.platform, service.category_id) == ("Instagram Followers", "instagram", category.id)
    [route] = await shelves.all(ServiceRoute)
    assert (route.service_id, route.priority, route.enabled) == (service.id, 0, True)
    assert await shelves.changes() == [("added", None, {"rate": "1.35", "min": 10, "max": 10000}, "import")]
    [entry] = await shelves.all(AuditEntry)
    assert (entry.subject, entry.after["added"]) == (f"provider:{jap.id}", 1)


async def test_importing_again_changes_nothing_of_ours(panel, jap, shelves, line):
    await jap.take(line("1"), line("2"))
    first = await shelves.service("1")
    await shelves.set(first.id, name="Ours", min=50)
    async with panel.db.transaction() as session:
        before = await catalog_version(session)

    again = await jap.take(line("1", rate=Decimal(9), name="Theirs"), line("2"))

    assert (again.added, again.updated) == (0, 0)
    assert {one.reason for one in again.skipped} == {"already_imported"}
    service = await shelves.service("1")
    assert (service.name, service.min, service.rate) == ("Ours", 50, Decimal(1))
    # The new rate is left for the sync to find.
    assert [one.rate for one in await shelves.all(ProviderService)] == [Decimal(1), Decimal(1)]
    async with panel.db.transaction() as session:
        assert await catalog_version(session) == before


async def test_only_what_is_picked_is_taken(panel, jap, shelves, line):
    lines = [line("1"), line("2", category="TikTok Likes"), line("3", category="YouTube Views")]

    by_id = await jap.take(*lines, pick=Pick(external_ids=frozenset({"2", "99"})))
    by_category = await jap.take(*lines, pick=Pick(categories=frozenset({"youtube views"})))

    assert (by_id.added, by_category.added) == (1, 1)
    assert by_id.skipped == (Skipped("99", "", "not_listed"),)
    assert [one.name for one in await shelves.services()] == ["Instagram Followers 2", "Instagram Followers 3"]
    assert [(one.name, one.platform) for one in await shelves.all(Category)] == [
        ("TikTok Likes", "tiktok"),
        ("YouTube Views", "youtube"),
    ]
    assert len(await shelves.all(ProviderService)) == 3


async def test_lines_without_sense_are_skipped_with_a_reason(jap, shelves, line):
    result = await jap.take(
        line("1"),
        line("1", name="Again"),
        line("2", type="teleportation"),
        line("3", rate=Decimal("NaN")),
        line("4", min=100, max=10),
        line("5", rate=Decimal(-1)),
        line("6", min=0),
    )

    assert {(one.external_id, one.reason) for one in result.skipped} == {
        ("1", "duplicate"), ("2", "unknown_type"), ("3", "unusable"), ("4", "unusable"), ("5", "unusable"),
    }  # fmt: skip
    assert result.added == 2
    assert (await shelves.service("6")).min == 1


async def test_import_uses_the_given_markup_and_the_exchange_rate(panel, a_provider, shelves, line):
    bumx = await a_provider("bumx", currency="VND")
    with pytest.raises(FxRateMissingError):
        await bumx.take(line("1"))
    assert await shelves.services() == []
    async with panel.db.transaction() as session:
        await set_rate(session, "USD", "VND", Decimal(25_000), currency="USD", actor=STAFF, now=NOW)

    await bumx.take(line("1", rate=Decimal(10_000)), markup=Decimal(25))

    service = await shelves.service("1")
    assert (service.cost, service.rate, service.markup_percent) == (Decimal("0.4"), Decimal("0.5"), Decimal(25))


async def test_preview_says_what_import_would_do_and_writes_nothing(panel, jap, shelves, line):
    async with panel.db.transaction() as session:
        preview = await preview_import(
            session, panel, await jap.provider(session), [line("1"), line("2", type="nonsense")], markup=Decimal(100)
        )

    assert [(one.upstream.external_id, one.cost, one.rate) for one in preview.lines] == [("1", Decimal(1), Decimal(2))]
    assert preview.new_categories == ("Instagram Followers",)
    assert [one.reason for one in preview.skipped] == ["unknown_type"]
    assert await shelves.services() == []
    assert await shelves.all(Category) == []


async def test_whoever_may_not_edit_services_may_not_import(panel, jap, shelves, line):
    nobody = Actor("user", None, "viewer", Role.STAFF, frozenset())
    with pytest.raises(MissingPermissionError):
        await jap.take(line("1"), actor=nobody)
    assert await shelves.services() == []


async def test_categories_match_whatever_their_case(jap, shelves, line):
    await jap.take(line("1", category="Instagram LIKES"))
    await jap.take(line("1", category="x"), line("2", category="instagram likes"), line("3", category="İstanbul"))

    assert [one.name for one in await shelves.all(Category)] == ["Instagram LIKES", "İstanbul"]


async def test_ten_thousand_services_in_a_few_seconds(panel, jap, shelves, line):
    lines = [line(str(number), category=f"Instagram {number % 300}") for number in range(10_000)]
    started = time.perf_counter()
    result = await jap.take(*lines)
    took = time.perf_counter() - started

    assert result.added == 10_000
    services = await shelves.services()
    assert len(services) == 10_000
    assert [one.name for one in services] == [one.name for one in lines]
    assert took < 20  # a few seconds on an idle machine


async def test_a_catalogue_comes_over_http(panel, shelves):
    with SandboxProcess.start(services=120, seed=3, finish_after=0) as sandbox:
        async with panel.db.transaction() as session:
            from smmpanel.providers.connecting import add_provider

            provider = await add_provider(
                session, panel, actor=STAFF, slug="fake", adapter="panel_v2", api_key=sandbox.key, name="Fake",
                currency="USD", base_url=sandbox.url,
            )  # fmt: skip
        upstream = await fetch_catalogue(panel, provider)
        async with panel.db.transaction() as session:
            result = await import_services(session, panel, provider, upstream, actor=STAFF, now=NOW)

    assert (result.added, result.skipped) == (120, ())
    types = {one.type for one in await shelves.services()}
    assert len(types) > 5
    async with panel.db.transaction() as session:
        platforms = set((await session.scalars(select(Category.platform))).all())
    assert platforms > {"instagram", "tiktok", "youtube"}


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("Instagram Followers | R30", 30),
        ("Followers [ 30 Days ♻️ ]", 30),
        ("Likes ♻️ 365 Days", 365),
        ("Views 90D Refill", 90),
        ("Refill 60 days | Speed 5K/Day", 60),
        ("Followers 𝟯𝟬 𝗗𝗮𝘆𝘀 Refill", 30),
        ("Followers | Lifetime ♻️", None),
        ("Followers | Max 10K | Speed 5K/Day", None),
        ("Followers | Start 0-30 days", None),
        ("Views R99999", None),
    ],
)
def test_days_of_refill_are_read_from_names(name, days):
    assert refill_days_in(name) == days


def test_descriptions_lose_their_tags_and_keep_their_words():
    assert plain_text("A &lt;b&gt; &amp; <script>x</script><p>B</p>5 < 6\x00") == "A <b> & xB\n5 < 6"
