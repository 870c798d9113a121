"""`/api/admin/services`: the catalogue in the hands of staff; and moving an order by its status."""

import pytest
from sqlalchemy import select

from making import accept, assert_books, make_provider, make_service, move, order_row, place
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.catalog.models import Category, ProviderService, Service
from smmpanel.orders.models import OrderStatus

P, S = Permission, OrderStatus
NEW = {"name": "Likes", "category": "Facebook", "rate": 2.5, "min": 100, "max": 100_000}


async def put(who, path, **body):
    return await who.http.put(path, json=body, headers=who.headers)


async def audited(db, subject):
    async with db.transaction() as session:
        wanted = select(AuditEntry.permission).where(AuditEntry.subject == subject)
        return list(await session.scalars(wanted))


async def test_making_a_service_that_staff_deliver(member, db, me):
    editor = await member(P.SERVICES_EDIT)

    made = await editor.post("/api/admin/services", **NEW)
    second = await editor.post("/api/admin/services", **{**NEW, "name": "Shares", "category": "facebook"})

    assert made.status_code == second.status_code == 201
    shown = made.json()
    assert (shown["name"], shown["category"], shown["mode"], shown["type"]) == (
        "Likes",
        "Facebook",
        "manual",
        "Default",
    )
    assert (shown["rate"], shown["min_quantity"], shown["max_quantity"], shown["is_active"]) == (
        2.5,
        100,
        100_000,
        True,
    )
    assert second.json()["category_id"] == shown["category_id"]
    async with db.transaction() as session:
        assert list(await session.scalars(select(Category.name))) == ["Facebook"]
    assert await audited(db, f"service:{shown['id']}") == ["services.edit"]
    on_sale = (await me.get("/api/services")).json()["data"]
    assert [one["id"] for one in on_sale] == [shown["id"], second.json()["id"]]


async def test_making_a_service_that_a_provider_delivers(member, db, panel):
    editor = await member(P.SERVICES_EDIT)
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        await make_service(session, provider, cost="0.5", upstream={"external_id": "77"})
        line = await session.scalar(select(ProviderService))
        line.type = "custom_comments"

    new = {**NEW, "rate": None, "markup_percent": 100}
    made = await editor.post("/api/admin/services", **new, provider_id=provider.id, provider_service_id="77")
    unknown = await editor.post("/api/admin/services", **new, provider_id=provider.id, provider_service_id="78")
    half = await editor.post("/api/admin/services", **new, provider_id=provider.id)

    assert made.status_code == 201, made.text
    shown = made.json()
    assert (shown["mode"], shown["type"], shown["cost"], shown["rate"]) == ("provider", "Custom Comments", 0.5, 1)
    assert (shown["provider_id"], shown["provider_service_id"]) == (provider.id, "77")
    for wrong in (unknown, half):
        assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["provider_service_id"])


async def test_changing_a_service(member, db):
    editor = await member(P.SERVICES_EDIT)
    one = await editor.post("/api/admin/services", **NEW, description="Slow")
    path = f"/api/admin/services/{one.json()['id']}"

    changed = await put(editor, path, rate=3, min_quantity=50, is_active=False, refill_enabled=True, refill_days=30)
    moved = await put(editor, path, category="Instagram")
    same = await put(editor, path)

    assert changed.status_code == 200, changed.text
    shown = same.json()
    assert (shown["rate"], shown["min"], shown["is_active"], shown["refill"], shown["refill_days"]) == (
        3, 50, False, True, 30,
    )  # fmt: skip
    assert (shown["name"], shown["max"], shown["description"]) == ("Likes", 100_000, "Slow")
    assert moved.json()["category"] == shown["category"] == "Instagram"
    assert len(await audited(db, f"service:{shown['id']}")) == 3


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"min": 0}, "min"),
        ({"min_quantity": 200_000}, "max"),
        ({"rate": -1}, "rate"),
        ({"type": "teapot"}, "type"),
        ({"mode": "magic"}, "mode"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"category_id": 4711}, "category_id"),
        ({"category_id": 1, "category": "x"}, "category"),
        ({"markup_percent": -100}, "markup_percent"),
    ],
)
async def test_what_a_service_cannot_be(member, db, form, field):
    editor = await member(P.SERVICES_EDIT)
    one = (await editor.post("/api/admin/services", **NEW)).json()["id"]

    answer = await put(editor, f"/api/admin/services/{one}", **form)

    assert (answer.status_code, list(answer.json()["fields"])) == (422, [field])
    async with db.transaction() as session:
        kept = await session.get_one(Service, one)
    assert (kept.name, kept.min, kept.max) == ("Likes", 100, 100_000)


