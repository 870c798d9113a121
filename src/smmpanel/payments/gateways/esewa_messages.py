"""eSewa's messages: JSON in base64 that names the fields it signs, and answers in the same words."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from smmpanel.payments.protocol import Asked, GatewayStatus, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, Literal, amount_in, number_in, read_base64_json, read_json, text_in

CURRENCY = "NPR"
FORM_FIELDS = ("total_amount", "transaction_uuid", "product_code")
NEEDED = ("transaction_code", "status", "total_amount", "transaction_uuid", "product_code")
"""What a message must have signed: with less, its signature could be another one's."""
NAMES, SIGNATURE = "signed_field_names", "signature"
FIELDS_MAX = 20
SESSION = timedelta(minutes=5)
"""How long a customer has at eSewa."""
RETURN, ANSWER = "return", "status"

S = GatewayStatus
WORDS: Mapping[str, tuple[GatewayStatus, ...]] = {
    "PENDING": (S.PENDING,),
    "AMBIGUOUS": (S.PENDING,),
    "COMPLETE": (S.PAID,),
    "CANCELED": (S.FAILED,),
    # How much was given back is only to be seen in the merchant's account.
    "PARTIAL_REFUND": (S.PAID, S.REVIEW),
    "FULL_REFUND": (S.PAID, S.REFUNDED),
}
NOT_FOUND = "NOT_FOUND"
# Values that cannot be taken for the end of one field and the beginning of another.
_SHAPES: Mapping[str, re.Pattern[str]] = {
    "transaction_code": re.compile(r"[0-9A-Za-z-]{1,64}"),
    "status": re.compile(r"[A-Z_]{1,32}"),
    "total_amount": re.compile(r"[0-9]{1,3}(,[0-9]{2,3})*(\.[0-9]{1,4})?|[0-9]{1,15}(\.[0-9]{1,4})?"),
    "transaction_uuid": re.compile(r"[0-9A-Za-z-]{1,64}"),
}


def carried(body: bytes) -> Mapping[str, Any]:
    """Return the fields of a message as they were written; raises `UnreadableMessageError`."""
    return read_base64_json(body)


def signed_text(fields: Mapping[str, Any], names: list[str]) -> str:
    """Return what is signed of these fields, in this order. Raises `UnreadableMessageError` if one is missing."""
    if any(name not in fields for name in names):
        raise UnreadableMessageError
    return ",".join(f"{name}={text_in(fields[name])}" for name in names)


def signed_names(fields: Mapping[str, Any], product: str) -> list[str]:
    """Return the names of the fields that a message says it signs. Raises `UnreadableMessageError` unless they are enough.

    Enough: all that matters is among them, none stands there twice, each value has its own shape and the product is ours.
    """
    names = text_in(fields.get(NAMES)).split(",")
    if len(names) > FIELDS_MAX or len(set(names)) != len(names) or not set(NEEDED) <= set(names):
        raise UnreadableMessageError
    if any(not shape.fullmatch(text_in(fields.get(name))) for name, shape in _SHAPES.items()):
        raise UnreadableMessageError
    if not product or text_in(fields.get("product_code")) != product:
        raise UnreadableMessageError
    return names


def read_return(body: bytes) -> Reading:
    """Understand what a browser carried back; not believed before eSewa is asked. Raises `UnreadableMessageError`."""
    fields = carried(body)
    number, word = number_in(fields.get("transaction_uuid")), number_in(fields.get("status"))
    told = _notice(number, fields, "transaction_code", RETURN)
    key = f"{number}:{word}:{told.amount.normalize():f}:{told.bank_ref or ''}"
    return Reading(key, [replace(one, unproved=True) for one in _moved(told, WORDS.get(word, (S.PENDING,)))])


def read_status(answer: bytes, payment: Asked, product: str) -> Reading:
    """Understand how a payment stands. Raises `UnreadableMessageError`, also for an answer about another one."""
    fields = read_json(answer)
    number, word = number_in(fields.get("transaction_uuid")), number_in(fields.get("status"))
    if number != payment.reference or text_in(fields.get("product_code")) != product:
        raise UnreadableMessageError
    told = _notice(number, fields, "ref_id", ANSWER)
    if word == NOT_FOUND:
        statuses: tuple[GatewayStatus, ...] = (S.EXPIRED if _is_over(payment) else S.PENDING,)
    else:
        statuses = WORDS.get(word, (S.REVIEW,))
    return Reading(f"{number}:{word}", _moved(told, statuses))


def _is_over(payment: Asked) -> bool:
    # Not found is also what nobody has begun to pay yet.
    return payment.now > (payment.expires_at or payment.begun_at) + SESSION


def _moved(told: Notice, statuses: tuple[GatewayStatus, ...]) -> list[Notice]:
    paid = [replace(told, status=status) for status in statuses]
    return [
        replace(one, return_id=f"{one.external_id}:all", is_total=True) if one.status == S.REFUNDED else one
        for one in paid
    ]


def _notice(number: str, fields: Mapping[str, Any], ref: str, source: str) -> Notice:
    return Notice(
        external_id=number,
        source=source,
        status=S.PENDING,
        amount=_amount(fields.get("total_amount")),
        currency=CURRENCY,
        reference=number,
        bank_ref=text_in(fields.get(ref))[:NUMBER_MAX] or None,
    )


def _amount(value: object) -> Decimal:
    amount = amount_in(value if isinstance(value, Literal) else text_in(value).replace(",", ""))
    if amount <= 0:
        raise UnreadableMessageError
    return amount
