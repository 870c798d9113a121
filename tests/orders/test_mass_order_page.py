"""Many orders from one page: pasted or uploaded, checked line by line, placed once."""

import re
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from making import credit, make_service, make_user, staff
from orders.customer_pages import OWN, browser_of
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import User
from smmpanel.orders.coupon_editing import CouponTerms, make_coupon
from smmpanel.orders.mass import MASS_LINES_MAX
from smmpanel.orders.models import Order

LINK = "https://www.instagram.com/cafe"


@pytest.fixture
async def service(panel):
    async with panel.db.transaction() as session:
        return await make_service(session, mode="manual", platform="instagram", rate="2", min=50)


@pytest.fixture
async def browser(panel):
    async with panel.db.transaction() as session:
        user = await make_user(session, funds="10")
    opened = await browser_of(panel, user)
    yield opened
    await opened.client.aclose()


async def count_orders(panel):
    async with panel.db.transaction() as session:
        return await session.scalar(select(func.count()).select_from(Order))


def key_in(page):
    return re.search(r'name="key" value="([^"]+)"', page)[1]


async def send(browser, *, deed="check", file=None, key="", **form):
    shown = await browser.get("/orders/mass")
    fields = {"csrf_token": browser.token, "key": key or key_in(shown.text), "deed": deed, **form}
    files = {"file": ("orders.csv", file, "text/csv")} if file is not None else {"file": ("", b"")}
    return await browser.client.post("/orders/mass", data=fields, files=files, headers=OWN)


@pytest.mark.parametrize(("lang", "title"), [("en", "Mass order"), ("vi", "Đơn hàng loạt"), ("id", "Pesanan massal")])
async def test_the_empty_page(browser, lang, title):
    shown = await browser.get(f"/orders/mass?lang={lang}")

    assert shown.status_code == 200
    assert f"<h1>{title}</h1>" in shown.text


async def test_a_check_says_for_each_line_what_would_become_of_it_and_places_nothing(panel, browser, service):
    text = (
        f"{service} | {LINK}.a | 1000\n\n{service}\t{LINK}.b\t100\n{service} | {LINK} | 7\nx | y\n999999 | {LINK} | 1"
    )

    answer = await send(browser, text=text)

    assert answer.status_code == 200
    assert answer.text.count(">Right</span>") == 2
    assert "Quantity: The minimum is 50. Enter 50 or more." in answer.text
    assert "The line must begin with the number of a service." in answer.text
    assert "This service does not exist." in answer.text
    assert "$2.20" in answer.text
    assert "$7.80" in answer.text
    assert "Place 2 lines" in answer.text
    assert f"{LINK}.a | 1000" in answer.text
    assert await count_orders(panel) == 0


async def test_all_lines_are_placed_and_followed(panel, browser, service):
    answer = await send(browser, deed="place", text=f"{service} | {LINK}.a | 1000\n\n{service} | {LINK}.b | 500")

    assert answer.status_code == 303
    assert re.fullmatch(r"/orders/mass/\w+\?last=3", answer.headers["location"])
    shown = await browser.get(answer.headers["location"])
    assert shown.status_code == 200
    assert "2 orders placed" in shown.text
    assert "0 of 2" in shown.text
    assert shown.text.count("data-row-link") == 2
    assert "$3.00" in shown.text
    part = await browser.get(answer.headers["location"], headers={"hx-request": "true"})
    assert part.text.lstrip().startswith('<div id="progress"')


async def test_what_is_right_is_placed_and_the_rest_is_told(panel, browser, service):
    answer = await send(browser, deed="place", text=f"{service} | {LINK}.a | 1000\n{service} | {LINK}.b | 1")

    assert answer.status_code == 200
    assert await count_orders(panel) == 1
    assert answer.text.count("data-row-link") == 1
    assert re.search(r"<textarea[^>]*>\n([^<]*)</textarea>", answer.text)[1] == f"{service} | {LINK}.b | 1"
    assert "The minimum is 50." in answer.text
    assert "$8.00" in answer.text


async def test_all_or_none_is_none_if_one_line_is_wrong(panel, browser, service):
    answer = await send(browser, deed="place_all", text=f"{service} | {LINK}.a | 1000\n{service} | {LINK}.b | 1")

    assert answer.status_code == 200
    assert "Nothing was placed" in answer.text
    assert await count_orders(panel) == 0


