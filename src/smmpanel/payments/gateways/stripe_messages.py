"""What Stripe tells of checkout sessions, charges, refunds and disputes, in its events and its answers.

Money is named by its payment intent everywhere: sessions, charges and disputes all carry it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from smmpanel.payments.gateways.parts import object_in, objects_in, unix_moment
from smmpanel.payments.minor_units import from_minor, places_of
from smmpanel.payments.protocol import Asked, GatewayStatus, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import number_in, read_json, text_in

SOURCE = "stripe"
REFERENCE = "reference"
"""Under which name the metadata of sessions, payment intents and refunds carry ours."""
SESSION, DISPUTE = "checkout.session.", "charge.dispute."
CHARGE_REFUNDED = "charge.refunded"
REFUND_EVENTS = frozenset({"refund.failed", "refund.updated", "charge.refund.updated"})
# Of sessions by the word after `checkout.session.`; `None`: by their payment status.
SESSION_EVENTS: Mapping[str, GatewayStatus | None] = {
    "completed": None,
    "async_payment_succeeded": None,
    "async_payment_failed": GatewayStatus.FAILED,
    "expired": GatewayStatus.EXPIRED,
}
PAYMENT_STATES = {
    "unpaid": GatewayStatus.PENDING,
    "paid": GatewayStatus.PAID,
    "no_payment_required": GatewayStatus.PAID,
}
GIVEN_UP = frozenset({"requires_payment_method", "canceled"})
"""Of a payment intent whose session is complete: the delayed payment failed."""
WITHDRAWN = frozenset({"needs_response", "under_review", "lost"})
WITHOUT_EFFECT = frozenset({"warning_closed", "charge_refunded"})
"""Inquiries that came to nothing, or were answered with a refund, of which its charge tells."""
# As Stripe counts, where it differs from the standard: these three for compatibility with what it did before.
PLACES = {"ISK": 2, "UGX": 2, "MGA": 0}
ID_MAX = 255
NOTHING = "a session of nothing"
REFUND_TOLD = "a refund that did not fail: its charge tells of it"
INQUIRY_CLOSED = "an inquiry that was closed"

Fields = Mapping[str, Any]


def places(currency: str) -> int:
    """Return how many decimals Stripe counts in a currency."""
    return PLACES.get(currency, places_of(currency))


def read_event(body: bytes) -> Reading:
    """Understand an event."""
    fields = read_json(body)
    key, kind = _id(fields.get("id")), text_in(fields.get("type"))
    told = object_in(object_in(fields.get("data")).get("object"))
    when = unix_moment(fields.get("created"))
    if kind.startswith(SESSION) and kind.removeprefix(SESSION) in SESSION_EVENTS:
        status = SESSION_EVENTS[kind.removeprefix(SESSION)] or _payment_status(told)
        return _reading(key, session_notice(told, status, when))
    if kind == CHARGE_REFUNDED:
        return Reading(key, [_refunded(told)])
    if kind.startswith(DISPUTE):
        notice = dispute_notice(told, kind.removeprefix(DISPUTE))
        return Reading(key, [notice] if notice else [], note="" if notice else INQUIRY_CLOSED)
    if kind in REFUND_EVENTS:
        failed = text_in(told.get("status")) in {"failed", "canceled"}
        return Reading(key, [_refund_failed(told)] if failed else [], note="" if failed else REFUND_TOLD)
    return Reading(key, note=kind[:ID_MAX] or "no type")


def read_answer(answer: bytes, payment: Asked) -> Reading:
    """Understand what was answered to a question: a session with its payment intent and charge, and the disputes about it."""
    fields = read_json(answer)
    session, key = object_in(fields.get("session")), f"asked:{payment.reference}"
    if _reference(session) != payment.reference:
        raise UnreadableMessageError  # the answer to somebody else's question
    charge = charge_in(session)
    when = unix_moment(charge.get("created")) if charge else None
    reading = _reading(key, session_notice(session, _session_status(session), when))
    return Reading(key, [*reading.notices, *_given_back(charge, fields.get("disputes"))], note=reading.note)


def charge_in(session: Fields) -> Fields | None:
    """Return the charge in a session's answer, once there is one."""
    intent = session.get("payment_intent")
    charge = intent.get("latest_charge") if isinstance(intent, Mapping) else None
    return charge if isinstance(charge, Mapping) else None


