"""The import wizard, step by step."""

import re
from decimal import Decimal

import pytest

from smmpanel.catalog.models import Category, ProviderService
from staff_browser import sign_in

WAY = "/staff/import"


@pytest.fixture
async def admin(panel):
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


@pytest.fixture
async def synced(jap, line, panel):
    await jap.sync(
        line("1", name="Đắt Likes", category="Likes"),
        line("2", category="Views", rate=Decimal(2)),
        line("3", category="Views"),
        line("4", type="strange", category="Views"),
        now=panel.clock(),
    )
    return jap


async def rows(shelves):
    return {one.external_id: one for one in await shelves.all(ProviderService)}


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_without_a_provider_and_before_its_first_sync(admin, panel, a_provider, language):
    empty = await admin.get(WAY, params={"lang": language})
    assert 'href="/staff/providers/new"' in empty.text
    provider = await a_provider("jap")
    shown = await admin.get(WAY, params={"lang": language})
    assert f'href="/staff/providers/{provider.id}"' in shown.text


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_all_steps_in_every_language(admin, synced, language):
    form = {"provider": str(synced.id), "all": "1"}
    for answer in (
        await admin.get(WAY, params={"lang": language}),
        await admin.post(f"{WAY}/price?lang={language}", form),
        await admin.post(f"{WAY}/review?lang={language}", form),
        await admin.get(f"{WAY}/done", params={"lang": language, "provider": synced.id, "added": 3}),
    ):
        assert answer.status_code == 200
        assert f'<html lang="{language}"' in answer.text


async def test_picked_services_are_priced_mapped_reviewed_and_imported(admin, synced, shelves):
    known = await rows(shelves)
    await admin.post("/staff/categories", {"name": "Our shelf"})
    shelf = (await shelves.all(Category))[0]
    picked = {"provider": str(synced.id), f"pick-{known['1'].id}": "1", f"pick-{known['2'].id}": "1"}

    priced = await admin.post(f"{WAY}/price", picked)
    ids = re.search(r'name="ids" value="([0-9,]+)"', priced.text)[1]
    form = {"provider": str(synced.id), "ids": ids, "markup": "50", "shelf-1": str(shelf.id)}
    assert "$3.00" in (await admin.post(f"{WAY}/price", form)).text
    review = await admin.post(f"{WAY}/review", form)
    assert "2 services go on sale" in review.text
    assert "New categories: Views" in review.text
    assert await shelves.services() == []

    done = await admin.post(f"{WAY}/run", form)
    assert done.status_code == 303
    first, second = await shelves.service("1"), await shelves.service("2")
    assert (first.category_id, first.rate, second.rate) == (shelf.id, Decimal("1.5"), Decimal(3))
    assert {one.name for one in await shelves.all(Category)} == {"Our shelf", "Views"}
    assert (await rows(shelves))["1"].category == "Likes"
    again = await admin.get(f"{WAY}?provider={synced.id}")
    assert "Đắt Likes" not in again.text


async def test_all_that_match_are_imported_but_what_cannot_be(admin, synced, shelves):
    form = {"provider": str(synced.id), "all": "1", "category": "Views"}
    review = await admin.post(f"{WAY}/review", form)
    assert "2 services go on sale" in review.text
    assert "Unknown type" in review.text
    await admin.post(f"{WAY}/run", form)

    assert len(await shelves.services()) == 2
    await admin.post(f"{WAY}/run", form)
    assert len(await shelves.services()) == 2


async def test_search_folds_and_errors_keep_what_was_typed(admin, synced):
    found = await admin.get(WAY, params={"provider": synced.id, "q": "dat LIKES"})
    assert (found.text.count("Đắt Likes"), "Followers 2" in found.text) == (2, False)
    wrong = await admin.post(f"{WAY}/review", {"provider": str(synced.id), "all": "1", "markup": "abc"})
    assert (wrong.status_code, 'value="abc"' in wrong.text, "Must be a number" in wrong.text) == (422, True, True)
    assert (await admin.post(f"{WAY}/price", {"provider": str(synced.id)})).status_code == 303
    assert (await admin.get(WAY, params={"provider": "999"})).status_code == 404
