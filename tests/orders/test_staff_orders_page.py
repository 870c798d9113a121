"""Staff's pages about orders: found by anything, done by permission, and what was typed wrongly is said."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, func, select, text

from making import NOW, accept, assert_books, make_provider, make_service, make_user, move, order_row, place
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel
from smmpanel.orders import staff as pages
from smmpanel.orders.cancels import request_cancel
from smmpanel.orders.dripping import start_runs
from smmpanel.orders.models import CancelRequest, OrderStatus, Refill
from smmpanel.orders.refills import request_refill
from smmpanel.orders.staff import finding
from smmpanel.orders.staff.finding import Wanted, find_orders
from smmpanel.web.formats import zone_of
from staff_browser import StaffBrowser, sign_in

S = OrderStatus
LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])


@pytest.fixture
async def admin(panel: Panel) -> AsyncIterator[StaffBrowser]:
    browser = await sign_in(panel)
    await browser.get("/staff/orders/bulk-token")
    yield browser
    await browser.client.aclose()


@dataclass
class Desk:
    """A customer, a provider, and orders in every state."""

    user: int
    provider: int
    service: int
    orders: dict[str, int]


@pytest.fixture
async def desk(db: Database, panel: Panel) -> Desk:
    now = panel.clock()
    async with db.transaction() as session:
        provider = await make_provider(session, panel, "peak")
        service = await make_service(session, provider, dripfeed=True, refill=True, refill_days=30, cancel=True)
        by_hand = await make_service(session, mode="manual", cancel=True, refill=True, refill_days=30)
        user = await make_user(session, "mai", funds="1000")
        names = ("pending", "failed", "unconfirmed", "running", "done")
        link = "https://www.instagram.com/{}"
        orders = {
            name: await place(session, user, service, now=now, link=link.format(name), quantity=1000) for name in names
        }
        orders["manual"] = await place(session, user, by_hand, now=now, link=link.format("manual"))
        orders["drip"] = await place(session, user, service, now=now, runs=3, interval=60, link=link.format("drip"))
        await start_runs(session, currency="USD", now=now)
        for name in ("running", "done"):
            await accept(session, orders[name], f"x-{name}", now=now)
        await move(session, orders["done"], S.COMPLETED, now=now)
        await session.execute(
            text("UPDATE orders SET status = 'submitting', unconfirmed = true WHERE id = :id"),
            {"id": orders["unconfirmed"]},
        )
        await session.execute(text("UPDATE orders SET status = 'failed' WHERE id = :id"), {"id": orders["failed"]})
    return Desk(user, provider.id, service, orders)


def listed(html: str) -> set[int]:
    return {int(found) for found in re.findall(r'href="/staff/orders/(\d+)" data-row-link', html)}


@LANGUAGES
async def test_without_orders_the_list_says_so(admin: StaffBrowser, language: str) -> None:
    shown = await admin.get("/staff/orders", params={"lang": language})
    assert shown.status_code == 200
    assert 'class="empty"' in shown.text
    nothing = await admin.get("/staff/orders", params={"lang": language, "q": "nowhere"})
    assert 'href="/staff/orders">' in nothing.text


@LANGUAGES
async def test_the_list_shows_all_but_runs(admin: StaffBrowser, desk: Desk, language: str) -> None:
    shown = await admin.get("/staff/orders", params={"lang": language})

    assert shown.status_code == 200
    assert listed(shown.text) == set(desk.orders.values())
    part = await admin.client.get("/staff/orders", headers={"hx-request": "true"})
    assert listed(part.text) == set(desk.orders.values())
    assert "<html" not in part.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=unconfirmed", {"unconfirmed"}),
        ("status=failed", {"failed"}),
        ("status=completed", {"done"}),
        ("q=x-running", {"running"}),
        ("q=INSTAGRAM.com/man", {"manual"}),
        ("q=nothing-like-this", set()),
        ("kind=manual", {"manual"}),
        ("kind=drip&user=mai", {"drip"}),
        ("user=nobody@example.com", None),
        ("user=MAI&status=failed", {"failed"}),
        ("service=12x", None),
        ("since=2026-13-01", None),
        ("since=2001-01-01&until=2001-01-02", set()),
        ("since=2001-01-01&status=completed", {"done"}),
        ("waiting=cancel", set()),
    ],
)
async def test_filters(admin: StaffBrowser, desk: Desk, query: str, found: set[str] | None) -> None:
    shown = await admin.get(f"/staff/orders?{query}")

    if found is None:
        assert shown.status_code == 422
        assert 'class="error"' in shown.text
        return
    assert shown.status_code == 200
    assert listed(shown.text) == {desk.orders[name] for name in found}


async def test_an_id_finds_its_order_and_a_parent_its_runs(admin: StaffBrowser, desk: Desk, db: Database) -> None:
    shown = await admin.get("/staff/orders", params={"q": f"#{desk.orders['done']}"})
    assert listed(shown.text) == {desk.orders["done"]}
    runs = listed((await admin.get("/staff/orders", params={"parent": desk.orders["drip"]})).text)
    assert len(runs) == 1
    assert (await order_row(db, runs.pop())).parent_id == desk.orders["drip"]
    by_provider = await admin.get("/staff/orders", params={"provider": desk.provider})
    assert listed(by_provider.text) == {
        desk.orders[name] for name in ("pending", "failed", "unconfirmed", "running", "done")
    }


async def test_what_has_no_index_is_looked_for_a_stretch_at_a_time(
    db: Database, panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with db.transaction() as session:
        user, service = await make_user(session), await make_service(session, mode="manual")
        ids = [await place(session, user, service, now=NOW, link=f"https://example.com/{n}") for n in range(10)]
    monkeypatch.setattr(finding, "LOOKED_AT", 4)
    wanted, zone = Wanted(search="ample.com/1"), zone_of("UTC")
    pages_seen, after = [], None
    async with db.transaction() as session:
        while True:
            found = await find_orders(session, wanted, zone=zone, after=after, size=25)
            pages_seen.append(([row.id for row in found.rows], found.cut_short))
            if (after := found.after) is None:
                break
    assert pages_seen == [([], True), ([], True), ([ids[1]], False)]


async def test_days_are_those_of_the_reader(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        user, service = await make_user(session), await make_service(session, mode="manual")
        ids = [await place(session, user, service, now=NOW + timedelta(hours=6 * n)) for n in range(8)]
        day = (NOW + timedelta(days=1)).date()
        wanted = Wanted(since=day, until=day)
        found = await find_orders(session, wanted, zone=zone_of("UTC"), size=25)
        later = await find_orders(session, wanted, zone=zone_of("Asia/Ho_Chi_Minh"), size=25)
    assert [row.id for row in found.rows] == ids[5:1:-1]
    assert [row.id for row in later.rows] == ids[4:0:-1]


async def test_the_queries_of_a_page_do_not_grow_with_its_rows(
    admin: StaffBrowser, desk: Desk, db: Database, panel: Panel
) -> None:
    async def queries(path: str) -> int:
        await admin.get(path)
        ran: list[str] = []

        def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
            ran.append(statement)

        event.listen(panel.db.engine.sync_engine, "before_cursor_execute", note)
        assert (await admin.get(path)).status_code == 200
        event.remove(panel.db.engine.sync_engine, "before_cursor_execute", note)
        return len(ran)

    one = f"/staff/orders/{desk.orders['pending']}"
    before = await queries("/staff/orders"), await queries(one)
    async with db.transaction() as session:
        for _ in range(15):
            await place(session, desk.user, desk.service)
        await session.execute(
            text(
                "INSERT INTO order_events (order_id, kind, actor_id) SELECT :id, 'status', NULL FROM generate_series(1, 9)"
            ),
            {"id": desk.orders["pending"]},
        )
    assert (await queries("/staff/orders"), await queries(one)) == before


async def test_the_export_holds_what_the_filters_find(admin: StaffBrowser, desk: Desk, db: Database) -> None:
    async with db.transaction() as session:
        await session.execute(text("UPDATE orders SET link = '=1+1' WHERE id = :id"), {"id": desk.orders["failed"]})
    answer = await admin.get("/staff/orders/export?status=failed")

    assert answer.headers["content-type"].startswith("text/csv")
    head, row = answer.text.lstrip("\ufeff").splitlines()
    assert head.startswith("id,created_at,user,")
    assert row.startswith(f"{desk.orders['failed']},")
    assert ",'=1+1," in row


@LANGUAGES
@pytest.mark.parametrize("name", ["pending", "failed", "unconfirmed", "running", "done", "manual", "drip"])
async def test_every_order_has_a_page(admin: StaffBrowser, desk: Desk, name: str, language: str) -> None:
    shown = await admin.get(f"/staff/orders/{desk.orders[name]}", params={"lang": language})

    assert shown.status_code == 200
    assert f"order:{desk.orders[name]}:hold" in shown.text
    for deed in set(re.findall(rf"/staff/orders/{desk.orders[name]}/([a-z-]+)", shown.text)):
        asked = await admin.get(f"/staff/orders/{desk.orders[name]}/{deed}", params={"lang": language})
        assert asked.status_code == 200
        assert 'class="alert is-bad"' not in asked.text


async def test_what_does_not_exist_is_not_found(admin: StaffBrowser, desk: Desk) -> None:
    order = desk.orders["pending"]
    for path in ("/staff/orders/999999", f"/staff/orders/{order}/explode", "/staff/orders/999999/refund"):
        assert (await admin.get(path)).status_code == 404
    assert (await admin.post("/staff/orders/999999/refund", {"reason": "x"})).status_code == 404


OFFERED = {
    "pending": {"refund", "complete", "start-count"},
    "failed": {"refund", "resend", "start-count"},
    "unconfirmed": {"taken", "not-taken", "start-count"},
    "running": {"refund", "complete", "partial", "start-count", "remains"},
    "done": {"refund", "partial", "start-count"},
    "manual": {"start", "complete", "partial", "refund", "start-count"},
    "drip": {"refund", "pause", "start-count"},
}


@pytest.mark.parametrize("name", list(OFFERED))
async def test_a_page_offers_what_makes_sense(admin: StaffBrowser, desk: Desk, name: str) -> None:
    order = desk.orders[name]
    shown = await admin.get(f"/staff/orders/{order}")
    assert set(re.findall(rf'href="/staff/orders/{order}/([a-z-]+)"', shown.text)) == OFFERED[name]


async def test_who_may_only_look_is_offered_nothing_and_refused_everything(
    panel: Panel, desk: Desk, db: Database
) -> None:
    viewer = await sign_in(panel, role=Role.STAFF, permissions=[Permission.ORDERS_VIEW.value])
    order = desk.orders["failed"]
    shown = await viewer.get(f"/staff/orders/{order}")
    assert shown.status_code == 200
    assert f"/staff/orders/{order}/" not in shown.text
    assert 'type="checkbox"' not in (await viewer.get("/staff/orders")).text
    for deed in ("refund", "resend", "start-count"):
        assert (await viewer.get(f"/staff/orders/{order}/{deed}")).status_code == 403
        assert (await viewer.post(f"/staff/orders/{order}/{deed}", {"reason": "x"})).status_code == 403
    assert (await viewer.post("/staff/orders/bulk", {"deed": "refund", "id": order})).status_code == 403
    assert (await order_row(db, order)).status == "failed"

    stranger = await sign_in(panel, role=Role.STAFF)
    assert (await stranger.get("/staff/orders")).status_code == 403
    for browser in (viewer, stranger):
        await browser.client.aclose()


async def do(browser: StaffBrowser, order: int, deed: str, **form: object) -> None:
    answer = await browser.post(f"/staff/orders/{order}/{deed}", dict(form))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/staff/orders/{order}")


async def test_deeds_are_done_and_left_on_record(admin: StaffBrowser, desk: Desk, db: Database) -> None:
    orders = desk.orders
    await do(admin, orders["failed"], "resend")
    assert (await order_row(db, orders["failed"])).status == S.PENDING
    await do(admin, orders["unconfirmed"], "taken", external_id=" 4711 ")
    taken = await order_row(db, orders["unconfirmed"])
    assert (taken.status, taken.external_id, taken.unconfirmed) == (S.PROCESSING, "4711", False)
    await do(admin, orders["running"], "remains", remains="1.000")
    await do(admin, orders["running"], "start-count", start_count="12,345")
    running = await order_row(db, orders["running"])
    assert (running.remains, running.start_count) == (1000, 12345)
    await do(admin, orders["running"], "partial", remains="250")
    running = await order_row(db, orders["running"])
    assert (running.status, running.refunded) == (S.PARTIAL, Decimal("0.25"))
    await do(admin, orders["manual"], "start", start_count="")
    assert (await order_row(db, orders["manual"])).status == S.IN_PROGRESS
    await do(admin, orders["manual"], "complete")
    await do(admin, orders["done"], "refund", reason="complaint")
    assert (await order_row(db, orders["done"])).refunded == Decimal(1)
    await do(admin, orders["drip"], "pause")
    await do(admin, orders["drip"], "resume")
    await do(admin, orders["drip"], "refund", reason="asked by mail")
    assert (await order_row(db, orders["drip"])).refunded == Decimal(2)
    async with db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(AuditEntry)) == 11
    await assert_books(db)


async def test_refills_and_cancel_requests_are_answered(
    admin: StaffBrowser, desk: Desk, db: Database, panel: Panel
) -> None:
    order = desk.orders["manual"]
    now = panel.clock()
    await do(admin, order, "start", start_count="7")
    async with db.transaction() as session:
        await request_cancel(session, desk.user, [order], now)
    assert listed((await admin.get("/staff/orders?waiting=cancel")).text) == {order}
    await do(admin, order, "reject-cancel", reason="half done already")
    await do(admin, order, "complete")
    async with db.transaction() as session:
        await request_refill(session, desk.user, order, now)
    assert listed((await admin.get("/staff/orders?waiting=refill")).text) == {order}
    wrong = await admin.post(f"/staff/orders/{order}/refill", {"state": "error"})
    assert wrong.status_code == 422
    await do(admin, order, "refill", state="completed", note="done again")
    async with db.transaction() as session:
        assert await session.scalar(select(CancelRequest.state)) == "rejected"
        assert (await session.execute(select(Refill.state, Refill.reason))).one() == ("completed", "done again")


@pytest.mark.parametrize(
    ("name", "deed", "form", "said"),
    [
        ("running", "partial", {"remains": "1000"}, "Enter a whole number from 1 to 999."),
        ("running", "partial", {"remains": "-5"}, "Enter a whole number from 1 to 999."),
        ("running", "remains", {"remains": "ten"}, "Enter a whole number from 0 to 1,000."),
        ("running", "start-count", {"start_count": ""}, "Enter a whole number from 0 to 1,000,000,000,000,000."),
        ("unconfirmed", "taken", {"external_id": " "}, "Enter 1 to 100 characters."),
        ("done", "refund", {"reason": ""}, "Enter 1 to 500 characters."),
        ("done", "refund", {"reason": "x" * 501}, "Enter 1 to 500 characters."),
    ],
)
async def test_a_wrong_value_is_said_under_its_field(  # noqa: PLR0917 - what each case consists of
    admin: StaffBrowser, desk: Desk, name: str, deed: str, form: dict[str, object], said: str
) -> None:
    answer = await admin.post(f"/staff/orders/{desk.orders[name]}/{deed}", form)

    ((field, typed),) = form.items()
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert said in answer.text
    assert f'value="{str(typed).strip()}"' in answer.text or f'value="{typed}"' in answer.text


async def test_what_is_no_longer_possible_is_said_and_nothing_changes(
    admin: StaffBrowser, desk: Desk, db: Database
) -> None:
    order = desk.orders["failed"]
    await do(admin, order, "resend")
    again = await admin.post(f"/staff/orders/{order}/resend", {})
    assert again.status_code == 409
    assert f"Order {order} has not failed." in again.text
    twin = await admin.post(f"/staff/orders/{desk.orders['unconfirmed']}/taken", {"external_id": "x-running"})
    assert twin.status_code == 409
    assert (await order_row(db, desk.orders["unconfirmed"])).unconfirmed


async def test_many_at_once_are_asked_in_numbers_and_done_one_by_one(
    admin: StaffBrowser, desk: Desk, db: Database
) -> None:
    chosen = [desk.orders[name] for name in ("pending", "unconfirmed", "done")]
    query = "/staff/orders?user=mai"
    asked = await admin.post("/staff/orders/bulk", {"deed": "refund", "id": chosen, "return_to": query})
    assert asked.status_code == 200
    assert "$2.00 goes back to 1 customers." in asked.text
    assert "One order is left as it is:" in asked.text
    empty = await admin.post("/staff/orders/bulk/run", {"deed": "refund", "id": chosen[0], "reason": " "})
    assert empty.status_code == 422
    assert 'id="reason-error"' in empty.text

    form = {"deed": "refund", "id": chosen, "reason": "provider is gone", "return_to": query}
    done = await admin.post("/staff/orders/bulk/run", form)
    assert (done.status_code, done.headers["location"]) == (303, query)
    rows = [await order_row(db, order) for order in chosen]
    assert [row.status for row in rows] == [S.CANCELED, S.SUBMITTING, S.CANCELED]
    shown = await admin.get(query)
    assert "Cancel and refund: 2" in shown.text
    await assert_books(db)


async def test_nothing_ticked_and_foreign_targets_lead_to_the_list(admin: StaffBrowser, desk: Desk) -> None:
    for target in ("//evil.example", "/staff/users", ""):
        answer = await admin.post("/staff/orders/bulk", {"deed": "resend", "return_to": target})
        assert (answer.status_code, answer.headers["location"]) == (303, "/staff/orders")
    assert (await admin.post("/staff/orders/bulk", {"deed": "pause", "id": 1})).status_code == 404


def test_the_routers_stand_in_an_order_that_reaches_all_pages() -> None:
    assert [router.routes[0].path for router in pages.ROUTERS] == [  # type: ignore[attr-defined]
        "/staff/orders",
        "/staff/orders/bulk",
        "/staff/orders/{order_id}",
    ]
