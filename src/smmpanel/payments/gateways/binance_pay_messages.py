"""Binance Pay's words: the envelope of its answers, messages whose data is JSON within JSON, and what orders can be.

An order is paid at most once. Messages of payments and of refunds and all answers bear its number (`prepayId`), which is
therefore the money's own; not all of them bear the transaction's.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from smmpanel.payments.gateways.binance_pay_signing import EPOCH, STAMP_DIGITS_MAX
from smmpanel.payments.protocol import Asked, GatewayStatus, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, amount_in, number_in, read_json, text_in

SUCCESS, SUCCESS_CODE = "SUCCESS", "000000"
UNSURE = frozenset({"400000"})
"""Codes of refusals that do not say whether anything was done."""
USED_UP = "400201"
"""The code of the refusal of a reference that an order has already."""
AGAIN = "r"
"""Between a reference and a number: no reference of ours has a small letter."""
PAY, PAY_REFUND = "PAY", "PAY_REFUND"
NOT_OURS = "a message about something else than orders"
WEBHOOK, ANSWER = "webhook", "query"

S = GatewayStatus
ORDER_WORDS: Mapping[str, tuple[GatewayStatus, ...]] = {
    "INITIAL": (S.PENDING,),
    "PENDING": (S.PENDING,),
    "PAID": (S.PAID,),
    "CANCELED": (S.FAILED,),
    "ERROR": (S.FAILED,),
    "EXPIRED": (S.EXPIRED,),
    "REFUNDING": (S.PAID,),
    # A part was given back, and how much is only said by the refund's own message, if we asked for it.
    "REFUNDED": (S.PAID, S.REVIEW),
    "FULL_REFUNDED": (S.PAID, S.REFUNDED),
}
PAY_WORDS: Mapping[str, GatewayStatus] = {"PAY_SUCCESS": S.PAID, "PAY_CLOSED": S.FAILED}
UNKNOWN = (S.REVIEW,)


class Envelope(NamedTuple):
    """An answer: whether it means success, and what it holds."""

    is_success: bool
    code: str
    data: Any


def opened(answer: bytes) -> Envelope:
    """Take an answer out of its envelope. Success needs both the status and the code. Raises `UnreadableMessageError`."""
    fields = read_json(answer)
    status, code = text_in(fields.get("status")), text_in(fields.get("code"))
    return Envelope(status == SUCCESS and code == SUCCESS_CODE, code, fields.get("data"))


def fields_in(value: object) -> Mapping[str, Any]:
    """Read an object, or one that is written as text. Raises `UnreadableMessageError`."""
    if isinstance(value, str):
        return read_json(value.encode("utf-8", "replace"))
    if not isinstance(value, Mapping):
        raise UnreadableMessageError
    return value


def read_message(body: bytes) -> Reading:
    """Understand a message. Raises `UnreadableMessageError`."""
    fields = read_json(body)
    kind, word = number_in(fields.get("bizType")), number_in(fields.get("bizStatus"))
    # The number proper is too long for what most programs make of numbers: the text beside it is the one that counts.
    order = number_in(fields.get("bizIdStr") or fields.get("bizId"))
    key = f"{kind}:{order}:{word}"
    if kind == PAY:
        return Reading(key, [_payment(order, word, fields_in(fields.get("data")))])
    if kind == PAY_REFUND:
        refund = _refund(order, word, fields_in(fields.get("data")))
        return Reading(f"{key}:{refund.return_id or ''}", [refund])
    return Reading(key, note=NOT_OURS)


def read_order(answer: bytes, payment: Asked) -> Reading:
    """Understand how an order stands. Raises `UnreadableMessageError`, also for an answer about another order."""
    envelope = opened(answer)
    fields = fields_in(envelope.data)
    if not envelope.is_success or _reference(fields) != payment.reference:
        raise UnreadableMessageError
    order, word = number_in(fields.get("prepayId") or payment.external_ref), number_in(fields.get("status"))
    told = _notice(order, _amount(fields.get("orderAmount")), fields, source=ANSWER)
    return Reading(f"{order}:{word}", [_moved(told, status) for status in ORDER_WORDS.get(word, UNKNOWN)])


def _payment(order: str, word: str, fields: Mapping[str, Any]) -> Notice:
    told = _notice(order, _amount(fields.get("totalFee")), fields, source=WEBHOOK)
    return _moved(told, PAY_WORDS.get(word, S.REVIEW))


def _refund(order: str, word: str, fields: Mapping[str, Any]) -> Notice:
    told = _notice(order, _amount(fields.get("totalFee")), fields, source=WEBHOOK)
    if not fields.get("refundInfo"):
        return replace(told, status=S.REVIEW)
    info = fields_in(fields["refundInfo"])
    number, of_order = number_in(info.get("refundRequestId")), _amount(info.get("orderAmount"))
    if word == "REFUND_SUCCESS":
        so_far = _amount(info.get("refundedAmount"))
        status = S.REFUNDED if so_far >= of_order else S.PARTIALLY_REFUNDED
        return replace(told, status=status, amount=so_far, return_id=number, is_total=True)
    status = S.REFUND_FAILED if word == "REFUND_REJECTED" else S.REVIEW
    return replace(told, status=status, amount=_amount(info.get("refundAmount")), return_id=number)


def _moved(told: Notice, status: GatewayStatus) -> Notice:
    if status == S.REFUNDED:
        return replace(told, status=status, return_id=f"{told.external_id}:all", is_total=True)
    return replace(told, status=status)


def _notice(order: str, amount: Decimal, fields: Mapping[str, Any], *, source: str) -> Notice:
    return Notice(
        external_id=order,
        source=source,
        status=S.PENDING,
        amount=amount,
        currency=number_in(fields.get("currency")),
        reference=_reference(fields),
        bank_ref=text_in(fields.get("transactionId"))[:NUMBER_MAX] or None,
        occurred_at=_when(fields.get("transactTime")),
    )


def _reference(fields: Mapping[str, Any]) -> str:
    return number_in(fields.get("merchantTradeNo")).partition(AGAIN)[0]


def _amount(value: object) -> Decimal:
    amount = amount_in(value)
    if amount <= 0:
        raise UnreadableMessageError
    return amount


def _when(value: object) -> datetime | None:
    text = text_in(value)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > STAMP_DIGITS_MAX:
        raise UnreadableMessageError
    return EPOCH + timedelta(milliseconds=int(text))
