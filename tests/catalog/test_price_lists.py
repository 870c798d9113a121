"""What is on sale and at whose price: identical to the pricing rules, fast, in the order of the shelves."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import event, text

from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import AuditEntry
from smmpanel.catalog.change_log import catalog_version
from smmpanel.catalog.editing import create_category, create_service
from smmpanel.catalog.kept_lists import KeptLists
from smmpanel.catalog.markups import set_panel_markup
from smmpanel.catalog.models import Category, Service
from smmpanel.catalog.price_lists import ServiceFilter, sale_terms, service_for, service_rows, services_page
from smmpanel.catalog.pricing import Listed, MarkupRule, final_rate, resolve_markup, user_rates
from smmpanel.catalog.queries import service_history
from smmpanel.catalog.queries import shelves as open_shelves
from smmpanel.catalog.repricing import EVERYTHING, reprice
from smmpanel.catalog.updates import latest_updates
from smmpanel.catalog.user_prices import (
    custom_rates_of,
    discount_in_force,
    discount_of,
    remove_custom_rate,
    remove_discount,
    set_custom_rate,
    set_discount,
    set_tier_discounts,
)
from smmpanel.kernel.errors import InvalidInputError, NotFoundError

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STAFF = Actor.cli()


async def names(panel, user_id=None) -> list[str]:
    async with panel.db.transaction() as session:
        return [row.name.removeprefix("Instagram Followers ") for row in await service_rows(session, user_id, "USD")]


async def test_a_list_is_in_the_order_of_the_shelves(panel, jap, shelves, line):
    await jap.take(line("1"), line("2", category="TikTok"), line("3"), line("4", category="TikTok"))
    assert await names(panel) == ["1", "3", "2", "4"]

    tiktok = (await shelves.all(Category))[1]
    async with panel.db.transaction() as session:
        (await session.get_one(Category, tiktok.id)).position = -1
    await shelves.set((await shelves.service("4")).id, position=-1)
    assert await names(panel) == ["4", "2", "1", "3"]


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE services SET enabled = false", "disabled"),
        ("UPDATE services SET held_reason = 'cost_above_price'", "held"),
        ("UPDATE categories SET enabled = false", "category_disabled"),
        ("UPDATE service_routes SET enabled = false", "no_route"),
        ("UPDATE providers SET enabled = false", "no_route"),
        ("UPDATE provider_services SET misses = 2", "no_route"),
        ("UPDATE providers SET paused_at = now()", None),
    ],
)
async def test_what_is_not_on_sale_is_not_listed_and_says_why(jap, a_user, statement, refusal, line):
    panel = jap.panel
    user = await a_user()
    [service_id] = (await jap.take(line("1"))).service_ids
    async with panel.db.transaction() as session:
        await session.execute(text(statement))
        terms = await sale_terms(session, [(user, service_id), (user, 999)])

    assert list(terms) == [(user, service_id)]
    assert terms[user, service_id].refusal == refusal
    assert await names(panel) == ([] if refusal else ["1"])
    async with panel.db.transaction() as session:
        if refusal:
            with pytest.raises(NotFoundError):
                await service_for(session, user, service_id, "USD")
        else:
            assert (await service_for(session, user, service_id, "USD")).id == service_id


async def test_own_services_need_no_route(panel, a_user):
    async with panel.db.transaction() as session:
        shelf = await create_category(session, {"name": "Own"}, actor=STAFF)
        made = await create_service(
            session,
            {"category_id": shelf, "name": "By hand", "mode": "manual", "min": 1, "max": 5, "fixed_rate": Decimal(7)},
            currency="USD", actor=STAFF, now=NOW,
        )  # fmt: skip
    user = await a_user()
    async with panel.db.transaction() as session:
        terms = (await sale_terms(session, [(user, made)]))[user, made]
    assert (terms.refusal, terms.mode, terms.list_rate, terms.cost) == (None, "manual", Decimal(7), None)
    assert terms.markup == {"fixed_rate": "7.00"}
    assert await names(panel) == ["By hand"]


async def test_everybody_sees_their_own_rates(panel, jap, shelves, a_user, line):
    mai, tom = await a_user("mai"), await a_user("tom")
    async with panel.db.transaction() as session:
        await set_panel_markup(session, MarkupRule(Decimal(100)))
    await jap.take(line("1", rate=Decimal("0.333333")), line("2", rate=Decimal(5)), line("3", rate=Decimal(1)))
    ids = [(await shelves.service(str(number))).id for number in (1, 2, 3)]
    async with panel.db.transaction() as session:
        await set_discount(session, mai, Decimal("12.5"), actor=STAFF)
        await set_custom_rate(session, mai, ids[1], Decimal(6), actor=STAFF)
        await set_custom_rate(session, mai, ids[2], Decimal("0.5"), actor=STAFF)

    async with panel.db.transaction() as session:
        hers = {row.id: row.rate for row in await service_rows(session, mai, "USD")}
        his = {row.id: row.rate for row in await service_rows(session, tom, "USD")}
        nobodys = {row.id: row.rate for row in await service_rows(session, None, "USD")}
        terms = await sale_terms(session, [(user, one) for user in (mai, tom) for one in ids])
        alone = await service_for(session, mai, ids[0], "USD")

    assert hers == {ids[0]: Decimal("0.583333"), ids[1]: Decimal(6), ids[2]: Decimal(1)}  # never below cost
    assert his == nobodys == {ids[0]: Decimal("0.666666"), ids[1]: Decimal(10), ids[2]: Decimal(2)}
    assert {one: terms[mai, one].rate for one in ids} == hers
    assert {one: terms[tom, one].rate for one in ids} == his
    assert (alone.rate, alone.list_rate) == (Decimal("0.583333"), Decimal("0.666666"))
    assert (terms[mai, ids[0]].discount_percent, terms[mai, ids[1]].custom_rate) == (Decimal("12.5"), Decimal(6))


async def test_the_greater_of_own_and_tier_discount_is_in_force_at_once_and_no_list_is_thrown_away(
    panel, jap, shelves, a_user, line
):
    mai, tom, lan = await a_user("mai"), await a_user("tom"), await a_user("lan")
    async with panel.db.transaction() as session:
        await set_panel_markup(session, MarkupRule(Decimal(100)))
    await jap.take(line("1", rate=Decimal(5)), line("2", rate=Decimal(1)))
    one, two = [(await shelves.service(number)).id for number in ("1", "2")]
    kept = KeptLists("USD")

    async def rates(user: int) -> tuple[Decimal, Decimal]:
        async with panel.db.transaction() as session:
            found = (await kept.list_for(session, user)).by_id
            terms = await sale_terms(session, [(user, one), (user, two)])
            assert {service: row.rate for service, row in found.items()} == {
                service: terms[user, service].rate for service in (one, two)
            }
        return found[one].rate, found[two].rate

    async with panel.db.transaction() as session:
        toms, before = await kept.list_for(session, tom), await catalog_version(session)
        await set_custom_rate(session, lan, two, Decimal("1.5"), actor=STAFF)
        assert await catalog_version(session) != before
        before = await catalog_version(session)
        await set_tier_discounts(session, {mai: Decimal(5), lan: Decimal(10)})
        assert await catalog_version(session) == before
    assert (await rates(mai), await rates(lan), await rates(tom)) == (
        (Decimal("9.5"), Decimal("1.9")), (Decimal(9), Decimal("1.5")), (Decimal(10), Decimal(2)),
    )  # fmt: skip
    async with panel.db.transaction() as session:
        hers, list_prices = await kept.list_for(session, mai), await kept.list_for(session, tom)
        assert toms is not list_prices  # the own rate of another user
        await set_tier_discounts(session, {mai: Decimal(10), tom: Decimal(5)})
    async with panel.db.transaction() as session:
        assert await kept.list_for(session, tom) is hers
        assert await discount_in_force(session, mai) == (Decimal(10), "tier")
        await set_discount(session, mai, Decimal("12.5"), actor=STAFF)
        assert await discount_in_force(session, mai) == (Decimal("12.5"), "own")
        assert await discount_of(session, tom) == 0
        assert (await sale_terms(session, [(mai, one)]))[mai, one].discount_from == "own"
    assert await rates(mai) == (Decimal("8.75"), Decimal("1.75"))
    async with panel.db.transaction() as session:
        await set_discount(session, mai, Decimal(0), actor=STAFF)
    assert await rates(mai) == (Decimal(9), Decimal("1.8"))


async def test_lists_terms_and_pricing_rules_agree(panel, jap, shelves, a_user, line):
    user = await a_user()
    async with panel.db.transaction() as session:
        await set_panel_markup(session, MarkupRule(Decimal("33.3333"), Decimal("0.01"), Decimal("0.0005")))
    result = await jap.take(*(line(str(n), rate=Decimal(n * n * 7919 % 100_003).scaleb(-6)) for n in range(200)))
    async with panel.db.transaction() as session:
        await set_discount(session, user, Decimal("37.1234"), actor=STAFF)
        for place, service_id in enumerate(result.service_ids):
            if place % 7 == 0:
                await set_custom_rate(session, user, service_id, Decimal(place).scaleb(-4), actor=STAFF)
            if place % 3 == 0:
                (await session.get_one(Service, service_id)).allow_below_cost = True
    async with panel.db.transaction() as session:
        own = await custom_rates_of(session, user)
        rows = await service_rows(session, user, "USD")
        terms = await sale_terms(session, [(user, one) for one in result.service_ids])
    stored = {one.id: one for one in await shelves.services()}

    expected = user_rates(
        (Listed(one.id, one.rate, one.cost, one.allow_below_cost) for one in stored.values()),
        discount_percent=Decimal("37.1234"), custom_rates=own,
    )  # fmt: skip
    assert {row.id: row.rate for row in rows} == expected
    assert {one.service_id: one.rate for one in terms.values()} == expected
    assert {one.service_id: final_rate(one.list_rate, one.cost, discount_percent=one.discount_percent,
            custom_rate=one.custom_rate, allow_below_cost=one.allow_below_cost) for one in terms.values()} == expected  # fmt: skip


async def test_frozen_markup_is_the_one_that_made_the_price(panel, jap, shelves, a_user, line):
    user = await a_user()
    [service_id] = (await jap.take(line("1"))).service_ids
    [category] = await shelves.all(Category)
    async with panel.db.transaction() as session:
        await set_panel_markup(session, MarkupRule(Decimal(10), Decimal("0.5"), Decimal("0.01")))
        (await jap.provider(session)).markup_fixed = Decimal("0.25")
        (await session.get_one(Category, category.id)).markup_percent = Decimal(30)
        await session.flush()
        await reprice(session, EVERYTHING, currency="USD", cause="markup", now=NOW)
        terms = (await sale_terms(session, [(user, service_id)]))[user, service_id]

    assert terms.markup == {
        "percent": "30.00", "percent_from": "category",
        "fixed": "0.25", "fixed_from": "provider",
        "step": "0.01", "step_from": "panel",
    }  # fmt: skip
    resolved = resolve_markup(
        service=MarkupRule(), category=MarkupRule(Decimal(30)), provider=MarkupRule(fixed=Decimal("0.25")),
        panel=MarkupRule(Decimal(10), Decimal("0.5"), Decimal("0.01")),
    )  # fmt: skip
    assert (resolved.percent_from, resolved.fixed_from, resolved.step_from) == ("category", "provider", "panel")
    assert terms.list_rate == Decimal("1.55")


async def test_terms_carry_all_that_placing_needs(panel, jap, shelves, a_user, line):
    user = await a_user()
    [service_id] = (await jap.take(line("1", name="Followers R30", dripfeed=True, cancel=True))).service_ids
    await shelves.set(service_id, link_guard=True)
    async with panel.db.transaction() as session:
        terms = (await sale_terms(session, [(user, service_id)] * 3))[user, service_id]
    assert (terms.type, terms.mode, terms.platform, terms.name) == ("default", "provider", "instagram", "Followers R30")
    assert (terms.min, terms.max, terms.dripfeed, terms.link_guard) == (10, 10_000, True, True)
    assert (terms.refill, terms.refill_days, terms.cancel) == (True, 30, True)
    assert (terms.discount_percent, terms.custom_rate, terms.allow_below_cost) == (Decimal(0), None, False)


async def test_own_rates_come_and_go_with_a_trace(panel, jap, shelves, a_user, line):
    user = await a_user()
    [service_id] = (await jap.take(line("1"))).service_ids
    stamps = []
    async with panel.db.transaction() as session:
        for step in (
            set_discount(session, user, Decimal(10), actor=STAFF),
            set_custom_rate(session, user, service_id, Decimal(3), actor=STAFF),
            remove_custom_rate(session, user, service_id, actor=STAFF),
            remove_discount(session, user, actor=STAFF),
        ):
            await step
            stamps.append(await catalog_version(session))
        await remove_discount(session, user, actor=STAFF)
        await remove_custom_rate(session, user, service_id, actor=STAFF)
        stamps.append(await catalog_version(session))
        assert await discount_of(session, user) == 0
        assert await custom_rates_of(session, user) == {}

    assert len(set(stamps)) == 4
    entries = [(one.before, one.after) for one in await shelves.all(AuditEntry, AuditEntry.subject == f"user:{user}")]
    assert len(entries) == 4
    assert Decimal(entries[1][1]["custom_rate"]) == 3
    assert entries[2][1]["custom_rate"] is None


async def test_impossible_rates_and_strangers_are_refused(panel, jap, a_user, line):
    user = await a_user()
    [service_id] = (await jap.take(line("1"))).service_ids
    async with panel.db.transaction() as session:
        for percent in ("-1", "100.01", "NaN"):
            with pytest.raises(InvalidInputError):
                await set_discount(session, user, Decimal(percent), actor=STAFF)
        for rate in ("-1", "Infinity"):
            with pytest.raises(InvalidInputError):
                await set_custom_rate(session, user, service_id, Decimal(rate), actor=STAFF)
        for one, other in ((user, 999), (999, service_id)):
            with pytest.raises(NotFoundError):
                await set_custom_rate(session, one, other, Decimal(1), actor=STAFF)
        with pytest.raises(NotFoundError):
            await set_discount(session, 999, Decimal(1), actor=STAFF)


async def test_pages_join_without_gaps_and_are_searched(panel, jap, line):
    await jap.take(*(line(str(n), category=f"TikTok {n % 3}", name=f"Likes {n} 100%") for n in range(25)), line("x"))
    async with panel.db.transaction() as session:
        everything = [row.id for row in await service_rows(session, None, "USD")]
        seen: list[int] = []
        after = None
        while True:
            page = await services_page(session, None, "USD", after=after, size=7)
            seen += [row.id for row in page.rows]
            if (after := page.after) is None:
                break
        assert seen == everything

        async def found(**asked) -> int:
            return len((await services_page(session, None, "USD", ServiceFilter(**asked))).rows)

        assert await found(search="likes tiktok") == 25
        assert await found(search="100%") == 25
        assert await found(search="10_%") == 0
        assert await found(platform="instagram") == 1
        assert await found(search=str(everything[3])) >= 1
        assert await found(search="9" * 30) == 0
        assert await found(category_id=-1) == 0


async def test_updates_tell_customers_nothing_of_costs_or_providers(panel, jap, shelves, line):
    await jap.take(line("1"), *(line(str(number)) for number in range(2, 8)))
    await jap.sync(line("1", rate=Decimal(2)), *(line(str(number)) for number in range(2, 8)), now=NOW)
    service = await shelves.service("1")
    await shelves.set(service.id, fixed_rate=Decimal(1))
    async with panel.db.transaction() as session:
        await reprice(session, EVERYTHING, currency="USD", cause="edit", now=NOW)
        updates = await latest_updates(session, 0)
        history = await service_history(session, service.id)
        counted = await open_shelves(session, "USD")

    # It is held for a reason that is between us and the provider, and of what is not on sale only that is told.
    told = [(one.kind, one.before, one.after) for one in updates.rows if one.service_id == service.id]
    assert told == [("gone", None, None)]
    assert {one.kind for one in updates.rows if one.service_id != service.id} == {"new"}
    assert [one.field for one in history.rows] == ["held_reason", "rate", "cost", "rate", "added"]
    assert [(one.name, one.platform, one.services) for one in counted] == [("Instagram Followers", "instagram", 6)]


async def test_the_hot_path_is_one_statement_and_fast(panel, jap, db, a_user, line):
    users = [await a_user(f"user{number}") for number in range(10)]
    result = await jap.take(*(line(str(number), category=f"Shelf {number % 100}") for number in range(3000)))
    pairs = [(users[n % 10], result.service_ids[n * 97 % 3000]) for n in range(30)]
    statements: list[str] = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    async with panel.db.transaction() as session:
        for _ in range(10):
            await sale_terms(session, pairs)
        statements.clear()
        started = time.perf_counter()
        for _ in range(50):
            terms = await sale_terms(session, pairs)
        took_ms = (time.perf_counter() - started) * 1000 / 50
        assert len(statements) == 50
        statements.clear()
        started = time.perf_counter()
        rows = await service_rows(session, users[0], "USD")
        list_ms = (time.perf_counter() - started) * 1000
        assert len(statements) == 1

    assert len(terms) == 30
    assert len(rows) == 3000
    assert took_ms < 60  # about two on an idle machine
    assert list_ms < 2000
