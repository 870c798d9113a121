"""Pages of payments: for customers and for staff, with nothing and with much, in every language."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import select, text

from making import make_user
from payments.conftest import Till
from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.models import AuditEntry, User
from smmpanel.accounts.sessions import open_session
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.web import build_app
from smmpanel.payments.expiring import expire_deposits
from smmpanel.payments.methods import disable_method, method_by
from smmpanel.payments.models import Deposit, PaymentMethod
from smmpanel.payments.policies import Policy
from staff_browser import StaffBrowser, sign_in

LANGUAGES = pytest.mark.parametrize("language", ["en", "vi", "id"])


@pytest.fixture
async def customer(till: Till) -> AsyncIterator[StaffBrowser]:
    """The customer's browser."""
    transport = httpx.ASGITransport(build_app(till.panel), client=("203.0.113.7", 1))
    client = httpx.AsyncClient(transport=transport, base_url="http://panel.example")
    async with till.panel.db.transaction() as session:
        opened = await open_session(
            session, till.user, lifetime=timedelta(days=1), ip=None, user_agent=None, now=till.panel.clock()
        )
    client.cookies.set("smmpanel_session", opened.token, domain="panel.example")
    yield StaffBrowser(client)
    await client.aclose()


@pytest.fixture
async def admin(till: Till) -> AsyncIterator[StaffBrowser]:
    """An admin's browser."""
    browser = await sign_in(till.panel)
    yield browser
    await browser.client.aclose()


@LANGUAGES
async def test_a_customer_pays_in(till: Till, customer: StaffBrowser, language: str) -> None:
    shown = await customer.get("/add-funds", params={"lang": language})
    assert shown.status_code == 200
    key = re.search(r'name="key" value="(\w+)"', shown.text)[1]
    form = {"method": till.methods["sepay"], "amount": "100.000", "key": key}
    sent = [await customer.post("/add-funds", form) for _ in range(2)]
    assert {answer.headers["location"] for answer in sent} == {"/deposits/1"}

    waiting = await customer.get("/deposits/1", params={"lang": language})
    assert waiting.status_code == 200
    for told in (
        "Ngân hàng ACB",
        "123456789",
        "NGUYEN VAN A",
        "HOMEMMO ",
        "<svg",
        'data-copy-text="100000"',
        'hx-trigger="panel:deposits from:body"',
    ):
        assert told in waiting.text
    picture = await customer.client.get("/deposits/1/qr.png")
    assert picture.content.startswith(b"\x89PNG")

    await till.told((await till.deposit(1)).memo)

    part = await customer.client.get("/deposits/1", headers={"hx-request": "true"})
    assert "is-ok" in part.text
    assert "hx-trigger" not in part.text
    history = await customer.get("/deposits", params={"lang": language})
    assert 'href="/deposits/1"' in history.text


async def test_what_is_typed_is_kept_and_what_is_wrong_is_said(till: Till, customer: StaffBrowser) -> None:
    await customer.get("/add-funds")
    for amount, word in (("5", "below the minimum"), ("x<", "Enter an amount"), ("100000.5", "whole amount")):
        answer = await customer.post("/add-funds", {"method": till.methods["sepay"], "amount": amount, "key": "k"})
        assert answer.status_code == 422
        assert word in answer.text
        assert f'value="{amount.replace("<", "&lt;")}"' in answer.text
    none = await customer.post("/add-funds", {"method": "999", "amount": "100000"})
    assert none.status_code == 422
    async with till.panel.db.transaction() as session:
        assert await session.scalar(select(Deposit.id)) is None


async def test_what_an_amount_comes_to(till: Till, customer: StaffBrowser) -> None:
    dear = await till.add("manual", fee_percent=Decimal("2.5"), fee_fixed=Decimal(500))
    part = await customer.client.get(
        "/add-funds", params={"method": dear, "amount": "100,000"}, headers={"hx-request": "true"}
    )
    assert "97,000" in part.text
    assert "<form" not in part.text
    # With the method its currency changes, and what is suggested.
    assert "VND · from" in part.text
    assert f"amount=50000&amp;method={dear}" in part.text or f"method={dear}&amp;amount=50000" in part.text


async def test_each_stage_has_words_of_its_own(till: Till, customer: StaffBrowser) -> None:
    underpaid, late, strange, hand = await till.open(), await till.open(), await till.open(), None
    await till.told(underpaid.memo, 40_000)
    async with till.panel.db.transaction() as session:
        (await method_by(session, till.methods["sepay"])).policy = Policy(overpaid="review").checked()
    await till.told(strange.memo, 900_000)
    await till.add("manual")
    hand = await till.open(gateway="manual")
    assert "60,000" in (await customer.get(f"/deposits/{underpaid.id}")).text
    assert "being looked at" in (await customer.get(f"/deposits/{strange.id}")).text
    assert "by hand" in (await customer.get(f"/deposits/{hand.id}")).text
    await expire_deposits.function(till.at(hours=2).panel)
    assert "time for this payment is up" in (await customer.get(f"/deposits/{late.id}")).text
    for status in ("", "pending", "partial", "paid", "failed", "expired", "refunded", "nonsense"):
        assert (
            await customer.get("/deposits", params={"status": status, "from": "2026-01-01", "to": "x"})
        ).status_code == 200


