"""The back office in a browser: what is typed into the palette is found, and a colour is seen before it is taken."""

from playwright.async_api import expect

from browser.every_page import ADMIN
from browser.looking import axe
from making import make_user


async def test_the_palette_finds_what_is_not_on_the_page(site, visit):
    async with site.panel.db.transaction() as session:
        user = await make_user(session, "sought.after", funds=None)
    page = await visit("/staff/jobs", site.people[ADMIN])

    await page.keyboard.press("Control+k")
    await page.keyboard.type("sought")
    found = page.locator("#palette [data-found][role=option]")
    await expect(found).to_have_count(1)
    await axe(page)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/staff/users/{user}")


async def test_the_palette_leads_to_the_search_if_it_knows_nothing(site, visit):
    page = await visit("/staff/jobs", site.people[ADMIN])

    await page.keyboard.press("Control+k")
    await page.keyboard.type("nothing like this")
    await expect(page.locator("#pal-list [role=option]:visible")).to_have_count(0)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/staff/search?q=nothing%20like%20this")
    await expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()


async def test_a_colour_is_seen_before_it_is_taken(site, visit):
    page = await visit("/staff/settings", site.people[ADMIN])
    own = page.get_by_label("Use the house's own blue")
    await own.check()

    await page.get_by_label("Colour", exact=True).fill("#e0632f")
    await expect(page.locator("#accent-shown svg")).to_be_visible()
    await expect(own).not_to_be_checked()
    await axe(page)
