"""What is true of every page, in both themes, on a desk and on a phone, read from the left and from the right,
with nothing and with something to show."""

import pytest
import pytest_asyncio

from browser.every_page import EVERY_PAGE, ROLES
from browser.looking import NARROWEST, THEMES, WIDTHS, axe, no_sideways_scroll, open_context, path_of, settled

LANGUAGES = {"light": "en", "dark": "vi"}
"""In which language a page is looked at; the longer words with the other theme."""
PAGES = [pytest.param(each, id=each.name) for each in EVERY_PAGE]
LISTS = [pytest.param(each, id=each.name) for each in EVERY_PAGE if not each.first_link]


def in_language(path: str, language: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}lang={language}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def reader(browser, lived_in):
    """Somebody of each role who reads one page after the other, in one window for each theme."""
    windows = {}

    async def window_of(role, theme):
        if (role, theme) not in windows:
            context = await open_context(browser, lived_in.address, theme=theme)
            if role in lived_in.people:
                await context.add_cookies([await lived_in.cookie_of(lived_in.people[role])])
            windows[role, theme] = await context.new_page()
        return windows[role, theme]

    yield window_of
    for window in windows.values():
        await window.context.close()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("shown", PAGES)
async def test_a_page_is_accessible_fits_and_is_quiet(reader, complaints, shown, theme):
    page, language = await reader(shown.role, theme), LANGUAGES[theme]
    complaints.listen(page)
    if shown.status >= 400:
        complaints.expect(f"status of {shown.status}")
    path = await path_of(page, shown)
    assert path is not None, f"{shown.path} has no {shown.first_link}"
    answer = await page.goto(in_language(path, language))

    assert answer.status == shown.status
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
