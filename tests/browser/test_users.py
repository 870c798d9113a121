"""Staff and one user in a browser: money is booked, the account is seen as its owner sees it, and the way back is found."""

import pytest
from playwright.async_api import expect

from browser.every_page import ADMIN
from browser.looking import THEMES, axe, no_sideways_scroll
from making import make_user


async def customer(site, name):
    async with site.panel.db.transaction() as session:
        return await make_user(session, name, funds=None)


async def test_a_user_is_found_and_credited(site, visit, complaints):
    complaints.expect("status of 422")
    user = await customer(site, "to.be.credited")
    page = await visit("/staff/users", site.people[ADMIN])

    await page.get_by_label("Search users").fill("to.be")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="to.be.credited").click()
    await page.get_by_label("Amount").fill("0")
    await page.get_by_label("Reason").first.fill("A transfer")
    await page.get_by_role("button", name="Book it").click()
    await expect(page.locator("#amount-error")).to_be_visible()
    await axe(page)
    await page.get_by_label("Amount").fill("1.500,25")
    await page.get_by_role("button", name="Book it").click()

    await expect(page.locator(".toast")).to_contain_text("booked on the balance")
    await expect(page.locator(".stats .v").first).to_contain_text("1,500.25")
    assert page.url.endswith(f"/staff/users/{user}")


@pytest.mark.parametrize("theme", THEMES)
async def test_signing_in_as_a_user_and_coming_back(site, visit, theme):
    user = await customer(site, f"looked.at.{theme}")
    page = await visit(f"/staff/users/{user}", site.people[ADMIN], theme=theme)

    await page.get_by_role("button", name="Sign in as…").click()
    await axe(page)
    await page.get_by_role("dialog").get_by_role("button", name="Sign in").click()

    banner = page.get_by_role("form", name="Signed in as somebody else")
    await expect(banner).to_contain_text(f"You are signed in as looked.at.{theme}.")
    await axe(page)
    for way in ("/orders", "/statement", "/services"):
        await page.goto(way)
        await expect(banner).to_be_visible()
    await no_sideways_scroll(page, 360)
    await banner.get_by_role("button", name="Stop").click()

    await expect(page.get_by_role("heading", name=f"looked.at.{theme}")).to_be_visible()
    assert page.url.endswith(f"/staff/users/{user}")
    await expect(banner).to_have_count(0)
    await expect(page.get_by_text("Signed in as: looked.at")).to_be_visible()


async def test_an_account_is_suspended_for_a_reason(site, visit, complaints):
    user = await customer(site, "to.be.suspended")
    page = await visit(f"/staff/users/{user}", site.people[ADMIN], width=390)
    complaints.expect("status of 422")

    await page.get_by_role("button", name="Suspend").click()
    await expect(page.locator("#state-reason-error")).to_be_visible()
    await page.locator("#state-reason").fill("Spam")
    await page.get_by_role("button", name="Suspend").click()

    await expect(page.get_by_text("This account is suspended.")).to_be_visible()
    await axe(page)
    await no_sideways_scroll(page, 360)
