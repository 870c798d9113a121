"""Redeeming a voucher by the JSON API."""

from decimal import Decimal

from making import make_provider, make_service, staff
from smmpanel.accounts.access import Permission
from smmpanel.growth.voucher_making import BatchTerms, make_batch
from smmpanel.ledger import paid_in, statement
from smmpanel.orders.coupon_editing import CouponTerms, make_coupon


async def test_a_code_is_redeemed_once_and_every_other_answer_is_the_same(me, other, panel):
    boss = staff(None, Permission.VOUCHERS_EDIT)
    async with panel.db.transaction() as session:
        terms = BatchTerms("Spring", Decimal("2.5"))
        made = await make_batch(session, panel.vault, boss, terms, currency="USD", key="one", now=panel.clock())
    done = await me.post("/api/payment/voucher", code=made.codes[0].lower())
    assert done.json() == {
        "success": True,
        "name": "Spring",
        "amount": 2.5,
        "new_balance": 102.5,
        "currency": "USD",
    }
    refused = [await one.post("/api/payment/voucher", code=made.codes[0]) for one in (me, other)]
    refused.append(await other.post("/api/payment/voucher", code="never-was-one"))
    assert {answer.status_code for answer in refused} == {422}
    assert len({answer.text for answer in refused}) == 1
    said = refused[0].json()
    assert (said["success"], said["code"], said["message"]) == (
        False,
        "voucher_worthless",
        "This code cannot be redeemed.",
    )
    assert await other.balance() == "100.00"


async def test_staff_say_what_kind_of_money_they_book(member, me, db):
    cashier = await member(Permission.USERS_VIEW, Permission.USERS_BALANCE)
    path = f"/api/admin/users/{me.user_id}/balance"
    body = {"amount": 5, "operation": "add", "reason": "First order", "kind": "gift"}
    given = await cashier.http.put(path, json=body, headers=cashier.headers)
    refused = await cashier.http.put(path, json={**body, "kind": "loan"}, headers=cashier.headers)
    assert (given.status_code, given.json()["new_balance"], refused.status_code) == (200, 105, 422)
    async with db.transaction() as session:
        line = (await statement(session, me.user_id, "USD")).rows[0]
        assert (await paid_in(session, {me.user_id: 0}, "USD"))[me.user_id].amount == 100
    assert (line.reason, line.note) == ("gift", "First order")


async def test_a_coupon_is_part_of_the_discount_of_the_price_breakdown(me, panel):
    boss = staff(None, Permission.VOUCHERS_EDIT)
    async with panel.db.transaction() as session:
        service = await make_service(session, await make_provider(session, panel), rate="10", cost="1")
        await make_coupon(session, CouponTerms("SPRING", percent=Decimal(20)), actor=boss, now=panel.clock())
    body = {"service_id": service, "link": "https://example.com/x", "quantity": 1000, "coupon": " spring "}
    refused = await me.post("/api/orders", **{**body, "coupon": "winter"})
    assert (refused.status_code, refused.json()["code"]) == (422, "coupon_worthless")
    placed = (await me.post("/api/orders", **body)).json()
    assert placed["price_breakdown"] == {"base_price": 10, "discount": 2, "final_price": 8}
    assert placed["new_balance"] == 92
    text = f"{service} | https://example.com/y | 1000\n{service} | https://example.com/z | 500"
    many = (await me.post("/api/orders/mass", text=text, coupon="spring ")).json()
    assert (many["placed"], many["total"], many["new_balance"]) == (2, 12, 80)
    wrong = (await me.post("/api/orders/mass", text=text, coupon="winter")).json()
    assert [line["error"]["code"] for line in wrong["lines"]] == ["coupon_worthless"] * 2
