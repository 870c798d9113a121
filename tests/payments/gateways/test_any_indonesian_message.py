"""Whatever stands in a message or an answer of Midtrans or Xendit, it is read, or it is unreadable: nothing else ever happens."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.gateways import test_midtrans, test_xendit
from payments.gateways.test_any_message import ODD, check, places_in, spoilt
from smmpanel.payments.protocol import Asked, Message, UnreadableMessageError

REFUNDS = [{"refund_key": "one", "refund_amount": "30000.00", "created_at": "2026-11-22 09:00:00"}]
SETTLED = test_midtrans.notification(fraud_status="accept")
GIVEN_BACK = test_midtrans.notification(transaction_status="partial_refund", refund_amount="30000.00", refunds=REFUNDS)
OF_SESSION = {
    "session": test_xendit.session(),
    "payment": test_xendit.payment(),
    "refunds": {"data": [test_xendit.refund()], "has_more": False},
}
OF_INVOICE = {
    "invoice": test_xendit.invoice(payment_id="py-1"),
    "refunds": {"data": [test_xendit.refund(invoice_id=test_xendit.INVOICE_ID)]},
}
MESSAGES = {
    "midtrans settled": (test_midtrans.midtrans, SETTLED),
    "midtrans given back": (test_midtrans.midtrans, GIVEN_BACK),
    "xendit session": (test_xendit.xendit, test_xendit.event("payment_session.completed", test_xendit.session())),
    "xendit payment": (test_xendit.xendit, test_xendit.event("payment.capture", test_xendit.payment())),
    "xendit refund": (test_xendit.xendit, test_xendit.event("refund.succeeded", test_xendit.refund())),
    "xendit invoice": (test_xendit.xendit, test_xendit.invoice()),
}
ANSWERS = {
    "midtrans settled": (test_midtrans.midtrans, SETTLED, test_midtrans.PAYMENT),
    "midtrans given back": (test_midtrans.midtrans, GIVEN_BACK, test_midtrans.PAYMENT),
    "xendit session": (test_xendit.xendit, OF_SESSION, test_xendit.PAYMENT),
    "xendit invoice": (test_xendit.xendit, OF_INVOICE, test_xendit.BY_INVOICE),
}


def odd(data: st.DataObject, document: dict[str, Any]) -> bytes:
    """Return a document in which something odd stands in a place or two."""
    for _ in range(data.draw(st.integers(1, 2))):
        document = spoilt(document, data.draw(st.sampled_from(places_in(document))), data.draw(ODD))
    return json.dumps(document).encode()


@pytest.mark.parametrize("name", MESSAGES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_messages_are_read_or_unreadable(name: str, data: st.DataObject) -> None:
    made, document = MESSAGES[name]
    message = Message({"webhook-id": data.draw(st.binary(max_size=20))}, odd(data, document))
    adapter = made()
    adapter.verify(message, test_midtrans.NOW)
    try:
        reading = adapter.read(message, "token")
    except UnreadableMessageError:
        return
    assert "\0" not in reading.event_key
    for notice in reading.notices:
        check(notice)
        assert notice.unproved


@pytest.mark.parametrize("name", ANSWERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_answers_are_read_or_unreadable(name: str, data: st.DataObject) -> None:
    made, document, asked = ANSWERS[name]
    assert isinstance(asked, Asked)
    try:
        reading = made().read_answer(odd(data, document), asked)
    except UnreadableMessageError:
        return
    for notice in reading.notices:
        check(notice)
        assert notice.reference == asked.reference
