"""The list of services as staff see and change it."""

import re
from decimal import Decimal

import pytest
from sqlalchemy import event, select

from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from staff_browser import sign_in


@pytest.fixture
async def admin(panel):
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


@pytest.fixture
async def stocked(jap, line):
    await jap.take(
        line("1", name="Đặt hàng Like", category="Facebook"),
        line("2", name="TikTok Views", category="TikTok", rate=Decimal(3)),
        line("3", name="Fixed one", category="TikTok"),
        markup=Decimal(50),
    )
    return jap


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_an_empty_catalogue_says_what_to_do(admin, language):
    shown = await admin.get("/staff/services", params={"lang": language})

    assert shown.status_code == 200
    assert 'href="/staff/import"' in shown.text


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_services_stand_under_their_categories(admin, stocked, language):
    shown = await admin.get("/staff/services", params={"lang": language})

    assert shown.status_code == 200
    assert shown.text.index("Facebook</h2>") < shown.text.index("Đặt hàng Like") < shown.text.index("TikTok</h2>")
    assert shown.text.count('<tr id="svc-') == 3


async def test_search_ignores_case_and_diacritics_and_finds_ids(admin, stocked, shelves):
    found = await admin.get("/staff/services", params={"q": "HANG dat"})
    assert "Đặt hàng Like" in found.text
    assert "TikTok Views" not in found.text
    views = await shelves.service("2")
    by_id = await admin.get("/staff/services", params={"q": f"#{views.id}"})
    assert "TikTok Views" in by_id.text
    nothing = await admin.get("/staff/services", params={"q": "100%_"})
    assert 'href="/staff/services">Clear filters' in nothing.text


async def test_filters_by_state_and_what_sells_below_cost(admin, stocked, shelves):
    views, fixed = await shelves.service("2"), await shelves.service("3")
    await shelves.set(views.id, enabled=False)
    await shelves.set(fixed.id, rate=Decimal("0.5"), cost=Decimal(1))

    off = await admin.get("/staff/services", params={"state": "off"})
    loss = await admin.get("/staff/services", params={"state": "loss", "mode": "provider"})
    assert ("TikTok Views" in off.text, "Fixed one" in off.text) == (True, False)
    assert ("Fixed one" in loss.text, "TikTok Views" in loss.text) == (True, False)


async def test_the_list_is_paged_by_key_and_asks_the_same_number_of_questions(admin, panel, jap, line):
    asked = []
    event.listen(panel.db.engine.sync_engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    await jap.take(line("1", category="A"))
    asked.clear()
    await admin.get("/staff/services")
    few = len(asked)
    await jap.take(*(line(str(n), category="AB"[n % 2]) for n in range(2, 121)))
    asked.clear()
    first = await admin.get("/staff/services")
    assert len(asked) == few

    ids, shown = re.findall(r'id="svc-(\d+)"', first.text), first
    while (after := re.search(r'rel="next" href="([^"]+)"', shown.text)) is not None:
        shown = await admin.get(after[1])
        ids += re.findall(r'id="svc-(\d+)"', shown.text)
    assert len(ids) == len(set(ids)) == 120


async def test_a_row_is_edited_in_place(admin, stocked, shelves, panel):
    views = await shelves.service("2")
    htmx = {"hx-request": "true"}
    await admin.get("/staff/services")
    row = await admin.get(f"/staff/services/{views.id}/row?edit=1", headers=htmx)
    assert f'form="f-{views.id}" name="name" value="TikTok Views"' in row.text
    assert "<html" not in row.text

    wrong = await admin.post(
        f"/staff/services/{views.id}/row", {"name": "New", "fixed_rate": "x", "min": "1", "max": "2"}, headers=htmx
    )
    assert (wrong.status_code, 'value="x"' in wrong.text, "Must be a number" in wrong.text) == (422, True, True)
    form = {"name": "New name", "fixed_rate": "7,5", "min": "20", "max": "1.000"}
    saved = await admin.post(f"/staff/services/{views.id}/row", form, headers=htmx)
    assert (saved.status_code, "New name" in saved.text) == (200, True)
    after = await shelves.service("2")
    assert (after.name, after.rate, after.min, after.max) == ("New name", Decimal("7.5"), 20, 1000)
    async with panel.db.transaction() as session:
        assert await session.scalar(select(AuditEntry).where(AuditEntry.subject == f"service:{views.id}"))


async def test_the_switch_works_without_script(admin, stocked, shelves):
    views = await shelves.service("2")

    answer = await admin.post(f"/staff/services/{views.id}/switch", {"enabled": "no"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/staff/services")
    assert not (await shelves.service("2")).enabled


async def test_who_may_only_look_sees_no_deeds(panel, stocked, shelves):
    looking = await sign_in(panel, role=Role.STAFF, permissions=["services.view"])
    shown = await looking.get("/staff/services")
    service = (await shelves.services())[0]

    assert "TikTok Views" in shown.text
    assert "/switch" not in shown.text
    answer = await looking.post(f"/staff/services/{service.id}/switch", {"enabled": "no"})
    assert answer.status_code == 403
    nobody = await sign_in(panel, role=Role.CUSTOMER)
    assert (await nobody.get("/staff/services")).status_code == 403


async def test_a_service_that_is_not_there_is_not_found(admin):
    answer = await admin.get("/staff/services/999/row", headers={"hx-request": "true"})

    assert answer.status_code == 404
