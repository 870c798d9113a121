"""The audit log for staff: every deed with what it changed, found by who, by which permission, by what it was done to."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import event

from making import make_user
from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.accounts.audit_search import changed_values
from smmpanel.accounts.states import Role
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel
from staff_browser import StaffBrowser, sign_in

LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])


@pytest.fixture
async def admin(panel: Panel) -> AsyncIterator[StaffBrowser]:
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


@pytest.fixture
async def deeds(db: Database) -> int:
    """Three deeds: two of the command line, one of a user called mai."""
    async with db.transaction() as session:
        mai = await make_user(session, "mai")
        actor = Actor("user", mai, "mai", Role.ADMIN, frozenset(), ip="203.0.113.9")
        await audit(session, Actor.cli(), Permission.USERS_EDIT, "user:77", before={"name": "a"}, after={"name": "<b>"})
        await audit(session, Actor.cli(), Permission.ORDERS_REFUND, "order:5", after={"paid": ["x", "y"], "all": True})
        await audit(session, actor, Permission.SERVICES_EDIT, "service:3", before={"rate": "1"}, after={"rate": "2"})
    return mai


@LANGUAGES
async def test_an_empty_log_says_so(admin: StaffBrowser, language: str) -> None:
    shown = await admin.get("/staff/audit", params={"lang": language})

    assert shown.status_code == 200
    assert 'class="empty"' in shown.text


@LANGUAGES
async def test_deeds_are_shown_with_what_they_changed(admin: StaffBrowser, deeds: int, language: str) -> None:
    shown = await admin.get("/staff/audit", params={"lang": language})

    assert shown.status_code == 200
    assert "<del>a</del> → <ins>&lt;b&gt;</ins>" in shown.text
    assert "</span> <ins>x, y</ins>" in shown.text
    assert "203.0.113.9" in shown.text
    assert 'href="/staff/orders/5"' in shown.text


async def test_money_reads_as_money_and_keys_of_calls_are_left_out(admin: StaffBrowser, db: Database) -> None:
    async with db.transaction() as session:
        given = {"amount": "50000.00", "currency": "VND", "reason": "Goodwill", "key": "json:1:x"}
        await audit(session, Actor.cli(), Permission.USERS_BALANCE, "user:7", after=given)
        await audit(
            session,
            Actor.cli(),
            Permission.SETTINGS_EDIT,
            "tier:1",
            before={"min_spent": "?"},
            after={"min_spent": "1.5"},
        )

    shown = (await admin.get("/staff/audit", params={"lang": "en"})).text

    assert "<ins>₫50,000</ins>" in shown
    assert "<ins>Goodwill</ins>" in shown
    assert "<del>?</del> → <ins>$1.50</ins>" in shown
    assert "json:1:x" not in shown


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"actor": "mai"}, {"service:3"}),
        ({"actor": "cli"}, {"user:77", "order:5"}),
        ({"actor": "system"}, set()),
        ({"action": "orders.refund"}, {"order:5"}),
        ({"action": "no.such"}, {"user:77", "order:5", "service:3"}),
        ({"target": "User 77"}, {"user:77"}),
        ({"target": "user:7"}, set()),
        ({"actor": "cli", "action": "users.edit", "target": "user:77"}, {"user:77"}),
    ],
)
async def test_filters(admin: StaffBrowser, deeds: int, query: dict[str, str], found: set[str]) -> None:
    part = await admin.client.get("/staff/audit", params=query, headers={"hx-request": "true"})

    assert part.status_code == 200
    assert {one for one in ("user:77", "order:5", "service:3") if one in part.text} == found


async def test_nobody_of_that_name_is_said_under_the_field(admin: StaffBrowser, deeds: int) -> None:
    shown = await admin.get("/staff/audit", params={"actor": "nobody", "target": "order:5"})

    assert shown.status_code == 422
    assert 'id="actor-error"' in shown.text
    assert 'value="nobody"' in shown.text


async def test_the_log_is_paged_at_a_constant_number_of_queries(db: Database, admin: StaffBrowser, deeds: int) -> None:
    async def queries(path: str) -> tuple[int, str]:
        seen: list[str] = []
        listener = lambda *args: seen.append(args[2])  # noqa: E731
        event.listen(db.engine.sync_engine, "before_cursor_execute", listener)
        shown = await admin.get(path)
        event.remove(db.engine.sync_engine, "before_cursor_execute", listener)
        return len(seen), shown.text

    few, _ = await queries("/staff/audit")
    async with db.transaction() as session:
        for number in range(60):
            await audit(session, Actor.cli(), Permission.ORDERS_EDIT, f"order:{1000 + number}", after={"n": number})
    many, text = await queries("/staff/audit")

    assert many == few
    assert "order:1059" in text
    assert "order:1000" not in text
    older = text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "order:1000" in (await admin.get(older)).text


async def test_it_takes_the_permission(panel: Panel) -> None:
    browser = await sign_in(panel, role=Role.STAFF, permissions=[Permission.ORDERS_VIEW])
    assert (await browser.get("/staff/audit")).status_code == 403
    await browser.client.aclose()


def test_what_stayed_as_it_was_is_left_out() -> None:
    changes = changed_values({"same": 1, "gone": 2, "other": 3}, {"same": 1, "other": 4, "new": 5})

    assert [(one.name, one.before, one.after) for one in changes] == [
        ("gone", 2, None),
        ("other", 3, 4),
        ("new", None, 5),
    ]
