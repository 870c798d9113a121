"""Binance Pay: the calls that are made, what comes of their answers, and the keys that are fetched and kept."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import select

from payments.conftest import Till
from payments.gateways.fake_vendor import FakeVendor, Scripted, fake_vendor
from payments.gateways.test_binance_pay import (
    BODY,
    NOW,
    ORDER,
    OWN_KEY,
    PAYMENT,
    REFERENCE,
    SECRET,
    STAMP,
    S,
    binance,
    event,
    order,
    pem_of,
    read,
    signed,
)
from payments.gateways.vectors import VECTORS
from smmpanel.accounts.access import Actor
from smmpanel.payments.gateways.binance_pay import BinancePay
from smmpanel.payments.gateways.binance_pay_signing import request_signature
from smmpanel.payments.methods import MethodTerms, add_method
from smmpanel.payments.models import GatewayEvent, GatewayKey
from smmpanel.payments.protocol import Account, GatewayFailedError, GatewayUnknownError, Intent, Message, Refund
from smmpanel.payments.receiving import MessageRefusedError, receive

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
    "expireTime": STAMP + 3600 * 1000,
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
    started = await at(vendor).start(intent(expires_at=NOW + timedelta(days=2)))
    assert started.expires_at == NOW + timedelta(hours=1)
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
