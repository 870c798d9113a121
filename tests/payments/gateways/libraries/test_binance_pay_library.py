"""Binance Pay's own library: its requests are signed as ours are, and it and our adapter see the same orders."""

import asyncio
import json
from decimal import Decimal

import pytest

from payments.gateways.fake_vendor import fake_vendor
from payments.gateways.libraries.paying import asked, intent, told, words
from payments.gateways.libraries.process import Library, LibraryProcess
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.binance_pay import BinancePay
from smmpanel.payments.gateways.binance_pay_signing import request_signature
from smmpanel.payments.protocol import Account, GatewayStatus, Message, Refund
from smmpanel.sandbox.gateway.process import GatewayProcess

S = GatewayStatus
ORDER = "LIBRARY1"
BASE = "/binancepay/openapi"
GOODS = {"goodsType": "02", "goodsCategory": "Z000", "referenceGoodsId": "1", "goodsName": "Nạp tiền"}
# Its own call for this is of the version before; whatever is sent, it signs alike.
NEW = {
    "env": {"terminalType": "WEB"},
    "merchantTradeNo": ORDER,
    "orderAmount": 25.17,
    "currency": "USDT",
    "description": "Nạp tiền “ví”",
    "goodsDetails": [GOODS],
}


@pytest.fixture
def setup(vendors: GatewayProcess) -> dict[str, str]:
    return vendors.setup("binance_pay")


@pytest.fixture
def library(in_python: LibraryProcess, setup: dict[str, str]) -> Library:
    known = {"url": setup["base_url"], "key": setup["api_key"], "secret": setup["secret"]}
    return Library(in_python, "binance_pay", known)


@pytest.fixture
def ours(http: Outgoing, setup: dict[str, str]) -> BinancePay:
    options = {name: setup[name] for name in ("base_url", "api_key")}
    return BinancePay(Account("USDT", options, {"secret": (setup["secret"],)}), http)


async def test_its_signature_is_ours(in_python: LibraryProcess) -> None:
    async with fake_vendor() as vendor:
        library = Library(in_python, "binance_pay", {"url": vendor.url, "key": "a-key", "secret": "ein Schlüssel"})
        for call in (
            lambda: library("send", "POST", f"{BASE}/v3/order", NEW),
            lambda: library("order", merchantTradeNo=ORDER),
            lambda: library("refund", "REFUND1", "29383937493038367292", 5.05, refundReason="trả lại"),
        ):
            await asyncio.to_thread(call)
        assert [one.path for one in vendor.sent] == [
            f"{BASE}/v3/order",
            f"{BASE}/v2/order/query",
            f"{BASE}/order/refund",
        ]
        for sent in vendor.sent:
            stamp, nonce, number, signature = (
                sent.headers[f"binancepay-{name}"] for name in ("timestamp", "nonce", "certificate-sn", "signature")
            )
            assert number == "a-key"
            assert signature == request_signature("ein Schlüssel", stamp, nonce, sent.body)
            assert signature != request_signature("ein Schlüssel", stamp, nonce, sent.body + b" ")


async def test_an_order_of_the_library_is_paid_and_given_back(
    vendors: GatewayProcess, library: Library, ours: BinancePay
) -> None:
    made = library("send", "POST", f"{BASE}/v3/order", NEW)
    assert made["status"] == "SUCCESS"
    number = made["data"]["prepayId"]
    payment = asked(ORDER, "25.17", "USDT", number)
    assert [word for word, _ in await words(ours, payment)] == [S.PENDING]
    assert library("send", "POST", f"{BASE}/v3/order", NEW)["code"] == "400201", "a number is used once"

    vendors.do("binance_pay", ORDER, "pay")
    assert library("order", prepayId=number)["data"]["status"] == "PAID"
    assert await words(ours, payment) == [(S.PAID, Decimal("25.17"))]
    back = library("refund", "REFUND1", number, 5.05)
    assert (back["status"], back["data"]["refundedAmount"]) == ("SUCCESS", "5.05")
    assert library("refunded", "REFUND1")["data"]["refundStatus"] == "REFUND_SUCCESS"
    # How much went back is only said by the message about it.
    assert [word for word, _ in await words(ours, payment)] == [S.PAID, S.REVIEW]
    assert vendors.wait_idle()
    _, sent = vendors.deliveries(vendor="binance_pay")
    [returned] = ours.read(Message(dict(sent["headers"]), sent["body"].encode()), "rsa").notices
    assert (returned.status, returned.amount, returned.return_id) == (
        S.PARTIALLY_REFUNDED,
        Decimal("5.05"),
        "REFUND1",
    )


async def test_the_library_sees_what_we_made_and_gave_back(
    vendors: GatewayProcess, library: Library, ours: BinancePay
) -> None:
    started = await ours.start(intent(ORDER, "25.17", "USDT"))
    seen = library("order", merchantTradeNo=ORDER)["data"]
    assert (seen["prepayId"], seen["status"], seen["orderAmount"]) == (started.external_ref, "INITIAL", "25.17")
    vendors.do("binance_pay", ORDER, "pay")
    payment = asked(ORDER, "25.17", "USDT", started.external_ref)
    [paid] = await told(ours, payment)
    done = await ours.refund(Refund(payment, paid.external_id, Decimal("5.05"), "REFUND2"))
    assert done.return_id is not None
    assert library("refunded", done.return_id)["data"]["refundAmount"] == "5.05"


async def test_what_the_library_closes_is_over_for_us(library: Library, ours: BinancePay) -> None:
    started = await ours.start(intent(ORDER, "25.17", "USDT"))
    assert library("close", merchantTradeNo=ORDER)["status"] == "SUCCESS"
    payment = asked(ORDER, "25.17", "USDT", started.external_ref)
    assert [word for word, _ in await words(ours, payment)] == [S.FAILED]


def test_another_secret_is_refused(library: Library) -> None:
    for spoilt in ({"secret": "another"}, {"key": "another"}):
        other = Library(library.process, "binance_pay", library.setup | spoilt)
        refused = other("order", merchantTradeNo=ORDER)
        assert (refused["status"], refused["code"]) == ("FAIL", "400002"), json.dumps(refused)
