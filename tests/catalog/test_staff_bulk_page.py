"""Editing many services at once, with a preview that is true."""

import re
from decimal import Decimal

import pytest

from staff_browser import sign_in


@pytest.fixture
async def admin(panel):
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


@pytest.fixture
async def three(jap, line, shelves):
    await jap.take(line("1"), line("2", rate=Decimal(2)), line("3", rate=Decimal(3)), markup=Decimal(100))
    return [one.id for one in await shelves.services()]


async def test_ticked_services_are_previewed_then_changed(admin, three, shelves):
    ticked = {f"pick-{three[0]}": "1", f"pick-{three[2]}": "1"}
    asked = await admin.post("/staff/services/bulk", ticked)
    assert "2 services are selected" in asked.text
    ids = re.search(r'name="ids" value="([0-9,]+)"', asked.text)[1]

    change = {"ids": ids, "pricing": "fixed", "fixed_rate": "2,5"}
    before = await shelves.last_change()
    seen = await admin.post("/staff/services/bulk/preview", change)
    assert seen.status_code == 200
    assert "2 services change" in seen.text
    assert "one goes below cost" in seen.text
    assert await shelves.last_change() == before

    done = await admin.post("/staff/services/bulk/apply", change)
    assert done.status_code == 303
    assert [one.rate for one in await shelves.services()] == [Decimal("2.5"), Decimal(4), Decimal("2.5")]
    assert {cause for *_, cause in await shelves.changes(after=before)} == {"bulk"}


async def test_all_that_match_the_filter(admin, three, shelves):
    asked = await admin.post("/staff/services/bulk", {"all": "1", "f-q": "followers"})
    assert "3 services are selected" in asked.text
    form = {"all": "1", "f-q": "followers", "enabled": "no"}
    assert "3 services change" in (await admin.post("/staff/services/bulk/preview", form)).text
    await admin.post("/staff/services/bulk/apply", form)

    assert [one.enabled for one in await shelves.services()] == [False, False, False]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Choose what is to change."),
        ({"pricing": "fixed"}, "Enter the price."),
        ({"pricing": "markup", "markup_percent": "ten"}, "Must be a number"),
        ({"enabled": "yes"}, "Nothing changes"),
        ({"category_id": "999"}, "Is not a category"),
    ],
)
async def test_what_is_wrong_is_said_and_kept(admin, three, form, said):
    answer = await admin.post("/staff/services/bulk/preview", {"ids": str(three[0]), **form})

    assert answer.status_code == 422
    assert said in answer.text
    assert "/bulk/apply" not in answer.text


async def test_nothing_ticked_leads_back(admin, three):
    assert (await admin.post("/staff/services/bulk", {})).status_code == 303
