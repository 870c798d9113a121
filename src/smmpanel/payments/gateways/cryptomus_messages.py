"""What Cryptomus and its likes say of an invoice, in messages and in answers: the same fields, the same words."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from smmpanel.kernel.money import LIMIT, round_down
from smmpanel.payments.protocol import Asked, GatewayStatus, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, amount_in, number_in, read_json, text_in

INVOICE = "payment"
NOT_OURS = "a message about something else than invoices"
WEBHOOK, ANSWER = "webhook", "info"
USD = "USD"

S = GatewayStatus
WORDS: Mapping[str, tuple[GatewayStatus, ...]] = {
    "check": (S.PENDING,),
    "process": (S.PENDING,),
    "confirm_check": (S.PENDING,),
    "wrong_amount_waiting": (S.PENDING,),
    "paid": (S.PAID,),
    "paid_over": (S.PAID,),
    "wrong_amount": (S.PAID,),
    "cancel": (S.EXPIRED,),
    "fail": (S.FAILED,),
    "system_fail": (S.FAILED,),
    # Held back at the gateway, to find out where the coins come from.
    "locked": (S.REVIEW,),
    "refund_process": (S.PAID,),
    "refund_paid": (S.PAID, S.REFUNDED),
    "refund_fail": (S.PAID, S.REFUND_FAILED),
}
AS_ASKED = frozenset({"paid"})
"""What came is what was asked for: the invoice's amount counts, whatever coins it was paid in."""
_MEMBER = re.compile(rb'"sign":"([0-9a-f]{32})"')
_NAME = re.compile(rb'"sign"\s*:')


def digest(body: bytes, key: str) -> str:
    """Return what signs these bytes: weak, which is why money is only believed when the gateway is asked."""
    return hashlib.md5(base64.b64encode(body) + key.encode(), usedforsecurity=False).hexdigest()


def without_sign(body: bytes) -> tuple[bytes, bytes] | None:
    """Cut the signature and one comma out of a message; return what it signs, and the signature.

    Nothing is written anew: no program writes slashes, letters and numbers quite as theirs does. A message in which the
    name stands more than once, or otherwise than theirs writes it, has none.
    """
    names = list(_NAME.finditer(body))
    found = _MEMBER.match(body, names[0].start()) if len(names) == 1 else None
    if found is None:
        return None
    start, end = found.span()
    if body[start - 1 : start] == b",":
        start -= 1
    elif body[end : end + 1] == b",":
        end += 1
    return body[:start] + body[end:], found[1]


def read_message(body: bytes) -> Reading:
    """Understand a message; what it says is not believed before the gateway is asked. Raises `UnreadableMessageError`."""
    fields = read_json(body)
    kind, number, word = (number_in(fields.get(name)) for name in ("type", "uuid", "status"))
    key = f"{kind}:{number}:{word}:{text_in(fields.get('txid'))[:NUMBER_MAX]}"
    if kind != INVOICE:
        return Reading(key, note=NOT_OURS)
    return Reading(key, [replace(notice, unproved=True) for notice in _notices(fields, WEBHOOK)])


def invoice_in(answer: bytes) -> Mapping[str, Any]:
    """Return the invoice of an answer that means success; raises `UnreadableMessageError`."""
    fields = read_json(answer)
    result = fields.get("result")
    if text_in(fields.get("state")) != "0" or not isinstance(result, Mapping):
        raise UnreadableMessageError
    return result


def read_invoice(answer: bytes, payment: Asked) -> Reading:
    """Understand how an invoice stands. Raises `UnreadableMessageError`, also for an answer about another one."""
    fields = invoice_in(answer)
    number = number_in(fields.get("uuid"))
    if text_in(fields.get("order_id")) != payment.reference or payment.external_ref not in {None, number}:
        raise UnreadableMessageError
    return Reading(f"{number}:{word_of(fields)}", _notices(fields, ANSWER))


def word_of(fields: Mapping[str, Any]) -> str:
    """Return the status of an invoice; answers have it under either name."""
    return number_in(fields.get("status") or fields.get("payment_status"))


def returned_as(number: str) -> str:
    """Return the number of the refund of an invoice: there can only be one, of all of it."""
    return f"{number}:refund"


def _notices(fields: Mapping[str, Any], source: str) -> list[Notice]:
    word, number = word_of(fields), number_in(fields.get("uuid"))
    received = received_of(fields)
    told = Notice(
        external_id=number,
        source=source,
        status=S.REVIEW,
        amount=received or _amount(fields.get("amount")),
        currency=number_in(fields.get("currency")),
        reference=number_in(fields.get("order_id")),
        payer=text_in(fields.get("from"))[:NUMBER_MAX] or None,
        bank_ref=text_in(fields.get("txid"))[:NUMBER_MAX] or None,
    )
    statuses = WORDS.get(word, (S.REVIEW,))
    if received is None and S.PAID in statuses:
        return [told]
    return [_moved(told, status) for status in statuses]


def _moved(told: Notice, status: GatewayStatus) -> Notice:
    if status in {S.REFUNDED, S.REFUND_FAILED}:
        return replace(told, status=status, return_id=returned_as(told.external_id), is_total=status == S.REFUNDED)
    return replace(told, status=status)


def received_of(fields: Mapping[str, Any]) -> Decimal | None:
    """Return what has come in, in the invoice's currency: as asked for, in dollars, in its coins, or by its own rate.

    Nothing, if that cannot be told: then a person has to look.
    """
    amount, word = _amount(fields.get("amount")), word_of(fields)
    paid, due = _coins(fields.get("payment_amount")), _coins(fields.get("payer_amount"))
    was_refunded = word.startswith("refund_")
    if word in AS_ASKED or (was_refunded and paid == due):
        return amount
    currency = text_in(fields.get("currency"))
    in_dollars = _coins(fields.get("payment_amount_usd"))
    if currency == USD and in_dollars is not None:
        return in_dollars
    if paid is not None and currency == text_in(fields.get("payer_currency")):
        return paid
    if paid is None or due is None or amount * paid / due >= LIMIT:
        return None
    return round_down(amount * paid / due) or None


def _coins(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    coins = round_down(amount_in(value))
    if coins < 0:
        raise UnreadableMessageError
    return coins or None


def _amount(value: object) -> Decimal:
    amount = amount_in(value)
    if amount <= 0:
        raise UnreadableMessageError
    return amount
