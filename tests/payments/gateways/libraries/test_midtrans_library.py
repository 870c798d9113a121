"""Midtrans' own libraries, in Python and for Node.js, against our fake of Midtrans, and beside our adapter at the same orders."""

import json
from decimal import Decimal
from typing import Any

import pytest

from payments.gateways.libraries.paying import asked, intent, told, words
from payments.gateways.libraries.process import Library, LibraryError, LibraryProcess
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.midtrans import Midtrans
from smmpanel.payments.protocol import Account, GatewayStatus, Message, Refund
from smmpanel.sandbox.gateway.process import GatewayProcess

S = GatewayStatus
ORDER = "LIBRARY1"
PAYMENT = asked(ORDER, "150000", "IDR")
PAGE = {"transaction_details": {"order_id": ORDER, "gross_amount": 150_000}, "credit_card": {"secure": True}}


@pytest.fixture
def setup(vendors: GatewayProcess) -> dict[str, str]:
    return vendors.setup("midtrans")


@pytest.fixture
def library(in_each: LibraryProcess, setup: dict[str, str]) -> Library:
    return Library(in_each, "midtrans", {"url": setup["base_url"], "key": setup["server_key"]})


@pytest.fixture
def ours(http: Outgoing, setup: dict[str, str]) -> Midtrans:
    account = Account(
        "IDR", {"environment": "sandbox", "base_url": setup["base_url"]}, {"server_key": (setup["server_key"],)}
    )
    return Midtrans(account, http)


def notified(vendors: GatewayProcess) -> list[str]:
    assert vendors.wait_idle()
    return [str(one["body"]) for one in vendors.deliveries(vendor="midtrans")]


async def test_a_page_of_the_library_is_paid_and_given_back(
    vendors: GatewayProcess, library: Library, ours: Midtrans
) -> None:
    made = library("create", PAGE)
    assert made["redirect_url"].endswith(made["token"])
    with pytest.raises(LibraryError, match="Transaction doesn't exist") as unknown:
        library("status", ORDER)
    assert unknown.value.name in {"MidtransAPIError", "MidtransError"}
    assert await words(ours, PAYMENT) == [(S.PENDING, Decimal(0))]

    vendors.do("midtrans", ORDER, "pay")
    (body,) = notified(vendors)
    # The library believes no message: it asks by the number in it, as we do.
    seen = library("read", body)
    assert seen == library("status", ORDER)
    assert (seen["transaction_status"], seen["fraud_status"], seen["gross_amount"]) == (
        "settlement",
        "accept",
        "150000.00",
    )
    message = Message({}, body.encode())
    assert ours.verify(message, PAYMENT.now) == "signature_key"
    [hint] = ours.read(message, "signature_key").notices
    [paid] = await told(ours, PAYMENT)
    assert (paid.status, paid.amount, hint.unproved, paid.unproved) == (S.PAID, Decimal(150_000), True, False)
    assert paid.external_id == hint.external_id == seen["transaction_id"]

    back = library("refund", ORDER, {"refund_key": "library-1", "amount": 50_000, "reason": "Half"})
    assert back["status_code"] == "200"
    _, returned = await told(ours, PAYMENT)
    assert (returned.status, returned.amount) == (S.PARTIALLY_REFUNDED, Decimal(50_000))
    [_, body] = notified(vendors)
    assert ours.verify(Message({}, body.encode()), PAYMENT.now) == "signature_key"
    assert library("read", body)["transaction_status"] == "partial_refund"
    with pytest.raises(LibraryError, match="sudah digunakan"):
        library("create", PAGE)


async def test_the_library_sees_what_we_made_and_gave_back(
    vendors: GatewayProcess, library: Library, ours: Midtrans
) -> None:
    started = await ours.start(intent(ORDER, "150000", "IDR"))
    # Until a way to pay is chosen the same order may be asked for again, by whomever.
    assert library("create", PAGE)["redirect_url"] == started.shown["redirect_url"]
    vendors.do("midtrans", ORDER, "pay")
    [paid] = await told(ours, PAYMENT)
    seen = library("status", paid.external_id)
    assert (seen["order_id"], seen["transaction_status"]) == (ORDER, "settlement")
    done = await ours.refund(Refund(PAYMENT, paid.external_id, Decimal(150_000), "ours-1"))
    seen = library("status", ORDER)
    assert (done.status, seen["transaction_status"], seen["refund_amount"]) == ("done", "refund", "150000.00")
    assert [one["refund_key"] for one in seen["refunds"]] == ["ours-1"]


async def test_what_the_library_cancels_is_over_for_us(library: Library, ours: Midtrans) -> None:
    library("create", PAGE)
    assert library("cancel", ORDER)["transaction_status"] == "cancel"
    assert [one.status for one in await told(ours, PAYMENT)] == [S.FAILED]


def test_another_key_is_refused(library: Library) -> None:
    other = Library(library.process, "midtrans", {**library.setup, "key": "SB-Mid-server-other"})
    calls: list[tuple[Any, ...]] = [("create", PAGE), ("status", ORDER), ("refund", ORDER, {"amount": 1})]
    for call in calls:
        with pytest.raises(LibraryError, match="401"):
            other(*call)


def test_a_message_of_another_order_tells_the_library_nothing(vendors: GatewayProcess, library: Library) -> None:
    library("create", PAGE)
    vendors.do("midtrans", ORDER, "pay")
    (body,) = notified(vendors)
    forged = json.dumps({**json.loads(body), "transaction_id": "00000000-0000-5000-8000-000000000000"})
    with pytest.raises(LibraryError, match="Transaction doesn't exist"):
        library("read", forged)
