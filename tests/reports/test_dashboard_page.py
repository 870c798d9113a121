"""The dashboard: true figures, what wants attention, and nothing of what its reader may not see."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, text

from making import accept, at, make_provider, make_service, make_user, move, place
from smmpanel.accounts.access import Permission
from smmpanel.accounts.states import Role
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel
from smmpanel.notifications import AlertLevel, raise_alert
from smmpanel.orders.models import OrderStatus
from smmpanel.reports.counting import count_lately
from smmpanel.reports.figures import KeptFigures, Period
from staff_browser import StaffBrowser, sign_in

NOW = datetime(2026, 5, 20, 15, 0, tzinfo=UTC)
TODAY = NOW.date()
LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])


@pytest.fixture
def today_panel(panel: Panel) -> Panel:
    return replace(panel, clock=lambda: NOW)


@pytest.fixture
async def admin(today_panel: Panel) -> AsyncIterator[StaffBrowser]:
    browser = await sign_in(today_panel)
    yield browser
    await browser.client.aclose()


@pytest.fixture
async def sold(db: Database, today_panel: Panel) -> int:
    """Two orders today and one half delivered last week; before that one of twenty dollars."""
    async with db.transaction() as session:
        provider = await make_provider(session, today_panel, "peak", balance=Decimal(3), low_balance=Decimal(10))
        service = await make_service(session, provider, rate="10", cost="4", platform="instagram")
        user = await make_user(session, funds="1000")
        for days, quantity in ((40, 2000), (8, 1000), (0, 1000), (0, 1000)):
            moment = NOW - timedelta(days=days)
            order = await place(session, user, service, now=moment, quantity=quantity)
            await accept(session, order, f"x{order}", now=moment)
            if days == 8:
                await move(session, order, OrderStatus.PARTIAL, remains=500, now=moment)
            if days == 40:
                await move(session, order, OrderStatus.COMPLETED, now=moment)
        await session.execute(text("UPDATE users SET created_at = :at"), {"at": NOW})
    await count_lately.function(today_panel)
    return provider.id


@LANGUAGES
@pytest.mark.parametrize("query", ["", "period=today", "period=7d", "period=month&rank=margin", "period=nonsense"])
async def test_an_empty_panel_has_a_dashboard(admin: StaffBrowser, language: str, query: str) -> None:
    shown = await admin.get(f"/staff?lang={language}&{query}")

    assert shown.status_code == 200
    assert 'class="attention' not in shown.text


@LANGUAGES
async def test_figures_are_shown_in_every_language(admin: StaffBrowser, sold: int, language: str) -> None:
    for period in ("today", "7d", "30d", "month"):
        shown = await admin.get("/staff", params={"lang": language, "period": period})
        assert shown.status_code == 200
        assert 'class="vtable"' in shown.text


def key_figures(html: str) -> dict[str, str]:
    found = re.findall(r'<span class="k">([\w ]+?) (?:<|</span>).*?<span class="v">(.*?)</span>', html, re.DOTALL)
    return {name.strip(): value for name, value in found}


async def test_key_figures_are_those_of_the_orders(admin: StaffBrowser, sold: int) -> None:
    month = await admin.get("/staff?period=30d")
    # 10 + 10 + 5 dollars; they cost 4 + 4 + 2.
    assert key_figures(month.text) == {"Revenue": "$25.00", "Profit": "$15.00", "Orders": "3", "New users": "1"}
    assert "$20.00 before" in month.text
    assert "Margin 60.0%" in month.text
    assert '+25.0%<span class="sr-only"> against the period before' in month.text
    today = await admin.get("/staff?period=today")
    assert key_figures(today.text)["Revenue"] == "$20.00"
    assert "None finished yet" in today.text


async def test_providers_services_and_statuses_have_their_rows(admin: StaffBrowser, sold: int) -> None:
    shown = (await admin.get("/staff")).text

    provider = shown[shown.index(f'href="/staff/providers/{sold}"') :].split("</tr>")[0]
    assert "$3.00" in provider
    assert '<td class="end">3</td>' in provider
    assert "Low balance" in provider
    assert "60%" in shown
    assert re.search(r'href="/staff/orders\?status=partial">Partial</a><span class="num">1</span>', shown)
    assert shown.count("data-row-link") == 4


async def test_what_wants_attention_leads_to_its_list_and_goes_away(
    admin: StaffBrowser, sold: int, db: Database
) -> None:
    async with db.transaction() as session:
        await session.execute(
            text("UPDATE orders SET status = 'submitting', unconfirmed = true WHERE id = (SELECT max(id) FROM orders)")
        )
        await raise_alert(session, "test", "x", AlertLevel.WARNING)
        await session.execute(text("UPDATE providers SET paused_at = :now"), {"now": NOW})
    shown = (await admin.get("/staff")).text
    strip = shown[shown.index('class="attention') :].split("</section>")[0]
    assert re.findall(r'<a href="([^"]+)"', strip) == [
        "/staff/orders?status=unconfirmed",
        "/staff/providers",
        "/staff/providers",
        "/staff/alerts",
    ]
    assert "One order unconfirmed" in strip
    async with db.transaction() as session:
        await session.execute(text("UPDATE orders SET status = 'processing', unconfirmed = false"))
        await session.execute(text("UPDATE alerts SET cleared_at = now()"))
        await session.execute(text("UPDATE providers SET paused_at = NULL, low_balance = NULL"))
    assert 'class="attention' not in (await admin.get("/staff")).text


@pytest.mark.parametrize(
    ("permission", "seen"),
    [
        (None, "Nothing to show you here"),
        (Permission.ORDERS_VIEW, "Orders by status"),
        (Permission.LEDGER_VIEW, "Top services"),
        (Permission.PROVIDERS_VIEW, 'id="pr-h"'),
        (Permission.USERS_VIEW, "New users"),
    ],
)
async def test_everybody_sees_only_what_they_may(
    today_panel: Panel, sold: int, permission: Permission | None, seen: str
) -> None:
    browser = await sign_in(today_panel, role=Role.STAFF, permissions=[permission.value] if permission else [])
    shown = await browser.get("/staff")
    await browser.client.aclose()

    assert shown.status_code == 200
    marks = ("Nothing to show you here", "Orders by status", "Top services", 'id="pr-h"', "New users")
    assert [mark for mark in marks if mark in shown.text] == [seen]


async def test_customers_and_those_who_may_not_are_refused(today_panel: Panel) -> None:
    for role, path in ((Role.CUSTOMER, "/staff"), (Role.STAFF, "/staff/latest-orders")):
        browser = await sign_in(today_panel, role=role)
        assert (await browser.get(path)).status_code == 403
        await browser.client.aclose()


async def test_the_latest_orders_are_read_alone(admin: StaffBrowser, sold: int) -> None:
    part = await admin.get("/staff/latest-orders")
    assert part.text.count("data-row-link") == 4
    assert "<html" not in part.text


async def test_figures_are_read_once_per_count(db: Database, today_panel: Panel, sold: int) -> None:
    kept, period = KeptFigures(), Period.named("30d", TODAY)
    async with db.transaction() as session:
        first = await kept.of(session, period)
        assert await kept.of(session, period) is first
    await count_lately.function(at(today_panel, NOW + timedelta(minutes=5)))
    async with db.transaction() as session:
        again = await kept.of(session, period)
    assert again is not first
    assert again is not None
    assert again.counted.at == NOW + timedelta(minutes=5)


async def test_the_queries_do_not_grow_with_orders(
    admin: StaffBrowser, sold: int, db: Database, today_panel: Panel
) -> None:
    async def queries() -> int:
        await admin.get("/staff")
        ran: list[str] = []

        def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
            ran.append(statement)

        event.listen(today_panel.db.engine.sync_engine, "before_cursor_execute", note)
        assert (await admin.get("/staff")).status_code == 200
        event.remove(today_panel.db.engine.sync_engine, "before_cursor_execute", note)
        return len(ran)

    before = await queries()
    async with db.transaction() as session:
        user, provider = await make_user(session), await make_provider(session, today_panel)
        for _ in range(5):
            await place(session, user, await make_service(session, provider), now=NOW)
    await count_lately.function(today_panel)
    assert await queries() == before


def test_periods_end_today_and_are_compared_with_as_many_days() -> None:
    today = date(2026, 3, 10)
    month = Period.named("month", today)
    assert (month.first, month.days, month.before.first) == (date(2026, 3, 1), 10, date(2026, 2, 19))
    assert Period.named("7d", today).before.last == date(2026, 3, 3)
    one = Period.named("today", today)
    assert (one.days, one.drawn.days, list(one)) == (1, 7, [today])
