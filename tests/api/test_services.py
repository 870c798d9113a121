"""`/api/services`: what is on sale, at the caller's own prices."""

import pytest
from sqlalchemy import text

from making import make_provider, make_service
from smmpanel.catalog.service_types import SERVICE_TYPES


@pytest.fixture
def service(db, panel):
    async def make(**more):
        async with db.transaction() as session:
            return await make_service(session, await make_provider(session, panel, "secretprovider"), **more)

    return make


async def ids_of(member, **query):
    answer = await member.get("/api/services", **query)
    assert answer.status_code == 200
    return [one["id"] for one in answer.json()["data"]]


async def test_a_service_in_full(me, service):
    one = await service(rate="0.9", min=50, max=10_000, refill=True, refill_days=30, platform="instagram")

    answer = await me.get(f"/api/services/{one}")

    body = answer.json()
    name, category_id = body["name"], body["category_id"]
    assert (answer.status_code, body) == (
        200,
        {
            "success": True,
            "id": one,
            "name": name,
            "category_id": category_id,
            "category": "Shelf of instagram",
            "platform": "instagram",
            "type": "Default",
            "description": "",
            "average_time": "",
            "min": 50,
            "max": 10_000,
            "min_quantity": 50,
            "max_quantity": 10_000,
            "dripfeed": False,
            "drip_feed_enabled": False,
            "refill": True,
            "refill_enabled": True,
            "is_active": True,
            "refill_days": 30,
            "cancel": False,
            "rate": 0.9,
            "list_rate": 0.9,
            "currency": "USD",
            "price_basis": "per_quantity",
            "fields": [
                {"name": "link", "kind": "link", "required": True, "choices": [], "only_if": None},
                {"name": "quantity", "kind": "quantity", "required": True, "choices": [], "only_if": None},
            ],
        },
    )
    listed = (await me.get("/api/services")).json()
    shown = {name: value for name, value in body.items() if name not in {"success", "price_basis", "fields"}}
    assert listed == {
        "success": True,
        "data": [shown],
        "pagination": {"total": 1, "page": 1, "limit": 50, "total_pages": 1},
        "after": None,
    }


async def test_fields_tell_when_they_matter(me, db, panel):
    async with db.transaction() as session:
        one = await make_service(session, await make_provider(session, panel), type="web_traffic")

    fields = {field["name"]: field for field in (await me.get(f"/api/services/{one}")).json()["fields"]}

    assert list(fields) == [field.name for field in SERVICE_TYPES["web_traffic"].fields]
    assert fields["google_keyword"]["only_if"] == {"type_of_traffic": "1"}
    assert fields["device"]["choices"] == ["1", "2", "3", "4", "5"]


async def test_pages_search_and_filters(me, db, panel):
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        made = [
            await make_service(session, provider, platform=name) for name in ("instagram", "tiktok") for _ in range(3)
        ]
        await session.execute(text("UPDATE services SET name = 'Followers'"))
        await session.execute(text("UPDATE services SET name = 'Likes 100% real' WHERE id = :id"), {"id": made[4]})

    first = (await me.get("/api/services", limit=4)).json()
    rest = (await me.get("/api/services", limit=4, after=first["after"])).json()
    assert [one["id"] for one in first["data"] + rest["data"]] == made
    assert rest["after"] is None
    assert await ids_of(me, platform="tiktok") == made[3:]
    assert await ids_of(me, category_id=first["data"][0]["category_id"]) == made[:3]
    assert await ids_of(me, search="100% likes") == [made[4]]
    assert await ids_of(me, search=str(made[1])) == [made[1]]
    assert await ids_of(me, search="100_") == []
    assert await ids_of(me, limit=4, page=2) == made[4:]
    assert await ids_of(me, category=first["data"][0]["category"]) == made[:3]
    assert (await me.get("/api/services", search="100_")).json()["pagination"]["total"] == 0


async def test_prices_are_the_callers_own(me, other, db, panel):
    async with db.transaction() as session:
        one = await make_service(session, await make_provider(session, panel), rate="2", cost="0.1")
        await session.execute(
            text("INSERT INTO user_discounts (user_id, percent) VALUES (:id, 10)"), {"id": me.user_id}
        )

    mine, theirs = [(await who.get(f"/api/services/{one}")).json() for who in (me, other)]

    assert (mine["rate"], mine["list_rate"]) == (1.8, 2)
    assert (theirs["rate"], theirs["list_rate"]) == (2, 2)


async def test_what_is_not_on_sale_is_not_there(me, db, panel):
    async with db.transaction() as session:
        off = await make_service(session, await make_provider(session, panel), enabled=False)

    assert (await me.get(f"/api/services/{off}")).status_code == 404
    assert (await me.get(f"/api/services/{off + 1}")).status_code == 404
    assert await ids_of(me) == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"limit": "x"},
        {"after": "nonsense"},
        {"category_id": 0},
        {"category_id": 2**63},
        {"search": "a" * 2001},
    ],
)
async def test_what_cannot_be_asked(me, query):
    answer = await me.get("/api/services", **query)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert list(answer.json()["fields"]) == [next(iter(query))]


async def test_visitors_are_asked_to_sign_in(http):
    assert (await http.get("/api/services")).status_code == 401
    assert (await http.get("/api/services/1")).status_code == 401


async def test_nothing_of_providers_is_told(me, service):
    one = await service(rate="2", cost="0.123456")

    told = (await me.get("/api/services")).text + (await me.get(f"/api/services/{one}")).text

    for word in ("secretprovider", "provider", "0.123456", "cost", "mode"):
        assert word not in told.lower()
