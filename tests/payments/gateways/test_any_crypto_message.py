"""Whatever stands in messages and answers of Binance Pay, Cryptomus and eSewa, they are read or unreadable."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.gateways import test_binance_pay, test_cryptomus, test_esewa
from payments.gateways.test_any_message import ODD, check, places_in, spoilt
from smmpanel.payments.protocol import Asked, Message, UnreadableMessageError

ORDER = json.loads(test_binance_pay.event())
REFUND = json.loads(
    test_binance_pay.event("PAY_REFUND", "REFUND_SUCCESS", refundInfo=test_binance_pay.refund_info(refundedAmount="5"))
)


def as_json(document: Any) -> bytes:
    return json.dumps(document).encode()


def within(document: Any) -> bytes:
    """Write Binance's messages: what matters is a text within."""
    return json.dumps({**document, "data": json.dumps(document["data"])} if "data" in document else document).encode()


def in_base64(document: Any) -> bytes:
    return base64.b64encode(json.dumps(document).encode())


@dataclass(frozen=True)
class Told:
    """One document of a gateway, how it is written, and who reads it."""

    name: str
    document: dict[str, Any]
    adapter: Callable[[], Any]
    asked: Asked | None = None
    written: Callable[[Any], bytes] = as_json

    def __str__(self) -> str:
        return self.name


DOCUMENTS = [
    Told("order", {**ORDER, "data": json.loads(ORDER["data"])}, test_binance_pay.binance, written=within),
    Told("order refund", {**REFUND, "data": json.loads(REFUND["data"])}, test_binance_pay.binance, written=within),
    Told(
        "order answer",
        json.loads(test_binance_pay.order("FULL_REFUNDED")),
        test_binance_pay.binance,
        test_binance_pay.PAYMENT,
    ),
    Told("invoice", {"type": "payment", **test_cryptomus.invoice("paid_over")}, test_cryptomus.cryptomus),
    Told(
        "invoice answer",
        json.loads(test_cryptomus.answered("refund_paid", payment_amount_usd=None)),
        test_cryptomus.cryptomus,
        test_cryptomus.PAYMENT,
    ),
    Told("return", json.loads(base64.b64decode(test_esewa.DATA)), test_esewa.esewa, written=in_base64),
    Told("return answer", json.loads(test_esewa.status("FULL_REFUND")), test_esewa.esewa, test_esewa.PAYMENT),
]


@pytest.mark.parametrize("told", DOCUMENTS, ids=str)
def test_as_it_is_it_is_read(told: Told) -> None:
    body, adapter = told.written(told.document), told.adapter()
    reading = adapter.read(Message({}, body), "x") if told.asked is None else adapter.read_answer(body, told.asked)
    assert reading.notices


@pytest.mark.parametrize("told", DOCUMENTS, ids=str)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_it_is_read_or_unreadable(told: Told, data: st.DataObject) -> None:
    document = told.document
    for _ in range(data.draw(st.integers(1, 2))):
        document = spoilt(document, data.draw(st.sampled_from(places_in(document))), data.draw(ODD))
    body, adapter = told.written(document), told.adapter()
    assert adapter.verify(Message({}, body), test_esewa.NOW) in {None, "signature"}
    try:
        reading = adapter.read(Message({}, body), "x") if told.asked is None else adapter.read_answer(body, told.asked)
    except UnreadableMessageError:
        return
    assert len(reading.event_key) <= 400
    for notice in reading.notices:
        check(notice)