async def test_the_list_of_all_services(member, db, panel):
    looker = await member(P.SERVICES_VIEW)
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        numbers = [await make_service(session, provider) for _ in range(3)]
        by_hand = await make_service(session, mode="manual", enabled=False)
        (await session.get_one(Service, by_hand)).name = "Drawn by hand"

    async def listed(**query):
        answer = await looker.get("/api/admin/services", **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert [row["id"] for row in (await listed())["data"]] == [*numbers, by_hand]
    second = await listed(page=2, limit=3)
    assert [row["id"] for row in second["data"]] == [by_hand]
    assert second["pagination"] == {"total": 4, "page": 2, "limit": 3, "total_pages": 2}
    first = await listed(limit=3)
    assert [row["id"] for row in (await listed(limit=3, after=first["after"]))["data"]] == [by_hand]
    assert [row["id"] for row in (await listed(state="off"))["data"]] == [by_hand]
    assert [row["id"] for row in (await listed(mode="provider"))["data"]] == numbers
    assert [row["id"] for row in (await listed(provider_id=provider.id))["data"]] == numbers
    assert [row["id"] for row in (await listed(search="hand drawn"))["data"]] == [by_hand]
    assert (await looker.get(f"/api/admin/services/{by_hand}")).json()["is_active"] is False
    assert (await looker.get("/api/admin/services/4711")).status_code == 404


async def test_all_services_in_every_order_across_pages(member, db):
    looker = await member(P.SERVICES_VIEW)
    wanted = [("b", "1", "x"), ("Đ", "3", "y"), ("Á", "1", "x"), ("a", "2", "y"), ("c", "1", "x")]
    async with db.transaction() as session:
        for name, rate, platform in wanted:
            made = await make_service(session, mode="manual", rate=rate, platform=platform, enabled=name != "b")
            (await session.get_one(Service, made)).name = name

    for order, expected in (
        ("position", "b Á c Đ a"),
        ("id", "b Đ Á a c"),
        ("-id", "c a Á Đ b"),
        ("name", "Á a b c Đ"),
        ("rate", "b Á c a Đ"),
        ("-rate", "Đ a b Á c"),
    ):
        for by in ("after", "page"):
            found, more = [], {}
            for page in range(1, 4):
                body = (await looker.get("/api/admin/services", sort=order, limit=2, **more)).json()
                found += [row["name"] for row in body["data"]]
                more = {"after": body["after"]} if by == "after" else {"page": page + 1}
            assert (order, by, " ".join(found), body["after"]) == (order, by, expected, None)
    by_name = (await looker.get("/api/admin/services", sort="name", limit=2)).json()["after"]
    assert (await looker.get("/api/admin/services", after=by_name)).status_code == 422


async def test_the_catalogue_takes_its_permissions(member, me):
    looker, clerk = await member(P.SERVICES_VIEW), await member(*(one for one in P if "services" not in one.value))

    for who in (me, clerk):
        for answer in (await who.get("/api/admin/services"), await who.get("/api/admin/services/1")):
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_permission")
    for who in (me, clerk, looker):
        for answer in (await who.post("/api/admin/services", **NEW), await put(who, "/api/admin/services/1", rate=1)):
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_permission")


@pytest.fixture
def order(db, panel, me):
    """Makes a customer's order of 1000 for 2 that stands somewhere."""

    async def make(status=S.PENDING, **more):
        now = panel.clock()
        async with db.transaction() as session:
            providers = [] if more.get("mode") else [await make_provider(session, panel)]
            service = await make_service(session, *providers, rate="2", **more)
            order_id = await place(session, me.user_id, service, now=now)
            if status is not S.PENDING:
                await accept(session, order_id, f"x{order_id}", now=now)
                if status is not S.PROCESSING:
                    await move(session, order_id, status, now=now)
        return order_id

    return make


async def test_moving_an_order_by_its_status(member, me, order, db):
    clerk = await member(P.ORDERS_EDIT, P.ORDERS_REFUND)
    by_hand, part, whole = await order(mode="manual"), await order(S.IN_PROGRESS), await order(S.PROCESSING)

    async def moved(order_id, **body):
        answer = await put(clerk, f"/api/admin/orders/{order_id}/status", **body)
        return answer.status_code, answer.json().get("code") or (answer.json()["status"], answer.json()["refunded"])

    assert await moved(by_hand, status="in_progress", start_count=12) == (200, ("in_progress", 0))
    assert (await order_row(db, by_hand)).start_count == 12
    assert await moved(by_hand, status="completed") == (200, ("completed", 0))
    assert await moved(part, status="partial", remains=250) == (200, ("partial", 0.5))
    assert await moved(whole, status="cancelled", reason="the link is private") == (200, ("canceled", 2))
    assert await me.balance() == "96.50"

    assert await moved(whole, status="completed") == (409, "illegal_move")
    assert await moved(by_hand, status="completed") == (409, "illegal_move")
    assert await moved(part, status="in_progress") == (409, "not_manual")
    assert await moved(part, status="partial") == (422, "invalid_input")
    assert await moved(part, status="canceled") == (422, "invalid_input")
    assert await moved(part, status="submitting") == (422, "invalid_input")
    assert await moved(part, status="pending") == (403, "missing_permission")
    assert await moved(4711, status="completed") == (404, "not_found")
    assert await me.balance() == "96.50"
    await assert_books(db)


async def test_paying_back_takes_more_than_editing(member, me, order, db):
    clerk, sender = await member(P.ORDERS_EDIT), await member(P.ORDERS_EDIT, P.ORDERS_RESEND)
    one = await order(S.IN_PROGRESS)
    path = f"/api/admin/orders/{one}/status"

    for who, body in (
        (me, {"status": "completed"}),
        (clerk, {"status": "canceled", "reason": "x"}),
        (clerk, {"status": "partial", "remains": 1}),
    ):
        assert (await put(who, path, **body)).status_code == 403
    assert (await put(sender, path, status="pending")).json()["code"] == "not_failed"
    admin = await member(role=Role.ADMIN)
    uuid = (await admin.get(f"/api/admin/orders/{one}")).json()["id"]
    assert (await put(admin, f"/api/admin/orders/{uuid}/status", status="completed")).json()["number"] == one
