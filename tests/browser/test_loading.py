"""What it takes to open a page for the first time: how much is sent, and whether what is there already moves."""

import pytest

from browser.every_page import ADMIN, CUSTOMER, VISITOR
from browser.looking import Weight, open_context, settled

BUDGET_KB = 100
SHIFT_MAX = 0.02
_FIRST_PAGES = [
    ("/", VISITOR),
    ("/services", VISITOR),
    ("/api-docs", VISITOR),
    ("/sign-in", VISITOR),
    ("/orders/new", CUSTOMER),
    ("/orders", CUSTOMER),
    ("/services", CUSTOMER),
    ("/staff", ADMIN),
    ("/staff/orders", ADMIN),
    ("/staff/services", ADMIN),
]
FIRST_PAGES = [pytest.param(*page, id=f"{page[1]}-{page[0].strip('/') or 'start'}") for page in _FIRST_PAGES]
NOTE_SHIFTS = """
window.shifted = 0;
new PerformanceObserver(list => { for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value })
  .observe({type: "layout-shift", buffered: true});
"""


@pytest.mark.parametrize("shape", [(1440, "en"), (390, "vi")], ids=["desk", "phone"])
@pytest.mark.parametrize(("path", "role"), FIRST_PAGES)
async def test_a_first_page_is_light_and_nothing_in_it_moves(browser, lived_in, path, role, shape):
    width, language = shape
    context = await open_context(browser, lived_in.address, width=width)
    if role in lived_in.people:
        await context.add_cookies([await lived_in.cookie_of(lived_in.people[role])])
    page = await context.new_page()
    await page.add_init_script(NOTE_SHIFTS)
    weight = await Weight.of(page)

    await page.goto(f"{path}?lang={language}", wait_until="load")
    await settled(page)

    assert weight.bytes / 1024 <= BUDGET_KB
    assert await page.evaluate("window.shifted") <= SHIFT_MAX
    await context.close()
