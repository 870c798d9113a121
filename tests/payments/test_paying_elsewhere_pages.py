"""Paying at a gateway: the form and the link that lead there, coming back, and asking how it stands."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, update

from making import make_user
from payments.browsers import browser_of
from payments.conftest import Till
from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.catalog.fx import set_rate
from smmpanel.payments.gateways.addresses import origins_under
from smmpanel.payments.methods import MethodTerms, add_method, enable_method
from smmpanel.payments.models import Deposit, GatewayEvent
from smmpanel.payments.signing import hmac_text
from staff_browser import StaffBrowser, sign_in

SECRET = "8gBm/:&EnhH.1/q"
SIGNED = "transaction_code,status,total_amount,transaction_uuid,product_code,signed_field_names"


@pytest.fixture
async def esewa(till: Till) -> Till:
    """The till, with a gateway that customers' browsers send a form to."""
    options = {"product_code": "EPAYTEST", **dict.fromkeys(("base_url", "status_url"), "http://127.0.0.1:9/esewa")}
    terms = MethodTerms(name="eSewa", currency="NPR", minimum=Decimal(10), expires_minutes=15, options=options)
    async with till.panel.db.transaction() as session:
        await set_rate(session, "NPR", "VND", Decimal(180), currency="VND", actor=Actor.cli(), now=till.panel.clock())
        made = await add_method(session, till.panel, "esewa", terms, actor=Actor.cli(), secrets={"secret": SECRET})
        await enable_method(session, till.panel, made.id, actor=Actor.cli())
    till.methods["esewa"] = made.id
    return till


@pytest.fixture
async def customer(esewa: Till) -> AsyncIterator[StaffBrowser]:
    """The customer's browser."""
    async with browser_of(esewa, esewa.user) as browser:
        yield browser


def carried(deposit: Deposit, **changed: Any) -> str:
    """Return what eSewa signs and a browser carries back."""
    fields = {
        "transaction_code": "000TEST",
        "status": "COMPLETE",
        "total_amount": f"{deposit.amount:.1f}",
        "transaction_uuid": deposit.reference,
        "product_code": "EPAYTEST",
        "signed_field_names": SIGNED,
        **changed,
    }
    text = ",".join(f"{name}={fields[name]}" for name in SIGNED.split(","))
    signature = fields.get("signature") or hmac_text(SECRET, text.encode(), "sha256", "base64")
    return b64encode(json.dumps({**fields, "signature": signature}).encode()).decode()


async def ask_at(till: Till, deposit: Deposit, **values: Any) -> Any:
    """Read when a gateway is asked next, after setting it so."""
    async with till.panel.db.transaction() as session:
        if values:
            await session.execute(update(Deposit).where(Deposit.id == deposit.id).values(**values))
        return await session.scalar(select(Deposit.ask_at).where(Deposit.id == deposit.id))


async def test_what_an_amount_of_another_currency_comes_to_is_said_in_the_wallets(
    esewa: Till, customer: StaffBrowser
) -> None:
    query = {"method": esewa.methods["esewa"], "amount": "500"}
    asked = await customer.client.get("/add-funds", params=query, headers={"hx-request": "true"})
    assert re.search(r"You get</dt><dd>₫90,000<", asked.text)
    deposit = await esewa.open(500, gateway="esewa")
    assert re.search(r"You get</dt><dd>₫90,000<", (await customer.get(f"/deposits/{deposit.id}")).text)


async def test_a_form_is_sent_to_exactly_one_place_and_carries_nothing_of_ours(
    esewa: Till, customer: StaffBrowser
) -> None:
    deposit = await esewa.open(500, gateway="esewa")
    first = await customer.get(f"/deposits/{deposit.id}")
    assert f'href="/deposits/{deposit.id}/pay"' in first.text
    assert "Pay at eSewa" in first.text

    shown = await customer.get(f"/deposits/{deposit.id}/pay")

    policy = shown.headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:9;" in policy
    assert "default-src 'none'" in policy
    form = shown.text[shown.text.index("<form") : shown.text.index("</form>")]
    assert 'action="http://127.0.0.1:9/esewa/api/epay/main/v2/form"' in form
    names = [part.split('"')[0] for part in form.split('name="')[1:]]
    assert names == [name for name, _ in deposit.shown["fields"]]
    assert "csrf" not in form
    assert deposit.reference in form
    assert "http://127.0.0.1:9" not in first.headers["content-security-policy"]


