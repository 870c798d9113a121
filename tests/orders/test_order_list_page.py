"""The list of the own orders: what it shows, finds and lets do."""

import csv
from datetime import timedelta
from io import StringIO

import pytest
from sqlalchemy import event, text

from making import make_user, place
from orders.customer_pages import browser_of, fill_shelf, status_of


@pytest.fixture
async def shelf(panel):
    return await fill_shelf(panel)


@pytest.fixture
async def browser(panel, shelf):
    opened = await browser_of(panel, shelf.user)
    yield opened
    await opened.client.aclose()


@pytest.mark.parametrize(
    ("lang", "title"), [("en", "No orders yet"), ("vi", "Chưa có đơn hàng"), ("id", "Belum ada pesanan")]
)
async def test_without_orders_the_page_says_what_to_do(panel, lang, title):
    async with panel.db.transaction() as session:
        user = await make_user(session)
    browser = await browser_of(panel, user)

    shown = await browser.get(f"/orders?lang={lang}")

    assert shown.status_code == 200
    assert title in shown.text


@pytest.mark.parametrize("lang", ["en", "vi", "id"])
@pytest.mark.parametrize("path", ["/orders", "/drip-feed", "/subscriptions", "/refills"])
async def test_every_list_renders_in_every_language(browser, lang, path):
    shown = await browser.get(f"{path}?lang={lang}")

    assert shown.status_code == 200
    assert f'<html lang="{lang}"' in shown.text


async def test_each_order_is_there_with_what_may_be_done(browser, shelf):
    shown = (await browser.get("/orders")).text

    for order in (shelf.pending, shelf.running, shelf.completed, shelf.partial, shelf.drip):
        assert f'id="o-{order}"' in shown
    assert f'action="/orders/{shelf.completed}/refill"' in shown
    assert f'action="/orders/{shelf.pending}/refill"' not in shown
    assert "Refill opens when the order is completed" in shown
    assert f'href="/orders/{shelf.running}/cancel' in shown
    assert f'href="/orders/{shelf.completed}/cancel' not in shown
    assert "This order has ended" in shown
    assert "ext-running" not in shown
    assert "provider" not in shown.lower()


async def test_tabs_show_their_orders_and_counts(browser, shelf):
    shown = (await browser.get("/orders?status=pending")).text

    assert f'id="o-{shelf.pending}"' in shown
    assert f'id="o-{shelf.drip}"' in shown
    assert f'id="o-{shelf.running}"' not in shown
    assert 'href="/orders?status=in_progress">In progress <span class="count">1</span>' in shown
    assert 'href="/orders?status=completed">Completed</a>' in shown


async def test_a_tab_counts_to_a_hundred_and_no_further(panel, browser, shelf):
    async with panel.db.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO orders (user_id, service_id, kind, status, link, quantity, currency, charge, rate, terms)"
                " SELECT user_id, service_id, kind, 'canceled', link, quantity, currency, charge, rate, terms"
                " FROM orders, generate_series(1, 130) WHERE id = :id"
            ),
            {"id": shelf.completed},
        )

    shown = (await browser.get("/orders")).text

    assert 'Canceled <span class="count">100+</span>' in shown


@pytest.mark.parametrize(
    ("typed", "found"), [("running.one", "running"), ("COMPLETED", "completed"), ("%", None), ("_", None)]
)
async def test_a_part_of_a_link_finds_its_orders(browser, shelf, typed, found):
    shown = (await browser.get("/orders", params={"q": typed})).text

    there = {
        name
        for name in ("pending", "running", "completed", "partial", "drip")
        if f'id="o-{getattr(shelf, name)}"' in shown
    }
    assert there == ({found} if found else set())
    assert ("No order matches" in shown) is (found is None)


async def test_ids_of_orders_and_services_and_names_are_found(panel, browser, shelf):
    async with panel.db.transaction() as session:
        await session.execute(text("UPDATE services SET name = 'Rare Likes' WHERE id = :id"), {"id": shelf.service})

    assert f'id="o-{shelf.running}"' in (await browser.get(f"/orders?q=%23{shelf.running}")).text
    assert f'id="o-{shelf.running}"' in (await browser.get(f"/orders?q={shelf.service}")).text
    assert f'id="o-{shelf.drip}"' in (await browser.get("/orders?q=rare")).text


async def test_days_are_those_of_the_reader(panel, browser, shelf):
    today = panel.clock().date()

    assert f'id="o-{shelf.pending}"' in (await browser.get(f"/orders?from={today}&to={today}")).text
    assert f'id="o-{shelf.pending}"' not in (await browser.get(f"/orders?to={today - timedelta(days=2)}")).text
    assert (await browser.get("/orders?from=nonsense&to=9999-12-31&size=7&status=odd")).status_code == 200


