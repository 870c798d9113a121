"""Services and categories made and changed by hand: checked, logged, priced, audited."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from smmpanel.accounts.access import Actor, MissingPermissionError
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.catalog.change_log import catalog_version
from smmpanel.catalog.editing import (
    CategoryExistsError,
    CategoryInUseError,
    create_category,
    create_service,
    delete_category,
    edit_category,
    edit_service,
    edit_services,
)
from smmpanel.catalog.models import Category
from smmpanel.kernel.errors import InvalidInputError, NotFoundError

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STAFF = Actor.cli()
AT = {"currency": "USD", "actor": STAFF, "now": NOW}


@pytest.fixture
async def shelf(panel) -> int:
    async with panel.db.transaction() as session:
        return await create_category(session, {"name": "Own"}, actor=STAFF)


@pytest.fixture
def manual(shelf):
    return {"category_id": shelf, "name": "By hand", "mode": "manual", "min": 1, "max": 5, "fixed_rate": Decimal(7)}


async def test_an_own_service_is_made_with_its_price(panel, shelves, manual):
    async with panel.db.transaction() as session:
        made = await create_service(session, {**manual, "type": "Package", "description": "Line\nline "}, **AT)

    [service] = await shelves.services()
    assert (service.id, service.type, service.mode, service.description) == (made, "package", "manual", "Line\nline")
    assert (service.rate, service.fixed_rate, service.cost, service.enabled) == (Decimal(7), Decimal(7), None, True)
    assert await shelves.changes() == [("added", None, {"max": 5, "min": 1}, "edit")]
    entry = (await shelves.all(AuditEntry))[-1]
    assert (entry.subject, entry.before, entry.after["name"]) == (f"service:{made}", None, "By hand")


async def test_an_own_service_may_be_priced_by_cost_and_markup(panel, shelves, manual):
    async with panel.db.transaction() as session:
        await create_service(
            session, {**manual, "fixed_rate": None, "cost": Decimal(2), "markup_percent": Decimal(50)}, **AT
        )
    [service] = await shelves.services()
    assert (service.cost, service.rate) == (Decimal(2), Decimal(3))


async def test_an_edit_is_logged_audited_and_priced(panel, jap, shelves, line):
    await jap.take(line("1"))
    service = await shelves.service()
    mark = await shelves.last_change()

    async with panel.db.transaction() as session:
        assert await edit_service(session, service.id, {"markup_percent": Decimal(50), "name": "Ours"}, **AT)
        assert not await edit_service(session, service.id, {"name": "Ours"}, **AT)

    assert await shelves.changes(after=mark) == [
        ("name", "Instagram Followers 1", "Ours", "edit"),
        ("markup_percent", None, "50.00", "edit"),
        ("rate", "1.00", "1.50", "edit"),
    ]
    entry = (await shelves.all(AuditEntry))[-1]
    assert entry.before == {"name": "Instagram Followers 1", "markup_percent": None}
    assert (entry.after["name"], Decimal(entry.after["markup_percent"])) == ("Ours", Decimal(50))


async def test_a_fixed_price_below_cost_holds_the_service(panel, jap, shelves, line):
    await jap.take(line("1"))
    service = await shelves.service()
    async with panel.db.transaction() as session:
        await edit_service(session, service.id, {"fixed_rate": Decimal("0.5")}, **AT)
    assert (await shelves.service()).held_reason == "cost_above_price"
    async with panel.db.transaction() as session:
        await edit_service(session, service.id, {"fixed_rate": None}, **AT)
    service = await shelves.service()
    assert (service.held_reason, service.rate) == (None, Decimal(1))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "x" * 501}, "name"),
        ({"min": 0}, "min"),
        ({"min": 10}, "max"),
        ({"max": None}, "max"),
        ({"type": "nonsense"}, "type"),
        ({"mode": "magic"}, "mode"),
        ({"dripfeed": True, "type": "package"}, "dripfeed"),
        ({"fixed_rate": Decimal(-1)}, "fixed_rate"),
        ({"fixed_rate": Decimal("NaN")}, "fixed_rate"),
        ({"fixed_rate": None}, "fixed_rate"),
        ({"fixed_rate": 1.5}, "fixed_rate"),
        ({"markup_percent": Decimal(-100)}, "markup_percent"),
        ({"refill_days": 0}, "refill_days"),
        ({"enabled": None}, "enabled"),
        ({"category_id": 999}, "category_id"),
        ({"rate": Decimal(1)}, "rate"),
        ({"mode": "provider", "cost": Decimal(1)}, "cost"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(panel, shelves, manual, fields, field):
    with pytest.raises(InvalidInputError) as failure:
        async with panel.db.transaction() as session:
            await create_service(session, {**manual, **fields}, **AT)
    assert failure.value.fields["field"] == field
    assert await shelves.services() == []


async def test_many_edits_are_all_or_none(panel, shelves, manual):
    async with panel.db.transaction() as session:
        one = await create_service(session, manual, **AT)
    for edits, error in (({one: {"min": 2}, 999: {"min": 2}}, NotFoundError), ({one: {"min": 9}}, InvalidInputError)):
        with pytest.raises(error):
            async with panel.db.transaction() as session:
                await edit_services(session, edits, **AT)
    assert (await shelves.services())[0].min == 1


async def test_a_category_is_made_moved_and_priced(panel, jap, shelves, line):
    await jap.take(line("1"))
    [category] = await shelves.all(Category)
    async with panel.db.transaction() as session:
        before = await catalog_version(session)
        assert await edit_category(session, category.id, {"markup_percent": Decimal(10), "platform": None}, **AT)
        assert await catalog_version(session) != before
        assert not await edit_category(session, category.id, {"platform": None}, **AT)
        with pytest.raises(CategoryExistsError):
            await create_category(session, {"name": "instagram FOLLOWERS"}, actor=STAFF)
        second = await create_category(session, {"name": "Second", "platform": "tiktok"}, actor=STAFF)
        with pytest.raises(CategoryExistsError):
            await edit_category(session, second, {"name": "Instagram Followers"}, **AT)
    assert (await shelves.service()).rate == Decimal("1.1")
    assert [(one.name, one.platform) for one in await shelves.all(Category)] == [
        ("Instagram Followers", None),
        ("Second", "tiktok"),
    ]


async def test_only_an_empty_category_goes(panel, shelves, shelf, manual):
    async with panel.db.transaction() as session:
        await create_service(session, manual, **AT)
        other = await create_category(session, {"name": "Empty"}, actor=STAFF)
        with pytest.raises(CategoryInUseError):
            await delete_category(session, shelf, actor=STAFF)
        await delete_category(session, other, actor=STAFF)
        with pytest.raises(NotFoundError):
            await delete_category(session, other, actor=STAFF)
        with pytest.raises(InvalidInputError):
            await create_category(session, {"name": "X", "platform": "myspace"}, actor=STAFF)
        with pytest.raises(InvalidInputError):
            await create_category(session, {}, actor=STAFF)
    assert [one.name for one in await shelves.all(Category)] == ["Own"]


async def test_every_verb_asks_for_the_permission(panel, shelf, manual):
    nobody = {**AT, "actor": Actor("user", None, "viewer", Role.STAFF, frozenset())}
    async with panel.db.transaction() as session:
        for attempt in (
            create_service(session, manual, **nobody),
            edit_service(session, 1, {}, **nobody),
            create_category(session, {"name": "X"}, actor=nobody["actor"]),
            edit_category(session, shelf, {}, **nobody),
            delete_category(session, shelf, actor=nobody["actor"]),
        ):
            with pytest.raises(MissingPermissionError):
                await attempt