async def test_a_form_may_go_on_to_other_hosts_of_its_gateway_and_to_nothing_else(
    esewa: Till, customer: StaffBrowser
) -> None:
    for address, further in (
        ("https://rc-epay.esewa.com.np", ["https://esewa.com.np", "https://*.esewa.com.np"]),
        ("https://esewa.com.np.evil.example", []),
        ("http://127.0.0.1:9", []),
    ):
        assert origins_under("esewa.com.np", address) == further
    deposit = await esewa.open(500, gateway="esewa")
    told = ["https://*.esewa.com.np", "*", "https:", "https://a.b; script-src *", "'unsafe-inline'", "https://late.np"]
    await ask_at(esewa, deposit, shown={**deposit.shown, "goes_on_to": told})
    shown = await customer.get(f"/deposits/{deposit.id}/pay")
    policy = shown.headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:9 https://*.esewa.com.np;" in policy


async def test_there_is_no_form_for_other_deposits(esewa: Till, customer: StaffBrowser) -> None:
    async with esewa.panel.db.transaction() as session:
        other = await make_user(session, funds=None)
    foreign = await esewa.open(500, gateway="esewa", user=other)
    transfer, evil, broken = await esewa.open(), await esewa.open(600, gateway="esewa"), await esewa.open()
    await ask_at(esewa, evil, shown={"kind": "form", "url": "javascript:alert(1)", "fields": []})
    await ask_at(esewa, broken, shown={}, state="created")
    assert (await customer.get(f"/deposits/{foreign.id}/pay")).status_code == 404
    for deposit in (transfer, evil, broken):
        assert (await customer.get(f"/deposits/{deposit.id}/pay")).status_code == 303
    assert "javascript:" not in (await customer.get(f"/deposits/{evil.id}")).text
    assert "could not be begun" in (await customer.get(f"/deposits/{broken.id}")).text


async def test_a_link_and_a_code_lead_elsewhere(esewa: Till, customer: StaffBrowser) -> None:
    deposit = await esewa.open(500, gateway="esewa")
    shown = {"kind": "redirect", "redirect_url": "https://pay.example/x?a=1&b=2", "qr": "00020101payload"}
    await ask_at(esewa, deposit, shown=shown)
    page = (await customer.get(f"/deposits/{deposit.id}")).text
    assert 'href="https://pay.example/x?a=1&amp;b=2" rel="noreferrer"' in page
    assert "<svg" in page
    assert "Scan it with the app you pay with." in page
    assert (await customer.get(f"/deposits/{deposit.id}/qr.png")).content.startswith(b"\x89PNG")


@pytest.mark.parametrize("language", ["en", "vi", "id"])
async def test_rule_15_coming_back_credits_nothing_and_has_the_gateway_asked(
    esewa: Till, customer: StaffBrowser, language: str
) -> None:
    deposit = await esewa.open(500, gateway="esewa")
    await ask_at(esewa, deposit, ask_at=None)
    data = carried(deposit)

    answer = await customer.get(f"/deposits/return/{deposit.reference}", params={"data": data, "lang": language})

    assert (answer.status_code, answer.headers["location"]) == (303, f"/deposits/{deposit.id}")
    assert await esewa.balance() == 0
    assert await ask_at(esewa, deposit) == esewa.panel.clock()
    await esewa.settle()
    [event] = await esewa.events()
    assert (event.outcome, event.deposit_id, event.body) == ("hint", deposit.id, data.encode())
    assert await esewa.balance() == 0, "what a browser carries is only a reason to ask"
    # The history of a browser sends it again and again.
    for _ in range(3):
        await customer.get(f"/deposits/return/{deposit.reference}", params={"data": data})
    assert len(await esewa.events()) == 1
    assert (await customer.get(f"/deposits/{deposit.id}", params={"lang": language})).status_code == 200


async def test_plus_signs_that_an_address_lost_are_there_again(esewa: Till, customer: StaffBrowser) -> None:
    deposit = await esewa.open(500, gateway="esewa")
    data = next(text for n in range(9) if "+" in (text := carried(deposit, note="x" * n + ">~>~>~")))
    await customer.get(f"/deposits/return/{deposit.reference}?data={data}")
    assert len(await esewa.events()) == 1


async def test_what_is_forged_leads_to_the_deposit_and_nowhere_else(esewa: Till, customer: StaffBrowser) -> None:
    deposit = await esewa.open(500, gateway="esewa")
    for data in ("", "x", "%%%", carried(deposit, signature="AAAA"), "A" * 60_000, "é"):
        answer = await customer.client.get(f"/deposits/return/{deposit.reference}", params={"data": data})
        assert answer.status_code in {303, 400}
    assert await esewa.events() == []
    assert await esewa.balance() == 0


