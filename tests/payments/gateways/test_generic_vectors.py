"""Any gateway over HTTP: its own vectors, and those of gateways that have adapters of their own, by descriptions alone."""

import json
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from payments.gateways.describing import INTENT, NOW, Raw, described, gateway, notify
from payments.gateways.vectors import VECTORS
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.generic.configuration import Sign
from smmpanel.payments.gateways.generic.gateway import HttpGateway
from smmpanel.payments.gateways.generic.signatures import Signed, signature_of
from smmpanel.payments.protocol import Account, GatewayStatus, Message

FIELDS = {"order_id": "TOPUP-000123", "amount": "150000", "currency": "INR", "status": "SUCCESS"}
PATHS = ["$.order_id", "$.amount", "$.currency", "$.status"]
BODY = json.dumps(FIELDS).encode()
CONCAT = {"payload": "fields_concat", "fields": PATHS, "field_sep": "|", "location": "header:x-signature"}
OWN: list[tuple[str, Raw, str]] = [
    ("generic.hmac256hex", {"algo": "hmac-sha256", **CONCAT}, "signature"),
    ("generic.md5 suffix", {"algo": "md5", "secret_position": "suffix", **CONCAT}, "signature"),
    (
        "generic.sortedkv.sha512",
        {
            "algo": "sha512",
            "payload": "sorted_kv",
            "secret_position": "kv:key",
            "encoding": "HEX",
            "location": "header:x-signature",
        },
        "signature",
    ),
]


@pytest.mark.parametrize(("vector", "sign", "verdict"), OWN, ids=[row[0] for row in OWN])
def test_own_vectors(vector: str, sign: Raw, verdict: str) -> None:
    own = gateway(described(notify=notify(sign=sign)))
    own.check()
    right = Message({"x-signature": VECTORS[vector].encode()}, BODY)
    assert own.verify(right, NOW) == verdict
    [notice] = own.read(right, verdict).notices
    assert (notice.reference, notice.status) == ("TOPUP-000123", GatewayStatus.PAID)
    assert (notice.amount, notice.currency) == (Decimal(150_000), "INR")
    assert notice.unproved == (sign["algo"] == "md5")
    for name in FIELDS:
        changed = json.dumps({**FIELDS, name: "9"}).encode()
        assert own.verify(Message(right.headers, changed), NOW) is None
    assert own.verify(Message({"x-signature": VECTORS[vector].swapcase().encode()}, BODY), NOW) is None
    assert gateway(described(notify=notify(sign=sign)), "other").verify(right, NOW) is None
    both = gateway(described(notify=notify(sign=sign)), "new", "generic_secret")
    assert both.verify(right, NOW) == verdict, "the old secret holds while it is changed"


def midtrans_message() -> Raw:
    return {
        "order_id": "TOPUP-000123",
        "status_code": "200",
        "gross_amount": "150000.00",
        "transaction_status": "settlement",
        "signature_key": VECTORS["midtrans.ours"],
    }


def esewa_data(name: str) -> bytes:
    data: str = VECTORS[name]
    return data.encode()


