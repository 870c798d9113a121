"""Cryptomus and Heleket: the calls that are made, and what comes of their answers."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from payments.gateways.fake_vendor import FakeVendor, Scripted, fake_vendor
from payments.gateways.test_cryptomus import KEY, MERCHANT, NOW, NUMBER, PAYMENT, REFERENCE, answered, cryptomus
from smmpanel.payments.gateways.cryptomus import Cryptomus
from smmpanel.payments.gateways.cryptomus_messages import digest
from smmpanel.payments.protocol import Account, GatewayFailedError, GatewayUnknownError, Intent, Refund

# Calls.


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with fake_vendor() as made:
        yield made


def at(vendor: FakeVendor, **options: str) -> Cryptomus:
    return cryptomus(vendor.http, base_url=f"{vendor.url}/cryptomus", **options)


def intent(**more: Any) -> Intent:
    given = {
        "reference": REFERENCE,
        "memo": None,
        "amount": Decimal("25.00"),
        "currency": "USD",
        "expires_at": NOW + timedelta(minutes=60),
        "now": NOW,
        "return_url": "https://panel.test/deposits/return/1",
        "notify_url": "https://panel.test/api/payment/cryptomus/webhook",
    }
    return Intent(**{**given, **more})


def check_signature(vendor: FakeVendor, count: int = 1) -> None:
    assert len(vendor.sent) == count
    for sent in vendor.sent:
        assert (sent.headers["merchant"], sent.headers["sign"]) == (MERCHANT, digest(sent.body, KEY))


async def test_an_invoice_is_made(vendor: FakeVendor) -> None:
    vendor.answering((200, answered("check")))
    started = await at(vendor).start(intent())
    assert started.shown == {"kind": "redirect", "redirect_url": f"https://pay.cryptomus.com/pay/{NUMBER}"}
    assert started.external_ref == NUMBER
    check_signature(vendor)
    assert vendor.sent[0].path == "/cryptomus/v1/payment"
    assert vendor.sent[0].json == {
        "amount": "25.00",
        "currency": "USD",
        "order_id": REFERENCE,
        "url_return": "https://panel.test/deposits/return/1",
        "url_success": "https://panel.test/deposits/return/1",
        "url_callback": "https://panel.test/api/payment/cryptomus/webhook",
        "lifetime": 3600,
        "is_payment_multiple": False,
    }


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 300), (60 * 24 * 7, 43200)])
async def test_invoices_last_as_long_as_they_may(vendor: FakeVendor, minutes: int, seconds: int) -> None:
    ends = int((NOW + timedelta(seconds=seconds)).timestamp())
    vendor.answering((200, answered("check", expired_at=ends)))
    started = await at(vendor).start(intent(expires_at=NOW + timedelta(minutes=minutes)))
    assert started.expires_at == NOW + timedelta(seconds=seconds)
    assert vendor.sent[0].json["lifetime"] == seconds


@pytest.mark.parametrize(
    "answer",
    [
        # One that is there already under this number is answered as it is, whatever was asked for.
        (200, answered("check", amount="10.00")),
        (200, answered("check", currency="EUR")),
        (200, answered("check", order_id="ANOTHER")),
        (200, answered("check", url="javascript:alert(1)")),
        (200, answered("check", uuid=None)),
        (200, {"state": 0, "result": []}),
        (200, {"state": 1, "message": "The service was not found"}),
        (422, {"state": 1, "errors": {"amount": ["validation.required"]}}),
        (200, b"<html>"),
        (503, b""),
        None,
    ],
)
async def test_no_invoice_without_a_whole_success(vendor: FakeVendor, answer: Scripted | None) -> None:
    vendor.answering(answer)
    with pytest.raises(GatewayFailedError):
        await at(vendor).start(intent())


async def test_without_a_key_nothing_is_sent(vendor: FakeVendor) -> None:
    nobody = Cryptomus(Account("USD", {"base_url": vendor.url}, {"secret": ("",)}), vendor.http)
    with pytest.raises(GatewayFailedError):
        await nobody.ask(PAYMENT)
    assert not nobody.can_be_asked
    assert not vendor.sent


async def test_invoices_are_asked_about(vendor: FakeVendor) -> None:
    vendor.answering((200, answered("paid")))
    answer = await at(vendor).ask(PAYMENT)
    assert answer == answered("paid")
    assert (vendor.sent[0].path, vendor.sent[0].json) == ("/cryptomus/v1/payment/info", {"order_id": REFERENCE})
    check_signature(vendor)


def give_back(amount: str = "25.00") -> Refund:
    return Refund(PAYMENT, NUMBER, Decimal(amount), "key", "asked for")


async def test_money_is_given_back_to_who_paid_if_staff_chose_so(vendor: FakeVendor) -> None:
    vendor.answering((200, answered("paid")), (200, {"state": 0, "result": []}))
    done = await at(vendor, refunds="sender").refund(give_back())
    assert (done.return_id, done.status) == (f"{NUMBER}:refund", "pending")
    assert [sent.path for sent in vendor.sent] == ["/cryptomus/v1/payment/info", "/cryptomus/v1/payment/refund"]
    assert vendor.sent[1].json == {"uuid": NUMBER, "address": "TTestSender", "is_subtract": True}
    check_signature(vendor, 2)


@pytest.mark.parametrize(("word", "status"), [("refund_process", "pending"), ("refund_paid", "done")])
async def test_what_is_given_back_already_is_not_given_back_again(vendor: FakeVendor, word: str, status: str) -> None:
    vendor.answering((200, answered(word)))
    assert (await at(vendor, refunds="sender").refund(give_back())).status == status
    assert len(vendor.sent) == 1


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ((200, answered("paid")), give_back("10.00")),
        ((200, answered("paid", **{"from": None})), give_back()),
        ((200, answered("check")), give_back()),
        ((200, answered("locked")), give_back()),
        ((200, answered("paid", order_id="ANOTHER")), give_back()),
        ((500, b""), give_back()),
        (None, give_back()),
    ],
)
async def test_what_cannot_be_given_back_is_not_asked_for(
    vendor: FakeVendor, answer: Scripted | None, wanted: Refund
) -> None:
    vendor.answering(answer)
    with pytest.raises(GatewayFailedError) as raised:
        await at(vendor, refunds="sender").refund(wanted)
    assert type(raised.value) is GatewayFailedError
    assert len(vendor.sent) == 1


async def test_money_is_given_back_by_hand_unless_staff_chose_otherwise(vendor: FakeVendor) -> None:
    for options in ({}, {"refunds": "hand"}):
        with pytest.raises(GatewayFailedError):
            await at(vendor, **options).refund(give_back())
    assert not vendor.sent


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ((200, {"state": 1, "message": "Not enough funds"}), GatewayFailedError),
        ((422, {"state": 1}), GatewayFailedError),
        ((200, b"<html>"), GatewayUnknownError),
        ((500, b""), GatewayUnknownError),
        (None, GatewayUnknownError),
    ],
)
async def test_refunds_that_failed_and_refunds_that_nobody_knows_about(
    vendor: FakeVendor, answer: Scripted | None, failure: type[Exception]
) -> None:
    vendor.answering((200, answered("paid")), answer)
    with pytest.raises(GatewayFailedError) as raised:
        await at(vendor, refunds="sender").refund(give_back())
    assert type(raised.value) is failure
