"""One service on its own page: form, routes, stock, history."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from smmpanel.accounts.access import Actor
from smmpanel.catalog.models import ServiceRoute
from smmpanel.catalog.user_prices import set_custom_rate
from staff_browser import sign_in


@pytest.fixture
async def admin(panel):
    browser = await sign_in(panel)
    yield browser
    await browser.client.aclose()


def form_of(service, **more):
    return {
        "name": service.name,
        "category_id": str(service.category_id),
        "type": service.type,
        "mode": service.mode,
        "min": str(service.min),
        "max": str(service.max),
        "enabled": "1",
        **more,
    }


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_a_service_shows_its_price_routes_and_history(*, admin, jap, line, shelves, panel, a_user, language):
    await jap.take(line("7", rate=Decimal(2)), markup=Decimal(50))
    service = await shelves.service("7")
    async with panel.db.transaction() as session:
        await set_custom_rate(session, await a_user("lan"), service.id, Decimal("2.5"), actor=Actor.cli())

    shown = await admin.get(f"/staff/services/{service.id}", params={"lang": language})

    assert shown.status_code == 200
    for part in ("JAP</a>", 'value="50"', ">lan</a>", "33"):
        assert part in shown.text


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_the_form_for_a_new_service_in_every_language(admin, language):
    assert (await admin.get("/staff/services/new", params={"lang": language})).status_code == 200


async def test_saving_changes_price_and_flags_and_is_logged(admin, jap, line, shelves):
    await jap.take(line("7", rate=Decimal(2)))
    service = await shelves.service("7")

    form = form_of(service, fixed_rate="9", link_guard="1", refill="1", refill_days="30")
    answer = await admin.post(f"/staff/services/{service.id}", form)

    assert answer.status_code == 303
    after = await shelves.service("7")
    assert (after.rate, after.link_guard, after.refill_days, after.cancel) == (Decimal(9), True, 30, False)
    assert "9.00" in (await admin.get(f"/staff/services/{service.id}")).text


async def test_what_is_wrong_keeps_what_was_typed(admin, jap, line, shelves):
    await jap.take(line("7"))
    service = await shelves.service("7")

    answer = await admin.post(f"/staff/services/{service.id}", form_of(service, name="<b>x", min="500", max="20"))

    assert answer.status_code == 422
    assert 'value="&lt;b&gt;x"' in answer.text
    assert "Must not be less than min" in answer.text
    assert (await shelves.service("7")).min == 10


async def test_a_stock_service_is_made_and_filled(admin, jap, line, shelves, panel):
    await jap.take(line("7"))
    shelf = (await shelves.service("7")).category_id
    made = {"name": "Keys", "category_id": str(shelf), "type": "default", "mode": "stock", "min": "1", "max": "5"}
    assert (await admin.post("/staff/services/new", made)).status_code == 422
    answer = await admin.post("/staff/services/new", {**made, "fixed_rate": "1000", "enabled": "1"})
    assert answer.status_code == 303
    there = answer.headers["location"]

    assert (await admin.post(f"{there}/stock", {"units": "secret-one\nsecret-two\n"})).status_code == 303
    again = await admin.post(f"{there}/stock", {"units": "secret-two\nthree"})
    assert "1 units added" in again.text
    shown = await admin.get(there)
    assert "3 for sale, 0 sold" in shown.text
    assert "secret-one" not in shown.text


async def test_routes_are_added_moved_switched_and_taken_away(*, admin, jap, a_provider, line, shelves, panel):
    await jap.take(line("7", rate=Decimal(2)))
    other = await a_provider("smm")
    await other.take(line("70", rate=Decimal(1), name="Cheaper"))
    service = await shelves.service("7")
    there = f"/staff/services/{service.id}"

    unknown = await admin.post(f"{there}/routes", {"provider_id": str(other.id), "external_id": "x"})
    assert (unknown.status_code, "no service with this number" in unknown.text) == (422, True)
    added = await admin.post(f"{there}/routes", {"provider_id": str(other.id), "external_id": "70"})
    assert added.status_code == 303
    twice = await admin.post(f"{there}/routes", {"provider_id": str(other.id), "external_id": "70"})
    assert twice.status_code == 422

    async def routes():
        async with panel.db.transaction() as session:
            wanted = select(ServiceRoute).where(ServiceRoute.service_id == service.id)
            return (await session.scalars(wanted.order_by(ServiceRoute.priority, ServiceRoute.id))).all()

    first, second = await routes()
    await admin.post(f"{there}/routes/{second.id}", {"deed": "up"})
    assert [one.id for one in await routes()] == [second.id, first.id]
    assert (await shelves.all(type(service), type(service).id == service.id))[0].cost == 1
    await admin.post(f"{there}/routes/{second.id}", {"deed": "off"})
    assert not (await routes())[0].enabled
    await admin.post(f"{there}/routes/{second.id}", {"deed": "remove"})
    assert [one.id for one in await routes()] == [first.id]
    assert (await admin.post(f"{there}/routes/{second.id}", {"deed": "up"})).status_code == 404


async def test_a_foreign_id_is_not_found(admin):
    assert (await admin.get("/staff/services/4711")).status_code == 404
    assert (await admin.post("/staff/services/4711/stock", {"units": "a"})).status_code == 404