async def test_somebody_elses_deposit_is_not_found(till: Till, customer: StaffBrowser) -> None:
    async with till.panel.db.transaction() as session:
        other = await make_user(session, funds=None)
    foreign = await till.open(user=other)
    for path in (f"/deposits/{foreign.id}", f"/deposits/{foreign.id}/qr.png", "/deposits/999"):
        assert (await customer.get(path)).status_code == 404


@LANGUAGES
async def test_staff_approve_what_has_arrived(till: Till, admin: StaffBrowser, language: str) -> None:
    await till.add("manual")
    deposit = await till.open(gateway="manual")
    assert (await admin.get("/staff/deposits", params={"lang": language})).status_code == 200
    shown = await admin.get(f"/staff/deposits/{deposit.id}", params={"lang": language})
    key = re.search(r'name="key" value="(\w+)"', shown.text)[1]
    for _ in range(2):
        answer = await admin.post(
            f"/staff/deposits/{deposit.id}/approve", {"amount": "90.000", "note": "seen", "key": key}
        )
        assert answer.status_code == 303
    assert await till.balance() == 90_000
    assert (await till.deposit(deposit.id)).state == "partial"
    wrong = await admin.post(f"/staff/deposits/{deposit.id}/approve", {"amount": "-5", "key": "other"})
    assert wrong.status_code == 422
    async with till.panel.db.transaction() as session:
        audited = (await session.scalars(select(AuditEntry).where(AuditEntry.permission == "deposits.settle"))).all()
    assert len(audited) == 1


async def test_staff_reject_and_the_customer_reads_why(till: Till, admin: StaffBrowser, customer: StaffBrowser) -> None:
    await till.add("manual")
    deposit = await till.open(gateway="manual")
    assert (await admin.post(f"/staff/deposits/{deposit.id}/reject", {"reason": " "})).status_code == 422
    assert (await admin.post(f"/staff/deposits/{deposit.id}/reject", {"reason": "Nothing <came>"})).status_code == 303
    assert "Nothing &lt;came&gt;" in (await customer.get(f"/deposits/{deposit.id}")).text
    assert (await admin.post(f"/staff/deposits/{deposit.id}/reject", {"reason": "again"})).status_code == 409
    # Money that arrives after all is still theirs.
    await till.told(deposit.memo)
    assert await till.balance() == 100_000


async def test_money_of_nobody_is_assigned_or_dismissed(till: Till, admin: StaffBrowser) -> None:
    deposit = await till.open()
    for _ in range(3):
        await till.told("thanks")
    shown = await admin.get("/staff/deposits", params={"status": "review"})
    assert shown.text.count("/staff/deposits/money/") == 3
    page = await admin.get("/staff/deposits/money/1")
    assert f'name="deposit" value="{deposit.id}"' in page.text
    assert (await admin.post("/staff/deposits/money/1/assign", {})).status_code == 422
    assert (await admin.post("/staff/deposits/money/1/assign", {"user": "nobody"})).status_code == 422
    unknown = await admin.post("/staff/deposits/money/1/assign", {"deposit": "999"})
    assert (unknown.status_code, "There is no such deposit." in unknown.text) == (422, True)
    assert (await admin.post("/staff/deposits/money/1/assign", {"deposit": deposit.id})).status_code == 303
    assert (await admin.post("/staff/deposits/money/1/assign", {"deposit": deposit.id})).status_code == 409
    async with till.panel.db.transaction() as session:
        name = (await session.get_one(User, till.user)).username
    made = await admin.post("/staff/deposits/money/2/assign", {"user": name})
    assert made.headers["location"] == "/staff/deposits/2"
    assert (await admin.post("/staff/deposits/money/3/dismiss", {"reason": "sent back"})).status_code == 303
    assert await till.balance() == 200_000
    assert (await admin.get("/staff/deposits", params={"status": "dismissed"})).text.count("/money/3") == 1
    assert (await admin.get("/staff/deposits/1")).text.count("deposit:sepay:webhook:") == 1


async def test_a_message_after_an_approval_by_hand_credits_nothing(till: Till, admin: StaffBrowser) -> None:
    deposit = await till.open()
    await admin.get(f"/staff/deposits/{deposit.id}")
    await admin.post(f"/staff/deposits/{deposit.id}/approve", {"amount": "100000", "key": "k1"})
    await till.told(deposit.memo)
    assert await till.balance() == 100_000
    await till.told("thanks")
    refused = await admin.post("/staff/deposits/money/2/assign", {"deposit": deposit.id})
    assert refused.status_code == 303  # the first message has confirmed what was entered: this is other money
    assert await till.balance() == 200_000


