"""What customers are told of changes: in their own prices, of what they may see, and nothing of costs."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from catalog.shop import customer
from making import make_service
from smmpanel.catalog.change_log import Change, bump_version, record_changes
from smmpanel.catalog.models import CustomRate, Favourite, Service, UserDiscount

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def told(page):
    """Return the services of the feed's lines, from top to bottom."""
    return [int(number) for number in re.findall(r'href="/services\?q=(\d+)"', page)]


@pytest.fixture
async def services(panel):
    async with panel.db.transaction() as session:
        return [await make_service(session, mode="manual", platform="instagram", rate="2") for _ in range(3)]


async def note(panel, *changes):
    async with panel.db.transaction() as session:
        await record_changes(session, [Change(*one) for one in changes], cause="edit", now=NOW)


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_without_changes_the_page_says_so(panel, language):
    shopper = await customer(panel)

    assert 'class="empty"' in await shopper.look(f"/updates?lang={language}")
    assert 'class="empty"' in await shopper.look(f"/updates?kind=price&lang={language}")


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_every_kind_of_change_is_told(panel, services, language):
    one = services[0]
    await note(
        panel,
        (one, "added", None, {"min": 1, "max": 5}),
        (one, "min", 1, 10),
        (one, "max", 500, 1_000),
        (one, "refill", False, True),
        (one, "refill_days", None, 30),
        (one, "enabled", False, True),
        (one, "held_reason", None, "cost_above_price"),
        (one, "held_reason", "gone_at_provider", None),
        (one, "rate", Decimal("1.5"), Decimal(2)),
        (one, "cost", Decimal("0.111"), Decimal("0.222")),
        (one, "name", "Old", "Other"),
    )
    shopper = await customer(panel)

    page = await shopper.look(f"/updates?lang={language}")

    assert told(page) == [one] * 9
    assert re.search(r"1[.,]50", page)
    assert re.search(r"33[.,]3%", page)
    assert not re.search(r"0[.,](111|222)", page)
    assert "cost_above_price" not in page
    for kind, count in {"price": 1, "new": 1, "back": 2, "gone": 1, "limits": 2, "terms": 2}.items():
        assert told(await shopper.look(f"/updates?kind={kind}&lang={language}")) == [one] * count


async def test_prices_are_the_readers_own(panel, services):
    shopper = await customer(panel)
    discounted, fixed, _ = services
    async with panel.db.transaction() as session:
        session.add(UserDiscount(user_id=shopper.user_id, percent=10))
        session.add(CustomRate(user_id=shopper.user_id, service_id=fixed, rate=Decimal("1.11")))
        await bump_version(session)
    await note(panel, (discounted, "rate", Decimal(1), Decimal(2)), (fixed, "rate", Decimal("7.77"), Decimal(2)))

    page = await shopper.look("/updates")

    assert told(page) == [discounted]
    assert "$0.90" in page
    assert "$1.80" in page
    assert "7.77" not in page


async def test_of_what_is_not_on_sale_only_its_going_is_told(panel, services):
    gone, shut, _ = services
    async with panel.db.transaction() as session:
        (await session.get_one(Service, gone)).enabled = False
        (await session.get_one(Service, shut)).held_reason = "gone_at_provider"
    await note(
        panel,
        (gone, "added", None, {}),
        (gone, "rate", Decimal(1), Decimal(2)),
        (gone, "enabled", True, False),
        (shut, "min", 1, 2),
        (shut, "held_reason", None, "gone_at_provider"),
    )
    shopper = await customer(panel)

    page = await shopper.look("/updates")

    assert told(page) == [shut, gone]
    assert page.count("badge is-bad") == 2


async def test_favourites_alone_and_page_by_page(panel, services):
    shopper = await customer(panel)
    async with panel.db.transaction() as session:
        session.add(Favourite(user_id=shopper.user_id, service_id=services[1]))
    await note(panel, *((one, "min", 1, 2) for one in services for _ in range(30)))

    assert told(await shopper.look("/updates?favourites=1")) == [services[1]] * 30
    page = await shopper.look("/updates")
    older = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")
    assert [*told(page), *told(await shopper.look(older))] == [one for one in reversed(services) for _ in range(30)]
