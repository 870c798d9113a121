"""`/api/orders`: placing orders, following them, and what their owners may do with them."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from making import accept, assert_books, make_provider, make_service, move, order_row, place, staff
from smmpanel.accounts.access import Permission
from smmpanel.accounts.states import Role
from smmpanel.api.order_forms import OrderFields
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.catalog.stock import add_stock
from smmpanel.orders.dripping import start_runs
from smmpanel.orders.models import OrderAttempt, OrderStatus

S = OrderStatus
LINK = "https://www.instagram.com/someone"


@pytest.fixture
def service(db, panel):
    async def make(**more):
        async with db.transaction() as session:
            return await make_service(session, await make_provider(session, panel), **more)

    return make


async def an_order(db, who, service_id, status=S.PENDING, **known):
    now = datetime.now(UTC)
    async with db.transaction() as session:
        order_id = await place(session, who.user_id, service_id, now=now)
        if status is not S.PENDING:
            await accept(session, order_id, f"external-{order_id}", now=now)
        if status not in {S.PENDING, S.PROCESSING}:
            await move(session, order_id, status, now=now, **known)
    return order_id


# Placing --------------------------------------------------------------------------------------------------------------


async def test_an_order_is_placed_and_paid(me, service, db, panel):
    one = await service(rate="2", cost="0.1")
    async with db.transaction() as session:
        await session.execute(text("INSERT INTO user_discounts (user_id, percent) VALUES (:id, 5)"), {"id": me.user_id})

    answer = await me.post("/api/orders", service_id=one, link=LINK, quantity=1250, note="  Optional note ")

    body = answer.json()
    assert (answer.status_code, body) == (
        200,
        {
            "success": True,
            "order_id": panel.public_ids.uuid_of("order", body["number"]),
            "number": body["number"],
            "reference": panel.public_ids.reference_of("order", body["number"]),
            "price_breakdown": {"base_price": 2.5, "discount": 0.125, "final_price": 2.375},
            "new_balance": 97.625,
            "currency": "USD",
            "repeated": False,
            "message": "The order has been placed and is being processed.",
        },
    )
    order = await order_row(db, body["number"])
    assert (order.user_id, order.quantity, order.link, order.api_key_id) == (me.user_id, 1250, LINK, None)
    await assert_books(db)


async def test_an_own_rate_above_the_list_is_no_negative_discount(me, service, db):
    one = await service(rate="2")
    async with db.transaction() as session:
        insert = text("INSERT INTO custom_rates (user_id, service_id, rate) VALUES (:user, :service, 3)")
        await session.execute(insert, {"user": me.user_id, "service": one})

    body = (await me.post("/api/orders", service_id=one, link=LINK, quantity=1000)).json()

    assert body["price_breakdown"] == {"base_price": 3, "discount": 0, "final_price": 3}


async def test_the_message_is_in_the_readers_language(me, service, http):
    form = {"service_id": await service(), "link": LINK, "quantity": 10}

    answer = await http.post("/api/orders?lang=vi", json=form, headers=me.headers)

    assert answer.json()["message"] == "Đơn hàng đã được tạo và đang xử lý"


def test_the_form_has_the_fields_of_all_types():
    of_types = {field.name for one in SERVICE_TYPES.values() for field in one.fields}

    assert set(OrderFields.model_fields) == of_types | {"runs", "interval"}


@pytest.mark.parametrize("comments", ["one\r\ntwo\n\n three", ["one", "two", "three"]])
async def test_lines_are_text_or_a_list(me, service, db, comments):
    one = await service(type="custom_comments")

    body = (await me.post("/api/orders", service_id=one, link=LINK, comments=comments)).json()

    order = await order_row(db, body["number"])
    assert (order.quantity, order.fields) == (3, {"comments": "one\ntwo\nthree"})


@pytest.mark.parametrize("quantity", [1000, "1000"])
async def test_numbers_may_be_text(me, service, db, quantity):
    body = (await me.post("/api/orders", service_id=await service(), link=LINK, quantity=quantity)).json()

    assert (await order_row(db, body["number"])).quantity == 1000


async def test_a_subscription_and_a_drip_feed(me, service):
    followed, dripped = await service(type="subscriptions"), await service(dripfeed=True)

    sub = await me.post("/api/orders", service_id=followed, username="someone", min=10, max=20, posts=5, delay=0)
    drip = await me.post("/api/orders", service_id=dripped, link=LINK, quantity=100, runs=5, interval=60)

    assert (sub.json()["price_breakdown"]["final_price"], drip.json()["price_breakdown"]["final_price"]) == (
        0.1,
        0.5,
    )
    shown = (await me.get(f"/api/orders/{drip.json()['order_id']}")).json()
    assert (shown["status"], shown["quantity"]) == ("active", 500)
    assert (shown["drip"]["runs"], shown["drip"]["runs_started"], shown["drip"]["interval_minutes"]) == (5, 0, 60)


@pytest.mark.parametrize(
    ("changed", "status", "code", "field"),
    [
        ({"service_id": None}, 422, "invalid_input", "service_id"),
        ({"service_id": 0}, 422, "invalid_input", "service_id"),
        ({"service_id": 2**63}, 422, "invalid_input", "service_id"),
        ({"service_id": 10**9}, 422, "service_unknown", "service_id"),
        ({"service_id": True}, 422, "invalid_input", "service_id"),
        ({"link": None}, 422, "missing_link", "link"),
        ({"link": "http://10.0.0.1/"}, 422, "bad_link", "link"),
        ({"link": "a\x00b"}, 422, "invalid_input", "link"),
        ({"link": ["x"]}, 422, "invalid_input", "link"),
        ({"quantity": None}, 422, "field_missing", "quantity"),
        ({"quantity": 9}, 422, "quantity_min", "quantity"),
        ({"quantity": 10**7}, 422, "quantity_max", "quantity"),
        ({"quantity": -5}, 422, "quantity_not_integer", "quantity"),
        ({"quantity": "1e3"}, 422, "quantity_not_integer", "quantity"),
        ({"quantity": 10.5}, 422, "invalid_input", "quantity"),
        ({"quantity": True}, 422, "invalid_input", "quantity"),
        ({"runs": 3, "interval": 5}, 422, "dripfeed_not_supported", "runs"),
        ({"key": ""}, 422, "invalid_input", "key"),
        ({"key": "k" * 201}, 422, "invalid_input", "key"),
        ({"key": "a\tb"}, 422, "key_invalid", "key"),
        ({"quantity": 200_000}, 402, "insufficient_funds", None),
    ],
)
async def test_what_is_refused_changes_nothing(*, me, service, changed, status, code, field):
    form = {"service_id": await service(min=10), "link": LINK, "quantity": 100, **changed}

    answer = await me.post("/api/orders", **{name: value for name, value in form.items() if value is not None})

    error = answer.json()
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["message"] != ""
    if field is not None:
        assert field in error["fields"]
    assert (await me.orders(), await me.balance()) == (0, "100.00")


async def test_a_service_that_is_off(me, service):
    answer = await me.post("/api/orders", service_id=await service(enabled=False), link=LINK, quantity=100)

    assert (answer.status_code, answer.json()["code"]) == (409, "service_unavailable")


async def test_the_same_key_is_the_same_order(me, service):
    form = {"service_id": await service(), "link": LINK, "quantity": 1000, "key": "k"}

    first, again = (await me.post("/api/orders", **form)).json(), (await me.post("/api/orders", **form)).json()
    other = await me.post("/api/orders", **{**form, "quantity": 2000})

    assert again == {**first, "repeated": True}
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert (await me.orders(), await me.balance()) == (1, "99.00")


async def test_the_key_may_be_a_header(me, http, service):
    form, header = {"service_id": await service(), "link": LINK, "quantity": 1000}, {"idempotency-key": "invoice-1042"}
    asked = {**me.headers, **header}

    first = (await http.post("/api/orders", json=form, headers=asked)).json()
    again = (await http.post("/api/orders", json={**form, "key": "invoice-1042"}, headers=asked)).json()
    in_shop = (await http.post("/api/smm/orders", json=form, headers=asked)).json()
    two = await http.post("/api/orders", json={**form, "key": "invoice-1043"}, headers=asked)

    assert again == {**first, "repeated": True}
    assert in_shop["data"]["reference"] == first["reference"]
    assert (two.status_code, list(two.json()["fields"])) == (422, ["key"])
    assert await me.orders() == 1


async def test_a_balance_for_one_and_sixteen_at_once(member, service, db):
    poor = await member(funds="1.5")
    one = await service()

    answers = await asyncio.gather(
        *(poor.post("/api/orders", service_id=one, link=f"{LINK}{number}", quantity=1000) for number in range(16))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [402] * 15
    assert (await poor.orders(), await poor.balance()) == (1, "0.50")
    await assert_books(db)


# Reading --------------------------------------------------------------------------------------------------------------


async def test_an_order_in_full(me, service, db, panel):
    one = await an_order(db, me, await service(), S.PARTIAL, start_count=100, remains=250)

    body = (await me.get(f"/api/orders/{one}")).json()

    timeline, shown = body.pop("timeline"), dict(body)
    assert shown == {
        "success": True,
        "id": panel.public_ids.uuid_of("order", one),
        "number": one,
        "reference": panel.public_ids.reference_of("order", one),
        "service_id": body["service_id"],
        "service_name": body["service_name"],
        "link": LINK,
        "quantity": 1000,
        "price": 0.75,
        "charge": 1,
        "refunded": 0.25,
        "currency": "USD",
        "status": "partial",
        "status_text": "Partial",
        "progress": 75,
        "start_count": 100,
        "remains": 250,
        "parent_id": None,
        "drip": None,
        "created_at": body["created_at"],
        "finished_at": body["finished_at"],
        "note": None,
        "fields": {},
    }
    told = [(entry["kind"], entry["before"], entry["after"]) for entry in timeline]
    assert sorted(told, key=str) == [
        ("money", None, None),
        ("money", None, None),
        ("placed", None, None),
        ("status", "Pending", "Processing"),
        ("status", "Processing", "Partial"),
    ]
    notes = {entry["note"] for entry in timeline if entry["kind"] in {"money", "placed"}}
    assert notes == {"1.00 USD", "order_hold 1.00 USD", "order_refund 0.25 USD"}


async def test_lists_filters_and_pages(me, other, service, db):
    one, two = await service(), await service()
    done = await an_order(db, me, one, S.COMPLETED)
    waiting = [await an_order(db, me, two) for _ in range(3)]
    await an_order(db, other, one)
    mine = [*reversed(waiting), done]

    async def ids(**query):
        answer = await me.get("/api/orders", **query)
        assert answer.status_code == 200
        return [order["number"] for order in answer.json()["data"]]

    first = (await me.get("/api/orders", limit=3)).json()
    rest = (await me.get("/api/orders", limit=3, after=first["after"])).json()
    assert [order["number"] for order in first["data"] + rest["data"]] == mine
    assert rest["after"] is None
    assert rest["pagination"] == {"total": 4, "page": 1, "limit": 3, "total_pages": 2}
    assert await ids(limit=3, page=2) == mine[3:]
    assert await ids(sort="created_at") == mine[::-1]
    assert await ids(sort="created_at", limit=2, page=2) == mine[::-1][2:]
    oldest = (await me.get("/api/orders", sort="created_at", limit=2)).json()
    assert await ids(sort="created_at", limit=2, after=oldest["after"]) == mine[::-1][2:]
    assert await ids(status="completed") == [done]
    assert await ids(status="canceled") == []
    assert await ids(service_id=two) == mine[:3]
    assert await ids(search=f"#{done}") == [done]
    assert await ids(search=LINK) == mine
    assert await ids(search=f"external-{done}") == []


async def test_history_by_page_number(me, other, service, db):
    one = await service()
    made = [await an_order(db, me, one) for _ in range(5)]
    done = await an_order(db, me, one, S.COMPLETED)
    await an_order(db, other, one)
    newest_first = [done, *reversed(made)]

    async def page(**query):
        answer = await me.get("/api/orders/history", **query)
        assert answer.status_code == 200
        return answer.json()

    pages = [await page(page=number, limit=2) for number in (1, 2, 3, 4)]
    assert [order["number"] for one_page in pages for order in one_page["data"]] == newest_first
    assert pages[1]["pagination"] == {"total": 6, "page": 2, "limit": 2, "total_pages": 3}
    completed = await page(status="completed")
    assert completed["pagination"] == {"total": 1, "page": 1, "limit": 20, "total_pages": 1}
    row = completed["data"][0]
    assert (row["number"], row["price"], row["status"], row["progress"]) == (done, 1, "completed", 100)
    assert (await page(status="pending", page=2, limit=3))["data"][0]["number"] == made[1]
    assert (await page(status="partial"))["pagination"]["total_pages"] == 0


@pytest.mark.parametrize("path", ["/api/orders", "/api/orders/history", "/api/user/orders"])
@pytest.mark.parametrize(
    "query",
    [
        {"status": "lost"},
        {"limit": 0},
        {"limit": 101},
        {"page": 0},
        {"after": "?"},
        {"sort": "price"},
        {"parent_id": "x"},
    ],
)
async def test_what_cannot_be_asked(me, path, query):
    assert (await me.get(path, **query)).status_code == 422


async def test_orders_of_certain_days(me, service, db):
    one = await service()
    made = [await an_order(db, me, one) for _ in range(3)]
    async with db.transaction() as session:
        update = text("UPDATE orders SET created_at = :at WHERE id = :id")
        for order_id, at in zip(made, ("2025-10-24T17:30", "2025-10-25T16:59:59", "2025-10-25T17:00"), strict=True):
            await session.execute(update, {"id": order_id, "at": datetime.fromisoformat(f"{at}+00:00")})
        await session.execute(text("UPDATE users SET time_zone = 'Asia/Ho_Chi_Minh'"))

    async def of(**days):
        answer = (await me.get("/api/orders", sort="created_at", **days)).json()
        assert answer["pagination"]["total"] == len(answer["data"])
        return [order["created_at"] for order in answer["data"]]

    assert await of(created_from="2025-10-25", created_to="2025-10-25") == [
        "2025-10-25T00:30:00",
        "2025-10-25T23:59:59",
    ]
    assert await of(created_from="2025-10-26") == ["2025-10-26T00:00:00"]
    assert await of(created_to="2025-10-24") == []
    assert len(await of(created_to="9999-12-31", created_from="0001-01-01")) == 3
    assert (await me.get("/api/orders", created_from="yesterday")).status_code == 422


async def test_an_order_is_found_by_its_uuid_and_by_its_number(me, other, service, db, panel):
    one = await an_order(db, me, await service())
    uuid = panel.public_ids.uuid_of("order", one)

    for name in (one, uuid, uuid.upper()):
        assert (await me.get(f"/api/orders/{name}")).json()["number"] == one
    for nobody in (uuid[:-1] + ("0" if uuid[-1] != "0" else "1"), panel.public_ids.uuid_of("user", one)):
        assert (await me.get(f"/api/orders/{nobody}")).status_code == 404
    assert (await other.get(f"/api/orders/{uuid}")).status_code == 404
    for nonsense in ("0", "-1", "x", "9" * 30, str(2**63), "٣"):
        answer = await me.get(f"/api/orders/{nonsense}")
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["order_id"])


async def test_a_note_is_kept_for_its_owner_and_staff_and_goes_nowhere_else(me, other, service, db, panel):
    form = {"service_id": await service(), "link": LINK, "quantity": 100, "key": "k"}
    made = (await me.post("/api/orders", **form, note="  Optional\nnote ")).json()
    again = (await me.post("/api/orders", **form, note="Another")).json()
    plain = (await me.post("/api/orders", **{**form, "key": "l"}, note="   ")).json()

    shown = (await me.get(f"/api/orders/{made['order_id']}")).json()
    assert (again["order_id"], shown["note"]) == (made["order_id"], "Optional\nnote")
    assert [entry["note"] for entry in shown["timeline"] if entry["kind"] == "note"] == ["Optional\nnote"]
    assert (await me.get(f"/api/orders/{plain['order_id']}")).json()["note"] is None
    row = await order_row(db, made["number"])
    assert "note" not in row.fields
    too_long = await me.post("/api/orders", **{**form, "key": "m"}, note="x" * 1001)
    assert (too_long.status_code, list(too_long.json()["fields"])) == (422, ["note"])


# Doing ----------------------------------------------------------------------------------------------------------------


async def test_refill_and_cancel(me, service, db):
    one = await service(refill=True, cancel=True)
    done, sent, waiting = [await an_order(db, me, one, status) for status in (S.COMPLETED, S.PROCESSING, S.PENDING)]

    refill = (await me.post(f"/api/orders/{done}/refill")).json()
    assert refill == {"success": True, "refill_id": refill["refill_id"], "status": "Pending"}
    again = await me.post(f"/api/orders/{done}/refill")
    assert (again.status_code, again.json()["code"]) == (409, "refill_refused")
    assert again.json()["fields"]["reason"] == "refill_open"

    assert (await me.post(f"/api/orders/{sent}/cancel")).json() == {
        "success": True,
        "canceled": False,
        "message": "The cancellation has been requested.",
    }
    assert (await me.post(f"/api/orders/{waiting}/cancel")).json()["canceled"] is True
    assert (await me.get(f"/api/orders/{waiting}")).json()["status"] == "canceled"
    over = await me.post(f"/api/orders/{done}/cancel")
    assert (over.status_code, over.json()["code"]) == (409, "cancel_refused")
    assert await me.balance() == "98.00"
    await assert_books(db)


async def test_ordering_the_same_again(me, service, db):
    old = await an_order(db, me, await service(), S.COMPLETED)

    same = (await me.post(f"/api/orders/{old}/reorder")).json()
    changed = (await me.post(f"/api/orders/{old}/reorder", quantity=500, key="k")).json()
    repeated = (await me.post(f"/api/orders/{old}/reorder", quantity=500, key="k")).json()
    wrong = await me.post(f"/api/orders/{old}/reorder", quantity="many")

    assert (await order_row(db, same["number"])).quantity == 1000
    assert (await order_row(db, changed["number"])).quantity == 500
    assert repeated == {**changed, "repeated": True}
    assert (wrong.status_code, set(wrong.json()["fields"])) == (422, {"quantity"})
    assert await me.orders() == 3


async def test_another_link(me, service, db):
    one = await service(platform="instagram")
    waiting, sent = await an_order(db, me, one), await an_order(db, me, one, S.PROCESSING)

    changed = await me.post(f"/api/orders/{waiting}/link", link="@else")
    late = await me.post(f"/api/orders/{sent}/link", link=LINK)
    bad = await me.post(f"/api/orders/{waiting}/link", link="http://127.0.0.1/")
    missing = await me.post(f"/api/orders/{waiting}/link")

    assert changed.json() == {"success": True, "link": (await order_row(db, waiting)).link}
    assert "else" in changed.json()["link"]
    assert (late.status_code, late.json()["code"]) == (409, "link_not_editable")
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_link")
    assert missing.status_code == 422


async def test_steering_a_drip_feed(me, service, db):
    form = {"service_id": await service(dripfeed=True), "link": LINK, "quantity": 100, "runs": 5, "interval": 60}
    drip = (await me.post("/api/orders", **form)).json()["order_id"]
    path = f"/api/orders/{drip}"

    assert (await me.post(f"{path}/drip/pause")).json() == {"success": True}
    assert (await me.get(path)).json()["status"] == "paused"
    again = await me.post(f"{path}/drip/pause")
    assert (again.status_code, again.json()["code"]) == (409, "drip_state")
    assert (await me.post(f"{path}/drip/resume")).json() == {"success": True}
    assert (await me.post(f"{path}/drip/cancel")).json() == {"success": True, "refunded": 0.5, "currency": "USD"}
    assert (await me.post(f"{path}/drip/cancel")).status_code == 409
    assert await me.balance() == "100.00"


async def test_the_runs_of_a_drip_feed(me, service, db):
    form = {"service_id": await service(dripfeed=True), "link": LINK, "quantity": 100, "runs": 5, "interval": 60}
    drip = (await me.post("/api/orders", **form)).json()["order_id"]
    async with db.transaction() as session:
        await start_runs(session, currency="USD", now=datetime.now(UTC))

    runs = (await me.get("/api/orders", parent_id=drip)).json()["data"]

    assert [(run["parent_id"], run["quantity"]) for run in runs] == [(drip, 100)]
    assert [order["id"] for order in (await me.get("/api/orders")).json()["data"]] == [drip]


async def test_what_was_bought_from_stock(me, other, member, db, panel):
    admin = await member(role=Role.ADMIN)
    async with db.transaction() as session:
        goods = await make_service(session, mode="stock", type="package")
        editor = staff(admin.user_id, Permission.SERVICES_EDIT)
        await add_stock(session, panel.vault, goods, ["user:pass1", "user:pass2"], actor=editor)
    bought = (await me.post("/api/orders", service_id=goods, link="me@example.com")).json()["order_id"]

    assert (await me.get(f"/api/orders/{bought}/stock")).json() == {"success": True, "units": ["user:pass1"]}
    for stranger in (other, admin):
        assert (await stranger.get(f"/api/orders/{bought}/stock")).status_code == 404
    assert "pass1" not in (await me.get(f"/api/orders/{bought}")).text


async def test_other_orders_have_no_units(me, service, db):
    one = await an_order(db, me, await service())

    assert (await me.get(f"/api/orders/{one}/stock")).status_code == 404


PATHS = ["", "/stock"]
DEEDS = ["/refill", "/cancel", "/reorder", "/link", "/drip/pause", "/drip/resume", "/drip/cancel"]


@pytest.mark.parametrize("kind", ["customer", "admin"])
async def test_foreign_orders_are_as_missing_ones(me, member, service, db, kind):
    """On these pages that holds for staff too: they have their own."""
    one = await an_order(db, me, await service(refill=True, cancel=True))
    stranger = await member(role=Role.ADMIN) if kind == "admin" else await member()

    for number in (one, one + 1000):
        for path in PATHS:
            answer = await stranger.get(f"/api/orders/{number}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        for path in DEEDS:
            answer = await stranger.post(f"/api/orders/{number}{path}", link=LINK)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await stranger.get("/api/orders", search=str(one))).json()["data"] == []
    assert (await me.get(f"/api/orders/{one}")).json()["status"] == "pending"
    assert (await me.orders(), await stranger.orders()) == (1, 0)


async def test_visitors_are_asked_to_sign_in(http):
    for path in ("", "/history", "/1", "/1/stock"):
        assert (await http.get(f"/api/orders{path}")).status_code == 401
    for path in ("", "/mass", *(f"/1{deed}" for deed in DEEDS)):
        assert (await http.post(f"/api/orders{path}", json={})).status_code == 401


# Secrets --------------------------------------------------------------------------------------------------------------


async def test_no_answer_to_a_customer_names_providers_their_ids_or_our_cost(me, db, panel):
    async with db.transaction() as session:
        provider = await make_provider(session, panel, "hiddenprovider", name="Hidden Name", alias="Hidden Alias")
        one = await make_service(session, provider, rate="2", cost="0.123456", refill=True, cancel=True, dripfeed=True)
    done, waiting = await an_order(db, me, one, S.COMPLETED), await an_order(db, me, one)
    partial = await an_order(db, me, one, S.PARTIAL, remains=3, reason="hiddenprovider said no")
    async with db.transaction() as session:
        session.add(
            OrderAttempt(order_id=done, provider_id=provider.id, request={"x": "hiddenrequest"}, answer="hiddenanswer")
        )
    drip = await me.post("/api/orders", service_id=one, link=LINK, quantity=10, runs=5, interval=60)
    number = drip.json()["order_id"]
    answers = [
        drip,
        await me.post(f"/api/orders/{done}/refill"),
        await me.post(f"/api/orders/{waiting}/link", link=f"{LINK}2"),
        await me.post(f"/api/orders/{waiting}/cancel"),
        await me.post(f"/api/orders/{done}/cancel"),
        await me.post(f"/api/orders/{done}/reorder"),
        await me.post(f"/api/orders/{number}/drip/pause"),
        await me.post(f"/api/orders/{number}/drip/cancel"),
        await me.post("/api/orders/mass", text=f"{one} | {LINK} | 1\n{one} | x | y"),
        *[await me.get(f"/api/orders/{order}") for order in (done, waiting, partial, number)],
        *[await me.get(f"/api/orders{path}") for path in ("", "/history")],
        *[await me.get(f"/api/services{path}") for path in ("", f"/{one}")],
        *[await me.get(f"/api/user{path}") for path in ("/balance", "/transactions", "/transactions.csv")],
    ]

    assert {answer.status_code for answer in answers} == {200, 409}
    for answer in answers:
        told = answer.text.lower()
        for secret in ("hidden", "external", "provider", "0.123456", '"cost', "earned", "markup", "route"):
            assert secret not in told, answer.request.url