ESEWA_PATHS = ["$.transaction_code", "$.status", "$.total_amount", "$.transaction_uuid", "$.product_code"]
PAYSTACK = {
    "reference_path": "$.data.reference",
    "gateway_txn_path": "$.data.id",
    "status_path": "$.data.status",
    "amount_path": "$.data.amount",
    "currency_path": "$.data.currency",
    "amount_unit": "minor",
    "status_map": {"success": "paid"},
    "sign": {"algo": "hmac-sha512", "location": "header:x-paystack-signature"},
}
FLUTTERWAVE = {
    "reference_path": "$.data.reference",
    "status_path": "$.data.status",
    "amount_path": "$.data.amount",
    "currency_path": "$.data.currency",
    "status_map": {"succeeded": "paid"},
    "only_when": ["$.type == charge.completed"],
    "sign": {"algo": "hmac-sha256", "encoding": "base64", "location": "header:flutterwave-signature"},
}
STRIPE = {
    "reference_path": "$.data.object.client_reference_id",
    "status_path": "$.data.object.payment_status",
    "amount_path": "$.data.object.amount_total",
    "currency_path": "$.data.object.currency",
    "amount_unit": "minor",
    "status_map": {"paid": "paid"},
    "sign": {
        "algo": "hmac-sha256",
        "payload": "ts.body",
        "location": "header:Stripe-Signature#v1",
        "timestamp_location": "header:Stripe-Signature#t",
    },
}
SEPAY = {
    "reference_path": "$.code",
    "gateway_txn_path": "$.id",
    "status_path": "$.transferType",
    "amount_path": "$.transferAmount",
    "status_map": {"in": "paid"},
    "sign": {
        "algo": "hmac-sha256",
        "payload": "ts.body",
        "prefix": "sha256=",
        "location": "header:X-SePay-Signature",
        "timestamp_location": "header:X-SePay-Timestamp",
    },
}
APIKEY = {
    **SEPAY,
    "sign": {"algo": "static_token", "prefix": "Apikey ", "location": "header:authorization"},
}
MIDTRANS = {
    "reference_path": "$.order_id",
    "status_path": "$.transaction_status",
    "amount_path": "$.gross_amount",
    "status_map": {"settlement": "paid"},
    "sign": {
        "algo": "sha512",
        "payload": "fields_concat",
        "fields": ["$.order_id", "$.status_code", "$.gross_amount"],
        "secret_position": "suffix",
        "location": "body:$.signature_key",
    },
}
ESEWA_SIGN: Raw = {
    "algo": "hmac-sha256",
    "payload": "fields_kv",
    "fields": ESEWA_PATHS,
    "fields_from": "$.signed_field_names",
    "encoding": "base64",
    "location": "body:$.signature",
}
ESEWA = {
    "body": "base64_json",
    "reference_path": "$.transaction_uuid",
    "status_path": "$.status",
    "amount_path": "$.total_amount",
    "status_map": {"COMPLETE": "paid"},
    "sign": ESEWA_SIGN,
}
CRYPTOMUS = {
    "reference_path": "$.order_id",
    "gateway_txn_path": "$.uuid",
    "status_path": "$.status",
    "amount_path": "$.payment_amount",
    "status_map": {"paid": "paid"},
    "sign": {
        "algo": "md5",
        "payload": "base64(raw_body)",
        "secret_position": "suffix",
        "location": "body:$.sign",
    },
}
SPEC = {
    "reference_path": "$.content",
    "gateway_txn_path": "$.transaction_id",
    "status_path": "$.account_number",
    "amount_path": "$.amount",
    "status_map": {"123456789": "paid"},
    "sign": {
        "algo": "hmac-sha256",
        "payload": "fields_concat",
        "field_sep": "|",
        "fields": ["$.transaction_id", "$.account_number", "$.amount", "$.content", "$.transaction_date"],
        "location": "body:$.signature",
    },
}
SPEC_BODY = {
    "transaction_id": "sepay_txn_id",
    "account_number": "123456789",
    "amount": 100000,
    "content": "HOMEMMO ABC123",
    "transaction_date": "2025-10-26 15:30:00",
    "signature": VECTORS["spec.sig"],
}
COINBASE = {
    "reference_path": "$.event.data.metadata.topup",
    "gateway_txn_path": "$.event.data.code",
    "status_path": "$.event.type",
    "amount_path": "$.event.data.amount",
    "status_map": {"charge:confirmed": "paid"},
    "sign": {"algo": "hmac-sha256", "location": "header:X-CC-Webhook-Signature"},
}
STAMP = b"1795244560"
OTHERS: list[Any] = [
    pytest.param(
        PAYSTACK,
        "sk_test_paystack_secret",
        {"x-paystack-signature": VECTORS["paystack.sig"].encode()},
        VECTORS["paystack.body"].encode(),
        ("signature", "TOPUP-000123", "5000.00", False),
        id="paystack",
    ),
    pytest.param(
        FLUTTERWAVE,
        "flw_secret_hash",
        {"flutterwave-signature": VECTORS["flw.v4sig"].encode()},
        VECTORS["flw.body"].encode(),
        ("signature", "TOPUP-000123", "5000", False),
        id="flutterwave",
    ),
    pytest.param(
        STRIPE,
        "whsec_test_secret",
        {"stripe-signature": VECTORS["stripe.hdr"].encode()},
        VECTORS["stripe.body"].encode(),
        ("signature", "TOPUP-000123", "25.00", False),
        id="stripe",
    ),
    pytest.param(
        SEPAY,
        "sepay_test_secret_123",
        {"x-sepay-signature": VECTORS["sepay.sig"].encode(), "x-sepay-timestamp": STAMP},
        VECTORS["sepay.body"].encode(),
        ("signature", "HOMEMMOABC123", "100000", False),
        id="sepay-hmac",
    ),
    pytest.param(
        APIKEY,
        "SEPAYTESTAPIKEY0001",
        {"authorization": VECTORS["sepay.apikey header"].removeprefix("Authorization: ").encode()},
        VECTORS["sepay.body"].encode(),
        ("token", "HOMEMMOABC123", "100000", True),
        id="sepay-apikey",
    ),
    pytest.param(
        MIDTRANS,
        "SB-Mid-server-TESTKEY123",
        {},
        json.dumps(midtrans_message()).encode(),
        ("ambiguous", "TOPUP-000123", "150000.00", True),
        id="midtrans",
    ),
    pytest.param(
        CRYPTOMUS,
        "cryptomus_test_payment_key",
        {},
        VECTORS["cryptomus.wh.body"].encode(),
        ("signature", "TOPUP-000123", "25.00000000", True),
        id="cryptomus",
    ),
    pytest.param(
        SPEC,
        "homemmo_spec_secret",
        {},
        json.dumps(SPEC_BODY).encode(),
        ("signature", "HOMEMMO ABC123", "100000", False),
        id="spec",
    ),
]


