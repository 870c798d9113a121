"""The implementation guide, walked: categories, services, an order from `processing` to `completed`, refill, cancel."""

import re

import pytest

from making import accept, assert_books, credit, make_provider, make_service, move
from smmpanel.catalog.models import Category, Service
from smmpanel.kernel.public_ids import REFERENCE_ALPHABET
from smmpanel.orders.models import OrderStatus
from walking import like, walk_through

FORM = {"link": "https://instagram.com/username", "quantity": 1000}
CATEGORY = {"id": 1, "name": "Instagram", "platform": "instagram", "services_count": 234}
SERVICE = {
    "id": 1,
    "name": "Instagram Followers [High Quality]",
    "price": 400,
    "min": 100,
    "max": 100_000,
    "delivery_time": "1-6 hours",
    "refill": True,
    "refill_days": 30,
}
ORDER = {
    "reference": "text",
    "link": "text",
    "quantity": 1000,
    "price": 400,
    "status": "processing",
    "created_at": "text",
}


@pytest.fixture
async def shop(tmp_path, database_url):
    async with walk_through("tonicstools", tmp_path, database_url) as walk:
        yield walk


async def put_on_sale(shop):
    """Sell what the guide's service card shows."""
    async with shop.panel.db.transaction() as session:
        provider = await make_provider(session, shop.panel)
        given = {"min": 100, "max": 100_000, "refill": True, "refill_days": 30, "cancel": True}
        instagram = await make_service(
            session, provider, rate="400", cost="266.67", platform="instagram", average_time="1-6 hours", **given
        )
        await make_service(session, provider, rate="200", cost="133.33", platform="tiktok", **given)
        service = await session.get_one(Service, instagram)
        service.name = SERVICE["name"]
        (await session.get_one(Category, service.category_id)).name = "Instagram"
    return instagram


async def join(shop, name, funds):
    """Make an account with money in it, and sign in."""
    form = {"username": name, "email": f"{name}@example.com", "password": "correct horse battery"}
    made = await shop.post("/api/auth/register", form)
    async with shop.panel.db.transaction() as session:
        user_id = shop.panel.public_ids.number_of("user", made["user_id"])
        await credit(session, user_id, funds, "NGN")
    shop.sign_in((await shop.post("/api/auth/login", form))["access_token"])


async def carry(shop, reference, *, begin=False, status=None):
    """Have the provider take an order, or go on with it."""
    number = shop.panel.public_ids.number_of_reference("order", reference)
    now = shop.panel.clock()
    async with shop.panel.db.transaction() as session:
        if begin:
            await accept(session, number, f"theirs-{number}", now=now)
        else:
            await move(session, number, status, now=now)