async def test_the_double_click_places_nothing_twice(panel, browser, service):
    text = f"{service} | {LINK}.a | 1000"

    first = await send(browser, deed="place", text=text, key="one-key")
    second = await send(browser, deed="place", text=text, key="one-key")

    assert (first.status_code, second.status_code) == (303, 303)
    assert await count_orders(panel) == 1


async def test_lines_beyond_the_balance_are_refused(panel, browser, service):
    lines = "\n".join(f"{service} | {LINK}.{number} | 2000" for number in range(3))

    answer = await send(browser, deed="place", text=lines)

    assert await count_orders(panel) == 2
    assert "Your balance is short by $2.00." in answer.text


async def test_a_coupon_is_for_each_line_and_is_kept_with_what_it_could_not_be_used_for(panel, browser, service):
    assert 'name="coupon"' not in (await browser.get("/orders/mass")).text
    async with panel.db.transaction() as session:
        boss = staff(None, Permission.VOUCHERS_EDIT)
        terms = CouponTerms("SPRING", percent=Decimal(25), uses_per_user=1)
        await make_coupon(session, terms, actor=boss, now=panel.clock())
    text = f"{service} | {LINK}.a | 1000\n{service} | {LINK}.b | 1000"

    checked = await send(browser, text=text, coupon="spring")
    assert ("$1.50" in checked.text, await count_orders(panel)) == (True, 0)
    answer = await send(browser, deed="place", text=text, coupon="spring", key=key_in(checked.text))

    assert "This coupon cannot be used for this order." in answer.text
    assert re.search(r'name="coupon"[^>]* value="spring"', answer.text)
    assert re.search(r"<textarea[^>]*>\n([^<]*)</textarea>", answer.text)[1] == f"{service} | {LINK}.b | 1000"
    assert "$8.50" in answer.text
    assert await count_orders(panel) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_a_file_is_checked_and_carried_along_until_it_is_placed(panel, browser, encoding):
    async with panel.db.transaction() as session:
        comments = await make_service(session, mode="manual", platform="instagram", type="custom_comments", rate="1000")
    content = f'Link;Service;Comments\r\n{LINK};{comments};"đẹp\r\nrất đẹp"\r\n'

    checked = await send(browser, file=content.encode(encoding))
    assert "$2.00" in checked.text
    carried = re.search(r'<textarea name="csv" hidden>\n(.*?)</textarea>', checked.text, re.DOTALL)[1]
    placed = await send(browser, deed="place", csv=carried.replace("&#34;", '"'), key=key_in(checked.text))

    assert placed.status_code == 303
    async with panel.db.transaction() as session:
        order = (await session.scalars(select(Order))).one()
    assert (order.quantity, order.fields["comments"]) == (2, "đẹp\nrất đẹp")


async def test_too_many_lines_are_refused_as_a_whole(panel, browser, service):
    answer = await send(browser, text=f"{service} | {LINK} | 100\n" * (MASS_LINES_MAX + 1))

    assert answer.status_code == 422
    assert "at most 10,000 lines" in answer.text
    assert await count_orders(panel) == 0


async def test_as_many_lines_as_are_allowed_are_checked_and_a_thousand_of_them_shown(panel, browser, service):
    async with panel.db.transaction() as session:
        await credit(session, await session.scalar(select(User.id)), "5000")
    answer = await send(browser, text=f"{service} | {LINK} | 100\n" * (MASS_LINES_MAX - 1) + "x | y | z")

    assert answer.status_code == 200
    assert answer.text.count("<tr>") == 1001
    assert "9,000 more lines are not shown." in answer.text
    assert "must begin with the number" in answer.text


@pytest.mark.parametrize("file", [b"\xff\x00\x80broken", b"service,service\n1,2\n"])
async def test_a_file_that_cannot_be_read_is_said_so(browser, file):
    answer = await send(browser, file=file)

    assert answer.status_code == 422
    assert "The file cannot be read." in answer.text


async def test_an_empty_form_is_told_what_to_do(browser):
    answer = await send(browser, text="  \n")

    assert answer.status_code == 422
    assert "Paste at least one line" in answer.text


async def test_nobody_follows_the_mass_orders_of_others(panel, browser, service):
    answer = await send(browser, deed="place", text=f"{service} | {LINK}.a | 1000")
    async with panel.db.transaction() as session:
        other = await make_user(session)
    stranger = await browser_of(panel, other)

    assert (await stranger.get(answer.headers["location"])).status_code == 404
    assert (await browser.get("/orders/mass/unknown")).status_code == 404
    await stranger.client.aclose()