async def test_strangers_and_visitors_are_thanked_and_told_nothing(esewa: Till, customer: StaffBrowser) -> None:
    async with esewa.panel.db.transaction() as session:
        other = await make_user(session, funds=None)
    deposit = await esewa.open(500, gateway="esewa", user=other)
    await ask_at(esewa, deposit, ask_at=None)
    texts = []
    async with browser_of(esewa, None) as visitor:
        for browser in (visitor, customer):
            for reference in (deposit.reference, "NOSUCHREFERENCE"):
                answer = await browser.get(f"/deposits/return/{reference}")
                assert answer.status_code == 200
                assert "Thank you" in answer.text
                assert deposit.reference not in answer.text.replace(f"/{reference}", "")
                texts.append(len(answer.text.replace(reference, "")))
        assert "/sign-in" in (await visitor.get(f"/deposits/return/{deposit.reference}")).text
        # What the gateway has signed counts whoever carries it: nobody is signed in on the phone that paid.
        await visitor.get(f"/deposits/return/{deposit.reference}", params={"data": carried(deposit)})
    assert len(await esewa.events()) == 1
    assert await ask_at(esewa, deposit) is None


async def test_many_who_carry_nonsense_are_not_listened_to(esewa: Till) -> None:
    deposit = await esewa.open(500, gateway="esewa")
    async with browser_of(esewa, None) as visitor:
        for _ in range(32):
            await visitor.client.get(f"/deposits/return/{deposit.reference}", params={"data": "bm9uc2Vuc2U="})
        await visitor.client.get(f"/deposits/return/{deposit.reference}", params={"data": carried(deposit)})
    assert await esewa.events() == [], "who has sent so much nonsense waits; the gateway is asked at its times"


async def test_rule_15_i_have_paid_has_the_gateway_asked_and_not_too_often(esewa: Till, customer: StaffBrowser) -> None:
    deposit = await esewa.open(500, gateway="esewa")
    await ask_at(esewa, deposit, ask_at=None)
    assert f'action="/deposits/{deposit.id}/check"' in (await customer.get(f"/deposits/{deposit.id}")).text
    assert (await customer.post(f"/deposits/{deposit.id}/check")).status_code == 303
    assert await ask_at(esewa, deposit) == esewa.panel.clock()
    await ask_at(esewa, deposit, ask_at=None, asked_at=esewa.panel.clock())
    for _ in range(25):
        assert (await customer.post(f"/deposits/{deposit.id}/check")).status_code == 303
    assert await ask_at(esewa, deposit) is None
    async with esewa.panel.db.transaction() as session:
        other = await make_user(session, funds=None)
    async with browser_of(esewa, other) as stranger:
        await stranger.get("/add-funds")
        assert (await stranger.post(f"/deposits/{deposit.id}/check")).status_code == 404
    # A bank that cannot be asked is not offered to be.
    transfer = await esewa.open()
    assert f'action="/deposits/{transfer.id}/check"' not in (await customer.get(f"/deposits/{transfer.id}")).text
    await customer.post(f"/deposits/{transfer.id}/check")
    assert await ask_at(esewa, transfer) is None


async def test_staff_have_a_gateway_asked_on_the_record(esewa: Till) -> None:
    deposit = await esewa.open(500, gateway="esewa")
    await ask_at(esewa, deposit, ask_at=None)
    admin = await sign_in(esewa.panel)
    shown = await admin.get(f"/staff/deposits/{deposit.id}")
    assert f'action="/staff/deposits/{deposit.id}/ask"' in shown.text
    assert (await admin.post(f"/staff/deposits/{deposit.id}/ask")).status_code == 303
    assert (await admin.post("/staff/deposits/999/ask")).status_code == 404
    assert await ask_at(esewa, deposit) == esewa.panel.clock()
    async with esewa.panel.db.transaction() as session:
        audited = select(func.count()).where(
            AuditEntry.permission == "deposits.settle", AuditEntry.subject == f"deposit:{deposit.id}"
        )
        assert await session.scalar(audited) == 1
        assert await session.scalar(select(func.count()).select_from(GatewayEvent)) == 0
    await admin.client.aclose()
    clerk = await sign_in(esewa.panel, role=Role.STAFF, permissions=[Permission.DEPOSITS_VIEW])
    assert f'action="/staff/deposits/{deposit.id}/ask"' not in (await clerk.get(f"/staff/deposits/{deposit.id}")).text
    assert (await clerk.post(f"/staff/deposits/{deposit.id}/ask")).status_code == 403
    await clerk.client.aclose()