async def test_the_guide_from_choosing_a_service_to_its_refill(shop):
    service = await put_on_sale(shop)
    await join(shop, "buyer", "5000")

    categories = (await shop.get("/api/smm/categories"))["data"]
    assert all(like(one, CATEGORY) for one in categories)
    assert [(one["platform_name"], one["services_count"]) for one in categories] == [("Instagram", 1), ("TikTok", 1)]
    assert [one["name"] for one in (await shop.get("/api/smm/categories", platform="instagram"))["data"]] == [
        "Instagram"
    ]

    listed = await shop.get("/api/smm/services", platform="instagram")
    (shown,) = listed["data"]
    assert listed["pagination"] == {"total": 1, "page": 1, "limit": 20, "total_pages": 1}
    assert shown == shown | SERVICE | {"id": service}
    assert (shown["price_per"], shown["currency"], shown["rating"], shown["rated_orders"]) == (1000, "NGN", None, 0)
    assert (await shop.get("/api/smm/services", search="tiktok"))["pagination"]["total"] == 1

    placed = await shop.post("/api/smm/orders", {"service_id": service, **FORM})
    reference = placed["data"]["reference"]
    assert like(placed["data"], ORDER)
    assert placed["data"] == placed["data"] | {**FORM, "price": 400, "status": "processing", "progress": 0}
    assert re.fullmatch(f"[{REFERENCE_ALPHABET}]{{13}}", reference)
    assert not {"id", "number", "order_id"} & set(placed["data"])
    assert placed["new_balance"] == (await shop.get("/api/user/balance"))["balance"] == 4600
    assert placed["message"] == "The order has been placed and is being processed."

    statuses = []
    for step in ({"begin": True}, {"status": OrderStatus.IN_PROGRESS}, {"status": OrderStatus.COMPLETED}):
        statuses.append((await shop.get(f"/api/smm/orders/{reference}"))["data"]["status"])
        await carry(shop, reference, **step)
    done = (await shop.get(f"/api/smm/orders/{reference.lower()}"))["data"]
    assert [*statuses, done["status"]] == ["processing", "processing", "in_progress", "completed"]
    assert (done["progress"], done["remains"]) == (100, 0)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", done["completed_at"])
    assert (await shop.get("/api/smm/services", platform="instagram"))["data"][0]["rating"] == 5

    refill = await shop.post(f"/api/smm/orders/{reference}/refill")
    assert (refill["success"], refill["message"]) == (True, "The refill has been requested.")
    assert refill["data"] == done
    twice = await shop.post(f"/api/smm/orders/{reference}/refill", status=409)
    assert twice["message"] == "A refill of this order is under way."

    other = (await shop.post("/api/smm/orders", {"service_id": service, **FORM}))["data"]["reference"]
    canceled = await shop.post(f"/api/smm/orders/{other}/cancel")
    assert (canceled["data"]["status"], canceled["data"]["price"]) == ("canceled", 0)
    assert (await shop.get("/api/user/balance"))["balance"] == 4600

    page = await shop.get("/api/smm/orders")
    assert [one["reference"] for one in page["data"]] == [other, reference]
    assert page["pagination"] == {"total": 2, "page": 1, "limit": 20, "total_pages": 1}
    assert [one["reference"] for one in (await shop.get("/api/smm/orders", sort="created_at", limit=1))["data"]] == [
        reference
    ]
    assert (await shop.get("/api/smm/orders", status="processing"))["data"] == []
    await assert_books(shop.panel.db)


async def test_the_guides_checklist_of_mistakes(shop):
    service = await put_on_sale(shop)
    await join(shop, "buyer", "100")

    async def refused(status, code, field=None, **changed):
        answer = await shop.post("/api/smm/orders", {"service_id": service, **FORM, **changed}, status)
        assert (answer["success"], answer["code"]) == (False, code)
        assert field is None or field in answer["fields"]
        return answer

    await refused(422, "bad_link", "link", link="https://example.com/someone")
    assert (await refused(422, "quantity_min", "quantity", quantity=99))["fields"]["quantity"] == (
        "is less than the minimum of 100"
    )
    await refused(422, "quantity_max", "quantity", quantity=100_001)
    await refused(422, "service_unknown", "service_id", service_id=999)
    poor = await refused(402, "insufficient_funds")
    assert poor["fields"] == {"needed": 400, "available": 100}
    assert (await shop.get("/api/user/balance"))["balance"] == 100


async def test_a_reference_is_its_owners_and_a_number_is_none(shop):
    service = await put_on_sale(shop)
    await join(shop, "buyer", "5000")
    reference = (await shop.post("/api/smm/orders", {"service_id": service, **FORM}))["data"]["reference"]
    number = shop.panel.public_ids.number_of_reference("order", reference)

    await join(shop, "stranger", "5000")
    for name in (reference, str(number), shop.panel.public_ids.uuid_of("order", number), "0" * 13, "x"):
        assert (await shop.get(f"/api/smm/orders/{name}", 404))["code"] == "not_found"
        for deed in ("cancel", "refill"):
            assert (await shop.post(f"/api/smm/orders/{name}/{deed}", status=404))["code"] == "not_found"
    assert (await shop.get("/api/smm/orders"))["data"] == []

    shop.headers = {}
    for path in ("categories", "services", "orders", f"orders/{reference}"):
        assert (await shop.get(f"/api/smm/{path}", 401))["code"] == "sign_in_needed"