def session_notice(session: Fields, status: GatewayStatus, when: datetime | None) -> Notice:
    """Return what is told of a session. Without a payment intent nothing was paid on it."""
    currency = _currency(session)
    customer = session.get("customer_details")
    return Notice(
        external_id=_money(session) or _id(session.get("id")),
        source=SOURCE,
        status=status,
        amount=_amount(session.get("amount_total"), currency),
        currency=currency,
        reference=_reference(session),
        payer=text_in(customer.get("email")) or None if isinstance(customer, Mapping) else None,
        occurred_at=when if status == GatewayStatus.PAID else None,
    )


def dispute_notice(dispute: Fields, word: str) -> Notice | None:
    """Return what is told of a dispute, in an event or a list; nothing if no money ever moved."""
    status = text_in(dispute.get("status"))
    if status in WITHOUT_EFFECT:
        return None
    if status == "won" or word == "funds_reinstated":
        meaning = GatewayStatus.REINSTATED
    elif status in WITHDRAWN or word == "funds_withdrawn":
        meaning = GatewayStatus.REVERSED
    else:
        meaning = GatewayStatus.REVIEW  # an inquiry, or a word that nobody knows
    return _back(
        dispute, meaning, _amount(dispute.get("amount"), _currency(dispute)), f"dispute:{_id(dispute.get('id'))}"
    )


def _session_status(session: Fields) -> GatewayStatus:
    status, paid = text_in(session.get("status")), _payment_status(session)
    if status == "expired":
        return GatewayStatus.EXPIRED
    intent = session.get("payment_intent")
    is_unpaid = paid == GatewayStatus.PENDING and status == "complete"
    if is_unpaid and isinstance(intent, Mapping) and text_in(intent.get("status")) in GIVEN_UP:
        return GatewayStatus.FAILED
    return paid


def _payment_status(session: Fields) -> GatewayStatus:
    return PAYMENT_STATES.get(text_in(session.get("payment_status")), GatewayStatus.REVIEW)


def _given_back(charge: Fields | None, disputes: object) -> Iterator[Notice]:
    if charge is None:
        return
    if text_in(charge.get("amount_refunded")) not in {"", "0"}:
        yield _refunded(charge)
    for dispute in objects_in(object_in(disputes).get("data")) if disputes is not None else ():
        if _money(dispute) == _money(charge) and (notice := dispute_notice(dispute, "")) is not None:
            yield notice


def _refunded(charge: Fields) -> Notice:
    currency = _currency(charge)
    total = _amount(charge.get("amount_refunded"), currency)
    is_whole = total >= _amount(charge.get("amount"), currency)
    status = GatewayStatus.REFUNDED if is_whole else GatewayStatus.PARTIALLY_REFUNDED
    # It tells how much was given back so far: each sum is one thing to know, however often it is told.
    return _back(
        charge, status, total, f"total:{_id(charge.get('id'))}:{text_in(charge['amount_refunded'])}", is_total=True
    )


def _refund_failed(refund: Fields) -> Notice:
    amount = _amount(refund.get("amount"), _currency(refund))
    return _back(refund, GatewayStatus.REFUND_FAILED, amount, f"refund:{_id(refund.get('id'))}")


def _back(told: Fields, status: GatewayStatus, amount: Decimal, return_id: str, *, is_total: bool = False) -> Notice:
    return Notice(
        external_id=_money(told) or _id(told.get("charge") or told.get("id")),
        source=SOURCE,
        status=status,
        amount=amount,
        currency=_currency(told),
        reference=_reference(told),
        return_id=return_id,
        is_total=is_total,
    )


def _reading(key: str, notice: Notice) -> Reading:
    if notice.status == GatewayStatus.PAID and not notice.amount:
        return Reading(key, note=NOTHING)
    return Reading(key, [notice])


def _money(told: Fields) -> str:
    intent = told.get("payment_intent")
    return text_in(intent.get("id") if isinstance(intent, Mapping) else intent)[:ID_MAX]


def _reference(told: Fields) -> str | None:
    metadata = told.get("metadata")
    ours = text_in(metadata.get(REFERENCE)) if isinstance(metadata, Mapping) else ""
    return text_in(told.get("client_reference_id")) or ours or None


def _currency(told: Fields) -> str:
    return text_in(told.get("currency")).upper()


def _amount(value: object, currency: str) -> Decimal:
    return from_minor(value, currency, places=places(currency))


def _id(value: object) -> str:
    return number_in(value.get("id") if isinstance(value, Mapping) else value, longest=ID_MAX)
