"""The start page says of a panel what is true of it, and leads whoever is signed in to where they work."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import event

from catalog.shop import customer, visitor
from making import make_service
from smmpanel.catalog.change_log import bump_version
from smmpanel.catalog.models import Service, ServiceTiming
from smmpanel.kernel.options import write_option
from smmpanel.reports.counting import BY_DAY_OPTION, COUNTED_OPTION
from smmpanel.reports.models import DailySales

COUNTED = {"at": "2026-05-01T12:00:00+00:00", "day": "2026-05-01", "zone": "UTC"}
ZERO = Decimal(0)


def sold(service_id: int, orders: int) -> DailySales:
    return DailySales(
        day=date(2026, 4, 30), service_id=service_id, provider_id=0, orders=orders, completed=orders, partial=0,
        canceled=0, charged=ZERO, refunded=ZERO, cost=ZERO, counted_at=datetime(2026, 5, 1, tzinfo=UTC),
    )  # fmt: skip


def shown_services(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'href="/services\?q=(\d+)"', page)]


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_an_empty_panel_claims_nothing(panel, language):
    page = await visitor(panel).look(f"/?lang={language}")

    assert page.count("<h1") == 1
    assert 'class="card stats' not in page
    assert shown_services(page) == []
    assert "curl http://panel.example/api/v2" in page
    assert page.count("<details>") == 6
    assert f'href="http://panel.example/?lang={language}"' in page


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_a_working_panel_tells_what_was_counted(panel, language):
    async with panel.db.transaction() as session:
        made = [await make_service(session, mode="manual", platform="tiktok", rate=str(9 - n)) for n in range(8)]
        session.add_all([sold(made[0], 3), sold(made[1], 50), sold(made[7], 7)])
        session.add(ServiceTiming(service_id=made[0], sample=9, median_seconds=7200))
        await write_option(session, COUNTED_OPTION, COUNTED)
        await write_option(session, BY_DAY_OPTION, {"2026-04-30": {"users": 1, "statuses": {"completed": 1284}}})
        await write_option(session, "manual_transfer", "Bank 123")

    page = await visitor(panel).look(f"/?lang={language}")

    assert re.search(r"1[.,]284", page)
    assert "2\u00a0" in page
    assert "Bank 123" not in page
    # Those ordered most come first; the cheapest of each platform fill up.
    assert shown_services(page) == [made[1], made[7], made[0], made[6], made[5], made[4]]
    assert 'href="/services?platform=tiktok"' in page
    assert page.count('<li class="card">') == 5


async def test_what_is_not_on_sale_is_not_shown_and_prices_can_be_kept_from_visitors(panel):
    async with panel.db.transaction() as session:
        made = [await make_service(session, mode="manual", platform="tiktok") for _ in range(2)]
        (await session.get_one(Service, made[0])).enabled = False
        session.add(sold(made[0], 9))
        await write_option(session, COUNTED_OPTION, COUNTED)
        await bump_version(session)
    look = visitor(panel).look

    assert shown_services(await look("/")) == [made[1]]
    async with panel.db.transaction() as session:
        await write_option(session, "services_public", False)
    assert shown_services(await look("/")) == []


async def test_it_costs_few_statements_however_much_was_sold(panel):
    async with panel.db.transaction() as session:
        made = [await make_service(session, mode="manual", platform="tiktok") for _ in range(30)]
        session.add_all([sold(one, 5) for one in made])
        await write_option(session, COUNTED_OPTION, COUNTED)
    shopper = visitor(panel)
    await shopper.look("/")
    statements: list[str] = []
    event.listen(panel.db.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    await shopper.look("/")

    assert len([one for one in statements if one.startswith(("SELECT", "\nSELECT"))]) <= 6
    assert not [one for one in statements if "daily_sales" in one or "FROM orders" in one]


async def test_members_are_led_to_where_they_work(panel):
    answer = await (await customer(panel)).client.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/orders/new")
