"""`/api/admin/orders`: what staff see of orders and may do to them, each deed by permission and on the record."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from making import accept, assert_books, make_provider, make_service, move, order_row, place
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.orders.models import OrderAttempt, OrderStatus

P, S = Permission, OrderStatus
LINK = "https://www.instagram.com/someone"


@pytest.fixture
def order(db, panel, me):
    """Makes a customer's order that stands somewhere."""

    async def make(status=S.PENDING, *, unconfirmed=False, **more):
        now = datetime.now(UTC)
        async with db.transaction() as session:
            provider = await make_provider(session, panel)
            service = await make_service(session, *([] if more.get("mode") else [provider]), rate="2", **more)
            order_id = await place(session, me.user_id, service, now=now)
            if status in {S.SUBMITTING, S.FAILED}:
                update = text("UPDATE orders SET status = :status, unconfirmed = :unconfirmed WHERE id = :id")
                await session.execute(update, {"id": order_id, "status": status.value, "unconfirmed": unconfirmed})
            elif status is not S.PENDING:
                await accept(session, order_id, f"x{order_id}", now=now)
                if status is not S.PROCESSING:
                    await move(session, order_id, status, now=now)
        return order_id

    return make


async def audits(db, order_id):
    async with db.transaction() as session:
        wanted = select(AuditEntry).where(AuditEntry.subject == f"order:{order_id}").order_by(AuditEntry.id)
        return [(one.actor_id, one.permission, one.ip) for one in await session.scalars(wanted)]


async def test_everything_that_is_known_of_an_order(member, me, order, db):
    clerk = await member(P.ORDERS_VIEW)
    one = await order(S.PROCESSING)
    row = await order_row(db, one)
    async with db.transaction() as session:
        session.add(
            OrderAttempt(
                order_id=one,
                provider_id=row.provider_id,
                request={"link": LINK},
                outcome="accepted",
                answer="ok",
                took_ms=7,
            )
        )

    body = (await clerk.get(f"/api/admin/orders/{one}")).json()

    assert (body["user_number"], body["state"], body["provider_id"]) == (me.user_id, "processing", row.provider_id)
    assert (body["external_id"], body["cost"], body["charge"]) == (f"x{one}", 0.5, 2)
    assert body["terms"]["rate"] == "2.00"
    attempt = next(entry for entry in body["timeline"] if entry["kind"] == "attempt")
    assert (attempt["request"], attempt["answer"], attempt["took_ms"]) == ({"link": LINK}, "ok", 7)
    assert [(line["reason"], line["debit"], line["credit"], line["amount"]) for line in body["ledger"]] == [
        ("order_hold", "wallet", "held", 2)
    ]
    assert (await clerk.get(f"/api/admin/orders/{one + 1000}")).status_code == 404


async def test_filters(member, other, order, db, panel):
    clerk = await member(P.ORDERS_VIEW)
    waiting, running, doubtful = await order(), await order(S.PROCESSING), await order(S.SUBMITTING, unconfirmed=True)
    by_hand = await order(mode="manual")
    row = await order_row(db, running)

    async def ids(**query):
        answer = await clerk.get("/api/admin/orders", **query)
        assert answer.status_code == 200
        return [one["number"] for one in answer.json()["data"]]

    assert await ids() == [by_hand, doubtful, running, waiting]
    assert await ids(user_id=row.user_id) == [by_hand, doubtful, running, waiting]
    assert await ids(user_id=panel.public_ids.uuid_of("user", row.user_id), limit=1) == [by_hand]
    assert await ids(user_id=other.user_id) == []
    assert await ids(status=["pending", "processing"]) == [by_hand, running, waiting]
    assert await ids(unconfirmed=True) == [doubtful]
    assert await ids(provider_id=row.provider_id) == [running]
    assert await ids(service_id=row.service_id) == [running]
    assert await ids(kind="manual") == [by_hand]
    assert await ids(search=f"x{running}") == [running]
    first = (await clerk.get("/api/admin/orders", limit=3)).json()
    assert await ids(limit=3, after=first["after"]) == [waiting]
    for wrong in ({"status": "lost"}, {"kind": "x"}, {"after": "?"}, {"user_id": 0}):
        assert (await clerk.get("/api/admin/orders", **wrong)).status_code == 422


async def test_settling_an_unconfirmed_order(member, order, db):
    clerk = await member(P.ORDERS_SETTLE)
    taken, lost = await order(S.SUBMITTING, unconfirmed=True), await order(S.SUBMITTING, unconfirmed=True)
    sure = await order()

    assert (await clerk.post(f"/api/admin/orders/{taken}/resolve", taken=True, external_id="77")).json() == {
        "success": True
    }
    assert (await clerk.post(f"/api/admin/orders/{lost}/resolve", taken=False)).json() == {"success": True}
    late = await clerk.post(f"/api/admin/orders/{sure}/resolve", taken=False)

    first, second = await order_row(db, taken), await order_row(db, lost)
    assert (first.status, first.external_id, first.unconfirmed) == ("processing", "77", False)
    assert (second.status, second.unconfirmed) == ("pending", False)
    assert (late.status_code, late.json()["code"]) == (409, "not_unconfirmed")
    assert await audits(db, taken) == [(clerk.user_id, "orders.settle", "203.0.113.7")]
    assert await audits(db, sure) == []


