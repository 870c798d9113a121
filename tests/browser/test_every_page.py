"""What is true of every page, in both themes, on a desk and on a phone, read from the left and from the right,
with nothing and with something to show."""

import pytest

from browser.every_page import EVERY_PAGE, ROLES
from browser.looking import NARROWEST, THEMES, WIDTHS, axe, no_sideways_scroll, path_of, settled

LANGUAGES = {"light": "en", "dark": "vi"}
"""In which language a page is looked at; the longer words with the other theme."""
PAGES = [pytest.param(each, id=each.name) for each in EVERY_PAGE]
LISTS = [pytest.param(each, id=each.name) for each in EVERY_PAGE if not each.first_link]


def in_language(path: str, language: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}lang={language}"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("shown", PAGES)
async def test_a_page_is_accessible_fits_and_is_quiet(visit, lived_in, shown, theme):
    reader, language = lived_in.people.get(shown.role), LANGUAGES[theme]
    page = await visit(in_language(shown.path, language), reader, theme=theme, status=shown.status, at=lived_in)
    if shown.first_link:
        found = await path_of(page, shown)
        assert found is not None, f"{shown.path} has no {shown.first_link}"
        await page.goto(in_language(found, language))

    assert await page.locator("h1").count() == 1
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900})
        await settled(page)
        await axe(page)
        await no_sideways_scroll(page)
    await no_sideways_scroll(page, NARROWEST)
    await page.evaluate("document.documentElement.dir = 'rtl'")
    await no_sideways_scroll(page)


@pytest.mark.parametrize("shown", LISTS)
async def test_a_page_with_nothing_to_show_is_accessible_and_fits(visit, site, shown):
    page = await visit(shown.path, site.people.get(shown.role), status=shown.status)

    await axe(page)
    await no_sideways_scroll(page, NARROWEST)


def test_pages_have_names_of_their_own_and_known_roles():
    assert len({each.name for each in EVERY_PAGE}) == len(EVERY_PAGE)
    assert {each.role for each in EVERY_PAGE} <= set(ROLES)