async def test_nobody_approves_their_own_deposit(till: Till) -> None:
    browser = await sign_in(till.panel)
    async with till.panel.db.transaction() as session:
        own = await session.scalar(select(User.id).where(User.role == Role.ADMIN))
    await till.add("manual")
    deposit = await till.open(gateway="manual", user=own)
    answer = await browser.post(f"/staff/deposits/{deposit.id}/approve", {"amount": "100000", "key": "k"})
    assert answer.status_code == 403
    assert await till.balance(own) == 0
    await browser.client.aclose()


async def test_each_deed_takes_its_permission(till: Till) -> None:
    deposit = await till.open()
    await till.told("thanks")
    browser = await sign_in(
        till.panel, role=Role.STAFF, permissions=[Permission.DEPOSITS_VIEW, Permission.GATEWAYS_VIEW]
    )
    assert 'action="/staff/deposits' not in (await browser.get(f"/staff/deposits/{deposit.id}")).text.replace(
        'action="/staff/deposits"', ""
    )
    assert (await browser.get("/staff/payment-methods/1")).status_code == 200
    forbidden = (
        f"/staff/deposits/{deposit.id}/approve", f"/staff/deposits/{deposit.id}/reject", "/staff/deposits/money/1/assign",
        "/staff/deposits/money/1/dismiss", "/staff/payment-methods/1", "/staff/payment-methods/1/switch", "/staff/payment-methods/new",
    )  # fmt: skip
    for path in forbidden:
        assert (await browser.post(path, {"reason": "x"})).status_code == 403, path
    await browser.client.aclose()


@LANGUAGES
async def test_a_method_is_set_up_offered_and_kept_secret(till: Till, admin: StaffBrowser, language: str) -> None:
    assert (await admin.get("/staff/payment-methods", params={"lang": language})).status_code == 200
    for gateway in till.panel.payment_gateways.names():
        shown = await admin.get("/staff/payment-methods/new", params={"gateway": gateway, "lang": language})
        assert shown.status_code == 200
        # Of a transfer by hand nobody tells, and what eSewa has to say its customers carry back.
        assert (f"/api/payment/{gateway}/webhook" in shown.text) == (gateway not in {"manual", "esewa"})
    form = {
        "gateway": "sepay", "name": "VietQR", "currency": "VND", "minimum": "10.000", "fee_percent": "0", "fee_fixed": "0",
        "expires_minutes": "30", "position": "0", "underpaid": "credit", "overpaid": "credit", "repeated": "review", "late_days": "7",
        "bank": "970436", "account_number": "0123499999", "account_name": "TRAN B", "memo_prefix": "SHOP", "auth_mode": "hmac",
    }  # fmt: skip
    made = await admin.post("/staff/payment-methods/new", {**form, "minimum": "10000"})
    where = made.headers["location"]
    early = await admin.post(f"{where}/switch", {"to": "on"})
    assert early.status_code == 422
    assert 'id="secret-error"' in early.text
    assert (await admin.post(where, {**form, "minimum": "10000", "secret": "top-secret-9876"})).status_code == 303
    assert (await admin.post(f"{where}/switch", {"to": "on"})).status_code == 303
    shown = await admin.get(where, params={"lang": language})
    assert "top-secret" not in shown.text
    assert "9876" in shown.text
    bad = await admin.post(where, {**form, "minimum": "10000", "memo_prefix": "x"})
    assert bad.status_code == 422
    assert 'id="memo_prefix-error"' in bad.text
    async with till.panel.db.transaction() as session:
        kept = (await session.scalars(select(PaymentMethod).where(PaymentMethod.name == "VietQR"))).one()
        assert b"top-secret" not in (kept.secrets_sealed or b"")
        audited = (await session.scalars(select(AuditEntry).where(AuditEntry.permission == "gateways.edit"))).all()
        assert "top-secret" not in str([(row.before, row.after) for row in audited])
        assert {"secret": "replaced"}.items() <= next(
            row.after for row in audited if row.after and "secret" in row.after
        ).items()


async def test_a_method_that_is_not_offered_any_more_is_still_credited(till: Till, customer: StaffBrowser) -> None:
    deposit = await till.open()
    async with till.panel.db.transaction() as session:
        await disable_method(session, till.methods["sepay"], actor=Actor.cli())
    assert "method-card" not in (await customer.get("/add-funds")).text
    await till.told(deposit.memo)
    assert await till.balance() == 100_000


async def test_the_owners_words_stand_beside_the_methods(till: Till, customer: StaffBrowser) -> None:
    async with till.panel.db.transaction() as session:
        await session.execute(
            text("INSERT INTO panel_options (name, value) VALUES ('manual_transfer', '\"Bank: ACB\"')")
        )
    shown = (await customer.get("/add-funds")).text
    assert "<p>Bank: ACB</p>" in shown
    assert "method-card" in shown
