"""What Paystack tells of transactions, refunds and disputes, in its messages and its answers. Amounts are in kobo and the like."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from smmpanel.payments.gateways.parts import iso_moment, object_in, objects_in
from smmpanel.payments.minor_units import from_minor
from smmpanel.payments.protocol import Asked, GatewayStatus, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, number_in, read_json, text_in

PLACES = 2
"""In every currency that is taken here."""
SOURCE = "paystack"
CHARGES = frozenset({"charge.success", "charge.failed"})
REFUND, DISPUTE = "refund.", "charge.dispute."
STATES: Mapping[str, GatewayStatus] = {
    "pending": GatewayStatus.PENDING,
    "ongoing": GatewayStatus.PENDING,
    "processing": GatewayStatus.PENDING,
    "queued": GatewayStatus.PENDING,
    "success": GatewayStatus.PAID,
    "failed": GatewayStatus.FAILED,
    "abandoned": GatewayStatus.EXPIRED,
    "reversed": GatewayStatus.REFUNDED,
}
WITH_MONEY = frozenset({"success", "reversed"})
REFUND_STATES: Mapping[str, GatewayStatus | None] = {
    "pending": None,
    "processing": None,
    "processed": GatewayStatus.REFUNDED,
    "failed": GatewayStatus.REFUND_FAILED,
}
"""None: it is under way, and says nothing yet. Other words: a person has to look."""
OPEN_DISPUTES = frozenset({"awaiting-merchant-feedback", "awaiting-bank-feedback", "pending"})
LOST, WON = frozenset({"merchant-accepted", "auto-accepted"}), "declined"
UNDER_WAY = "a refund that is under way"
NOT_FOUND = "no such transaction yet"
NOTHING = "a transaction of nothing"

_PAGE = re.compile(r"-[2-9]\Z")

Fields = Mapping[str, Any]


def read_message(body: bytes) -> Reading:
    """Understand a message.

    What it tells of refunds names no transaction's number, and numbers of refunds that its answers do not know: it only
    has Paystack asked.
    """
    fields = read_json(body)
    event = text_in(fields.get("event"))
    if event in CHARGES:
        data = object_in(fields.get("data"))
        number = number_in(data.get("id"))
        return _reading(f"{event}:{number}", [notice_of(data, STATES.get(text_in(data.get("status"))))])
    key = f"{event[:NUMBER_MAX]}:{sha256(body).hexdigest()}"
    if event.startswith(DISPUTE):
        return Reading(key, [_dispute(object_in(fields.get("data")))])
    if event.startswith(REFUND):
        return _refund_told(key, event.removeprefix(REFUND), object_in(fields.get("data")))
    return Reading(key, note=event[:NUMBER_MAX] or "no event")


def paid_number(said: bytes, environment: str) -> str | None:
    """Return the number of a transaction that money has come in for; `None` if none has.

    Raises `UnreadableMessageError` for an answer that says something else, or of another environment.
    """
    fields = read_json(said)
    if fields.get("status") is not True:
        if "not found" in text_in(fields.get("message")).lower():
            return None
        raise UnreadableMessageError
    data = object_in(fields.get("data"))
    if text_in(data.get("domain")) not in {"", environment}:
        raise UnreadableMessageError
    return number_in(data.get("id")) if text_in(data.get("status")) in WITH_MONEY else None


def read_answer(answer: bytes, payment: Asked) -> Reading:
    """Understand what was answered to a question: a transaction, and what was given back of it."""
    fields = read_json(answer)
    said, key = object_in(fields.get("transaction")), f"asked:{payment.reference}"
    if said.get("status") is not True:
        return Reading(key, note=NOT_FOUND)
    data = object_in(said.get("data"))
    if text_in(data.get("reference")) != (payment.external_ref or payment.reference):
        raise UnreadableMessageError  # the answer to somebody else's question
    status = STATES.get(text_in(data.get("status")))
    if status == GatewayStatus.EXPIRED and payment.expires_at is not None and payment.now < payment.expires_at:
        # Paystack says so of every page that nobody has paid on yet.
        status = GatewayStatus.PENDING
    charge = notice_of(data, status)
    back = [*_refunds(fields, charge), *_disputes(fields, charge)]
    # What was reversed as a whole has a refund of its own in newer accounts, and none in older ones.
    is_told = status == GatewayStatus.REFUNDED and any(one.status == status for one in back)
    return _reading(key, [*(() if is_told else (charge,)), *back])


def notice_of(data: Fields, status: GatewayStatus | None) -> Notice:
    """Return what is told of a transaction."""
    currency, number = text_in(data.get("currency")), number_in(data.get("id"))
    payer = data.get("authorization")
    status = status or GatewayStatus.REVIEW
    gives_back = status == GatewayStatus.REFUNDED
    return Notice(
        external_id=number,
        source=SOURCE,
        status=status,
        amount=from_minor(data.get("amount"), currency, places=PLACES),
        currency=currency,
        reference=reference_in(data.get("reference")),
        payer=text_in(payer.get("signature")) or None if isinstance(payer, Mapping) else None,
        occurred_at=iso_moment(data.get("paid_at")),
        return_id="reversed" if gives_back else None,
        is_total=gives_back,
    )


def reference_in(value: object) -> str:
    """Return our reference out of Paystack's: a page that had to be made again has a number behind it."""
    return _PAGE.sub("", number_in(value))


