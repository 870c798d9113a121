"""Binance Pay: the contract's vectors and words, hostile messages, the calls that are made, and the keys that are kept."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from payments.conftest import Till
from payments.gateways.fake_vendor import FakeVendor, Scripted, fake_vendor
from payments.gateways.vectors import VECTORS
from smmpanel.accounts.access import Actor
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.binance_pay import BinancePay
from smmpanel.payments.gateways.binance_pay_signing import request_signature, signed_bytes
from smmpanel.payments.methods import MethodTerms, add_method
from smmpanel.payments.models import GatewayEvent, GatewayKey
from smmpanel.payments.protocol import (
    Account,
    Asked,
    CanBeAsked,
    CanRefund,
    GatewayFailedError,
    GatewayStatus,
    GatewayUnknownError,
    HasPublicKeys,
    Intent,
    Message,
    Notice,
    Refund,
    UnreadableMessageError,
)
from smmpanel.payments.receiving import MessageRefusedError, receive

SERIAL = VECTORS["binance.wh.serial_md5_of_pub_pem_body"]
STAMP = 1795244621000
NOW = datetime.fromtimestamp(STAMP / 1000, UTC)
NONCE = b"KfGuZ9pXbQwErTyUiOpAsDfGhJkLzXcV"
SECRET = "binance_test_secret"
BODY = VECTORS["binance.wh.body"].encode()
ORDER = "29383937493038367292"
REFERENCE = "TOPUP000123"
PAYMENT = Asked(REFERENCE, ORDER, None, Decimal("25.17"), "USDT", NOW, NOW)
OWN_KEY = rsa.generate_private_key(65537, 2048)
S = GatewayStatus


def pem_of(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def binance(
    http: Outgoing | None = None,
    *,
    secret: str = SECRET,
    keys: dict[str, str] | None = None,
    **options: str,
) -> BinancePay:
    known = {SERIAL: VECTORS["binance.wh.pub"]} if keys is None else keys
    account = Account("USDT", {"api_key": "binance_test_key", **options}, {"secret": (secret,)}, known)
    return BinancePay(account, http or Outgoing())


def told(body: bytes = BODY, *, signature: bytes = VECTORS["binance.wh.sig"].encode(), **more: bytes) -> Message:
    headers = {
        "binancepay-timestamp": str(STAMP).encode(),
        "binancepay-nonce": NONCE,
        "binancepay-certificate-sn": SERIAL.encode(),
        "binancepay-signature": signature,
    }
    return Message({**headers, **{f"binancepay-{name}": value for name, value in more.items()}}, body)


def signed(body: bytes, key: rsa.RSAPrivateKey = OWN_KEY, *, name: str = "own", stamp: int = STAMP) -> Message:
    signature = key.sign(signed_bytes(str(stamp).encode(), NONCE, body), PKCS1v15(), SHA256())
    return Message(
        {
            "binancepay-timestamp": str(stamp).encode(),
            "binancepay-nonce": NONCE,
            "binancepay-certificate-sn": name.encode(),
            "binancepay-signature": base64.b64encode(signature),
        },
        body,
    )


def event(kind: str = "PAY", word: str = "PAY_SUCCESS", **more: Any) -> bytes:
    inner = {
        "merchantTradeNo": REFERENCE,
        "productName": "Wallet top-up",
        "transactTime": 1795244620000,
        "totalFee": 25.17,
        "currency": "USDT",
        "transactionId": "M_A_353200000000001",
        **more,
    }
    inner = {name: value for name, value in inner.items() if value is not None}
    outer = {
        "bizType": kind,
        "data": json.dumps(inner),
        "bizIdStr": ORDER,
        "bizId": int(ORDER),
        "bizStatus": word,
    }
    return json.dumps(outer).encode()


def read(body: bytes) -> list[Notice]:
    return list(binance().read(Message({}, body), "rsa").notices)


def order(word: str, **more: Any) -> bytes:
    data = {
        "prepayId": ORDER,
        "transactionId": "M_A_353200000000001",
        "merchantTradeNo": REFERENCE,
        "status": word,
        "currency": "USDT",
        "orderAmount": "25.17",
        "transactTime": 1795244620000,
        **more,
    }
    return json.dumps({"status": "SUCCESS", "code": "000000", "data": data, "errorMessage": ""}).encode()


# Vectors of the contract.


def test_request_signature_vector() -> None:
    body = VECTORS["binance.body"].encode()
    nonce = "abcdefghijklmnopqrstuvwxyzABCDEF"
    assert request_signature(SECRET, "1795244560000", nonce, body) == VECTORS["binance.sig"]
    assert VECTORS["binance.sig"] != VECTORS["binance.sig.no_trailing_newline(wrong)"]


def test_message_signature_vector() -> None:
    bytes_signed = signed_bytes(str(STAMP).encode(), NONCE, BODY)
    assert hashlib.sha256(bytes_signed).hexdigest() == VECTORS["binance.wh.sha256(signed bytes)"]
    assert binance().verify(told(), NOW) == "rsa"


def test_the_last_line_end_is_signed_too() -> None:
    text = b"%d\n%b\n%b" % (STAMP, NONCE, BODY)
    without = base64.b64encode(OWN_KEY.sign(text, PKCS1v15(), SHA256()))
    own = binance(keys={"own": pem_of(OWN_KEY)})
    right = signed(BODY)
    assert own.verify(right, NOW) == "rsa"
    assert own.verify(Message({**right.headers, "binancepay-signature": without}, BODY), NOW) is None


def test_vector_is_understood() -> None:
    [notice] = read(BODY)
    assert (notice.external_id, notice.reference) == (ORDER, REFERENCE)
    assert (notice.amount, notice.currency, notice.status) == (Decimal("25.17"), "USDT", S.PAID)
    assert (notice.bank_ref, notice.unproved) == ("M_A_353200000000001", False)
    assert notice.occurred_at == datetime(2026, 11, 21, 7, 3, 40, tzinfo=UTC)


# Messages that prove nothing.


@pytest.mark.parametrize(
    "message",
    [
        told(BODY[:-1]),
        told(BODY + b"\n"),
        told(BODY.replace(b"25.17", b"2517")),
        told(nonce=b"other"),
        told(nonce=b"\xff\xfe"),
        told(timestamp=b"1795244621001"),
        told(timestamp=b""),
        told(timestamp=b"-1"),
        told(timestamp=b"9" * 400),
        told(timestamp="１７９５２４４６２１０００".encode()),
        told(**{"certificate-sn": b"unknown"}),
        told(**{"certificate-sn": b""}),
        told(**{"certificate-sn": "đ".encode()}),
        told(**{"certificate-sn": b"x" * 5000}),
        told(signature=b""),
        told(signature=b"?" * 344),
        told(signature="ñ".encode()),
        told(signature=b"A" * 100_000),
        told(signature=VECTORS["binance.wh.sig"].encode()[:-4]),
        Message({}, BODY),
        Message({}, b""),
    ],
)
def test_what_is_not_signed_proves_nothing(message: Message) -> None:
    assert binance().verify(message, NOW) is None


def test_keys_that_are_no_keys_prove_nothing() -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505
    for pem in ("", "no key", pem_of(ec.generate_private_key(ec.SECP256R1())), pem_of(weak)):
        assert binance(keys={"own": pem}).verify(signed(BODY, weak), NOW) is None


def test_another_key_of_theirs_proves_nothing() -> None:
    other = rsa.generate_private_key(65537, 2048)
    keys = {"own": pem_of(OWN_KEY), "other": pem_of(other)}
    assert binance(keys=keys).verify(signed(BODY, other, name="other"), NOW) == "rsa"
    assert binance(keys=keys).verify(signed(BODY, other, name="own"), NOW) is None


@pytest.mark.parametrize(
    ("later", "is_taken"),
    [
        (timedelta(hours=23), True),
        (timedelta(days=1, seconds=1), False),
        (-timedelta(minutes=9), True),
        (-timedelta(minutes=11), False),
    ],
)
def test_messages_are_taken_for_a_day(later: timedelta, *, is_taken: bool) -> None:
    assert (binance().verify(told(), NOW + later) is not None) == is_taken


def test_without_a_secret_nothing_is_verified() -> None:
    assert binance(secret="").verify(told(), NOW) is None


# Words.


@pytest.mark.parametrize(
    ("word", "status"), [("PAY_SUCCESS", S.PAID), ("PAY_CLOSED", S.FAILED), ("PAY_UNHEARD_OF", S.REVIEW)]
)
def test_words_of_messages(word: str, status: GatewayStatus) -> None:
    [notice] = read(event(word=word))
    assert (notice.status, notice.unproved) == (status, False)


@pytest.mark.parametrize(
    ("word", "statuses"),
    [
        ("INITIAL", [S.PENDING]),
        ("PENDING", [S.PENDING]),
        ("PAID", [S.PAID]),
        ("CANCELED", [S.FAILED]),
        ("ERROR", [S.FAILED]),
        ("EXPIRED", [S.EXPIRED]),
        ("REFUNDING", [S.PAID]),
        ("REFUNDED", [S.PAID, S.REVIEW]),
        ("FULL_REFUNDED", [S.PAID, S.REFUNDED]),
        ("UNHEARD_OF", [S.REVIEW]),
    ],
)
def test_words_of_answers(word: str, statuses: list[GatewayStatus]) -> None:
    notices = binance().read_answer(order(word), PAYMENT).notices
    assert [notice.status for notice in notices] == statuses
    assert {notice.external_id for notice in notices} == {ORDER}
    assert {notice.amount for notice in notices} == {Decimal("25.17")}
    for notice in notices:
        assert (notice.return_id is not None) == notice.is_total == (notice.status == S.REFUNDED)


def test_an_order_that_nobody_has_paid_has_neither_time_nor_transaction() -> None:
    [notice] = binance().read_answer(order("INITIAL", transactTime=None, transactionId=None), PAYMENT).notices
    assert (notice.occurred_at, notice.bank_ref) == (None, None)


def refund_info(**more: Any) -> dict[str, Any]:
    return {
        "refundRequestId": "R1",
        "prepayId": ORDER,
        "orderAmount": "25.17",
        "refundedAmount": "10.00",
        "refundAmount": "5.00",
        **more,
    }


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(
    ("word", "so_far", "status", "amount", "is_total"),
    [
        ("REFUND_SUCCESS", "10.00", S.PARTIALLY_REFUNDED, "10.00", True),
        ("REFUND_SUCCESS", "25.17", S.REFUNDED, "25.17", True),
        ("REFUND_REJECTED", "10.00", S.REFUND_FAILED, "5.00", False),
        ("REFUND_UNHEARD_OF", "10.00", S.REVIEW, "5.00", False),
    ],
)
def test_words_of_refunds(
    word: str, so_far: str, status: GatewayStatus, amount: str, *, is_total: bool, as_text: bool
) -> None:
    info = refund_info(refundedAmount=so_far)
    body = event("PAY_REFUND", word, refundInfo=json.dumps(info) if as_text else info, transactionId=None)
    [notice] = read(body)
    assert (notice.status, notice.amount, notice.is_total) == (status, Decimal(amount), is_total)
    assert (notice.external_id, notice.return_id, notice.reference) == (ORDER, "R1", REFERENCE)


def test_two_refunds_of_one_order_are_two_messages() -> None:
    bodies = [event("PAY_REFUND", "REFUND_SUCCESS", refundInfo=refund_info(refundRequestId=name)) for name in "AB"]
    keys = {binance().read(Message({}, body), "rsa").event_key for body in bodies}
    assert len(keys) == 2


def test_a_refund_that_tells_nothing_is_looked_at() -> None:
    [notice] = read(event("PAY_REFUND", "REFUND_SUCCESS"))
    assert notice.status == S.REVIEW


def test_messages_about_something_else_are_none_of_ours() -> None:
    reading = binance().read(Message({}, event("PAYOUT", "SUCCESS")), "rsa")
    assert not reading.notices
    assert reading.note


def test_the_number_is_read_to_its_last_digit() -> None:
    outer = json.loads(event())
    del outer["bizIdStr"]
    assert read(json.dumps(outer).encode())[0].external_id == ORDER


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"{}",
        BODY[:-2],
        b'{"bizType":"PAY","bizType":"PAY","bizIdStr":"1","bizStatus":"PAY_SUCCESS","data":"{}"}',
        b'{"bizType":"PAY","bizIdStr":"1","bizStatus":"PAY_SUCCESS","data":"[]"}',
        b'{"bizType":"PAY","bizIdStr":"1","bizStatus":"PAY_SUCCESS","data":"' + b"[" * 30_000 + b'"}',
        b'{"bizType":"PAY","bizIdStr":"1","bizStatus":"PAY_SUCCESS","data":7}',
        b'{"bizType":"PAY","bizIdStr":"' + b"1" * 101 + b'","bizStatus":"PAY_SUCCESS","data":"{}"}',
        event(totalFee=None),
        event(totalFee=-1),
        event(totalFee=0),
        event(totalFee="25,17"),
        event(totalFee=True),
        event(totalFee=1e-7),
        event(currency=None),
        event(merchantTradeNo=None),
        event(merchantTradeNo="x" * 101),
        event(merchantTradeNo=["x"]),
        event(transactTime="yesterday"),
        event(transactTime=999999999999999),
        event("PAY_REFUND", "REFUND_SUCCESS", refundInfo="no JSON"),
        event("PAY_REFUND", "REFUND_SUCCESS", refundInfo=refund_info(refundedAmount=None)),
    ],
)
def test_what_makes_no_sense_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        binance().read(Message({}, body), "rsa")


def test_an_amount_that_stands_twice_within_is_refused() -> None:
    body = BODY.replace(b'\\"totalFee\\":25.17', b'\\"totalFee\\":25.17,\\"totalFee\\":2517')
    assert body != BODY
    with pytest.raises(UnreadableMessageError):
        read(body)


@pytest.mark.parametrize(
    "answer",
    [
        order("PAID", merchantTradeNo="TOPUP000124"),
        order("PAID", orderAmount=None),
        order("PAID", currency=None),
        b'{"status":"FAIL","code":"000000","data":{}}',
        b'{"status":"SUCCESS","code":"400202","data":{}}',
        b'{"status":"SUCCESS","code":"000000"}',
        b"<html>",
    ],
)
def test_answers_about_something_else_are_unreadable(answer: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        binance().read_answer(answer, PAYMENT)


# Calls.


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with fake_vendor() as made:
        yield made


def at(vendor: FakeVendor) -> BinancePay:
    return binance(vendor.http, base_url=f"{vendor.url}/binance")


def intent(**more: Any) -> Intent:
    given = {
        "reference": REFERENCE,
        "memo": None,
        "amount": Decimal("25.17"),
        "currency": "USDT",
        "expires_at": NOW + timedelta(minutes=30),
        "now": NOW,
        "description": "Wallet top-up",
        "return_url": "https://panel.test/deposits/return/TOPUP000123",
        "notify_url": "https://panel.test/api/payment/binance_pay/webhook",
    }
    return Intent(**{**given, **more})


MADE = {
    "prepayId": ORDER,
    "checkoutUrl": "https://pay.binance.com/checkout/abc",
    "qrContent": "https://app.binance.com/qr/dplk123",
}


def success(data: Any) -> Scripted:
    return 200, {"status": "SUCCESS", "code": "000000", "data": data}


def check_signature(vendor: FakeVendor) -> None:
    [sent] = vendor.sent
    stamp, nonce = sent.headers["binancepay-timestamp"], sent.headers["binancepay-nonce"]
    assert sent.headers["binancepay-signature"] == request_signature(SECRET, stamp, nonce, sent.body)
    assert sent.headers["binancepay-certificate-sn"] == "binance_test_key"
    assert (len(nonce), nonce.isalpha(), stamp) == (32, True, str(STAMP))


async def test_an_order_is_made(vendor: FakeVendor) -> None:
    vendor.answering(success(MADE))
    started = await at(vendor).start(intent())
    assert started.shown == {"kind": "redirect", "redirect_url": MADE["checkoutUrl"], "qr": MADE["qrContent"]}
    assert started.external_ref == ORDER
    check_signature(vendor)
    [sent] = vendor.sent
    assert (sent.method, sent.path) == ("POST", "/binance/binancepay/openapi/v3/order")
    asked = sent.json
    assert (asked["merchantTradeNo"], asked["orderAmount"], asked["currency"]) == (REFERENCE, "25.17", "USDT")
    assert asked["env"] == {"terminalType": "WEB"}
    assert asked["orderExpireTime"] == STAMP + 30 * 60 * 1000
    assert asked["webhookUrl"].endswith("/api/payment/binance_pay/webhook")
    # The same members, in the same order, as the contract's: what is ours besides comes after them.
    assert sent.body.startswith(VECTORS["binance.body"].encode()[:-1])


@pytest.mark.parametrize("code", [None, "", "x" * 501])
async def test_an_order_without_a_code_that_can_be_scanned_has_its_page(vendor: FakeVendor, code: str | None) -> None:
    vendor.answering(success({**MADE, "qrContent": code}))
    assert (await at(vendor).start(intent())).shown == {"kind": "redirect", "redirect_url": MADE["checkoutUrl"]}


async def test_orders_stay_open_for_an_hour_at_most(vendor: FakeVendor) -> None:
    vendor.answering(success(MADE))
    await at(vendor).start(intent(expires_at=NOW + timedelta(days=2)))
    assert vendor.sent[0].json["orderExpireTime"] == STAMP + 3600 * 1000


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"status": "FAIL", "code": "400201", "errorMessage": "merchantTradeNo is invalid or duplicated"}),
        (200, {"status": "SUCCESS", "code": "400201", "data": MADE}),
        (200, {"status": "FAIL", "code": "000000", "data": MADE}),
        success({**MADE, "prepayId": None}),
        success({**MADE, "checkoutUrl": "javascript:alert(1)"}),
        success([]),
        (200, b"<html>"),
        (500, b""),
        (302, b""),
        None,
    ],
)
async def test_no_order_without_a_whole_success(vendor: FakeVendor, answer: Scripted | None) -> None:
    vendor.answering(answer)
    with pytest.raises(GatewayFailedError):
        await at(vendor).start(intent())


async def test_without_a_secret_nothing_is_sent(vendor: FakeVendor) -> None:
    for secrets in ({}, {"secret": ("",)}):
        nobody = BinancePay(Account("USDT", {"base_url": vendor.url}, secrets), vendor.http)
        with pytest.raises(GatewayFailedError):
            await nobody.start(intent())
        assert not nobody.can_be_asked
    assert not vendor.sent


async def test_orders_are_asked_about(vendor: FakeVendor) -> None:
    vendor.answering((200, order("PAID")))
    answer = await at(vendor).ask(PAYMENT)
    assert vendor.sent[0].path == "/binance/binancepay/openapi/v2/order/query"
    assert vendor.sent[0].json == {"prepayId": ORDER}
    check_signature(vendor)
    [by_answer], [by_message] = at(vendor).read_answer(answer, PAYMENT).notices, read(BODY)
    assert replace(by_answer, source="") == replace(by_message, source="")


async def test_orders_without_a_known_number_are_asked_about_by_reference(vendor: FakeVendor) -> None:
    vendor.answering((200, order("PAID")))
    await at(vendor).ask(replace(PAYMENT, external_ref=None))
    assert vendor.sent[0].json == {"merchantTradeNo": REFERENCE}


async def test_a_reference_that_is_used_up_is_followed_by_a_number(vendor: FakeVendor) -> None:
    used = 400, {"status": "FAIL", "code": "400201", "errorMessage": "merchantTradeNo is invalid or duplicated"}
    vendor.answering(used, used, success(MADE))
    assert (await at(vendor).start(intent())).external_ref == ORDER
    names = [sent.json["merchantTradeNo"] for sent in vendor.sent]
    assert names == [REFERENCE, f"{REFERENCE}r2", f"{REFERENCE}r3"]
    assert all(name.isalnum() for name in names)
    # Whichever of them is paid, it is for this deposit.
    assert read(event(merchantTradeNo=names[-1]))[0].reference == REFERENCE
    assert at(vendor).read_answer(order("PAID", merchantTradeNo=names[-1]), PAYMENT).notices[0].status == S.PAID


@pytest.mark.parametrize(
    ("key", "sent_as"),
    [("A" * 32, "A" * 32), ("refund:7", hashlib.sha256(b"refund:7").hexdigest()[:32])],
)
async def test_money_is_given_back_under_a_number(vendor: FakeVendor, key: str, sent_as: str) -> None:
    vendor.answering(success({"refundRequestId": sent_as}))
    done = await at(vendor).refund(Refund(PAYMENT, ORDER, Decimal("5.10"), key, "asked for"))
    assert (done.return_id, done.status) == (sent_as, "pending")
    assert vendor.sent[0].path == "/binance/binancepay/openapi/order/refund"
    assert vendor.sent[0].json == {
        "refundRequestId": sent_as,
        "prepayId": ORDER,
        "refundAmount": 5.1,
        "refundReason": "asked for",
    }


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ((200, {"status": "FAIL", "code": "400604"}), GatewayFailedError),
        ((400, {"status": "FAIL"}), GatewayFailedError),
        ((200, {"status": "FAIL", "code": "400000"}), GatewayUnknownError),
        ((200, b"<html>"), GatewayUnknownError),
        ((502, b""), GatewayUnknownError),
        (None, GatewayUnknownError),
    ],
)
async def test_refunds_that_failed_and_refunds_that_nobody_knows_about(
    vendor: FakeVendor, answer: Scripted | None, failure: type[Exception]
) -> None:
    vendor.answering(answer)
    with pytest.raises(GatewayFailedError) as raised:
        await at(vendor).refund(Refund(PAYMENT, ORDER, Decimal(5), "k"))
    assert type(raised.value) is failure


# Keys.


def certificates(**keys: Any) -> Scripted:
    return success([{"certSerial": name, "certPublic": pem} for name, pem in keys.items()])


async def test_keys_are_fetched_and_only_real_ones_taken(vendor: FakeVendor) -> None:
    vendor.answering(certificates(own=pem_of(OWN_KEY), broken="no key", odd=7))
    assert await at(vendor).fetch_public_keys(NOW) == {"own": pem_of(OWN_KEY)}
    assert (vendor.sent[0].path, vendor.sent[0].body) == ("/binance/binancepay/openapi/certificates", b"{}")
    check_signature(vendor)
    vendor.answering(success({"certSerial": "x"}))
    with pytest.raises(GatewayFailedError):
        await at(vendor).fetch_public_keys(NOW)
    vendor.answering(success(["x", None]))
    assert await at(vendor).fetch_public_keys(NOW) == {}


@pytest.fixture
async def shop(till: Till, vendor: FakeVendor) -> Till:
    """The panel with Binance Pay, its clock at the moment of the vectors."""
    panel = replace(till.panel, http=vendor.http, clock=lambda: NOW)
    terms = MethodTerms(
        "Binance Pay", "USDT", Decimal(1), options={"api_key": "binance_test_key", "base_url": vendor.url}
    )
    async with panel.db.transaction() as session:
        made = await add_method(session, panel, "binance_pay", terms, actor=Actor.cli(), secrets={"secret": SECRET})
    return replace(till, panel=panel, methods={"binance_pay": made.id})


async def tell(shop: Till, message: Message) -> bool:
    try:
        reply = await receive(shop.panel, "binance_pay", message, ip="203.0.113.9")
    except MessageRefusedError:
        return False
    assert reply.body == {"returnCode": "SUCCESS", "returnMessage": None}
    return True


async def names(shop: Till) -> set[str]:
    async with shop.panel.db.transaction() as session:
        return {name for name in await session.scalars(select(GatewayKey.name)) if name}


async def test_an_unknown_key_is_fetched_once(shop: Till, vendor: FakeVendor) -> None:
    vendor.answering(certificates(own=pem_of(OWN_KEY)))
    assert await tell(shop, signed(event()))
    assert await tell(shop, signed(event(word="PAY_CLOSED")))
    assert len(vendor.sent) == 1
    async with shop.panel.db.transaction() as session:
        assert {event.verdict for event in await session.scalars(select(GatewayEvent))} == {"rsa"}


async def test_names_that_nobody_knows_lead_to_one_question_a_minute(shop: Till, vendor: FakeVendor) -> None:
    vendor.answering(certificates(own=pem_of(OWN_KEY)))
    stranger = rsa.generate_private_key(65537, 2048)
    for name in ("one", "two", "three"):
        assert not await tell(shop, signed(event(), stranger, name=name))
    assert len(vendor.sent) == 1
    later = shop.at(seconds=61)
    assert not await tell(later, signed(event(), stranger, name="four"))
    assert len(vendor.sent) == 2


async def test_strangers_at_the_same_time_lead_to_one_question(shop: Till, vendor: FakeVendor) -> None:
    vendor.answering(certificates(own=pem_of(OWN_KEY)))
    messages = [signed(event(), name=name) for name in ("own", "one", "two", "own", "three")]
    taken = await asyncio.gather(*(tell(shop, message) for message in messages))
    assert taken == [True, False, False, True, False]
    assert len(vendor.sent) == 1


async def test_a_question_that_failed_is_not_asked_again_at_once(shop: Till, vendor: FakeVendor) -> None:
    vendor.answering((500, b""))
    assert not await tell(shop, signed(event()))
    assert not await tell(shop, signed(event()))
    assert len(vendor.sent) == 1
    vendor.answering(certificates(own=pem_of(OWN_KEY)))
    assert await tell(shop.at(seconds=61), signed(event()))


async def test_old_keys_stay(shop: Till, vendor: FakeVendor) -> None:
    new_key = rsa.generate_private_key(65537, 2048)
    vendor.answering(certificates(own=pem_of(OWN_KEY)))
    assert await tell(shop, signed(event()))
    vendor.answering(certificates(new=pem_of(new_key)))
    later = shop.at(minutes=2)
    assert await tell(later, signed(event(word="PAY_CLOSED"), new_key, name="new"))
    assert await tell(later, signed(event(merchantTradeNo="ANOTHER")))
    assert await names(shop) == {"own", "new"}


# Settings.


def test_what_is_missing_is_named() -> None:
    binance().check()
    for wrong, field in (
        (binance(secret=""), "secret"),
        (binance(api_key=""), "api_key"),
        (binance(api_key="with space"), "api_key"),
        (binance(base_url="http://bpay.binanceapi.com"), "base_url"),
    ):
        with pytest.raises(InvalidInputError) as raised:
            wrong.check()
        assert raised.value.fields["field"] == field


def test_it_can_be_asked_gives_back_and_has_keys() -> None:
    for capability in (CanBeAsked, CanRefund, HasPublicKeys):
        assert isinstance(binance(), capability)
    assert binance().can_be_asked
