"""The list of one's own notifications: shown, followed, read, paged, and the bell that counts them."""

import re

import pytest
from sqlalchemy import event

from making import make_user
from orders.customer_pages import browser_of
from smmpanel.notifications.pages import ROWS
from smmpanel.notifications.telling import Notice, notify

KINDS = [
    Notice(0, "a", "order_completed", {"order_id": 7, "service": "Likes <fast>"}, "/orders/7"),
    Notice(0, "b", "order_partial", {"order_id": 8, "service": "", "refunded": "1.25", "currency": "USD"}, "/orders/8"),
    Notice(0, "c", "orders_finished", {"n": 1200, "completed": 1100, "partial": 60, "canceled": 40}, "/orders"),
    Notice(0, "d", "refill_rejected", {"order_id": 9}, "/orders/9"),
    Notice(0, "e", "balance_credited", {"amount": "12.5", "currency": "USD", "reason": "bank transfer"}, "/statement"),
    Notice(0, "f", "low_balance", {"balance": "1", "below": "5", "currency": "USD"}, "/add-funds"),
    Notice(0, "g", "new_sign_in", {"ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (X11; Linux) Firefox/128.0"}, ""),
]


@pytest.fixture
async def mai(panel):
    async with panel.db.transaction() as session:
        return await make_user(session, funds=None)


@pytest.fixture
async def browser(panel, mai):
    opened = await browser_of(panel, mai)
    yield opened
    await opened.client.aclose()


async def tell(panel, user, *notices):
    from dataclasses import replace

    async with panel.db.transaction() as session:
        await notify(session, [replace(notice, user_id=user) for notice in notices], now=panel.clock())


def many(count):
    return [Notice(0, f"order:{n}", "order_completed", {"order_id": n}, f"/orders/{n}") for n in range(count)]


async def test_with_nothing_told_the_page_says_so(browser):
    shown = await browser.get("/notifications")

    assert shown.status_code == 200
    assert "No notifications yet" in shown.text
    assert "Mark all as read" not in shown.text


async def test_each_kind_is_said_in_words(browser, panel, mai):
    await tell(panel, mai, *KINDS)

    shown = (await browser.get("/notifications")).text

    for words in (
        "Order 7 is completed",
        "Likes &lt;fast&gt;",
        "$1.25 went back to your balance.",
        "1,200 orders finished",
        "1,100 completed, 60 partial, 40 canceled.",
        "The refill of order 9 was rejected",
        "$12.50 was added to your balance",
        "bank transfer",
        "$1.00 is left, less than the $5.00 that you set.",
        "New sign-in from 203.0.113.9",
        "Firefox on Linux.",
    ):
        assert words in shown
    assert 'aria-label="Notifications, 7 unread"' in shown


@pytest.mark.parametrize(("language", "title"), [("vi", "Đơn 7 đã hoàn thành"), ("id", "Pesanan 7 selesai")])
async def test_each_reader_reads_the_own_language(*, browser, panel, mai, language, title):
    await tell(panel, mai, *KINDS)

    shown = (await browser.get(f"/notifications?lang={language}")).text

    assert title in shown
    assert "is completed" not in shown


async def test_following_one_reads_it(browser, panel, mai):
    await tell(panel, mai, *KINDS[:2])
    shown = (await browser.get("/notifications")).text
    number = re.search(r'href="/notifications/(\d+)"[^>]*>Order 7', shown)[1]

    led = await browser.get(f"/notifications/{number}")

    assert (led.status_code, led.headers["location"]) == (303, "/orders/7")
    unread = (await browser.get("/notifications?show=unread")).text
    assert "Order 7" not in unread
    assert "Order 8" in unread


async def test_what_comes_after_the_page_stays_unread(browser, panel, mai):
    await tell(panel, mai, *KINDS[:2])
    shown = (await browser.get("/notifications")).text
    newest = re.search(r'name="newest" value="(\d+)"', shown)[1]
    await tell(panel, mai, KINDS[3])

    done = await browser.post("/notifications/read", newest=newest)

    assert (done.status_code, done.headers["location"]) == (303, "/notifications")
    bell = (await browser.get("/parts/bell")).text
    assert 'aria-label="Notifications, one unread"' in bell
    assert (await browser.post("/notifications/read", newest="x" * 50)).status_code == 303


async def test_nobody_reads_what_others_were_told(browser, panel, mai):
    async with panel.db.transaction() as session:
        tom = await make_user(session, funds=None)
    await tell(panel, tom, KINDS[0])
    await tell(panel, mai, KINDS[1])
    theirs = await browser_of(panel, tom)
    number = re.search(r'href="/notifications/(\d+)"', (await theirs.get("/notifications")).text)[1]
    await theirs.client.aclose()

    assert "Order 7" not in (await browser.get("/notifications")).text
    assert (await browser.get(f"/notifications/{number}")).status_code == 404
    await browser.post("/notifications/read", newest=str(2**62))
    async with panel.db.transaction() as session:
        from smmpanel.notifications.models import Notification

        assert (await session.get_one(Notification, int(number))).read_at is None


async def test_pages_follow_each_other_and_cost_the_same(browser, panel, mai):
    await tell(panel, mai, *many(ROWS * 2 + 3))
    counted = []
    event.listen(panel.db.engine.sync_engine, "before_cursor_execute", lambda *call: counted.append(call[2]))
    first = (await browser.get("/notifications")).text
    cost = len(counted)
    seen = re.findall(r">Order (\d+) is", first)
    following = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")
    second = (await browser.get(following)).text
    last = (await browser.get(re.search(r'rel="next" href="([^"]+)"', second)[1].replace("&amp;", "&"))).text

    seen += re.findall(r">Order (\d+) is", second) + re.findall(r">Order (\d+) is", last)
    assert seen == [str(n) for n in reversed(range(ROWS * 2 + 3))]
    assert len(counted) == 3 * cost
    assert cost < 10


async def test_a_part_is_sent_to_htmx_only(browser, panel, mai):
    await tell(panel, mai, KINDS[0])

    part = (await browser.get("/notifications", headers={"HX-Request": "true"})).text

    assert "Order 7 is completed" in part
    assert "<html" not in part


async def test_visitors_are_led_to_sign_in(panel, browser):
    browser.client.cookies.clear()

    assert (await browser.get("/notifications")).headers["location"].startswith("/sign-in")
