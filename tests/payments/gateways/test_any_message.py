"""Whatever stands in a message or an answer, it is read, or it is unreadable: nothing else ever happens."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.gateways import test_flutterwave, test_paystack, test_stripe
from smmpanel.payments.protocol import Asked, CanBeAsked, GatewayStatus, Message, Notice, UnreadableMessageError

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
REFERENCE = test_paystack.REFERENCE
ASKED = Asked(REFERENCE, REFERENCE, None, Decimal(5000), "NGN", NOW, NOW, NOW + timedelta(hours=1))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["", "0", "-1", "1e9", "\0", "\ud800", "paid", "success", "won", "x" * 5000]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "status", "data"]), st.integers(), max_size=2),
)


@dataclass(frozen=True)
class Told:
    """One document of a gateway, and who reads it."""

    name: str
    document: dict[str, Any]
    is_answer: bool
    adapter: Callable[[], Any]

    def __str__(self) -> str:
        return self.name


FLUTTERWAVE_REFUND = {"tx_ref": REFERENCE, **test_flutterwave.refund_row()}
DOCUMENTS = [
    Told(
        "paystack charge",
        {"event": "charge.success", "data": test_paystack.transaction()},
        False,
        test_paystack.adapter,
    ),
    Told(
        "paystack dispute",
        {"event": "charge.dispute.create", "data": test_paystack.dispute()},
        False,
        test_paystack.adapter,
    ),
    Told(
        "paystack answer",
        {
            "transaction": {"status": True, "data": test_paystack.transaction()},
            "refunds": {"data": [{"id": 1, "transaction": 302961, "amount": 500, "status": "processed"}]},
            "disputes": {"data": [test_paystack.dispute()]},
        },
        True,
        test_paystack.adapter,
    ),
    Told(
        "flutterwave charge",
        {"event": "charge.completed", "data": test_flutterwave.charge()},
        False,
        test_flutterwave.adapter,
    ),
    Told(
        "flutterwave refund", {"type": "refund.completed", "data": FLUTTERWAVE_REFUND}, False, test_flutterwave.adapter
    ),
    Told(
        "flutterwave answer",
        {
            "verified": {"status": "success", "data": test_flutterwave.charge()},
            "transactions": {"status": "success", "data": [test_flutterwave.charge(id=2)]},
            "refunds": {"status": "success", "data": [test_flutterwave.refund_row()]},
        },
        True,
        test_flutterwave.adapter,
    ),
    Told(
        "stripe session",
        test_stripe.event("checkout.session.completed", test_stripe.session()),
        False,
        test_stripe.adapter,
    ),
    Told(
        "stripe charge",
        test_stripe.event("charge.refunded", test_stripe.charge(amount_refunded=5)),
        False,
        test_stripe.adapter,
    ),
    Told(
        "stripe dispute",
        test_stripe.event("charge.dispute.created", test_stripe.dispute("lost")),
        False,
        test_stripe.adapter,
    ),
    Told(
        "stripe answer",
        {"session": test_stripe.expanded(amount_refunded=5), "disputes": {"data": [test_stripe.dispute("won")]}},
        True,
        test_stripe.adapter,
    ),
]


def places_in(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything in a document."""
    found = [path] if path else []
    children = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, child in children:
        found += places_in(child, (*path, name))
    return found


def spoilt(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy in which something else stands in one place."""
    whole = json.loads(json.dumps(document))
    part = whole
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return whole


@pytest.mark.parametrize("told", DOCUMENTS, ids=str)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_it_is_read_or_unreadable(told: Told, data: st.DataObject) -> None:
    document = told.document
    for _ in range(data.draw(st.integers(1, 2))):
        document = spoilt(document, data.draw(st.sampled_from(places_in(document))), data.draw(ODD))
    body, adapter = json.dumps(document).encode(), told.adapter()
    adapter.verify(Message({}, body), NOW)
    try:
        if told.is_answer:
            assert isinstance(adapter, CanBeAsked)
            reading = adapter.read_answer(body, ASKED)
        else:
            reading = adapter.read(Message({}, body), "signature")
    except UnreadableMessageError:
        return
    for notice in reading.notices:
        check(notice)


def check(notice: Notice) -> None:
    """What comes of it can be kept, and is never money out of nothing."""
    assert 0 < len(notice.external_id) <= 300
    assert notice.amount >= 0
    assert notice.status != GatewayStatus.PAID or notice.amount > 0
    for text in (notice.external_id, notice.reference, notice.return_id, notice.payer, notice.currency):
        assert "\0" not in (text or "")
        (text or "").encode("utf-8")
