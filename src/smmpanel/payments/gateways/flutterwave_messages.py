"""What Flutterwave tells of charges and refunds: messages of two versions, and answers of the third version's API.

Amounts are in whole units of their currency. Charges have another number in messages of version 4 than in answers, and no
message says whether it is a test's: so every message only has Flutterwave asked, and its answers count.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

from smmpanel.payments.gateways.parts import iso_moment, object_in, objects_in
from smmpanel.payments.protocol import Asked, GatewayStatus, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, amount_in, number_in, read_json, text_in

SOURCE = "flutterwave"
CHARGES = frozenset({"charge.completed", "charge.successful", "charge.failed", "charge.pending"})
ABOUT_MONEY_BACK = ("refund.", "chargeback.")
STATES: Mapping[str, GatewayStatus] = {
    "pending": GatewayStatus.PENDING,
    "successful": GatewayStatus.PAID,
    "succeeded": GatewayStatus.PAID,
    "failed": GatewayStatus.FAILED,
}
REFUNDED = "completed"
"""And what comes after a hyphen: `completed-mpgs`, `completed-bank-transfer`."""
REFUND_FAILED = frozenset({"failed", "disburse-failed"})
SUCCESS = "success"
NOT_FOUND = "no such transaction yet"
NOTHING = "a charge of nothing"

Fields = Mapping[str, Any]


def read_message(body: bytes) -> Reading:
    """Understand a message of either version: a hint, never more."""
    fields = read_json(body)
    kind = (text_in(fields.get("event")) or text_in(fields.get("type")))[:NUMBER_MAX]
    key = f"{kind}:{sha256(body).hexdigest()}"
    if kind in CHARGES:
        return _reading(key, charge_notice(object_in(fields.get("data")), unproved=True))
    if kind.startswith(ABOUT_MONEY_BACK):
        return Reading(key, [_hint(object_in(fields.get("data")))])
    if not kind:
        raise UnreadableMessageError
    return Reading(key, note=kind)


def is_settled(said: bytes) -> bool:
    """Whether a charge came to an end, so that there may be more to know. Raises `UnreadableMessageError` for no answer at all."""
    fields = read_json(said)
    if fields.get("status") != SUCCESS:
        if "no transaction" in text_in(fields.get("message")).lower():
            return False
        raise UnreadableMessageError
    status = text_in(object_in(fields.get("data")).get("status"))
    return STATES.get(status) != GatewayStatus.PENDING


def read_answer(answer: bytes, payment: Asked) -> Reading:
    """Understand what was answered to a question: the charge, others under the same reference, and their refunds."""
    fields, key = read_json(answer), f"asked:{payment.reference}"
    verified = object_in(fields.get("verified"))
    if verified.get("status") != SUCCESS:
        is_over = payment.expires_at is not None and payment.now >= payment.expires_at
        return Reading(key, [_never_paid(payment)] if is_over else [], note=NOT_FOUND)
    charge = charge_notice(object_in(verified.get("data")))
    if charge.reference != payment.reference:
        raise UnreadableMessageError  # the answer to somebody else's question
    first = _reading(key, charge)
    charges = [*first.notices, *_others(fields.get("transactions"), charge)]
    refunds = [one for charge in charges for one in _refunds(fields.get("refunds"), charge)]
    return Reading(key, [*charges, *refunds], note=first.note)


def charge_notice(data: Fields, *, unproved: bool = False) -> Notice:
    """Return what is told of a charge. Its fee may have been paid on top of its amount, and is not ours."""
    return Notice(
        external_id=number_in(data.get("id")),
        source=SOURCE,
        status=STATES.get(text_in(data.get("status")), GatewayStatus.REVIEW),
        amount=_amount(data.get("amount")),
        currency=text_in(data.get("currency")),
        reference=number_in(data.get("tx_ref") or data.get("reference")),
        occurred_at=iso_moment(data.get("created_at")),
        unproved=unproved,
    )


def refund_status(word: str) -> GatewayStatus | None:
    """Return what a refund's word means; `None` while it is under way."""
    if word.partition("-")[0] == REFUNDED:
        return GatewayStatus.REFUNDED
    return GatewayStatus.REFUND_FAILED if word in REFUND_FAILED else None


def _hint(data: Fields) -> Notice:
    # Which version says what of money given back is not certain: the answer says it, or a person looks.
    reference = data.get("tx_ref") or data.get("reference")
    return Notice(
        external_id=f"told:{number_in(data.get('id'))}",
        source=SOURCE,
        status=GatewayStatus.REVIEW,
        amount=Decimal(0),
        currency=text_in(data.get("currency")),
        reference=text_in(reference) or None,
        return_id=f"told:{number_in(data.get('id'))}",
        unproved=True,
    )


def _never_paid(payment: Asked) -> Notice:
    # There is no charge before somebody has tried to pay, so nothing else will say that nobody did.
    return Notice(
        external_id=f"reference:{payment.reference}",
        source=SOURCE,
        status=GatewayStatus.EXPIRED,
        amount=payment.amount,
        currency=payment.currency,
        reference=payment.reference,
    )


def _others(listed: object, charge: Notice) -> Iterator[Notice]:
    for row in _rows(listed):
        if row.get("tx_ref") == charge.reference and text_in(row.get("id")) != charge.external_id:
            other = charge_notice(row)
            if other.status == GatewayStatus.PAID and other.amount:
                yield other


def _refunds(listed: object, charge: Notice) -> Iterator[Notice]:
    for row in _rows(listed):
        if text_in(row.get("tx_id") or row.get("TransactionId")) != charge.external_id:
            continue
        status = refund_status(text_in(row.get("status")))
        amount = _amount(row.get("amount_refunded") or row.get("AmountRefunded"))
        if status is None:
            continue
        if status == GatewayStatus.REFUNDED and amount < charge.amount:
            status = GatewayStatus.PARTIALLY_REFUNDED
        yield Notice(
            external_id=charge.external_id,
            source=SOURCE,
            status=status,
            amount=amount,
            currency=charge.currency,
            reference=charge.reference,
            return_id=f"refund:{number_in(row.get('id'))}",
        )


def _rows(listed: object) -> Iterator[Fields]:
    if listed is None:
        return
    told = object_in(listed)
    if told.get("status") == SUCCESS and told.get("data") is not None:
        yield from objects_in(told["data"])


def _reading(key: str, notice: Notice) -> Reading:
    if notice.status == GatewayStatus.PAID and not notice.amount:
        return Reading(key, note=NOTHING)
    return Reading(key, [notice])


def _amount(value: object) -> Decimal:
    amount = amount_in(value)
    if amount < 0:
        raise UnreadableMessageError
    return amount
