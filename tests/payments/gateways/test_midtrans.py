"""Midtrans: the contract's vectors and words, what hostile messages come to, and the calls that are made."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from payments.gateways.fake_vendor import Scripted, fake_vendor
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.midtrans import Midtrans
from smmpanel.payments.protocol import (
    Account,
    Asked,
    CanBeAsked,
    CanRefund,
    GatewayFailedError,
    GatewayStatus,
    GatewayUnknownError,
    Intent,
    Message,
    Notice,
    Refund,
    UnreadableMessageError,
)

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors.json").read_text("utf-8"))
NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
KEY, OFFICIAL_KEY = "SB-Mid-server-TESTKEY123", "askvnoibnosifnboseofinbofinfgbiufglnbfg"
REFERENCE = "TOPUP-000123"
PAYMENT = Asked(REFERENCE, None, None, Decimal(150_000), "IDR", NOW, NOW)
S = GatewayStatus


def midtrans(http: Outgoing | None = None, *, key: str = KEY, signature_key: str = "", **options: str) -> Midtrans:
    secrets = {"server_key": (key,), "signature_key": (signature_key,)}
    return Midtrans(Account("IDR", {"environment": "sandbox", **options}, secrets), http or Outgoing())


def digest(fields: dict[str, Any], key: str = KEY) -> str:
    text = f"{fields['order_id']}{fields['status_code']}{fields['gross_amount']}{key}"
    return hashlib.sha512(text.encode()).hexdigest()


def notification(**more: Any) -> dict[str, Any]:
    fields = {
        "transaction_time": "2026-11-21 14:02:00",
        "transaction_status": "settlement",
        "transaction_id": "57d5293c-e65f-4a29-95e4-5959c3fa335b",
        "status_message": "midtrans payment notification",
        "status_code": "200",
        "settlement_time": "2026-11-21 14:02:37",
        "payment_type": "bank_transfer",
        "order_id": REFERENCE,
        "merchant_id": "G141532850",
        "gross_amount": "150000.00",
        "currency": "IDR",
        **more,
    }
    return {name: value for name, value in fields.items() if value is not None}


def message(fields: dict[str, Any], signature: str | None = None) -> Message:
    return Message({}, json.dumps({**fields, "signature_key": signature or digest(fields)}).encode())


def answer(**more: Any) -> list[Notice]:
    return list(midtrans().read_answer(json.dumps(notification(**more)).encode(), PAYMENT).notices)


# Vectors of the contract.


@pytest.mark.parametrize(
    ("name", "order", "code", "amount", "key", "holds"),
    [
        ("midtrans.official", "1111", "200", "100000.00", OFFICIAL_KEY, True),
        ("midtrans.ours", REFERENCE, "200", "150000.00", KEY, True),
        ("midtrans.ours.pending", REFERENCE, "201", "150000.00", KEY, True),
        ("midtrans.ours.deny", REFERENCE, "202", "150000.00", KEY, True),
        ("midtrans.ours.wrong_amount_fmt", REFERENCE, "200", "150000.00", KEY, False),
        ("midtrans.ours", REFERENCE, "200", "150000", KEY, False),
        ("midtrans.ours", REFERENCE, "201", "150000.00", KEY, False),
        ("midtrans.ours", "TOPUP-000124", "200", "150000.00", KEY, False),
        ("midtrans.ours", REFERENCE, "200", "150000.00", KEY[3:], False),
    ],
)
def test_signature_vectors(name: str, order: str, code: str, amount: str, key: str, *, holds: bool) -> None:
    sent = message(notification(order_id=order, status_code=code, gross_amount=amount), VECTORS[name])
    assert midtrans(key=key).verify(sent, NOW) == ("signature_key" if holds else None)


async def test_basic_header_vector() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, notification()))
        await midtrans(vendor.http, base_url=vendor.url).ask(PAYMENT)
    assert vendor.sent[0].headers["authorization"] == VECTORS["midtrans.auth"]


def test_a_key_of_its_own_replaces_the_server_key_for_signatures() -> None:
    fields = notification()
    own = midtrans(signature_key="signs-notifications")
    assert own.verify(message(fields, digest(fields, "signs-notifications")), NOW)
    assert own.verify(message(fields), NOW) is None
    rotated = Midtrans(Account("IDR", {}, {"server_key": ("new", KEY)}), Outgoing())
    assert rotated.verify(message(fields), NOW)


def test_without_a_key_nothing_is_verified() -> None:
    fields = notification()
    nobody = Midtrans(Account("IDR", {}, {"server_key": ("",)}), Outgoing())
    assert nobody.verify(message(fields, digest(fields, "")), NOW) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b"\xff\xfe",
        b'{"order_id":"A"}',
        b'{"order_id":"A","order_id":"B","status_code":"200","gross_amount":"1.00","signature_key":"x"}',
        b'{"order_id":true,"status_code":"200","gross_amount":"1.00","signature_key":"x"}',
        b'{"order_id":["A"],"status_code":"200","gross_amount":"1.00","signature_key":"x"}',
        b'{"order_id":"A","status_code":"200","gross_amount":"1.00","signature_key":"\xc4\x91"}',
        b'{"order_id":"A","status_code":"200","gross_amount":"1.00","signature_key":"\\ud800"}',
        b'{"order_id":"A","status_code":"200","gross_amount":1e400,"signature_key":"x"}',
        b'{"order_id":"A","status_code":"200","gross_amount":' + b"9" * 400 + b',"signature_key":"x"}',
        b'{"order_id":' + b"[" * 20_000,
    ],
)
def test_hostile_bodies_prove_nothing(body: bytes) -> None:
    assert midtrans().verify(Message({}, body), NOW) is None


def test_a_truncated_message_proves_nothing() -> None:
    whole = message(notification())
    assert midtrans().verify(whole, NOW)
    assert midtrans().verify(Message({}, whole.body[:-1]), NOW) is None


def test_digits_cannot_be_moved_from_the_amount_to_the_status_code() -> None:
    fields = notification()
    moved = {**fields, "status_code": "2001", "gross_amount": "50000.00"}
    assert digest(moved) == digest(fields)
    assert midtrans().verify(message(moved), NOW) is None


# Words.


@pytest.mark.parametrize(
    ("word", "more", "status"),
    [
        ("pending", {"status_code": "201"}, S.PENDING),
        ("authorize", {}, S.PENDING),
        ("capture", {"fraud_status": "challenge", "status_code": "201"}, S.PENDING),
        ("capture", {"fraud_status": "accept"}, S.PAID),
        ("settlement", {"fraud_status": "accept"}, S.PAID),
        ("settlement", {}, S.PAID),
        ("capture", {"fraud_status": "deny", "status_code": "202"}, S.FAILED),
        ("settlement", {"status_code": "201"}, S.REVIEW),
        ("settlement", {"fraud_status": "unheard"}, S.REVIEW),
        ("deny", {"status_code": "202"}, S.FAILED),
        ("failure", {"status_code": "202"}, S.FAILED),
        ("cancel", {}, S.FAILED),
        ("expire", {"status_code": "407"}, S.EXPIRED),
        ("refund", {"refund_amount": "150000.00"}, S.REFUNDED),
        ("partial_refund", {"refund_amount": "50000.00"}, S.PARTIALLY_REFUNDED),
        ("chargeback", {}, S.REVERSED),
        ("partial_chargeback", {"refund_amount": "50000.00"}, S.REVERSED),
        ("partial_chargeback", {}, S.REVIEW),
        ("unheard", {}, S.REVIEW),
    ],
)
def test_words(word: str, more: dict[str, str], status: GatewayStatus) -> None:
    fields = notification(transaction_status=word, **more)
    [hint] = midtrans().read(message(fields), "signature_key").notices
    assert (hint.status, hint.unproved, hint.reference) == (status, True, REFERENCE)
    sure = answer(transaction_status=word, **more)[-1]
    assert (sure.status, sure.unproved, sure.external_id) == (status, False, hint.external_id)


def test_money_has_one_number_whoever_tells_of_it() -> None:
    [sure] = answer()
    [hint] = midtrans().read(message(notification(transaction_status="capture")), "signature_key").notices
    assert hint.external_id == sure.external_id == "57d5293c-e65f-4a29-95e4-5959c3fa335b"
    assert (sure.amount, sure.currency) == (Decimal(150_000), "IDR")
    assert sure.occurred_at == datetime(2026, 11, 21, 7, 2, 37, tzinfo=UTC)


def test_each_status_of_a_payment_is_a_message_of_its_own() -> None:
    words = ("pending", "settlement", "deny", "settlement")
    keys = [midtrans().read(message(notification(transaction_status=word)), "").event_key for word in words]
    assert len(set(keys)) == 3


def test_money_given_back_had_come_in_and_each_refund_is_told() -> None:
    refunds = [
        {
            "refund_chargeback_id": 1,
            "refund_amount": "30000.00",
            "refund_key": "first",
            "created_at": "2026-11-22 09:00:00",
        },
        {"refund_chargeback_id": 2, "refund_amount": "20000.00"},
    ]
    came, first, second = answer(transaction_status="partial_refund", refunds=refunds, refund_amount="50000.00")
    assert (came.status, came.amount, came.return_id) == (S.PAID, Decimal(150_000), None)
    assert (first.return_id, first.amount, first.is_total) == ("first", Decimal(30_000), False)
    assert (second.return_id, second.amount, second.status) == ("2", Decimal(20_000), S.PARTIALLY_REFUNDED)
    assert first.occurred_at == datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def test_a_sum_given_back_is_told_as_one() -> None:
    came, back = answer(transaction_status="chargeback")
    assert (came.status, back.status, back.amount, back.is_total) == (S.PAID, S.REVERSED, Decimal(150_000), True)
    assert back.return_id != answer(transaction_status="refund")[1].return_id


def test_a_payment_that_midtrans_does_not_know_yet_is_waited_for() -> None:
    reading = midtrans().read_answer(b'{"status_code":"404","status_message":"Transaction doesn\'t exist."}', PAYMENT)
    assert [(one.status, one.reference) for one in reading.notices] == [(S.PENDING, REFERENCE)]


@pytest.mark.parametrize(
    "more",
    [
        {"order_id": "TOPUP-000124"},
        {"transaction_id": None},
        {"transaction_id": "x" * 101},
        {"gross_amount": "150000.50"},
        {"gross_amount": "-150000.00"},
        {"gross_amount": -150000},
        {"gross_amount": "150.000,00"},
        {"gross_amount": "１５００００"},
        {"gross_amount": None},
        {"gross_amount": "0.00"},
        {"gross_amount": "0.00", "transaction_status": "refund", "refund_amount": "1.00"},
        {"gross_amount": "9" * 25},
        {"settlement_time": "yesterday"},
        {"transaction_status": ["settlement"]},
        {"transaction_status": "refund", "refunds": ["all"]},
        {"transaction_status": "refund", "refunds": [{"refund_amount": "1.00"}]},
    ],
)
def test_answers_that_make_no_sense_are_not_believed(more: dict[str, Any]) -> None:
    with pytest.raises(UnreadableMessageError):
        answer(**more)


def test_another_currency_is_told_as_it_is() -> None:
    assert answer(currency="USD")[0].currency == "USD"


# Calls.


def intent(**more: Any) -> Intent:
    given: dict[str, Any] = {
        "expires_at": NOW + timedelta(minutes=90),
        "customer": "USR-1",
        "email": "buyer@shop.test",
        "return_url": "https://panel.test/deposits/return/ABC",
        "notify_url": "https://panel.test/api/payment/midtrans/webhook",
        **more,
    }
    return Intent(REFERENCE, None, Decimal(150_000), "IDR", now=NOW, **given)


async def test_a_page_is_asked_for() -> None:
    link = "https://app.sandbox.midtrans.com/snap/v4/redirection/66e4fa55"
    async with fake_vendor() as vendor:
        vendor.answering((201, {"token": "66e4fa55", "redirect_url": link}))
        asked = midtrans(vendor.http, base_url=vendor.url, enabled_payments="qris\nbca_va")
        started = await asked.start(intent())
    [sent] = vendor.sent
    assert (started.shown, started.external_ref) == ({"kind": "redirect", "redirect_url": link}, "66e4fa55")
    assert (sent.method, sent.path) == ("POST", "/snap/v1/transactions")
    assert sent.headers["x-override-notification"] == "https://panel.test/api/payment/midtrans/webhook"
    assert sent.headers["authorization"] == VECTORS["midtrans.auth"]
    assert b'"gross_amount":150000}' in sent.body
    assert sent.json == {
        "transaction_details": {"order_id": REFERENCE, "gross_amount": 150_000},
        "expiry": {"start_time": "2026-11-21 14:00:00 +0700", "unit": "minute", "duration": 90},
        "credit_card": {"secure": True},
        "customer_details": {"first_name": "USR-1", "email": "buyer@shop.test"},
        "enabled_payments": ["qris", "bca_va"],
        "callbacks": {"finish": "https://panel.test/deposits/return/ABC"},
    }


@pytest.mark.parametrize(
    "told",
    [
        (400, {"error_messages": ["transaction_details.order_id sudah digunakan"]}),
        (401, {"error_messages": ["Access denied"]}),
        (500, b""),
        (201, {"token": "x", "redirect_url": "javascript:alert(1)"}),
        (201, {"token": "x"}),
        None,
    ],
)
async def test_a_page_that_is_not_made_is_a_failure(told: Scripted | None) -> None:
    async with fake_vendor() as vendor:
        vendor.answering(told)
        with pytest.raises(GatewayFailedError):
            await midtrans(vendor.http, base_url=vendor.url).start(intent())


@pytest.mark.parametrize("status", [200, 404])
async def test_the_code_in_the_body_is_what_counts(status: int) -> None:
    unknown = {"status_code": "404", "status_message": "Transaction doesn't exist."}
    async with fake_vendor() as vendor:
        vendor.answering((status, unknown))
        asked = midtrans(vendor.http, base_url=vendor.url)
        said = await asked.ask(PAYMENT)
    assert vendor.sent[0].target == f"/v2/{REFERENCE}/status"
    assert asked.read_answer(said, PAYMENT).notices[0].status == S.PENDING


@pytest.mark.parametrize(
    "told",
    [
        (200, {"status_code": "401", "status_message": "Unknown Merchant server_key/id"}),
        (200, {"status_code": "500"}),
        (401, {"status_code": "401"}),
        (503, b"<html>"),
        (200, b'{"status_code": "404", "status_code": "200"}'),
        None,
    ],
)
async def test_no_answer_is_a_failure(told: Scripted | None) -> None:
    async with fake_vendor() as vendor:
        vendor.answering(told)
        with pytest.raises(GatewayFailedError):
            await midtrans(vendor.http, base_url=vendor.url).ask(PAYMENT)


GIVE_BACK = Refund(PAYMENT, "57d5293c", Decimal(50_000), "refund-7", "Unspent")


@pytest.mark.parametrize(("code", "status"), [("200", "done"), ("201", "pending")])
async def test_money_is_given_back_once_under_a_key(code: str, status: str) -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, {"status_code": code, "status_message": "Success, refund request is approved"}))
        refunded = await midtrans(vendor.http, base_url=vendor.url).refund(GIVE_BACK)
    [sent] = vendor.sent
    assert (sent.method, sent.path) == ("POST", f"/v2/{REFERENCE}/refund")
    assert sent.json == {"refund_key": "refund-7", "amount": 50_000, "reason": "Unspent"}
    assert sent.headers["idempotency-key"] == "refund-7"
    assert (refunded.return_id, refunded.status) == ("refund-7", status)


@pytest.mark.parametrize(
    ("told", "failure"),
    [
        ((200, {"status_code": "412", "status_message": "Merchant cannot modify the status"}), GatewayFailedError),
        ((404, {"status_code": "404"}), GatewayFailedError),
        ((200, {"status_code": "500"}), GatewayUnknownError),
        ((200, {}), GatewayUnknownError),
        ((502, b""), GatewayUnknownError),
        (None, GatewayUnknownError),
    ],
)
async def test_refunds_that_fail_and_refunds_of_which_nobody_knows(
    told: Scripted | None, failure: type[GatewayFailedError]
) -> None:
    async with fake_vendor() as vendor:
        vendor.answering(told)
        with pytest.raises(GatewayFailedError) as raised:
            await midtrans(vendor.http, base_url=vendor.url).refund(GIVE_BACK)
    assert type(raised.value) is failure


# Settings.


def test_it_can_be_asked_and_gives_back() -> None:
    assert isinstance(midtrans(), CanBeAsked)
    assert isinstance(midtrans(), CanRefund)
    assert midtrans().can_be_asked
    assert not midtrans(key="").can_be_asked


@pytest.mark.parametrize(
    ("options", "key", "field"),
    [
        ({}, "", "server_key"),
        ({"environment": "moon"}, KEY, "environment"),
        ({"environment": "production"}, KEY, "server_key"),
        ({"base_url": "http://midtrans.test"}, KEY, "base_url"),
        ({"enabled_payments": "qris; drop"}, KEY, "enabled_payments"),
    ],
)
def test_what_is_missing_or_wrong_is_named(options: dict[str, Any], key: str, field: str) -> None:
    with pytest.raises(InvalidInputError) as wrong:
        midtrans(key=key, **options).check()
    assert wrong.value.fields["field"] == field


def test_settings_that_are_right() -> None:
    midtrans().check()
    midtrans(base_url="http://127.0.0.1:8910/midtrans", enabled_payments="qris\nbca_va").check()
    midtrans(environment="production", key="Mid-server-live").check()


async def test_without_another_address_the_environment_says_where() -> None:
    assert midtrans()._address(0) == "https://app.sandbox.midtrans.com"
    assert midtrans()._address(1) == "https://api.sandbox.midtrans.com"
    assert midtrans(environment="production")._address(0) == "https://app.midtrans.com"
