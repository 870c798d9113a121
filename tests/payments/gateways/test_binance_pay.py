"""Binance Pay: the contract's vectors and words, and what hostile messages come to."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from payments.gateways.vectors import VECTORS
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.binance_pay import BinancePay
from smmpanel.payments.gateways.binance_pay_signing import request_signature, signed_bytes
from smmpanel.payments.protocol import (
    Account,
    Asked,
    CanBeAsked,
    CanRefund,
    GatewayStatus,
    HasPublicKeys,
    Message,
    Notice,
    UnreadableMessageError,
)
from smmpanel.payments.signing import hmac_text

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
    stamp, nonce = "1795244560000", "abcdefghijklmnopqrstuvwxyzABCDEF"
    assert request_signature(SECRET, stamp, nonce, body) == VECTORS["binance.sig"]
    # What is wrong differs by the last line end alone.
    cut = signed_bytes(stamp.encode(), nonce.encode(), body)[:-1]
    assert hmac_text(SECRET, cut, "sha512").upper() == VECTORS["binance.sig.no_trailing_newline(wrong)"]


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
