"""Categories: added, named, priced, switched, ordered."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from smmpanel.accounts.models import AuditEntry
from smmpanel.catalog.models import Category
from staff_browser import sign_in

WAY = "/staff/categories"


@pytest.fixture
async def admin(panel):
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


@pytest.fixture
def in_order(shelves):
    async def read():
        rows = await shelves.all(Category)
        return [one.name for one in sorted(rows, key=lambda one: (one.position, one.id))]

    return read


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_categories_in_every_language_with_and_without_any(admin, jap, line, language):
    assert (await admin.get(WAY, params={"lang": language})).status_code == 200
    await jap.take(line("1", category="Likes"))
    shown = await admin.get(WAY, params={"lang": language})
    assert "Likes</a>" in shown.text


async def test_a_category_is_added_once(admin, in_order):
    assert (await admin.post(WAY, {"name": "TikTok", "platform": "tiktok"})).status_code == 303
    again = await admin.post(WAY, {"name": "tiktok"})

    assert (again.status_code, 'value="tiktok"' in again.text) == (422, True)
    assert "already" in again.text
    assert await in_order() == ["TikTok"]


async def test_they_are_moved_by_buttons_and_to_a_place(admin, in_order, shelves):
    for name in ("A", "B", "C"):
        await admin.post(WAY, {"name": name})
    ids = {one.name: one.id for one in await shelves.all(Category)}

    await admin.post(f"{WAY}/{ids['C']}/move", {"to": "up"})
    assert await in_order() == ["A", "C", "B"]
    await admin.post(f"{WAY}/{ids['A']}/move", {"place": "2"})
    assert await in_order() == ["C", "B", "A"]
    await admin.post(f"{WAY}/{ids['A']}/move", {"to": "down"})
    assert await in_order() == ["C", "B", "A"]
    assert (await admin.post(f"{WAY}/999/move", {"to": "up"})).status_code == 404


async def test_a_markup_reaches_the_services_in_it(admin, jap, line, shelves):
    await jap.take(line("1", rate=Decimal(2)))
    category = (await shelves.service("1")).category_id
    form = {"name": "Followers", "platform": "instagram", "markup_percent": "25", "enabled": "1"}

    assert (await admin.post(f"{WAY}/{category}", form)).status_code == 303
    assert (await shelves.service("1")).rate == Decimal("2.5")
    wrong = await admin.post(f"{WAY}/{category}", {**form, "markup_percent": "-200"})
    assert (wrong.status_code, 'value="-200"' in wrong.text) == (422, True)
    assert 'value="25"' in (await admin.get(f"{WAY}/{category}")).text


async def test_only_an_empty_category_is_taken_away(admin, jap, line, shelves, in_order):
    await jap.take(line("1", category="Full"))
    await admin.post(WAY, {"name": "Empty"})
    for one in await shelves.all(Category):
        assert (await admin.post(f"{WAY}/{one.id}/delete")).status_code == 303
    assert await in_order() == ["Full"]


async def test_a_category_is_closed(admin, jap, line, shelves):
    await jap.take(line("1"))
    category = (await shelves.service("1")).category_id
    await admin.post(f"{WAY}/{category}/switch", {"enabled": "no"})

    assert not (await shelves.all(Category))[0].enabled


async def test_a_platform_is_opened_and_closed_as_a_whole(admin, shelves, panel):
    for name, platform in (("A", "instagram"), ("B", "instagram"), ("C", "tiktok"), ("D", "")):
        await admin.post(WAY, {"name": name, "platform": platform})

    closed = await admin.post(f"{WAY}/platforms/instagram/switch", {"enabled": "no"})
    state = {one.name: one.enabled for one in await shelves.all(Category)}
    shown = (await admin.get(WAY)).text
    await admin.post(f"{WAY}/platforms/none/switch", {"enabled": "no"})
    await admin.post(f"{WAY}/platforms/instagram/switch", {"enabled": "yes"})
    again = {one.name: one.enabled for one in await shelves.all(Category)}

    assert closed.status_code == 303
    assert state == {"A": False, "B": False, "C": True, "D": True}
    assert "0 of 2 categories open" in shown
    assert again == {"A": True, "B": True, "C": True, "D": False}
    assert (await admin.post(f"{WAY}/platforms/nothing/switch", {"enabled": "no"})).status_code == 404
    async with panel.db.transaction() as session:
        entries = await session.scalars(select(AuditEntry).where(AuditEntry.subject == "platform:instagram"))
        assert [entry.after for entry in entries] == [
            {"enabled": False, "categories": 2},
            {"enabled": True, "categories": 2},
        ]
