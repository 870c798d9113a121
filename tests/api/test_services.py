"""`/api/services`: what is on sale, at the caller's own prices."""

import pytest
from sqlalchemy import text

from making import make_provider, make_service
from smmpanel.catalog.kept_lists import folded
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


@pytest.fixture
async def motley(db, panel, me):
    """Services on two shelves in turn, whose names and rates are in no order; `me` has 60 % off, and one rate of their own."""
    wanted = [
        ("Likes", {"rate": "2"}),
        ("đăng lại", {"rate": "1"}),  # 0.4, which is below cost: 0.5
        ("Đăng ký", {"rate": "1", "allow_below_cost": True}),
        ("views", {"rate": "0.000002", "mode": "manual"}),  # both of these are rounded up to 0.000001
        ("Views", {"rate": "0.000001", "mode": "manual"}),
        ("Émojis", {"rate": "3"}),  # an own rate, lifted to 0.5
        ("likes 2", {"rate": "0", "mode": "manual"}),
        ("Stories", {"rate": "99999999999.999999", "mode": "manual"}),
    ]
    made = []
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        for number, (name, more) in enumerate(wanted):
            routes = () if more.get("mode") else (provider,)
            made.append(await make_service(session, *routes, platform=("tiktok", "instagram")[number % 2], **more))
            await session.execute(
                text("UPDATE services SET name = :name WHERE id = :id"), {"name": name, "id": made[-1]}
            )
        mine = {"user": me.user_id, "id": made[5]}
        await session.execute(text("INSERT INTO user_discounts (user_id, percent) VALUES (:user, 60)"), mine)
        await session.execute(
            text("INSERT INTO custom_rates (user_id, service_id, rate) VALUES (:user, :id, 0.45)"), mine
        )
    return made


ORDERS = {
    "id": lambda row: row["id"],
    "-id": lambda row: -row["id"],
    "name": lambda row: (folded(row["name"]), row["id"]),
    "rate": lambda row: (row.get("rate", row.get("price")), row["id"]),
    "-rate": lambda row: (-row.get("rate", row.get("price")), row["id"]),
}


@pytest.mark.parametrize("path", ["/api/services", "/api/smm/services"])
async def test_every_order_across_pages(me, motley, path):
    usual = (await me.get(path)).json()["data"]
    assert [row["id"] for row in usual] == motley[0::2] + motley[1::2]
    priced = {row["id"]: row.get("rate", row.get("price")) for row in usual}
    assert [priced[one] for one in motley] == [0.8, 0.5, 0.4, 0.000001, 0.000001, 0.5, 0, 40_000_000_000]

    for order, key in {"position": None, **ORDERS}.items():
        expected = [row["id"] for row in (usual if key is None else sorted(usual, key=key))]
        for by in ("after", "page"):
            found, more = [], {}
            for page in range(1, 4):
                body = (await me.get(path, sort=order, limit=3, **more)).json()
                found += [row["id"] for row in body["data"]]
                more = {"after": body["after"]} if by == "after" else {"page": page + 1}
            assert (order, by, found, body["after"]) == (order, by, expected, None)


async def test_a_cursor_belongs_to_one_order(me, db, motley):
    by_rate = (await me.get("/api/services", sort="rate", limit=3)).json()
    usual = (await me.get("/api/services", limit=3)).json()

    for wrong in (
        {"after": by_rate["after"]},
        {"after": by_rate["after"], "sort": "-rate"},
        {"after": usual["after"], "sort": "id"},
    ):
        answer = await me.get("/api/services", **wrong)
        assert (answer.status_code, answer.json()["fields"]) == (
            422,
            {"after": "is a cursor of this list in another order"},
        )
    # What the page before ended with may be off sale by now: the next one begins behind where it would stand.
    last = by_rate["data"][-1]["id"]
    whole = await ids_of(me, sort="rate")
    async with db.transaction() as session:
        await session.execute(text("UPDATE services SET enabled = false WHERE id = :id"), {"id": last})
    assert await ids_of(me, sort="rate", after=by_rate["after"]) == whole[3:]


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
        {"sort": "cost"},
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
