"""Vouchers on pages and in the JSON API: made once and shown once, redeemed with one answer for all that is no good."""

import base64
import re
from decimal import Decimal

import pytest
from sqlalchemy import select

from catalog.shop import OWN, customer
from making import make_provider, make_service
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.growth.voucher_models import VoucherBatch
from smmpanel.ledger import balance_of
from smmpanel.payments.bonus_models import BonusRule
from staff_browser import sign_in

WAY = "/staff/vouchers"
KEY = "k" * 32
FORM = {"key": KEY, "name": "Spring fair", "amount": "2.50", "codes": "3", "uses_each": "1", "uses_per_user": "1"}
WORTHLESS = "This code cannot be redeemed."


@pytest.fixture
async def mai(panel):
    shopper = await customer(panel)
    yield shopper
    await shopper.client.aclose()


async def redeem(shopper, code):
    """Type a code into the form and send it."""
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', await shopper.look("/voucher"))[1]
    return await shopper.client.post("/voucher", data={"csrf_token": token, "code": code}, headers=OWN)


async def balance(panel, user):
    async with panel.db.transaction() as session:
        return (await balance_of(session, user, panel.currency)).amount


async def test_staff_make_codes_which_are_shown_once_and_a_customer_redeems_one(panel, mai):
    admin = await sign_in(panel)
    assert "No vouchers yet" in (await admin.get(WAY)).text
    wrong = await admin.post(WAY, {**FORM, "codes": "10001", "valid_until": "yesterday"})
    assert wrong.status_code == 422
    assert 'value="Spring fair"' in wrong.text
    made = await admin.post(WAY, {**FORM, "valid_until": "2199-01-31"})
    assert made.status_code == 200
    codes = re.findall(r"(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}", made.text)
    file = base64.b64decode(re.search(r'href="data:text/csv;base64,([^"]+)"', made.text)[1]).decode()
    assert (len(codes), file.split()) == (3, ["code", *codes])
    assert (await admin.post(WAY, FORM)).status_code == 303
    async with panel.db.transaction() as session:
        [batch] = (await session.scalars(select(VoucherBatch))).all()

    before = await balance(panel, mai.user_id)
    done = await redeem(mai, codes[1].lower())
    assert (done.status_code, done.headers["location"]) == (303, "/voucher")
    assert await balance(panel, mai.user_id) == before + Decimal("2.5")
    for again in (codes[1], codes[0], "nonsense", ""):
        answer = await redeem(mai, again)
        assert (answer.status_code, WORTHLESS in answer.text) == (422, True)
    assert "Spring fair" in await mai.look("/statement")

    shown = (await admin.get(f"{WAY}/{batch.id}")).text
    assert f"…{codes[1][-4:]}" in shown
    assert not any(code in shown for code in codes)
    assert "1 / 3" in (await admin.get(WAY)).text
    assert (await admin.post(f"{WAY}/{batch.id}/stop")).status_code == 303
    assert "Stopped" in (await admin.get(f"{WAY}/{batch.id}")).text
    async with panel.db.transaction() as session:
        deeds = (await session.scalars(select(AuditEntry.permission))).all()
    assert deeds.count("vouchers.edit") == 2
    await admin.client.aclose()


async def test_who_may_only_look_makes_and_stops_nothing(panel):
    looking = await sign_in(panel, role=Role.STAFF, permissions=["vouchers.view"])
    assert 'name="codes"' not in (await looking.get(WAY)).text
    assert (await looking.post(WAY, FORM)).status_code == 403
    assert (await looking.post("/staff/bonuses", {"percent": "5"})).status_code == 403
    assert (await looking.post(f"{WAY}/1/stop")).status_code == 403
    await looking.client.aclose()


async def test_staff_make_a_rule_for_bonuses_and_stop_it(panel):
    admin = await sign_in(panel)
    for wrong in ({"percent": "0"}, {"percent": "101"}, {"percent": "5", "ends_at": "2001-01-01"}, {"percent": "x"}):
        assert (await admin.post("/staff/bonuses", wrong)).status_code == 422
    assert (await admin.post("/staff/bonuses", {"percent": "5", "threshold": "1,000"})).status_code == 303
    async with panel.db.transaction() as session:
        [rule] = (await session.scalars(select(BonusRule))).all()
    assert (rule.percent, rule.threshold, rule.method_id) == (Decimal(5), Decimal(1000), None)
    shown = (await admin.get("/staff/bonuses")).text
    assert "+5%" in shown
    assert (await admin.post(f"/staff/bonuses/{rule.id}/stop")).status_code == 303
    assert (await admin.post(f"/staff/bonuses/{rule.id}/stop")).status_code == 404
    for language in ("vi", "id"):
        assert "5%" in (await admin.get("/staff/bonuses", params={"lang": language})).text
    await admin.client.aclose()


async def test_customers_are_asked_for_a_coupon_once_there_is_one_and_see_what_it_does(panel, mai):
    async with panel.db.transaction() as session:
        await make_service(session, await make_provider(session, panel), rate="10", cost="1")
    assert 'name="coupon"' not in await mai.look("/orders/new")
    admin = await sign_in(panel)
    for wrong in ({"code": "x"}, {"code": "SPRING"}, {"code": "SPRING", "percent": "5", "amount": "1"}):
        assert (await admin.post("/staff/coupons", wrong)).status_code == 422
    assert (await admin.post("/staff/coupons", {"code": "spring", "percent": "25"})).status_code == 303
    listed = (await admin.get("/staff/coupons")).text
    assert "SPRING" in listed
    assert re.findall(r'class="nav-item" href="([^"]+)" aria-current', listed)[:1] == ["/staff/vouchers"]

    asked = {"link": "https://example.com/x", "quantity": "1000", "coupon": "Spring"}
    shown = await mai.look("/orders/new", params=asked)
    assert 'name="coupon"' in shown
    assert re.search(r"Coupon</dt><dd[^>]*>−\$2\.50", shown)
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', shown)[1]
    form = {"csrf_token": token, "key": KEY, "service": re.search(r'name="service" value="(\d+)"', shown)[1], **asked}
    refused = await mai.client.post("/orders/new", data={**form, "coupon": "winter"}, headers=OWN)
    assert (refused.status_code, "This coupon cannot be used for this order." in refused.text) == (422, True)
    placed = await mai.client.post("/orders/new", data=form, headers=OWN)
    assert placed.status_code == 303
    assert await balance(panel, mai.user_id) == Decimal("92.5")
    order = re.search(r"/orders/(\d+)", await mai.look("/orders"))[1]
    assert re.search(r"Coupon SPRING</dt><dd>−\$2\.50", await mai.look(f"/orders/{order}"))
    await admin.client.aclose()
