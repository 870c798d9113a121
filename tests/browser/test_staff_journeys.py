"""What staff do for customers and the catalogue, in a browser against a panel that really sells."""

import re

import pytest_asyncio
from playwright.async_api import expect

from browser.every_page import ADMIN
from browser.looking import axe
from smmpanel.kernel.options import write_option
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.placing import NewOrder, place_order
from smmpanel.orders.rerouting import REFUSED_OPTION

LINK = "https://instagram.com/p/"


@pytest_asyncio.fixture(loop_scope="session")
async def kept_when_refused(market):
    """Orders that no provider takes wait for staff instead of being paid back."""
    async with market.site.panel.db.transaction() as session:
        await write_option(session, REFUSED_OPTION, "hold")
    yield
    async with market.site.panel.db.transaction() as session:
        await write_option(session, REFUSED_OPTION, "refund")


async def order(market, name, link):
    buyer, panel = await market.customer(name), market.site.panel
    async with panel.db.transaction() as session:
        wanted = NewOrder(buyer, market.service_id, {"link": link, "quantity": "1000"})
        placed = await place_order(session, wanted, currency=panel.currency, now=panel.clock())
    return buyer, placed.order_id


def status(page):
    return page.locator(".stats .status").first


async def test_services_are_imported_in_three_steps(market, visit):
    page = await visit(f"/staff/import?provider={market.provider_id}", market.site.people[ADMIN])
    before = await market.one("SELECT count(*) FROM services WHERE id > :id", 0)
    await page.get_by_role("checkbox").first.check()

    await page.get_by_role("button", name="Categories and prices").click()
    await page.get_by_label("Markup, percent").fill("40")
    await page.get_by_role("button", name="Review").click()
    await axe(page)
    await page.get_by_role("button", name="Import one service").click()

    await expect(page.get_by_role("heading", name="Import done")).to_be_visible()
    assert await market.one("SELECT count(*) FROM services WHERE id > :id", 0) == before + 1
    assert await market.one("SELECT markup_percent FROM services WHERE id > :id ORDER BY id DESC LIMIT 1", 0) == 40


async def test_a_refused_order_is_sent_again(market, visit, kept_when_refused):
    market.sandbox.add_fault("refuse", meaning="link", action="add", link=f"{LINK}refused", times=1)
    _, order_id = await order(market, "refused", f"{LINK}refused")
    await market.becomes(order_id, OrderStatus.FAILED)
    page = await visit(f"/staff/orders/{order_id}", market.site.people[ADMIN])
    await axe(page)

    await page.get_by_role("link", name="Send again").click()
    await page.get_by_role("button", name="Send again").click()

    await page.wait_for_url(re.compile(rf"/staff/orders/{order_id}$"))
    assert await market.sent(order_id)
    assert [one["link"] for one in market.sandbox.orders()].count(f"{LINK}refused") == 1


async def test_an_order_in_doubt_is_settled_and_not_sent_twice(market, visit):
    market.sandbox.add_fault("drop_after", action="add", link=f"{LINK}doubted", times=1)
    _, order_id = await order(market, "doubted", f"{LINK}doubted")
    await market.becomes(order_id, OrderStatus.SUBMITTING, unconfirmed=True)
    page = await visit(f"/staff/orders/{order_id}", market.site.people[ADMIN])
    await expect(page.get_by_text("Nobody knows whether the provider took this order.")).to_be_visible()
    [taken] = [one["order"] for one in market.sandbox.orders() if one["link"] == f"{LINK}doubted"]

    await page.get_by_role("link", name="It was taken", exact=True).click()
    await page.get_by_label("Id at the provider").fill(taken)
    await page.get_by_role("button", name="It was taken").click()

    await expect(status(page)).to_have_text("Processing")
    assert await market.sent(order_id) == taken
    assert [one["link"] for one in market.sandbox.orders()].count(f"{LINK}doubted") == 1


async def test_an_order_is_refunded_with_a_reason_that_is_kept(market, visit):
    buyer, order_id = await order(market, "refunded", f"{LINK}refunded")
    await market.sent(order_id)
    page = await visit(f"/staff/orders/{order_id}", market.site.people[ADMIN])

    await page.get_by_role("link", name="Cancel and refund").click()
    await page.get_by_label("Reason").fill("The account was closed")
    await page.get_by_role("button", name="Cancel and refund").click()

    await expect(status(page)).to_have_text("Canceled")
    await expect(page.get_by_text("The account was closed").first).to_be_visible()
    assert await market.balance(buyer) == 1000
    assert (
        await market.one("SELECT count(*) FROM audit_log WHERE subject = concat('order:', CAST(:id AS text))", order_id)
        == 1
    )


async def test_somebody_who_only_looks_is_offered_no_deeds(market, visit):
    _, order_id = await order(market, "looked.at", f"{LINK}looked-at")
    viewer = await market.viewer("onlooker")
    page = await visit(f"/staff/orders/{order_id}", viewer)

    await expect(page.get_by_role("heading", name=f"Order {order_id}")).to_be_visible()
    assert await page.get_by_role("link", name="Cancel and refund").count() == 0


async def test_theme_and_language_are_switched_and_stay(market, visit):
    page = await visit("/staff", market.site.people[ADMIN])

    await page.get_by_role("button", name="Theme").click()
    await page.get_by_role("menuitemradio", name="Dark").click()
    await page.goto("/staff/orders")
    assert await page.locator("html").get_attribute("data-theme") == "dark"
    await page.get_by_role("button", name="Language").first.click()
    await page.get_by_role("menuitemradio", name="Tiếng Việt").click()
    await page.wait_for_load_state()
    await page.goto("/staff/services")
    assert await page.locator("html").get_attribute("lang") == "vi"
