"""What customers come for, from the first page to the last, in a browser against a panel that really sells."""

import re

import pytest
from playwright.async_api import expect

from browser.looking import axe, no_sideways_scroll
from browser.market import PASSWORD
from smmpanel.orders.models import OrderStatus

FOLLOWED_MS = 60_000
"""An order is looked at for the first time twenty seconds after it was sent."""
LINK = "https://instagram.com/p/"


async def place(page, service_id, link, quantity="1000"):
    await page.goto(f"/orders/new?service={service_id}")
    await page.get_by_label("Link", exact=True).fill(link)
    await page.get_by_label(re.compile("^Quantity")).fill(quantity)
    await page.get_by_role("button", name="Place order").first.click()
    await page.get_by_role("link", name="View order").click()
    await page.wait_for_url(re.compile(r"/orders/\d+$"))


async def test_somebody_signs_up_orders_and_sees_it_completed_without_reloading(market, visit):
    page = await visit("/sign-up")
    await page.get_by_label("User name").fill("newcomer")
    await page.get_by_label("E-mail address").fill("newcomer@example.com")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await page.wait_for_url("/orders/new")
    await market.fund("newcomer")

    await place(page, market.service_id, f"{LINK}first")
    order_id = int(page.url.rsplit("/", 1)[1])
    await page.evaluate("window.opened = 'once'")
    market.sandbox.finish([await market.sent(order_id)], "completed")

    await expect(page.locator(".page-head .status")).to_have_text("Completed", timeout=FOLLOWED_MS)
    assert await page.evaluate("window.opened") == "once"
    await expect(page.get_by_text("1,000 of 1,000 delivered")).to_be_visible()
    await axe(page)


async def test_a_double_click_is_one_order(market, visit):
    buyer = await market.customer("doubleclicker")
    page = await visit(f"/orders/new?service={market.service_id}", buyer)
    await page.get_by_label("Link", exact=True).fill(f"{LINK}double")
    await page.get_by_label(re.compile("^Quantity")).fill("1000")

    await page.get_by_role("button", name="Place order").first.dblclick()
    await page.get_by_role("link", name="View order").wait_for()

    assert await market.orders_of(buyer) == 1


async def test_a_mass_order_says_which_lines_are_wrong_and_places_the_others(market, visit):
    buyer = await market.customer("masser")
    page = await visit("/orders/mass", buyer)
    await page.get_by_label("One order per line").fill(
        f"{market.service_id} | {LINK}one | 1000\n{market.service_id} | {LINK}two | 1\n999999 | {LINK}three | 1000"
    )

    await page.get_by_role("button", name="Check lines").click()
    await expect(page.get_by_role("row").filter(has_text=f"{LINK}one")).to_contain_text("Right")
    await expect(page.get_by_role("row").filter(has_text=f"{LINK}two")).not_to_contain_text("Right")
    assert await market.orders_of(buyer) == 0
    await page.get_by_role("button", name="Place one line").click()

    await expect(page.get_by_role("row").filter(has_text=f"{LINK}one").get_by_role("link")).to_be_visible()
    assert await market.orders_of(buyer) == 1


async def test_a_completed_order_is_refilled(market, visit):
    buyer = await market.customer("refiller")
    page = await visit("/orders/new", buyer)
    await place(page, market.service_id, f"{LINK}refilled")
    order_id = await market.latest_order(buyer)
    await market.turns(order_id, OrderStatus.COMPLETED)
    await page.reload()

    await page.get_by_role("button", name="Request refill").click()

    await page.goto("/refills")
    await expect(page.get_by_role("row").filter(has_text=str(order_id))).to_be_visible()
    assert await market.one("SELECT count(*) FROM refills WHERE order_id = :id", order_id) == 1


async def test_a_running_order_is_canceled_and_paid_back(market, visit):
    buyer = await market.customer("canceler")
    page = await visit("/orders/new", buyer)
    before = await market.balance(buyer)
    await place(page, market.service_id, f"{LINK}canceled")
    order_id = await market.latest_order(buyer)
    await market.sent(order_id)
    await page.reload()

    await page.get_by_role("link", name="Cancel order").first.click()
    await page.get_by_role("dialog").get_by_role("button", name="Request cancellation").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await market.turns(order_id, OrderStatus.CANCELED)
    await page.goto(f"/orders/{order_id}")

    await expect(page.locator(".page-head .status")).to_have_text("Canceled")
    assert await market.balance(buyer) == before


async def test_an_order_is_placed_with_the_keyboard_alone(market, visit):
    buyer = await market.customer("typist")
    page = await visit(f"/orders/new?service={market.service_id}", buyer)
    await page.get_by_label("Link", exact=True).focus()
    await page.keyboard.type(f"{LINK}typed")
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.name") == "quantity":
            break
    await page.keyboard.press("Control+a")
    await page.keyboard.type("1000")

    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="View order").wait_for()

    assert await market.orders_of(buyer) == 1


async def test_an_order_is_placed_on_a_phone(market, visit):
    buyer = await market.customer("phoner")
    page = await visit(f"/orders/new?service={market.service_id}", buyer, width=390)
    await page.get_by_label("Link", exact=True).fill(f"{LINK}phone")
    await page.get_by_label(re.compile("^Quantity")).fill("1000")
    await page.locator(".order-bar").get_by_role("button", name="Place order").click()
    await page.get_by_role("link", name="View order").click()

    await page.wait_for_url(re.compile(r"/orders/\d+$"))
    await no_sideways_scroll(page)


async def test_an_order_is_placed_without_scripts(market, visit):
    buyer = await market.customer("plain")
    page = await visit(f"/orders/new?service={market.service_id}", buyer, scripts=False)
    await page.get_by_label("Link", exact=True).fill(f"{LINK}plain")
    await page.get_by_label(re.compile("^Quantity")).fill("1000")

    await page.get_by_role("button", name="Place order").first.click()
    await page.wait_for_load_state()

    assert await market.orders_of(buyer) == 1
    await expect(page.get_by_role("link", name="View order")).to_be_visible()


async def test_what_is_wrong_with_an_order_stands_at_its_field_and_nothing_is_charged(market, visit, complaints):
    complaints.expect("status of 422")
    buyer = await market.customer("hasty")
    before = await market.balance(buyer)
    page = await visit(f"/orders/new?service={market.service_id}", buyer)
    await page.get_by_label("Link", exact=True).fill("not a link")
    await page.get_by_label(re.compile("^Quantity")).fill("1")

    await page.get_by_role("button", name="Place order").first.click()

    await expect(page.locator("#link-error")).to_be_visible()
    await expect(page.locator("#quantity-error")).to_be_visible()
    assert await page.get_by_label("Link", exact=True).input_value() == "not a link"
    assert (await market.orders_of(buyer), await market.balance(buyer)) == (0, before)
    await axe(page)


@pytest.mark.parametrize("language", ["vi", "id"])
async def test_the_language_is_changed_and_stays(market, visit, language):
    page = await visit("/sign-in")
    await page.goto(f"/sign-in?lang={language}")
    await page.goto("/sign-up")

    assert await page.locator("html").get_attribute("lang") == language
