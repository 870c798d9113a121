"""Xendit: the contract's vectors and words, hostile messages, and the calls of both products."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from payments.gateways.fake_vendor import FakeVendor, Scripted, fake_vendor
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.xendit import Xendit
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
KEY, TOKEN = "xnd_development_TESTKEY123", "xnd_token_TEST_abc"
REFERENCE, SESSION_ID, REQUEST_ID, PAYMENT_ID = "TOPUP000123", "ps-661f87c6", "pr-1fdaf346", "py-1fdaf346"
INVOICE_ID = "579c8d61f23fa4ca35e52da4"
PAYMENT = Asked(REFERENCE, SESSION_ID, None, Decimal(150_000), "IDR", NOW, NOW)
BY_INVOICE = replace(PAYMENT, external_ref=INVOICE_ID)
S = GatewayStatus


def xendit(
    http: Outgoing | None = None, *, key: str = KEY, token: str = TOKEN, currency: str = "IDR", **options: str
) -> Xendit:
    secrets = {"secret_key": (key,), "callback_token": (token,)}
    return Xendit(Account(currency, options, secrets), http or Outgoing())


def message(body: Any, **headers: str) -> Message:
    given = {"x-callback-token": TOKEN, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message({name: value.encode() for name, value in given.items()}, raw)


def session(**more: Any) -> dict[str, Any]:
    return {
        "payment_session_id": SESSION_ID,
        "reference_id": REFERENCE,
        "session_type": "PAY",
        "status": "COMPLETED",
        "amount": 150000,
        "currency": "IDR",
        "payment_request_id": REQUEST_ID,
        "payment_id": PAYMENT_ID,
        **more,
    }


def payment(**more: Any) -> dict[str, Any]:
    return {
        "payment_id": PAYMENT_ID,
        "payment_request_id": REQUEST_ID,
        "reference_id": REFERENCE,
        "status": "SUCCEEDED",
        "request_amount": 150000,
        "currency": "IDR",
        "captures": [{"capture_id": "cap-1", "capture_amount": 150000}],
        "updated": "2026-11-21T07:02:37.566Z",
        **more,
    }


def invoice(**more: Any) -> dict[str, Any]:
    return {
        "id": INVOICE_ID,
        "external_id": REFERENCE,
        "user_id": "5848fdf860053555135587e7",
        "status": "PAID",
        "amount": 150000,
        "paid_amount": 150000,
        "paid_at": "2026-11-21T07:02:37.566Z",
        "currency": "IDR",
        **more,
    }


def refund(**more: Any) -> dict[str, Any]:
    return {
        "id": "rfd-1",
        "payment_id": REQUEST_ID,
        "payment_request_id": REQUEST_ID,
        "invoice_id": None,
        "amount": 50000,
        "currency": "IDR",
        "status": "SUCCEEDED",
        "reference_id": "refund-7",
        "created": "2026-11-22T09:00:00Z",
        **more,
    }


def event(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"event": name, "business_id": "661f87c6", "created": "2026-11-21T07:02:38Z", "data": data}


def answered(asked: Asked = PAYMENT, **found: Any) -> list[Notice]:
    return list(xendit().read_answer(json.dumps(found).encode(), asked).notices)


# Proof.


async def test_basic_header_vector() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, session(status="ACTIVE", payment_request_id=None, payment_id=None)))
        await xendit(vendor.http, base_url=vendor.url).ask(PAYMENT)
    assert vendor.sent[0].headers["authorization"] == VECTORS["xendit.auth"]


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (b"xnd_token_TEST_abc", "callback_token"),
        (b"xnd_token_TEST_abd", None),
        (b"xnd_token_TEST_ab", None),
        (b"XND_TOKEN_TEST_ABC", None),
        (b"", None),
        (b"xnd_token_TEST_ab\xc3\xa7", None),
        (b"\xff" * 300, None),
    ],
)
def test_token_vectors(given: bytes, verdict: str | None) -> None:
    assert xendit().verify(Message({"x-callback-token": given}, b"{}"), NOW) == verdict


def test_without_a_token_nothing_is_verified_and_nothing_starts() -> None:
    assert xendit().verify(Message({}, b"{}"), NOW) is None
    nobody = xendit(token="")
    assert nobody.verify(Message({"x-callback-token": b""}, b"{}"), NOW) is None
    with pytest.raises(InvalidInputError) as wrong:
        nobody.check()
    assert wrong.value.fields["field"] == "callback_token"


def test_a_token_that_is_being_changed() -> None:
    both = Xendit(Account("IDR", {}, {"callback_token": ("new", TOKEN, "")}), Outgoing())
    assert both.verify(message({}), NOW)
    assert both.verify(Message({"x-callback-token": b"new"}, b""), NOW)


# Messages.


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("payment_session.completed", session(), S.PAID),
        ("payment_session.expired", session(status="EXPIRED", payment_id=None), S.EXPIRED),
        ("payment_session.canceled", session(status="CANCELED", payment_id=None), S.FAILED),
        ("payment_session.completed", session(status="ACTIVE"), S.PENDING),
        ("payment.capture", payment(), S.PAID),
        ("payment.authorization", payment(status="AUTHORIZED"), S.PENDING),
        ("payment.failure", payment(status="FAILED"), S.FAILED),
        ("payment.expiry", payment(status="EXPIRED"), S.EXPIRED),
        ("payment_request.expiry", payment(status="EXPIRED", payment_id=None), S.EXPIRED),
        ("payment.unheard", payment(status="UNHEARD"), S.REVIEW),
        ("refund.succeeded", refund(), S.PARTIALLY_REFUNDED),
        ("refund.failed", refund(status="FAILED"), S.REFUND_FAILED),
    ],
)
def test_events_only_ever_have_xendit_asked(name: str, data: dict[str, Any], status: GatewayStatus) -> None:
    [notice] = xendit().read(message(event(name, data)), "callback_token").notices
    assert (notice.status, notice.unproved) == (status, True)
    assert notice.reference == (None if name.startswith("refund") else REFERENCE)


@pytest.mark.parametrize(
    ("word", "status"), [("PENDING", S.PENDING), ("PAID", S.PAID), ("SETTLED", S.PAID), ("EXPIRED", S.EXPIRED)]
)
def test_invoices_are_told_without_a_wrapper(word: str, status: GatewayStatus) -> None:
    [notice] = xendit().read(message(invoice(status=word, payment_id=PAYMENT_ID)), "callback_token").notices
    assert (notice.status, notice.unproved, notice.reference) == (status, True, REFERENCE)
    assert notice.external_id == PAYMENT_ID


def test_session_and_capture_of_the_same_money_have_one_number() -> None:
    told = [
        event("payment_session.completed", session()),
        event("payment.capture", payment()),
        invoice(payment_id=PAYMENT_ID),
    ]
    notices = [xendit().read(message(one), "").notices[0] for one in told]
    assert {one.external_id for one in notices} == {PAYMENT_ID}
    assert answered(session=session(), payment=payment())[0].external_id == PAYMENT_ID


def test_a_message_about_a_refund_is_wrapped_twice_and_may_name_our_reference() -> None:
    inner = event("refund.succeeded", refund(metadata={"reference": REFERENCE}))
    [notice] = xendit().read(message(event("refund.succeeded", inner)), "").notices
    assert (notice.reference, notice.return_id, notice.amount) == (REFERENCE, "rfd-1", Decimal(50_000))


def test_the_same_delivery_is_known_again_and_others_are_not() -> None:
    body = event("payment.capture", payment())
    first = xendit().read(message(body, webhook_id="wh-1"), "").event_key
    again = xendit().read(message(body, webhook_id="wh-1"), "").event_key
    other = xendit().read(message(body, webhook_id="wh-2"), "").event_key
    assert first == again != other
    changed = event("payment.capture", payment(request_amount=1))
    assert xendit().read(message(body), "").event_key != xendit().read(message(changed), "").event_key
    assert "webhook-id" in Xendit.kept_headers


def test_what_is_no_payment_is_no_concern() -> None:
    assert xendit().read(message(event("payment_token.activation", {})), "").notices == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"paid"',
        b"{}",
        b'{"id":"1","external_id":"A","status":"PAID","amount":1e9,"currency":"IDR"}',
        b'{"id":"1","external_id":"A","status":"PAID","amount":NaN,"currency":"IDR"}',
        b'{"id":"1","external_id":"A","status":"PAID","amount":1,"amount":2,"currency":"IDR"}',
        b'{"id":"1","external_id":"A","status":"PAID","amount":-5,"currency":"IDR"}',
        b'{"id":"1","external_id":"A","status":"PAID","amount":1.5,"currency":"IDR"}',
        b'{"id":"1","external_id":"A","status":"PAID","amount":' + b"9" * 25 + b',"currency":"IDR"}',
        b'{"id":"1","external_id":"A","status":["PAID"],"amount":1,"currency":"IDR"}',
        b'{"id":{},"external_id":"A","status":"PAID","amount":1,"currency":"IDR"}',
        b'{"event":"payment.capture"}',
        b'{"event":"payment.capture","data":[]}',
        b'{"event":"payment.capture","data":{"payment_id":"py-1"}}',
        b'{"event":"refund.succeeded","data":{"id":"rfd-1","amount":1}}',
        b'{"event":7,"data":' + b"[" * 5_000,
        json.dumps(event("payment.capture", payment())).encode()[:-1],
        b"\xff\xfe{}",
    ],
)
def test_hostile_bodies_are_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        xendit().read(message(body), "callback_token")


# Answers.


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("ACTIVE", S.PENDING),
        ("EXPIRED", S.EXPIRED),
        ("CANCELED", S.FAILED),
        ("COMPLETED", S.REVIEW),
        ("UNHEARD", S.REVIEW),
    ],
)
def test_words_of_sessions_that_name_no_payment(word: str, status: GatewayStatus) -> None:
    [notice] = answered(session=session(status=word, payment_id=None))
    assert (notice.status, notice.unproved) == (status, False)


@pytest.mark.parametrize(
    ("of_session", "of_payment", "status"),
    [
        ("COMPLETED", "SUCCEEDED", S.PAID),
        ("EXPIRED", "SUCCEEDED", S.PAID),
        ("COMPLETED", "AUTHORIZED", S.PENDING),
        ("COMPLETED", "REQUIRES_ACTION", S.PENDING),
        ("COMPLETED", "ACCEPTING_PAYMENTS", S.PENDING),
        ("COMPLETED", "CANCELED", S.FAILED),
        ("COMPLETED", "UNHEARD", S.REVIEW),
        ("ACTIVE", "FAILED", S.PENDING),
        ("EXPIRED", "FAILED", S.EXPIRED),
    ],
)
def test_words_of_payments(of_session: str, of_payment: str, status: GatewayStatus) -> None:
    [notice] = answered(session=session(status=of_session), payment=payment(status=of_payment))
    assert notice.status == status


def test_what_was_captured_is_what_arrived() -> None:
    [whole] = answered(session=session(), payment=payment(captures=None))
    assert (whole.amount, whole.currency) == (Decimal(150_000), "IDR")
    assert whole.occurred_at == datetime(2026, 11, 21, 7, 2, 37, 566_000, UTC)
    parts = [{"capture_amount": 100.25}, {"capture_amount": 20}]
    [less] = answered(session=session(), payment=payment(currency="PHP", captures=parts))
    assert (less.amount, less.currency) == (Decimal("120.25"), "PHP")


@pytest.mark.parametrize(
    ("word", "status"),
    [("PENDING", S.PENDING), ("PAID", S.PAID), ("SETTLED", S.PAID), ("EXPIRED", S.EXPIRED), ("UNHEARD", S.REVIEW)],
)
def test_words_of_invoices(word: str, status: GatewayStatus) -> None:
    [notice] = answered(BY_INVOICE, invoice=invoice(status=word))
    assert (notice.status, notice.unproved) == (status, False)


def test_an_invoice_is_paid_once_by_whichever_number() -> None:
    [unnamed] = answered(BY_INVOICE, invoice=invoice())
    [named] = answered(BY_INVOICE, invoice=invoice(payment_id=PAYMENT_ID, paid_amount=140000))
    assert (unnamed.external_id, named.external_id) == (INVOICE_ID, PAYMENT_ID)
    assert (unnamed.amount, named.amount) == (Decimal(150_000), Decimal(140_000))
    assert unnamed.natural_key == named.natural_key is not None
    assert unnamed.source != named.source


def test_refunds_of_the_payment_and_of_no_other() -> None:
    rows = [
        refund(id="rfd-2", amount=100000, created="2026-11-23T09:00:00Z"),
        refund(),
        refund(id="rfd-3", status="PENDING"),
        refund(id="rfd-4", status="FAILED"),
        refund(id="rfd-5", payment_request_id="pr-other", amount=150000),
    ]
    paid, *back = answered(session=session(), payment=payment(), refunds={"data": rows, "has_more": False})
    assert paid.status == S.PAID
    assert {(one.return_id, one.status, one.amount) for one in back} == {
        ("rfd-1", S.PARTIALLY_REFUNDED, Decimal(50_000)),
        ("rfd-2", S.REFUNDED, Decimal(100_000)),
        ("rfd-4", S.REFUND_FAILED, Decimal(50_000)),
    }
    assert {(one.external_id, one.is_total, one.reference) for one in back} == {(PAYMENT_ID, False, REFERENCE)}


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"session": session(reference_id="OTHER")},
        {"session": session(payment_session_id="ps-other")},
        {"session": session(), "payment": payment(payment_id="py-other")},
        {"session": session(), "payment": payment(captures=[{"capture_amount": -1}])},
        {"session": session(), "payment": payment(captures=[{"capture_amount": 0}])},
        {"session": session(), "payment": payment(captures=["all"])},
        {"session": session(), "payment": payment(), "refunds": {"data": "none"}},
        {"session": session(), "payment": payment(updated="2026-11-21T07:02:37")},
        {"session": "COMPLETED"},
    ],
)
def test_answers_that_make_no_sense_are_not_believed(found: dict[str, Any]) -> None:
    with pytest.raises(UnreadableMessageError):
        answered(**found)


@pytest.mark.parametrize("wrong", [{"id": "other"}, {"external_id": "OTHER"}, {"paid_amount": 0}, {"amount": "x"}])
def test_invoices_that_make_no_sense_are_not_believed(wrong: dict[str, Any]) -> None:
    with pytest.raises(UnreadableMessageError):
        answered(BY_INVOICE, invoice=invoice(**{"status": "PENDING" if "amount" in wrong else "PAID", **wrong}))


# Calls.


def intent(amount: str = "150000", currency: str = "IDR", **more: Any) -> Intent:
    given: dict[str, Any] = {
        "expires_at": NOW + timedelta(hours=1),
        "customer": "USR-1",
        "email": "buyer@shop.test",
        "description": "Top-up TOPUP000123",
        "return_url": "https://panel.test/deposits/return/TOPUP000123",
        **more,
    }
    return Intent(REFERENCE, None, Decimal(amount), currency, now=NOW, **given)


async def test_a_session_is_asked_for() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((201, session(status="ACTIVE", payment_link_url="https://xen.to/kGxPCi60")))
        asked = xendit(vendor.http, base_url=vendor.url, channels="QRIS\nGCASH", for_user_id="sub-1")
        started = await asked.start(intent())
    [sent] = vendor.sent
    assert started.shown == {"kind": "redirect", "redirect_url": "https://xen.to/kGxPCi60"}
    assert started.external_ref == SESSION_ID
    assert (sent.method, sent.path) == ("POST", "/sessions")
    assert sent.body.startswith(b'{"amount":150000,')
    assert sent.headers["for-user-id"] == "sub-1"
    assert sent.headers["idempotency-key"] == REFERENCE
    assert sent.headers["content-type"] == "application/json"
    assert sent.json == {
        "amount": 150000,
        "reference_id": REFERENCE,
        "session_type": "PAY",
        "mode": "PAYMENT_LINK",
        "currency": "IDR",
        "country": "ID",
        "customer": {
            "reference_id": REFERENCE,
            "type": "INDIVIDUAL",
            "individual_detail": {"given_names": "USR-1"},
            "email": "buyer@shop.test",
        },
        "expires_at": "2026-11-21T08:00:00Z",
        "description": "Top-up TOPUP000123",
        "success_return_url": "https://panel.test/deposits/return/TOPUP000123",
        "cancel_return_url": "https://panel.test/deposits/return/TOPUP000123",
        "allowed_payment_channels": ["QRIS", "GCASH"],
    }


async def test_decimals_are_written_exactly_and_plain_return_addresses_left_out() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((201, session(payment_link_url="https://xen.to/1")))
        asked = xendit(vendor.http, currency="PHP", base_url=vendor.url)
        await asked.start(intent("25.10", "PHP", return_url="http://127.0.0.1/return"))
        with pytest.raises(InvalidInputError):
            await asked.start(intent("25.101", "PHP"))
    [sent] = vendor.sent
    assert sent.body.startswith(b'{"amount":25.10,')
    assert (sent.json["country"], "success_return_url" in sent.json) == ("PH", False)


async def test_an_invoice_is_asked_for_unless_one_waits_already() -> None:
    made = invoice(status="PENDING", invoice_url="https://checkout.xendit.co/web/1")
    async with fake_vendor() as vendor:
        asked = xendit(vendor.http, base_url=vendor.url, surface="invoices")
        vendor.answering((200, []), (200, made))
        started = await asked.start(intent())
        look, sent = vendor.sent
        vendor.answering((200, [invoice(external_id="OTHER"), {**made, "amount": 1}, made]))
        again = await asked.start(intent())
        assert len(vendor.sent) == 1
    assert started == again
    assert started.external_ref == INVOICE_ID
    assert (look.method, look.target) == ("GET", f"/v2/invoices?external_id={REFERENCE}")
    assert (sent.method, sent.path, sent.json["invoice_duration"]) == ("POST", "/v2/invoices", 3600)
    assert sent.json["external_id"] == REFERENCE
    assert "idempotency-key" not in sent.headers


@pytest.mark.parametrize("surface", ["sessions", "invoices"])
@pytest.mark.parametrize(
    "told",
    [
        (400, {"error_code": "API_VALIDATION_ERROR"}),
        (401, {"error_code": "INVALID_API_KEY"}),
        (500, b""),
        (200, b"[]"),
        (200, {"payment_link_url": "javascript:alert(1)", "payment_session_id": "ps-1"}),
        (200, {"payment_link_url": "https://xen.to/1"}),
        None,
    ],
)
async def test_what_is_not_made_is_a_failure(surface: str, told: Scripted | None) -> None:
    async with fake_vendor() as vendor:
        vendor.answering(told)
        with pytest.raises(GatewayFailedError):
            await xendit(vendor.http, base_url=vendor.url, surface=surface).start(intent())


async def _asked(vendor: FakeVendor, asked: Asked = PAYMENT) -> list[Notice]:
    adapter = xendit(vendor.http, base_url=vendor.url)
    return list(adapter.read_answer(await adapter.ask(asked), asked).notices)


async def test_a_session_is_asked_about_with_its_payment_and_refunds() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, session()), (200, payment()), (200, {"data": [refund()], "has_more": False}))
        paid, back = await _asked(vendor)
    assert (paid.status, back.status) == (S.PAID, S.PARTIALLY_REFUNDED)
    assert [one.target for one in vendor.sent] == [
        f"/sessions/{SESSION_ID}",
        f"/v3/payments/{PAYMENT_ID}",
        f"/refunds?payment_request_id={REQUEST_ID}&limit=100",
    ]
    assert {one.headers["api-version"] for one in vendor.sent} == {"2024-11-11"}


async def test_money_is_found_though_refunds_may_not_be_seen() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, session()), (200, payment()), (403, {"error_code": "REQUEST_FORBIDDEN_ERROR"}))
        [paid] = await _asked(vendor)
        vendor.answering((200, invoice()), None)
        [by_invoice] = await _asked(vendor, BY_INVOICE)
    assert (paid.status, by_invoice.status) == (S.PAID, S.PAID)


async def test_a_payment_that_came_when_its_session_was_over_is_found() -> None:
    over = session(status="EXPIRED", payment_id=None)
    request = {"payment_request_id": REQUEST_ID, "status": "SUCCEEDED", "latest_payment_id": PAYMENT_ID}
    async with fake_vendor() as vendor:
        vendor.answering((200, over), (200, request), (200, payment()), (200, {"data": []}))
        [paid] = await _asked(vendor)
    assert (paid.status, paid.external_id) == (S.PAID, PAYMENT_ID)


async def test_nothing_more_is_asked_before_there_is_a_payment() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, session(status="ACTIVE", payment_id=None, payment_request_id=None)))
        [waits] = await _asked(vendor)
    assert (waits.status, len(vendor.sent)) == (S.PENDING, 1)


async def test_an_invoice_is_asked_about_by_its_number_or_by_our_reference() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, invoice()), (200, {"data": [refund(invoice_id=INVOICE_ID, amount=150000)]}))
        paid, back = await _asked(vendor, BY_INVOICE)
        assert (paid.status, back.status) == (S.PAID, S.REFUNDED)
        assert vendor.sent[1].query["invoice_id"] == [INVOICE_ID]
        vendor.answering((200, [invoice(status="PENDING")]), (200, invoice(status="PENDING")))
        [waits] = await _asked(vendor, replace(PAYMENT, external_ref=None))
        assert waits.status == S.PENDING


@pytest.mark.parametrize("told", [(404, {}), (401, {}), (500, b""), (200, b"<html>"), (200, b"[]"), None])
async def test_no_answer_is_a_failure(told: Scripted | None) -> None:
    async with fake_vendor() as vendor:
        for asked in (PAYMENT, BY_INVOICE, replace(PAYMENT, external_ref=None)):
            vendor.answering(told)
            with pytest.raises(GatewayFailedError):
                await xendit(vendor.http, base_url=vendor.url).ask(asked)


GIVE_BACK = Refund(PAYMENT, PAYMENT_ID, Decimal(50_000), "refund-7")


@pytest.mark.parametrize(
    ("word", "status"), [("SUCCEEDED", "done"), ("PENDING", "pending"), ("FAILED", "failed"), ("CANCELLED", "failed")]
)
async def test_money_is_given_back_once_under_a_key(word: str, status: str) -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, payment()), (200, refund(status=word)))
        refunded = await xendit(vendor.http, base_url=vendor.url).refund(GIVE_BACK)
    _, sent = vendor.sent
    assert (sent.path, sent.headers["idempotency-key"]) == ("/refunds", "refund-7")
    assert sent.json == {
        "amount": 50000,
        "payment_request_id": REQUEST_ID,
        "reference_id": "refund-7",
        "currency": "IDR",
        "reason": "REQUESTED_BY_CUSTOMER",
        "metadata": {"reference": REFERENCE},
    }
    assert (refunded.return_id, refunded.status) == ("rfd-1", status)


async def test_an_invoice_is_given_back_by_its_own_number() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, refund()))
        await xendit(vendor.http, base_url=vendor.url).refund(replace(GIVE_BACK, payment=BY_INVOICE))
    assert vendor.sent[0].json["invoice_id"] == INVOICE_ID


@pytest.mark.parametrize(
    ("told", "failure"),
    [
        ((400, {"error_code": "INELIGIBLE_TRANSACTION"}), GatewayFailedError),
        ((409, {"error_code": "DUPLICATE_ERROR"}), GatewayUnknownError),
        ((503, b""), GatewayUnknownError),
        ((200, {"id": "rfd-1", "status": "UNHEARD"}), GatewayUnknownError),
        ((200, {"status": "SUCCEEDED"}), GatewayUnknownError),
        (None, GatewayUnknownError),
    ],
)
async def test_refunds_that_fail_and_refunds_of_which_nobody_knows(
    told: Scripted | None, failure: type[GatewayFailedError]
) -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, payment()), told)
        with pytest.raises(GatewayFailedError) as raised:
            await xendit(vendor.http, base_url=vendor.url).refund(GIVE_BACK)
    assert type(raised.value) is failure


async def test_a_refund_whose_payment_cannot_be_found_was_not_made() -> None:
    async with fake_vendor() as vendor:
        vendor.answering((500, b""))
        with pytest.raises(GatewayFailedError) as raised:
            await xendit(vendor.http, base_url=vendor.url).refund(GIVE_BACK)
    assert type(raised.value) is GatewayFailedError
    assert len(vendor.sent) == 1


# Settings.


def test_it_can_be_asked_and_gives_back() -> None:
    assert isinstance(xendit(), CanBeAsked)
    assert isinstance(xendit(), CanRefund)
    assert xendit().can_be_asked
    assert not xendit(key="").can_be_asked


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"key": ""}, "secret_key"),
        ({"key": "xnd_public_development_1"}, "secret_key"),
        ({"key": "xnd_production_1", "base_url": "http://127.0.0.1:8910/xendit"}, "secret_key"),
        ({"surface": "moon"}, "surface"),
        ({"currency": "USD"}, "country"),
        ({"country": "Indonesia"}, "country"),
        ({"channels": "QRIS; drop"}, "channels"),
        ({"base_url": "http://api.xendit.co"}, "base_url"),
    ],
)
def test_what_is_missing_or_wrong_is_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as wrong:
        xendit(**options).check()
    assert wrong.value.fields["field"] == field


def test_settings_that_are_right() -> None:
    xendit().check()
    xendit(key="xnd_production_1", surface="invoices").check()
    xendit(currency="USD", country="ph", channels="QRIS\nBCA_VIRTUAL_ACCOUNT").check()
    xendit(base_url="http://127.0.0.1:8910/xendit").check()
