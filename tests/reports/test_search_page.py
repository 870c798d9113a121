"""Search for staff: by whatever is at hand, only what one may see, and never by going through all orders."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from making import accept, make_provider, make_service, make_user, place
from smmpanel.accounts.access import Permission
from smmpanel.accounts.states import Role
from smmpanel.catalog.change_log import bump_version
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel
from smmpanel.reports.searching import _ORDERS, _USERS
from staff_browser import StaffBrowser, sign_in

LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])
PATH = "/staff/search"
PART = {"hx-request": "true"}


@dataclass
class Shelf:
    """A customer with two orders of a service that guards its links; the second one is at its provider."""

    user: int
    service: int
    order: int
    sent: int


@pytest.fixture
async def shelf(db: Database, panel: Panel) -> Shelf:
    now = panel.clock()
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, platform="instagram", link_guard=True)
        await session.execute(text("UPDATE services SET name = 'Người theo dõi 100%' WHERE id = :id"), {"id": service})
        await bump_version(session)
        user = await make_user(session, "mai_media", funds="1000")
        order = await place(session, user, service, now=now, link="https://www.instagram.com/first.one/")
        sent = await place(session, user, service, now=now, link="https://www.instagram.com/second.one")
        await accept(session, sent, "EXT-77", now=now)
    return Shelf(user, service, order, sent)


@pytest.fixture
async def admin(panel: Panel) -> AsyncIterator[StaffBrowser]:
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


async def found(browser: StaffBrowser, q: str) -> set[str]:
    """Return where the palette's lines lead."""
    part = await browser.client.get(PATH, params={"q": q}, headers=PART)
    assert part.status_code == 200
    assert "<html" not in part.text
    return {piece.partition('"')[0] for piece in part.text.split('data-href="')[1:]}


@LANGUAGES
@pytest.mark.parametrize("q", ["", "nothing-like-this", "mai", "EXT-77"])
async def test_the_page(admin: StaffBrowser, shelf: Shelf, language: str, q: str) -> None:
    shown = await admin.get(PATH, params={"q": q, "lang": language})

    assert shown.status_code == 200
    assert f'value="{q}"' in shown.text
    assert ("data-row-link" in shown.text) is (q in {"mai", "EXT-77"})


async def test_orders_users_and_services_are_found(admin: StaffBrowser, shelf: Shelf) -> None:
    order, sent, user = (
        f"/staff/orders/{shelf.order}",
        f"/staff/orders/{shelf.sent}",
        f"/staff/users/{shelf.user}",
    )
    service = f"/staff/services/{shelf.service}"

    assert order in await found(admin, f"#{shelf.order}")
    assert await found(admin, "EXT-77") == {sent}
    assert await found(admin, "ext-77") == set()
    assert await found(admin, "instagram.com/first.one?igsh=abc") == {order}
    assert await found(admin, "https://www.instagram.com/nobody") == set()
    assert await found(admin, "@first.one") == {order}
    assert await found(admin, "SECOND") == {sent}
    assert await found(admin, "MAI_") == {user}
    assert await found(admin, "maiX") == set()
    assert await found(admin, "mai_media@example") == {user}
    assert await found(admin, "theo nguoi") == {service}
    assert await found(admin, "100%") == {service}
    assert service in await found(admin, str(shelf.service))
    assert await found(admin, "%%") == set()
    assert await found(admin, "m") == set()
    assert await found(admin, "9" * 30) == set()


async def test_a_link_finds_orders_that_are_long_over(admin: StaffBrowser, shelf: Shelf, db: Database) -> None:
    async with db.transaction() as session:
        await session.execute(
            text("UPDATE orders SET status = 'completed', guard_key = NULL, created_at = '2019-01-01' WHERE id = :id"),
            {"id": shelf.order},
        )

    assert await found(admin, "instagr.am/FIRST.one/") == {f"/staff/orders/{shelf.order}"}
    assert await found(admin, "first.on_") == set()
    assert f"/staff/orders/{shelf.order}" in (await admin.get(PATH, params={"q": "first.one"})).text


async def test_the_page_shows_twenty_orders_on_a_link_and_the_palette_eight(
    admin: StaffBrowser, shelf: Shelf, db: Database
) -> None:
    async with db.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO orders (user_id, service_id, kind, status, link, quantity, currency, charge, rate, terms)"
                " SELECT user_id, service_id, kind, 'completed', link, quantity, currency, charge, rate, terms"
                " FROM orders, generate_series(1, 30) WHERE id = :id"
            ),
            {"id": shelf.order},
        )
    link = "https://www.instagram.com/first.one/"

    assert len(await found(admin, link)) == 8
    assert (await admin.get(PATH, params={"q": link})).text.count("data-row-link") == 20


async def test_new_names_are_found_at_once(admin: StaffBrowser, shelf: Shelf, db: Database) -> None:
    assert await found(admin, "likes") == set()
    async with db.transaction() as session:
        await session.execute(text("UPDATE services SET name = 'Likes'"))
        await bump_version(session)

    assert await found(admin, "likes") == {f"/staff/services/{shelf.service}"}


@pytest.mark.parametrize(
    ("permission", "seen"),
    [
        (Permission.ORDERS_VIEW, "orders"),
        (Permission.USERS_VIEW, "users"),
        (Permission.SERVICES_VIEW, "services"),
        (Permission.LEDGER_VIEW, None),
    ],
)
async def test_only_what_one_may_see(panel: Panel, shelf: Shelf, permission: Permission, seen: str | None) -> None:
    browser = await sign_in(panel, role=Role.STAFF, permissions=[permission.value])

    kinds = set()
    for q in ("EXT-77", str(shelf.order), "mai_media", str(shelf.user), "theo", str(shelf.service)):
        kinds |= {way.split("/")[2] for way in await found(browser, q)}

    assert kinds == ({seen} if seen else set())
    await browser.client.aclose()


async def test_customers_do_not_search(panel: Panel) -> None:
    browser = await sign_in(panel, role=Role.CUSTOMER)
    assert (await browser.client.get(PATH, params={"q": "mai"})).status_code == 403
    await browser.client.aclose()


async def test_nothing_is_found_by_going_through_all(db: Database, shelf: Shelf) -> None:
    asked = {"number": 1, "name": "x", "linked": [1, 2], "prefix": "x%", "most": 8}
    async with db.transaction() as session:
        # On tables this small the planner prefers reading them whole: it is asked what it can do without.
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        for statement, table in ((_ORDERS, "orders"), (_USERS, "users")):
            plan = "\n".join((await session.scalars(text(f"EXPLAIN {statement.text}"), asked)).all())
            assert f"Seq Scan on {table}" not in plan, plan


async def test_the_palette_asks_here_for_staff_only(admin: StaffBrowser) -> None:
    shown = await admin.get("/staff")
    assert 'data-find="/staff/search"' in shown.text
    assert 'action="/staff/search"' in shown.text