def other(part: Raw, secret: str) -> HttpGateway:
    raw = described(notify={**part, "staff_review": True})
    del raw["query"]
    return HttpGateway(Account("USD", {"configuration": json.dumps(raw)}, {"secret": (secret,)}), Outgoing())


@pytest.mark.parametrize(("part", "secret", "headers", "body", "expected"), OTHERS)
def test_other_gateways_by_their_descriptions(
    part: Raw, secret: str, headers: dict[str, bytes], body: bytes, expected: tuple[str, str, str, bool]
) -> None:
    own, right = other(part, secret), Message(headers, body)
    own.check()
    verdict, reference, amount, unproved = expected
    assert own.verify(right, NOW) == verdict
    [notice] = own.read(right, verdict).notices
    assert (notice.reference, notice.amount, notice.unproved) == (reference, Decimal(amount), unproved)
    assert notice.status == GatewayStatus.PAID
    assert other(part, "another").verify(right, NOW) is None
    assert other(part, "").verify(right, NOW) is None, "an empty secret proves nothing"
    for name, value in headers.items():
        assert own.verify(Message({**headers, name: value[:-1]}, body), NOW) is None
        assert own.verify(Message({**headers, name: value + b"\xff"}, body), NOW) is None
        assert own.verify(Message({**headers, name: "ü".encode() * 30}, body), NOW) is None
    if part is not APIKEY:
        assert own.verify(Message(headers, body[:-1] + b" }"), NOW) is None or not headers
        assert own.verify(Message(headers, body[: len(body) // 2]), NOW) is None
        for old, new in ((b"TOPUP-000123", b"TOPUP-000124"), (b"ABC123", b"ABC124"), (b"0000", b"9000")):
            if old in body:
                assert own.verify(Message(headers, body.replace(old, new)), NOW) is None


def test_old_messages_of_coinbase() -> None:
    own, body = other(COINBASE, "cc_shared_secret"), VECTORS["cc.body"].encode()
    own.check()
    assert own.verify(Message({"x-cc-webhook-signature": VECTORS["cc.sig"].encode()}, body), NOW) == "signature"
    assert own.verify(Message({"x-cc-webhook-signature": VECTORS["cc.sig"].encode()}, body + b"\n"), NOW) is None


def test_names_and_passwords_of_phonepe() -> None:
    """What its messages carry is a digest of name and password: to us it is a token, which is the secret then."""
    kept = sha256(b"panel_user:Panel_pass1").hexdigest()
    part = {**APIKEY, "sign": {"algo": "static_token", "location": "header:Authorization"}}
    given = Message({"authorization": VECTORS["phonepe.auth"].encode()}, b"{}")
    assert other(part, kept).verify(given, NOW) == "token"
    assert other(part, "panel_user:Panel_pass1").verify(given, NOW) is None


def test_stamps_are_looked_at() -> None:
    body = VECTORS["sepay.body"].encode()
    own = other(SEPAY, "sepay_test_secret_123")
    without = {"x-sepay-signature": f"sha256={VECTORS['sepay.sig_without_ts(wrong)']}".encode()}
    assert own.verify(Message({**without, "x-sepay-timestamp": STAMP}, body), NOW) is None
    right = {"x-sepay-signature": VECTORS["sepay.sig"].encode()}
    assert own.verify(Message(right, body), NOW) is None
    for stamp in (b"", b"-1", b"9" * 40, b"1795244560.0", "١٧٩٥".encode(), b"1795244561"):
        assert own.verify(Message({**right, "x-sepay-timestamp": stamp}, body), NOW) is None
    late = NOW.replace(minute=7, second=41)
    assert own.verify(Message({**right, "x-sepay-timestamp": STAMP}, body), late) is None


def test_esewa_by_its_description() -> None:
    own = other(ESEWA, "8gBm/:&EnhH.1/q")
    own.check()
    # Its amount has a comma in it, which separates what is signed: such a text could be another's.
    assert own.verify(Message({}, esewa_data("esewa.cb.ours.data")), NOW) == "ambiguous"
    assert own.verify(Message({}, esewa_data("esewa.downgrade.data")), NOW) is None, "less is signed than must be"
    asked_for = ["$.total_amount", "$.transaction_uuid", "$.product_code"]
    sign = Sign.model_validate({**ESEWA_SIGN, "fields_from": None, "fields": asked_for})
    asked = {"total_amount": "1500", "transaction_uuid": "TOPUP-000123", "product_code": "EPAYTEST"}
    assert signature_of(sign, Signed(b"", asked), "8gBm/:&EnhH.1/q") == VECTORS["esewa.ours"]
    official = {**asked, "total_amount": "110", "transaction_uuid": "241028"}
    assert signature_of(sign, Signed(b"", official), "8gBm/:&EnhH.1/q") == VECTORS["esewa.110"]


async def test_the_form_of_sepay_by_its_description() -> None:
    """The same fields in the same order are signed to the same signature, and sent in that order."""
    names = ["merchant", "operation", "payment_method", "order_amount", "currency", "order_invoice_number"]
    names += ["order_description", "success_url", "error_url", "cancel_url"]
    create = {
        "url": "https://pay.sepay.vn/v1/checkout/init",
        "body_mode": "browser_form_post",
        "body": {
            "merchant": "SP-TEST-MERCHANT",
            "operation": "PURCHASE",
            "payment_method": "BANK_TRANSFER",
            "order_amount": "{amount}",
            "currency": "VND",
            "order_invoice_number": "{reference}",
            "order_description": "{description}",
            "success_url": "https://panel.test/pay/ok",
            "error_url": "https://panel.test/pay/err",
            "cancel_url": "https://panel.test/pay/cancel",
        },
        "sign": {
            "algo": "hmac-sha256",
            "encoding": "base64",
            "payload": "fields_kv",
            "fields": [f"$.{name}" for name in names],
            "location": "body:$.signature",
        },
    }
    own = gateway(described(create=create), "spsk_test_abc123")
    own.check()
    wanted = replace(INTENT, amount=Decimal(100_000), currency="VND", description="Nap tien TOPUP-000123")
    shown = (await own.start(wanted)).shown
    assert shown["url"] == "https://pay.sepay.vn/v1/checkout/init"
    assert [name for name, _ in shown["fields"]] == [*names, "signature"]
    assert dict(shown["fields"])["signature"] == VECTORS["sepaypg.fixed.sig"]
    assert ",".join(f"{name}={value}" for name, value in shown["fields"][:-1]) == VECTORS["sepaypg.fixed.str"]