async def test_others_orders_are_nowhere(panel, browser, shelf):
    async with panel.db.transaction() as session:
        stranger = await make_user(session)
        theirs = await place(session, stranger, shelf.service, link="https://www.instagram.com/stranger")

    assert f'id="o-{theirs}"' not in (await browser.get("/orders")).text
    assert f'id="o-{theirs}"' not in (await browser.get(f"/orders?q={theirs}")).text
    answer = await browser.post("/orders/selected", deed="cancel", sure="true", ids=[theirs])
    assert answer.status_code == 303
    assert await status_of(panel, theirs) == "pending"


async def test_pages_follow_each_other(panel, browser, shelf):
    async with panel.db.transaction() as session:
        for number in range(25):
            await place(
                session, shelf.user, shelf.service, link=f"https://www.instagram.com/more.{number}", quantity=10
            )

    first = (await browser.get("/orders")).text
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = (await browser.get(older)).text

    assert first.count('<tr id="o-') == 25
    assert second.count('<tr id="o-') == 5
    assert f'id="o-{shelf.pending}"' in second


async def test_the_number_of_statements_does_not_grow_with_rows(panel, browser, shelf):
    async def statements() -> int:
        counted = 0

        def note(*_: object) -> None:
            nonlocal counted
            counted += 1

        engine = panel.db.engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            await browser.get("/orders")
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return counted

    few = await statements()
    async with panel.db.transaction() as session:
        for number in range(15):
            await place(session, shelf.user, shelf.service, link=f"https://www.instagram.com/n.{number}", quantity=10)

    assert await statements() == few


async def test_a_live_page_asks_for_its_rows_alone(browser, shelf):
    shown = await browser.get("/orders?status=pending", headers={"hx-request": "true"})

    assert shown.text.lstrip().startswith('<section class="card" id="orders"')
    assert 'hx-trigger="panel:orders from:body"' in shown.text
    assert f'id="o-{shelf.pending}"' in shown.text


async def test_the_file_holds_the_filtered_list(panel, browser, shelf):
    async with panel.db.transaction() as session:
        await session.execute(text("UPDATE services SET name = '=SUM(A1)' WHERE id = :id"), {"id": shelf.service})

    answer = await browser.get("/orders/export?status=partial")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="orders-')
    rows = list(csv.DictReader(StringIO(answer.text.removeprefix("\ufeff"))))
    assert [
        (row["order"], row["status"], row["remains"], row["charge"], row["refunded"], row["net_charge"]) for row in rows
    ] == [(str(shelf.partial), "Partial", "250", "1.00", "0.25", "0.75")]
    assert rows[0]["service"] == "'=SUM(A1)"


async def test_selected_orders_are_canceled_after_a_question(panel, browser, shelf):
    chosen = [shelf.pending, shelf.running, shelf.completed]

    asked = await browser.post("/orders/selected", deed="cancel", ids=chosen, back="/orders?status=pending")
    assert "Cancel 2 orders?" in asked.text
    assert "One order has not been sent. $1.00 goes back to your balance at once." in asked.text
    assert "at most $0.40 is paid back" in asked.text
    assert "One order stays as it is:" in asked.text
    assert await status_of(panel, shelf.pending) == "pending"

    done = await browser.post("/orders/selected", deed="cancel", sure="true", ids=chosen, back="/orders?status=pending")
    assert (done.status_code, done.headers["location"]) == (303, "/orders?status=pending")
    assert await status_of(panel, shelf.pending) == "canceled"
    assert await status_of(panel, shelf.running) == "in_progress"
    assert "Cancellation requested" in (await browser.get("/orders")).text


async def test_selected_orders_are_refilled_where_that_is_possible(panel, browser, shelf):
    answer = await browser.post("/orders/selected", deed="refill", ids=[shelf.completed, shelf.pending])

    assert answer.status_code == 303
    shown = (await browser.get("/orders")).text
    assert "Refills requested: 1" in shown
    assert "Not possible: 1." in shown
    assert "Refilling" in shown
    async with panel.db.transaction() as session:
        assert (await session.scalars(text("SELECT order_id FROM refills"))).all() == [shelf.completed]


async def test_ids_are_shown_to_be_copied_and_nothing_selected_is_said(browser, shelf):
    shown = await browser.post("/orders/selected", deed="ids", ids=[shelf.pending, shelf.drip])
    assert f"{shelf.drip}\n{shelf.pending}\n" in shown.text

    nothing = await browser.post("/orders/selected", deed="refill", back="https://evil.example/")
    assert (nothing.status_code, nothing.headers["location"]) == (303, "/")
    assert "Select orders first" in (await browser.get("/orders")).text


async def test_a_form_without_its_token_does_nothing(panel, browser, shelf):
    await browser.get("/orders")
    answer = await browser.client.post(
        "/orders/selected",
        data={"deed": "cancel", "sure": "true", "ids": [shelf.pending]},
        headers={"origin": "http://panel.example"},
    )

    assert answer.status_code == 403
    assert await status_of(panel, shelf.pending) == "pending"
