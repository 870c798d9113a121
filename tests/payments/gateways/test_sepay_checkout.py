"""SePay's payment gateway: its vectors, its form, its messages, its orders, and what must not be believed."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from payments.gateways.fake_vendor import FakeVendor, fake_vendor
from payments.gateways.vectors import VECTORS
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.sepay_checkout import SePayCheckout, signature_of
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

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
KEY, MERCHANT, REFERENCE = "spsk_test_abc123", "SP-TEST-MERCHANT", "TOPUP-000123"
ASKED = Asked(REFERENCE, None, None, Decimal(100_000), "VND", NOW, NOW, NOW + timedelta(hours=1))
INTENT = Intent(
    REFERENCE,
    None,
    Decimal(100_000),
    "VND",
    NOW + timedelta(hours=1),
    NOW,
    description="Nap tien TOPUP-000123",
    return_url="https://panel.test/pay/ok",
)
REFUND = Refund(ASKED, REFERENCE, Decimal(100_000), "key")


def adapter(*keys: str, http: Outgoing | None = None, **options: str) -> SePayCheckout:
    account = Account("VND", {"merchant": MERCHANT, **options}, {"secret_key": keys or (KEY,)})
    return SePayCheckout(account, http or Outgoing())


def at(vendor: FakeVendor) -> SePayCheckout:
    return adapter(http=vendor.http, base_url=vendor.url, api_url=vendor.url)


def order(**more: Any) -> dict[str, Any]:
    return {
        "id": "e2c195be-c721-47eb-b323-99ab24e52d85",
        "order_id": "SEPAY-68BA83CE637C1",
        "order_status": "CAPTURED",
        "order_currency": "VND",
        "order_amount": "100000.00",
        "order_invoice_number": REFERENCE,
        **more,
    }


def ipn(kind: str = "ORDER_PAID", **more: Any) -> bytes:
    transaction = {"id": "384c66dd", "transaction_amount": "100000", "transaction_status": "APPROVED"}
    told = {"timestamp": 1757058220, "notification_type": kind, "order": order(), "transaction": transaction, **more}
    return json.dumps(told).encode()


def answered(data: dict[str, Any], asked: Asked = ASKED) -> list[Notice]:
    return list(adapter().read_answer(json.dumps(data).encode(), asked).notices)


@pytest.mark.parametrize(
    ("text", "signature"),
    [("sepaypg.insertion.str", "sepaypg.insertion.sig"), ("sepaypg.fixed.str", "sepaypg.fixed.sig")],
)
def test_published_signatures(text: str, signature: str) -> None:
    pairs = [tuple(one.split("=", 1)) for one in VECTORS[text].split(",")]
    assert signature_of([(name, value) for name, value in pairs], KEY) == VECTORS[signature]


async def test_the_form_is_sent_in_the_order_in_which_it_is_signed() -> None:
    shown = (await adapter(payment_method="BANK_TRANSFER").start(INTENT)).shown
    assert (shown["kind"], shown["url"]) == ("form", "https://pay.sepay.vn/v1/checkout/init")
    *fields, (name, signature) = [tuple(pair) for pair in shown["fields"]]
    # The vector's fields with our addresses: signed in the fixed order.
    mine = [
        (one, "https://panel.test/pay/ok" if one in {"error_url", "cancel_url"} else value) for one, value in fixed()
    ]
    assert fields == mine
    assert (name, signature) == ("signature", signature_of(mine, KEY))


def fixed() -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (one.partition("=") for one in VECTORS["sepaypg.fixed.str"].split(","))]


async def test_what_is_not_said_is_not_sent() -> None:
    fields = dict((await adapter().start(replace(INTENT, customer="U-7"))).shown["fields"])
    assert "payment_method" not in fields
    assert (fields["customer_id"], fields["order_amount"]) == ("U-7", "100000")
    with pytest.raises(GatewayFailedError):
        await adapter("").start(INTENT)
    with pytest.raises(InvalidInputError):
        await adapter().start(replace(INTENT, amount=Decimal("0.5")))


async def test_commas_cannot_make_fields() -> None:
    fields = (await adapter().start(replace(INTENT, description="a,order_amount=1"))).shown["fields"]
    assert dict(fields)["order_description"] == "a order_amount=1"


@pytest.mark.parametrize("given", [b"", KEY[:-1].encode(), b"\xff" * 16, "ü".encode() * 8, f"{KEY} ".encode()])
def test_another_key_proves_nothing(given: bytes) -> None:
    assert adapter().verify(Message({"x-secret-key": given}, ipn()), NOW) is None
    assert adapter().verify(Message({}, ipn()), NOW) is None
    assert adapter().verify(Message({"x-secret-key": KEY.encode()}, b"anything"), NOW) == "token"
    assert adapter("new", KEY).verify(Message({"x-secret-key": KEY.encode()}, ipn()), NOW) == "token"


def test_an_empty_key_verifies_nothing() -> None:
    assert adapter("").verify(Message({"x-secret-key": b""}, ipn()), NOW) is None
    assert not adapter("").can_be_asked


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("ORDER_PAID", GatewayStatus.PAID),
        ("RENEWAL_ORDER_PAID", GatewayStatus.PAID),
        ("TRANSACTION_VOID", GatewayStatus.REFUNDED),
    ],
)
def test_messages_are_hints(kind: str, status: GatewayStatus) -> None:
    [notice] = adapter().read(Message({}, ipn(kind)), "token").notices
    assert (notice.status, notice.amount, notice.currency) == (status, Decimal(100_000), "VND")
    assert notice.unproved
    assert (notice.external_id, notice.reference, notice.bank_ref) == (REFERENCE, REFERENCE, "SEPAY-68BA83CE637C1")


def test_numbers_of_orders_are_texts() -> None:
    """On one page of the manual they are UUIDs, on another small numbers."""
    body = ipn(order=order(id=17, order_id=None))
    assert adapter().read(Message({}, body), "token").notices[0].bank_ref == "17"


def test_other_messages_say_nothing() -> None:
    assert adapter().read(Message({}, ipn("AGREEMENT_SIGNED")), "token").note == "AGREEMENT_SIGNED"
    nothing = ipn(order=order(order_amount="0.00"))
    assert not adapter().read(Message({}, nothing), "token").notices


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"notification_type":"ORDER_PAID"}',
        b'{"notification_type":"ORDER_PAID","notification_type":"X"}',
        ipn(order=[]),
        ipn(order=order(order_amount="1e9")),
        ipn(order=order(order_amount="-5")),
        ipn(order=order(order_amount="100000.50")),
        ipn(order=order(order_amount=None)),
        ipn(order=order(order_invoice_number="")),
        ipn(order=order(order_invoice_number="X" * 500)),
        ipn(order=order(order_invoice_number={})),
    ],
)
def test_what_makes_no_sense_is_not_read(body: bytes) -> None:
    with pytest.raises(UnreadableMessageError):
        adapter().read(Message({}, body), "token")


LATE = replace(ASKED, now=NOW + timedelta(hours=2))


@pytest.mark.parametrize(
    ("said", "asked", "status"),
    [
        (order(), ASKED, GatewayStatus.PAID),
        (order(order_status="AUTHENTICATION_NOT_NEEDED"), ASKED, GatewayStatus.PENDING),
        (order(order_status="AUTHENTICATION_NOT_NEEDED"), LATE, GatewayStatus.EXPIRED),
        (order(order_status="CANCELLED"), ASKED, GatewayStatus.FAILED),
        (
            order(order_status="CANCELLED", transactions=[{"transaction_status": "DECLINED"}]),
            ASKED,
            GatewayStatus.FAILED,
        ),
        (
            order(order_status="CANCELLED", transactions=[{"transaction_status": "VOIDED"}]),
            ASKED,
            GatewayStatus.REFUNDED,
        ),
        (order(order_status="ON_HOLD"), ASKED, GatewayStatus.REVIEW),
    ],
)
def test_words_of_orders(said: dict[str, Any], asked: Asked, status: GatewayStatus) -> None:
    for shape in ({"data": said}, said):
        [notice] = answered(shape, asked)
        assert (notice.status, notice.amount, notice.unproved) == (status, Decimal(100_000), False)
        assert notice.external_id == adapter().read(Message({}, ipn()), "token").notices[0].external_id
    assert notice.undoes == (status == GatewayStatus.FAILED)


def test_an_order_of_somebody_else_is_no_answer() -> None:
    with pytest.raises(UnreadableMessageError):
        answered({"data": order(order_invoice_number="OTHER")})


def test_an_order_that_nobody_knows() -> None:
    assert answered({}) == []
    assert [one.status for one in answered({}, LATE)] == [GatewayStatus.EXPIRED]


async def test_asks_by_our_number_and_by_sepays() -> None:
    assert isinstance(adapter(), CanBeAsked)
    async with fake_vendor() as vendor:
        own = at(vendor.answering((200, {"data": order()})))
        assert [one.status for one in own.read_answer(await own.ask(ASKED), ASKED).notices] == [GatewayStatus.PAID]
        assert vendor.sent[0].path == f"/v1/order/detail/{REFERENCE}"
        basic = base64.b64encode(f"{MERCHANT}:{KEY}".encode()).decode()
        assert vendor.sent[0].headers["authorization"] == f"Basic {basic}"

        vendor.answering(
            (404, {}), (200, {"data": [order(order_invoice_number="OTHER"), order()]}), (200, {"data": order()})
        )
        assert json.loads(await own.ask(ASKED))["data"]["order_invoice_number"] == REFERENCE
        assert [one.path for one in vendor.sent][1:] == ["/v1/order", "/v1/order/detail/SEPAY-68BA83CE637C1"]

        for listed in ({"data": []}, {"data": "?"}, {"data": [order(order_id="")]}):
            vendor.answering((404, {}), (200, listed), (500, {}))
            assert await own.ask(ASKED) == b"{}"
        vendor.answering((404, {}))
        assert await own.ask(ASKED) == b"{}"


@pytest.mark.parametrize("answer", [(500, {}), (401, {}), (200, b"<html>"), None])
async def test_a_gateway_that_does_not_answer(answer: Any) -> None:
    async with fake_vendor() as vendor:
        with pytest.raises(GatewayFailedError):
            await at(vendor.answering(answer)).ask(ASKED)


async def test_payments_are_annulled_as_a_whole() -> None:
    assert isinstance(adapter(), CanRefund)
    async with fake_vendor() as vendor:
        own = at(vendor.answering((200, {"message": "Success"})))
        done = await own.refund(REFUND)
        assert (done.status, done.return_id) == ("pending", f"void:{REFERENCE}")
        assert vendor.sent[0].path == "/v1/order/voidTransaction"
        assert vendor.sent[0].json == {"order_invoice_number": REFERENCE}
        [told] = answered({"data": order(order_status="CANCELLED", transactions=[{"transaction_status": "VOIDED"}])})
        assert told.return_id == done.return_id
        with pytest.raises(GatewayFailedError) as refused:
            await own.refund(replace(REFUND, amount=Decimal(1)))
        assert not isinstance(refused.value, GatewayUnknownError)
        assert len(vendor.sent) == 1
        vendor.answering((400, {"message": "cannot be voided"}))
        with pytest.raises(GatewayFailedError) as refused:
            await own.refund(REFUND)
        assert not isinstance(refused.value, GatewayUnknownError)
        for lost in ((502, {}), None):
            vendor.answering(lost)
            with pytest.raises(GatewayUnknownError):
                await own.refund(REFUND)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"merchant": ""}, "merchant"),
        ({"merchant": "SP,1"}, "merchant"),
        ({"merchant": "a:b"}, "merchant"),
        ({"payment_method": "CASH"}, "payment_method"),
        ({"base_url": "http://pay.sepay.vn"}, "base_url"),
        ({"api_url": "ftp://pgapi.sepay.vn"}, "api_url"),
        # Tests and real money: the merchant and both addresses are of one environment.
        ({}, "base_url"),
        ({"base_url": "https://pay-sandbox.sepay.vn"}, "api_url"),
        ({"merchant": "SP-LIVE-1", "api_url": "https://pgapi-sandbox.sepay.vn"}, "api_url"),
        ({"merchant": "SP-LIVE-1", "base_url": "http://127.0.0.1:8910/sepay_checkout"}, "base_url"),
    ],
)
def test_settings_that_are_wrong(options: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInputError) as wrong:
        adapter(**options).check()
    assert wrong.value.fields["field"] == field
    adapter(merchant="SP-LIVE-1").check()
    adapter(base_url="https://pay-sandbox.sepay.vn", api_url="https://pgapi-sandbox.sepay.vn").check()


def test_a_key_is_needed() -> None:
    with pytest.raises(InvalidInputError) as wrong:
        adapter("").check()
    assert wrong.value.fields["field"] == "secret_key"
