"""Paystack: its vector, its words, its pages, its answers, and what must not be believed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from payments.gateways.fake_vendor import FakeVendor, Scripted, fake_vendor
from payments.gateways.vectors import VECTORS
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.paystack import Paystack
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
from smmpanel.payments.signing import hmac_text

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
SECRET = "sk_test_paystack_secret"
REFERENCE = "ABCDEFGHJKMNPQ"
ASKED = Asked(REFERENCE, REFERENCE, None, Decimal(5000), "NGN", NOW, NOW, NOW + timedelta(hours=1))
INTENT = Intent(
    REFERENCE,
    None,
    Decimal("5000.50"),
    "NGN",
    NOW + timedelta(hours=1),
    NOW,
    customer="U-1",
    email="ada@example.com",
    return_url=f"https://panel.test/deposits/return/{REFERENCE}",
)


def adapter(*secrets: str, http: Outgoing | None = None, **options: str) -> Paystack:
    return Paystack(Account("NGN", options, {"secret_key": secrets or (SECRET,)}), http or Outgoing())


def at(vendor: FakeVendor, *secrets: str) -> Paystack:
    return adapter(*secrets, http=vendor.http, base_url=vendor.url)


def message(body: bytes | dict[str, Any], secret: str = SECRET) -> Message:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message({"x-paystack-signature": hmac_text(secret, raw, "sha512").encode()}, raw)


def transaction(**more: Any) -> dict[str, Any]:
    return {
        "id": 302961,
        "domain": "test",
        "status": "success",
        "reference": REFERENCE,
        "amount": 500000,
        "currency": "NGN",
        "paid_at": "2026-11-21T06:59:00.000Z",
        "authorization": {"signature": "SIG_x"},
        **more,
    }


def dispute(**more: Any) -> dict[str, Any]:
    opened = {"id": 7, "domain": "test", "status": "awaiting-merchant-feedback", "resolution": None, "currency": "NGN"}
    return {**opened, "refund_amount": 200000, "transaction": transaction(), **more}


def read(body: dict[str, Any]) -> Notice:
    [notice] = adapter().read(message(body), "signature").notices
    return notice


def answered(data: dict[str, Any], asked: Asked = ASKED, **listed: list[dict[str, Any]]) -> list[Notice]:
    lists = {name: {"status": True, "data": rows} for name, rows in listed.items()}
    whole = {"transaction": {"status": True, "data": data}, **lists}
    return list(adapter().read_answer(json.dumps(whole).encode(), asked).notices)


def test_paystack_body_and_sig() -> None:
    body = VECTORS["paystack.body"].encode()
    given = Message({"x-paystack-signature": VECTORS["paystack.sig"].encode()}, body)
    assert adapter().verify(given, NOW) == "signature"
    assert adapter("sk_test_new", SECRET).verify(given, NOW) == "signature"
    [notice] = adapter().read(given, "signature").notices
    assert (notice.external_id, notice.reference) == ("302961", "TOPUP-000123")
    assert (notice.status, notice.amount, notice.currency) == (GatewayStatus.PAID, Decimal("5000.00"), "NGN")
    assert not notice.unproved


@pytest.mark.parametrize(
    "header", [b"", b"0" * 128, VECTORS["paystack.sig"].encode()[:-1], "ü".encode() * 64, b"\xff" * 128]
)
def test_what_is_not_signed_proves_nothing(header: bytes) -> None:
    assert adapter().verify(Message({"x-paystack-signature": header}, VECTORS["paystack.body"].encode()), NOW) is None


def test_a_changed_body_proves_nothing() -> None:
    signature = {"x-paystack-signature": VECTORS["paystack.sig"].encode()}
    for body in (VECTORS["paystack.body"].replace("500000", "900000"), VECTORS["paystack.body"][:-1], ""):
        assert adapter().verify(Message(signature, body.encode()), NOW) is None


def test_an_empty_secret_verifies_nothing() -> None:
    empty = Paystack(Account("NGN", {}, {"secret_key": ("", "")}), Outgoing())
    assert empty.verify(message(VECTORS["paystack.body"].encode(), ""), NOW) is None
    assert not empty.can_be_asked
    assert Paystack(Account("NGN"), Outgoing()).verify(message(b"{}", ""), NOW) is None


def test_live_and_test_are_never_mixed() -> None:
    live = {"event": "charge.success", "data": transaction(domain="live")}
    assert adapter().verify(message(live), NOW) is None
    assert adapter().verify(message({"event": "charge.success", "data": transaction()}), NOW) == "signature"
    assert adapter("sk_live_x").verify(message(live, "sk_live_x"), NOW) == "signature"
    # A test key that was left over beside a live one proves nothing any more.
    assert adapter("sk_live_x", SECRET).verify(message({"event": "charge.success", "data": transaction()}), NOW) is None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", GatewayStatus.PENDING),
        ("ongoing", GatewayStatus.PENDING),
        ("processing", GatewayStatus.PENDING),
        ("queued", GatewayStatus.PENDING),
        ("success", GatewayStatus.PAID),
        ("failed", GatewayStatus.FAILED),
        ("abandoned", GatewayStatus.EXPIRED),
        ("reversed", GatewayStatus.REFUNDED),
        ("tomorrow", GatewayStatus.REVIEW),
    ],
)
def test_states_of_transactions(word: str, status: GatewayStatus) -> None:
    late = replace(ASKED, now=NOW + timedelta(hours=2))
    [notice] = answered(transaction(status=word), late)
    assert (notice.status, notice.amount, notice.external_id) == (status, Decimal(5000), "302961")
    assert notice.reference == REFERENCE


def test_a_page_that_nobody_has_paid_on_yet_is_not_over() -> None:
    [notice] = answered(transaction(status="abandoned"))
    assert notice.status == GatewayStatus.PENDING


def test_message_and_answer_give_the_same_number() -> None:
    told = read({"event": "charge.success", "data": transaction()})
    [asked] = answered(transaction())
    assert told == asked
    assert told.occurred_at == datetime(2026, 11, 21, 6, 59, tzinfo=UTC)
    assert told.payer == "SIG_x"


def test_a_message_about_a_refund_is_a_hint_and_the_answer_counts() -> None:
    told = {"transaction_reference": REFERENCE, "refund_reference": "TRF_1", "amount": "200000", "currency": "NGN"}
    hint = read({"event": "refund.processed", "data": told})
    assert (hint.status, hint.unproved, hint.reference) == (GatewayStatus.REFUNDED, True, REFERENCE)
    assert read({"event": "refund.failed", "data": told}).status == GatewayStatus.REFUND_FAILED
    assert read({"event": "refund.needs-attention", "data": told}).status == GatewayStatus.REVIEW
    for word in ("pending", "processing"):
        reading = adapter().read(message({"event": f"refund.{word}", "data": told}), "signature")
        assert (list(reading.notices), reading.note) == ([], "a refund that is under way")
    rows = [
        {"id": 11, "transaction": 302961, "amount": 200000, "status": "processed", "dispute": None},
        {"id": 12, "transaction": {"id": 302961}, "amount": 300000, "status": "pending"},
        {"id": 13, "transaction": 302961, "amount": 100000, "status": "failed"},
        {"id": 14, "transaction": 999, "amount": 500000, "status": "processed"},
        {"id": 15, "transaction": 302961, "amount": 200000, "status": "processed", "dispute": 7},
    ]
    paid, back, failed = answered(transaction(), refunds=rows)
    assert (paid.status, paid.amount) == (GatewayStatus.PAID, 5000)
    assert (back.status, back.amount, back.return_id) == (GatewayStatus.PARTIALLY_REFUNDED, 2000, "refund:11")
    assert (failed.status, failed.return_id) == (GatewayStatus.REFUND_FAILED, "refund:13")
    assert {paid.external_id, back.external_id, failed.external_id} == {"302961"}


def test_what_was_reversed_as_a_whole_is_told_once() -> None:
    [whole] = answered(transaction(status="reversed"), refunds=[])
    assert (whole.status, whole.amount, whole.is_total) == (GatewayStatus.REFUNDED, 5000, True)
    row = {"id": 11, "transaction": 302961, "amount": 500000, "status": "processed"}
    [listed] = answered(transaction(status="reversed"), refunds=[row])
    assert (listed.status, listed.return_id, listed.is_total) == (GatewayStatus.REFUNDED, "refund:11", False)


@pytest.mark.parametrize(
    ("event", "more", "status"),
    [
        ("create", {}, GatewayStatus.REVERSED),
        ("remind", {"status": "awaiting-bank-feedback"}, GatewayStatus.REVERSED),
        ("remind", {"status": "pending"}, GatewayStatus.REVERSED),
        ("resolve", {"status": "resolved", "resolution": "merchant-accepted"}, GatewayStatus.REVERSED),
        ("resolve", {"status": "resolved", "resolution": "auto-accepted"}, GatewayStatus.REVERSED),
        ("resolve", {"status": "resolved", "resolution": "declined"}, GatewayStatus.REINSTATED),
        ("resolve", {"status": "resolved", "resolution": "who knows"}, GatewayStatus.REVIEW),
        ("resolve", {"status": "resolved", "resolution": None}, GatewayStatus.REVIEW),
    ],
)
def test_disputes(event: str, more: dict[str, Any], status: GatewayStatus) -> None:
    told = read({"event": f"charge.dispute.{event}", "data": dispute(**more)})
    _, asked = answered(transaction(), refunds=[], disputes=[dispute(**more)])
    assert told == asked
    assert (told.status, told.amount, told.return_id) == (status, 2000, "dispute:7")
    assert (told.external_id, told.reference, told.unproved) == ("302961", REFERENCE, False)


def test_a_dispute_without_an_amount_is_about_all_of_it() -> None:
    assert read({"event": "charge.dispute.create", "data": dispute(refund_amount=None)}).amount == 5000


def test_other_events_do_not_concern_us() -> None:
    for event in ("transfer.success", "subscription.create", "customeridentification.failed"):
        reading = adapter().read(message({"event": event, "data": []}), "signature")
        assert (list(reading.notices), reading.note) == ([], event)


def test_events_have_keys_of_their_own() -> None:
    def key(body: dict[str, Any]) -> str:
        return adapter().read(message(body), "signature").event_key

    charge = {"event": "charge.success", "data": transaction()}
    assert key(charge) == key({**charge, "data": transaction(message="again")}) == "charge.success:302961"
    first = {
        "event": "refund.processed",
        "data": {"transaction_reference": REFERENCE, "amount": "1", "currency": "NGN"},
    }
    second = {**first, "data": {**first["data"], "amount": "2"}}
    assert key(first) == key(first) != key(second)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"event":"charge.success"}',
        b'{"event":["charge.success"],"data":{}}',
        b'{"event":"charge.success","data":[]}',
        b'{"event":"charge.success","data":{"id":1,"reference":"A","status":"success","amount":1,"amount":9,"currency":"NGN"}}',
        b'{"event":"charge.success","data":{"id":1,"reference":"A","status":"success","amount":1e9,"currency":"NGN"}}',
        b'{"event":"charge.success","data":{"id":1,"reference":"A","status":"success","amount":-5,"currency":"NGN"}}',
        b'{"event":"charge.success","data":{"id":1,"reference":"A","status":"success","amount":0.5,"currency":"NGN"}}',
        b'{"event":"charge.success","data":{"id":1,"reference":"A","status":"success","amount":NaN,"currency":"NGN"}}',
        b'{"event":"charge.success","data":{"id":null,"reference":"A","status":"success","amount":1,"currency":"NGN"}}',
        b'{"event":"charge.success","data":{"id":1,"reference":"","status":"success","amount":1,"currency":"NGN"}}',
        b'{"event":"charge.success","data":{"id":1,"reference":"A","status":{},"amount":1,"currency":"NGN"}}',
        b'{"event":"charge.dispute.create","data":{"id":1,"status":"pending"}}',
        b"\xff\xfe",
        b"[" * 40_000,
    ],
)
def test_what_cannot_be_read_is_never_half_read(body: bytes) -> None:
    given = message(body)
    assert adapter().verify(given, NOW) == "signature"
    with pytest.raises(UnreadableMessageError):
        adapter().read(given, "signature")


def test_a_transaction_of_nothing_is_no_money() -> None:
    reading = adapter().read(message({"event": "charge.success", "data": transaction(amount=0)}), "signature")
    assert (list(reading.notices), reading.note) == ([], "a transaction of nothing")


@pytest.mark.parametrize(
    ("secrets", "options", "field"),
    [
        ((), {}, "secret_key"),
        (("",), {}, "secret_key"),
        (("pk_test_public",), {}, "secret_key"),
        ((SECRET,), {"base_url": "http://paystack.example"}, "base_url"),
    ],
)
def test_what_is_missing_is_named(secrets: tuple[str, ...], options: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInputError) as wrong:
        Paystack(Account("NGN", options, {"secret_key": secrets}), Outgoing()).check()
    assert wrong.value.fields["field"] == field


def test_a_key_is_enough() -> None:
    paystack = adapter()
    paystack.check()
    assert isinstance(paystack, CanBeAsked)
    assert isinstance(paystack, CanRefund)
    assert paystack.accounts == frozenset()


def page_made(reference: str = REFERENCE) -> Scripted:
    data = {"authorization_url": "https://checkout.paystack.com/abc", "access_code": "abc", "reference": reference}
    return 200, {"status": True, "message": "Authorization URL created", "data": data}


async def test_a_page_is_made() -> None:
    async with fake_vendor() as vendor:
        started = await at(vendor.answering(page_made())).start(INTENT)
        [sent] = vendor.sent
    assert started.shown == {"kind": "redirect", "redirect_url": "https://checkout.paystack.com/abc"}
    assert started.external_ref == REFERENCE
    assert (sent.method, sent.path) == ("POST", "/transaction/initialize")
    assert sent.headers["authorization"] == f"Bearer {SECRET}"
    assert json.loads(sent.json.pop("metadata")) == {"deposit": REFERENCE, "cancel_action": INTENT.return_url}
    assert {name: value for name, value in sent.json.items() if name != "metadata"} == {
        "email": "ada@example.com",
        "amount": "500050",
        "currency": "NGN",
        "reference": REFERENCE,
        "callback_url": INTENT.return_url,
    }


async def test_a_customer_without_an_address_gets_one_that_is_nobodys() -> None:
    async with fake_vendor() as vendor:
        await at(vendor.answering(page_made())).start(replace(INTENT, email=""))
        assert vendor.sent[0].json["email"] == f"{REFERENCE.lower()}@panel.test"


USED = (400, {"status": False, "message": "Duplicate Transaction Reference", "code": "duplicate_reference"})


async def test_a_reference_that_is_used_up_gets_a_number() -> None:
    async with fake_vendor() as vendor:
        started = await at(vendor.answering(USED, page_made())).start(INTENT)
        assert [one.json["reference"] for one in vendor.sent] == [REFERENCE, f"{REFERENCE}-2"]
        assert started.external_ref == f"{REFERENCE}-2"
        with pytest.raises(GatewayFailedError):
            await at(vendor.answering(USED)).start(INTENT)
        assert len(vendor.sent) == 9
    again = transaction(reference=f"{REFERENCE}-2")
    assert read({"event": "charge.success", "data": again}).reference == REFERENCE
    assert answered(again, replace(ASKED, external_ref=f"{REFERENCE}-2"))[0].reference == REFERENCE


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"status": False, "message": "Invalid Amount Sent"}),
        (400, b"<html>"),
        (401, {"status": False, "message": "Invalid key"}),
        (500, b""),
        (200, b"welcome"),
        (200, {"status": True}),
        (200, {"status": True, "data": {"authorization_url": "javascript:alert(1)"}}),
        (200, {"status": True, "data": {"authorization_url": "http://elsewhere.example/"}}),
        (200, {"status": False, "message": "no"}),
        None,
    ],
)
async def test_no_page_is_a_failure_that_can_be_tried_again(answer: Scripted | None) -> None:
    async with fake_vendor() as vendor:
        with pytest.raises(GatewayFailedError) as failure:
            await at(vendor.answering(answer)).start(INTENT)
    assert failure.type is GatewayFailedError


async def test_asking_before_and_after_the_money() -> None:
    waiting = (200, {"status": True, "data": transaction(status="ongoing", paid_at=None)})
    paid = (200, {"status": True, "data": transaction()})
    rows = (200, {"status": True, "data": [{"id": 11, "transaction": 302961, "amount": 500000, "status": "processed"}]})
    async with fake_vendor() as vendor:
        paystack = at(vendor.answering(waiting))
        [notice] = paystack.read_answer(await paystack.ask(ASKED), ASKED).notices
        assert (notice.status, len(vendor.sent)) == (GatewayStatus.PENDING, 1)
        assert vendor.sent[0].path == f"/transaction/verify/{REFERENCE}"
        vendor.answering(paid, rows, (200, {"status": True, "data": []}))
        notices = paystack.read_answer(await paystack.ask(ASKED), ASKED).notices
        assert [one.status for one in notices] == [GatewayStatus.PAID, GatewayStatus.REFUNDED]
        assert [one.path for one in vendor.sent[1:]] == ["/refund", "/dispute"]
        for one in vendor.sent[1:]:
            assert (one.query["transaction"], one.query["from"], one.query["to"]) == (
                ["302961"],
                ["2026-11-21"],
                ["2026-11-22"],
            )


async def test_no_list_is_an_empty_one() -> None:
    paid, nothing = (200, {"status": True, "data": transaction()}), (404, {"status": False, "message": "None found"})
    async with fake_vendor() as vendor:
        paystack = at(vendor.answering(paid, nothing, nothing))
        [notice] = paystack.read_answer(await paystack.ask(ASKED), ASKED).notices
        assert notice.status == GatewayStatus.PAID
        vendor.answering(paid, (503, b""))
        with pytest.raises(GatewayFailedError):  # one that cannot be had now is another thing
            await paystack.ask(ASKED)


async def test_a_reference_that_paystack_does_not_know_is_an_answer() -> None:
    async with fake_vendor() as vendor:
        for status in (400, 404):
            paystack = at(vendor.answering((status, {"status": False, "message": "Transaction reference not found."})))
            reading = paystack.read_answer(await paystack.ask(ASKED), ASKED)
            assert (list(reading.notices), reading.note) == ([], "no such transaction yet")


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"status": False, "message": "Something else"}),
        (401, {"status": False, "message": "Invalid key"}),
        (200, {"status": True, "data": transaction(domain="live")}),
        (200, {"status": True, "data": []}),
        (200, b"<html>"),
        (503, b""),
        None,
    ],
)
async def test_an_answer_that_says_nothing_is_a_failure(answer: Scripted | None) -> None:
    async with fake_vendor() as vendor:
        with pytest.raises(GatewayFailedError):
            await at(vendor.answering(answer)).ask(ASKED)


def test_the_answer_to_another_question_is_not_read() -> None:
    with pytest.raises(UnreadableMessageError):
        answered(transaction(reference="OTHERREFERENCE"))


REFUND = Refund(ASKED, "302961", Decimal(2000), "deposit:1:refund:1", "as asked")


@pytest.mark.parametrize(("word", "status"), [("pending", "pending"), ("processed", "done"), ("failed", "failed")])
async def test_a_refund_is_asked_for(word: str, status: str) -> None:
    async with fake_vendor() as vendor:
        vendor.answering((200, {"status": True, "message": "queued", "data": {"id": 11, "status": word}}))
        done = await at(vendor).refund(REFUND)
        [sent] = vendor.sent
    assert (done.return_id, done.status) == ("refund:11", status)
    assert (sent.path, sent.json["transaction"], sent.json["amount"]) == ("/refund", "302961", 200000)
    assert sent.json["merchant_note"] == REFUND.key


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ((400, {"status": False, "message": "Refund amount cannot be more"}), GatewayFailedError),
        ((200, {"status": False, "message": "no"}), GatewayFailedError),
        ((200, {"status": True, "data": {}}), GatewayUnknownError),
        ((500, b""), GatewayUnknownError),
        (None, GatewayUnknownError),
    ],
)
async def test_a_refund_that_failed_and_one_of_which_nobody_knows(
    answer: Scripted | None, failure: type[GatewayFailedError]
) -> None:
    async with fake_vendor() as vendor:
        with pytest.raises(GatewayFailedError) as raised:
            await at(vendor.answering(answer)).refund(REFUND)
        assert len(vendor.sent) == 1
    assert raised.type is failure
