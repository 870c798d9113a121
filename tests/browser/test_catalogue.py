"""Looking for services, keeping and comparing them, and trying the API, as a browser does it."""

import re

import pytest
from playwright.async_api import expect

from making import make_service, make_user
from smmpanel.accounts.api_keys import issue_key
from smmpanel.accounts.models import User
from smmpanel.catalog.change_log import bump_version

PAGE = 50
MADE = {"pinterest": PAGE + 10, "spotify": 3}


@pytest.fixture(scope="session")
def shelves():
    """The services that these tests made, once for all of them."""
    return {}


@pytest.fixture
async def buyer(db, shelves):
    """Somebody who looks at a filled catalogue."""
    async with db.transaction() as session:
        for platform, count in MADE.items() if not shelves else ():
            shelves[platform] = [await make_service(session, mode="manual", platform=platform) for _ in range(count)]
        await bump_version(session)
        return await make_user(session)


async def test_the_list_follows_what_is_typed_and_chosen(visit, buyer):
    page = await visit("/services", buyer)
    rows = page.locator(".svc-list tbody tr")

    await page.get_by_role("radio", name="Pinterest").check(force=True)
    await expect(page.locator("#found > p").first).to_have_text(f"{MADE['pinterest']} services")
    await expect(rows).to_have_count(PAGE)
    await page.get_by_role("link", name="Show more").click()
    await expect(rows).to_have_count(MADE["pinterest"])
    await expect(page).to_have_url(re.compile("platform=pinterest"))

    await page.get_by_role("combobox", name="Category").select_option("Shelf of pinterest (60)")
    await expect(page).to_have_url(re.compile(r"category=\d"))
    await page.get_by_role("radio", name="Spotify").check(force=True)
    await expect(rows).to_have_count(MADE["spotify"])
    await expect(page.get_by_role("combobox", name="Category")).to_have_value("")

    await page.get_by_role("searchbox").fill("nothing of the kind")
    await expect(page.get_by_text("No service matches")).to_be_visible()


async def test_a_star_is_set_in_place_and_two_are_compared(visit, buyer, shelves):
    page = await visit("/services?platform=spotify", buyer)
    star = page.locator(".star").first

    await star.click()
    await expect(star).to_have_attribute("aria-pressed", "true")
    for box in (await page.get_by_role("checkbox", name=re.compile("Compare service")).all())[:2]:
        await box.check()
    await page.get_by_role("button", name="Compare").click()

    await expect(page.get_by_role("heading", level=1)).to_have_text("Compare services")
    await expect(page.get_by_role("link", name=re.compile("Order now: service"))).to_have_count(2)
    await page.goto("/favourites")
    await expect(page.locator(".svc-list tbody tr")).to_have_count(1)


async def test_all_of_it_works_without_scripts(visit, buyer):
    page = await visit("/services", buyer, scripts=False)

    await page.get_by_role("radio", name="Pinterest").check(force=True)
    await page.get_by_role("button", name="Search", exact=True).click()
    await page.get_by_role("link", name="Show more").click()
    await expect(page.locator(".svc-list tbody tr")).to_have_count(MADE["pinterest"] - PAGE)
    await page.locator(".star").first.click()
    await expect(page.locator(".toast")).to_contain_text("Added to your favourites")
    await expect(page.locator(".star").first).to_have_attribute("aria-pressed", "true")


async def test_the_api_is_tried_from_its_documentation(visit, buyer, panel, db):
    async with db.transaction() as session:
        _, key = await issue_key(session, panel.vault, await session.get_one(User, buyer), "shop", (), None)
    page = await visit("/api-docs", buyer)

    await page.get_by_text("Python", exact=True).first.click()
    await expect(page.locator(".code.in-curl:visible")).to_have_count(0)
    await page.get_by_role("textbox", name="API key").fill(key)
    await page.get_by_role("button", name="Send the call").click()
    await expect(page.locator("#try-answer")).to_contain_text(f'"currency": "{panel.currency}"')
    await page.get_by_label("Action").select_option("status")
    await page.get_by_label("Orders", exact=True).fill("1")
    await page.get_by_role("button", name="Send the call").click()
    await expect(page.locator("#try-answer")).to_contain_text("Incorrect order ID")