async def test_sending_a_failed_order_again(member, order, db):
    clerk = await member(P.ORDERS_RESEND)
    failed, fine = await order(S.FAILED), await order()

    assert (await clerk.post(f"/api/admin/orders/{failed}/resend")).json() == {"success": True}
    refused = await clerk.post(f"/api/admin/orders/{fine}/resend")

    assert (await order_row(db, failed)).status == "pending"
    assert (refused.status_code, refused.json()["code"]) == (409, "not_failed")
    assert await audits(db, failed) == [(clerk.user_id, "orders.resend", "203.0.113.7")]


async def test_paying_back_all_or_a_part(member, me, order, db):
    clerk = await member(P.ORDERS_REFUND)
    whole, part = await order(S.PROCESSING), await order(S.IN_PROGRESS)
    assert await me.balance() == "96.00"

    back = await clerk.post(f"/api/admin/orders/{whole}/refund", reason="the link is private")
    assert back.json() == {"success": True, "refunded": 2, "currency": "USD"}
    some = await clerk.post(f"/api/admin/orders/{part}/partial", remains=250)
    assert some.json() == {"success": True, "refunded": 0.5, "currency": "USD"}

    again = await clerk.post(f"/api/admin/orders/{whole}/refund", reason="once more")
    too_many = await clerk.post(f"/api/admin/orders/{part}/partial", remains=1000)
    assert (again.status_code, again.json()["code"]) == (409, "illegal_move")
    assert too_many.status_code == 422
    assert await me.balance() == "98.50"
    assert await audits(db, whole) == [(clerk.user_id, "orders.refund", "203.0.113.7")]
    await assert_books(db)


async def test_fulfilling_by_hand(member, order, db):
    clerk = await member(P.ORDERS_EDIT)
    by_hand, provided = await order(mode="manual"), await order(S.PROCESSING)

    assert (await clerk.post(f"/api/admin/orders/{by_hand}/start", start_count=12)).json() == {"success": True}
    begun = await order_row(db, by_hand)
    assert (begun.status, begun.start_count) == ("in_progress", 12)
    assert (await clerk.post(f"/api/admin/orders/{by_hand}/complete")).json() == {"success": True}
    assert (await clerk.post(f"/api/admin/orders/{provided}/complete")).json() == {"success": True}
    refused = await clerk.post(f"/api/admin/orders/{provided}/start")

    assert (await order_row(db, provided)).status == "completed"
    assert (refused.status_code, refused.json()["code"]) == (409, "not_manual")
    assert await audits(db, by_hand) == [(clerk.user_id, "orders.edit", "203.0.113.7")] * 2
    await assert_books(db)


DEEDS = {
    "resolve": ({"taken": False}, P.ORDERS_SETTLE),
    "resend": ({}, P.ORDERS_RESEND),
    "refund": ({"reason": "x"}, P.ORDERS_REFUND),
    "partial": ({"remains": 1}, P.ORDERS_REFUND),
    "complete": ({}, P.ORDERS_EDIT),
    "start": ({}, P.ORDERS_EDIT),
}


@pytest.mark.parametrize("deed", DEEDS)
async def test_each_deed_takes_its_permission(*, member, me, order, db, http, deed):
    form, permission = DEEDS[deed]
    one = await order(S.IN_PROGRESS)
    clerk = await member(*(other for other in P if other is not permission))
    path = f"/api/admin/orders/{one}/{deed}"

    for who in (clerk, me):
        answer = await who.post(path, **form)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_permission")
        missing = await who.post(f"/api/admin/orders/{one + 1000}/{deed}", **form)
        assert missing.status_code == 403
    assert (await http.post(path, json=form)).status_code == 401
    assert (await order_row(db, one)).status == "in_progress"
    assert await audits(db, one) == []


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_missing_order_is_not_found(member, deed):
    admin = await member(role=Role.ADMIN)

    answer = await admin.post(f"/api/admin/orders/4711/{deed}", **DEEDS[deed][0])

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_looking_takes_a_permission_too(member, me, order):
    one = await order()
    clerk = await member(*(other for other in P if other is not P.ORDERS_VIEW))

    for who in (clerk, me):
        assert (await who.get("/api/admin/orders")).status_code == 403
        assert (await who.get(f"/api/admin/orders/{one}")).status_code == 403


@pytest.mark.parametrize(
    ("deed", "form"),
    [
        ("resolve", {}),
        ("resolve", {"taken": True}),
        ("resolve", {"taken": True, "external_id": "  "}),
        ("resolve", {"taken": False, "external_id": "7"}),
        ("resolve", {"taken": True, "external_id": "x" * 101}),
        ("refund", {}),
        ("refund", {"reason": ""}),
        ("refund", {"reason": "   "}),
        ("refund", {"reason": "x" * 501}),
        ("partial", {}),
        ("partial", {"remains": 0}),
        ("partial", {"remains": "many"}),
        ("partial", {"remains": 10**16}),
        ("start", {"start_count": -1}),
    ],
)
async def test_what_cannot_be_asked(*, member, me, order, db, deed, form):
    admin = await member(role=Role.ADMIN)
    one = await order(S.IN_PROGRESS)

    answer = await admin.post(f"/api/admin/orders/{one}/{deed}", **form)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert (await order_row(db, one)).status == "in_progress"
    assert await me.balance() == "98.00"
    assert await audits(db, one) == []
