"""What is true of every page, in both themes, on a desk and on a phone, with nothing and with something to show."""

import pytest

from browser.every_page import EVERY_PAGE, ROLES
from browser.looking import NARROWEST, THEMES, WIDTHS, axe, no_sideways_scroll, path_of

PAGES = [pytest.param(each, id=each.name) for each in EVERY_PAGE]
LISTS = [pytest.param(each, id=each.name) for each in EVERY_PAGE if not each.first_link]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("shown", PAGES)
async def test_a_page_is_accessible_fits_and_is_quiet(visit, lived_in, shown, theme):
    path = shown.path
    for width in WIDTHS:
        page = await visit(
            path, lived_in.people.get(shown.role), width=width, theme=theme, status=shown.status, at=lived_in
        )
        if path == shown.path and shown.first_link:
            path = await path_of(page, shown)
            assert path is not None, f"{shown.path} has no {shown.first_link}"
            await page.goto(path)

        await axe(page)
        await no_sideways_scroll(page)
        assert await page.locator("h1").count() == 1
    await no_sideways_scroll(page, NARROWEST)


@pytest.mark.parametrize("shown", LISTS)
async def test_a_page_with_nothing_to_show_is_accessible_and_fits(visit, site, shown):
    page = await visit(shown.path, site.people.get(shown.role), status=shown.status)

    await axe(page)
    await no_sideways_scroll(page, NARROWEST)


def test_pages_have_names_of_their_own_and_known_roles():
    assert len({each.name for each in EVERY_PAGE}) == len(EVERY_PAGE)
    assert {each.role for each in EVERY_PAGE} <= set(ROLES)