def _refund_told(key: str, word: str, data: Fields) -> Reading:
    status = REFUND_STATES.get(word, GatewayStatus.REVIEW)
    if status is None:
        return Reading(key, note=UNDER_WAY)
    currency, reference = text_in(data.get("currency")), number_in(data.get("transaction_reference"))
    notice = Notice(
        external_id=f"reference:{reference}",
        source=SOURCE,
        status=status,
        amount=from_minor(data.get("amount"), currency, places=PLACES),
        currency=currency,
        reference=reference_in(reference),
        return_id=f"told:{text_in(data.get('refund_reference')) or text_in(data.get('id')) or key}",
        unproved=True,
    )
    return Reading(key, [notice])


def _dispute(data: Fields) -> Notice:
    charge = notice_of(object_in(data.get("transaction")), GatewayStatus.REVERSED)
    return _back(charge, f"dispute:{number_in(data.get('id'))}", _dispute_status(data), _disputed(data, charge))


def _dispute_status(data: Fields) -> GatewayStatus:
    if text_in(data.get("status")) in OPEN_DISPUTES:
        return GatewayStatus.REVERSED
    resolution = text_in(data.get("resolution"))
    if resolution == WON:
        return GatewayStatus.REINSTATED
    return GatewayStatus.REVERSED if resolution in LOST else GatewayStatus.REVIEW


def _disputed(data: Fields, charge: Notice) -> Decimal:
    if data.get("refund_amount") is None:
        return charge.amount
    return from_minor(data["refund_amount"], charge.currency, places=PLACES)


def _refunds(fields: Fields, charge: Notice) -> Iterator[Notice]:
    for row in _rows(fields.get("refunds"), charge):
        status = REFUND_STATES.get(text_in(row.get("status")), GatewayStatus.REVIEW)
        amount = from_minor(row.get("amount"), charge.currency, places=PLACES)
        if status is None:
            continue
        if status == GatewayStatus.REFUNDED and amount < charge.amount:
            status = GatewayStatus.PARTIALLY_REFUNDED
        # What a lost dispute gave back was taken with the dispute.
        if row.get("dispute") is None:
            yield _back(charge, f"refund:{number_in(row.get('id'))}", status, amount)


def _disputes(fields: Fields, charge: Notice) -> Iterator[Notice]:
    for row in _rows(fields.get("disputes"), charge):
        yield _back(charge, f"dispute:{number_in(row.get('id'))}", _dispute_status(row), _disputed(row, charge))


def _rows(listed: object, charge: Notice) -> Iterator[Fields]:
    if listed is None or object_in(listed).get("status") is False:
        return
    for row in objects_in(object_in(listed).get("data")):
        named = row.get("transaction")
        if text_in(named.get("id") if isinstance(named, Mapping) else named) == charge.external_id:
            yield row


def _back(charge: Notice, return_id: str, status: GatewayStatus, amount: Decimal) -> Notice:
    return Notice(
        external_id=charge.external_id,
        source=SOURCE,
        status=status,
        amount=amount,
        currency=charge.currency,
        reference=charge.reference,
        return_id=return_id,
    )


def _reading(key: str, notices: Sequence[Notice]) -> Reading:
    if any(one.status == GatewayStatus.PAID and not one.amount for one in notices):
        return Reading(key, note=NOTHING)
    return Reading(key, notices)
