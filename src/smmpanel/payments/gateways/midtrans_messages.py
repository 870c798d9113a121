"""Midtrans' words for a payment: notifications and answers about the status are one shape, and are read alike."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256, sha512
from typing import Any

from smmpanel.payments.protocol import Asked, GatewayStatus, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, amount_in, is_one_of, number_in, read_json, text_in

CURRENCY = "IDR"
JAKARTA = timezone(timedelta(hours=7))
WHEN = "%Y-%m-%d %H:%M:%S"
SOURCE = "status"
RETURNS_MAX = 50
NOT_FOUND = "404"
NOT_CHOSEN = "no way to pay was chosen yet"
WORDS: Mapping[str, GatewayStatus] = {
    "pending": GatewayStatus.PENDING,
    "authorize": GatewayStatus.PENDING,
    "deny": GatewayStatus.FAILED,
    "failure": GatewayStatus.FAILED,
    "cancel": GatewayStatus.FAILED,
    "expire": GatewayStatus.EXPIRED,
    "refund": GatewayStatus.REFUNDED,
    "partial_refund": GatewayStatus.PARTIALLY_REFUNDED,
    "chargeback": GatewayStatus.REVERSED,
    "partial_chargeback": GatewayStatus.REVERSED,
}
_MONEY = frozenset({"settlement", "capture"})
_STATUS_CODE = re.compile(r"[0-9]{3}", re.ASCII)

Fields = Mapping[str, Any]


def is_signed(body: bytes, keys: Iterable[str]) -> bool:
    """Whether a body's `signature_key` is the digest of what it names, with one of the keys. All are compared.

    It binds the order, the status code and the amount; not the payment's status, nor its number.
    """
    try:
        fields = read_json(body)
        given = text_in(fields.get("signature_key"))
        parts = [text_in(fields.get(name)) for name in ("order_id", "status_code", "gross_amount")]
    except UnreadableMessageError:
        return False
    if not given or not all(parts) or not _STATUS_CODE.fullmatch(parts[1]):
        return False
    text = "".join(parts)  # the values exactly as they stand in the body
    return is_one_of([sha512((text + key).encode()).hexdigest() for key in keys if key], given)


def read_notification(body: bytes) -> Reading:
    """Understand a notification; raises `UnreadableMessageError`. It proves too little: the gateway is asked."""
    fields = read_json(body)
    notices = [replace(notice, unproved=True) for notice in _notices(fields)]
    # One notification for each status of a payment; with the content, since it is not all bound by the signature.
    names = ("order_id", "transaction_status", "status_code")
    key = ":".join(text_in(fields.get(name))[:NUMBER_MAX] for name in names)
    return Reading(f"{key}:{sha256(body).hexdigest()[:16]}", notices)


def read_status(answer: bytes, payment: Asked) -> Reading:
    """Understand an answer about the status of a payment; raises `UnreadableMessageError`, also for another payment's."""
    fields = read_json(answer)
    key = f"status:{payment.reference}"
    if text_in(fields.get("status_code")) == NOT_FOUND:
        waits = Notice(payment.reference, SOURCE, GatewayStatus.PENDING, Decimal(0), CURRENCY, payment.reference)
        return Reading(key, [waits], note=NOT_CHOSEN)
    if text_in(fields.get("order_id")) != payment.reference:
        raise UnreadableMessageError
    notices = _notices(fields)
    if notices[0].return_id is not None:
        # Money that was given back had come in before, whether we heard of it then or not.
        came = replace(notices[0], status=GatewayStatus.PAID, amount=_some(_whole(fields.get("gross_amount"))))
        notices = [replace(came, return_id=None, is_total=False), *notices]
    # A settled payment can be denied minutes later, and a captured one be canceled. As each try has a number of its own, and
    # this is how it stands now, whatever of it was credited went back.
    return Reading(key, [replace(one, undoes=one.status == GatewayStatus.FAILED) for one in notices])


def status_of(fields: Fields) -> GatewayStatus:
    """Return what a transaction's status means. Money is there only with status code 200 and nothing against it."""
    word, fraud = text_in(fields.get("transaction_status")), text_in(fields.get("fraud_status"))
    if word not in _MONEY:
        return WORDS.get(word, GatewayStatus.REVIEW)
    if fraud == "challenge":
        return GatewayStatus.PENDING
    if fraud == "deny":
        return GatewayStatus.FAILED
    is_there = text_in(fields.get("status_code")) == "200" and fraud in {"", "accept"}
    return GatewayStatus.PAID if is_there else GatewayStatus.REVIEW


def _notices(fields: Fields) -> list[Notice]:
    number, reference = number_in(fields.get("transaction_id")), number_in(fields.get("order_id"))
    status, amount = status_of(fields), _whole(fields.get("gross_amount"))
    notice = Notice(
        external_id=number,
        source=SOURCE,
        status=status,
        amount=_some(amount) if status == GatewayStatus.PAID else amount,
        currency=text_in(fields.get("currency")) or CURRENCY,
        reference=reference,
        occurred_at=_when(fields.get("settlement_time") or fields.get("transaction_time")),
    )
    if status in {GatewayStatus.REFUNDED, GatewayStatus.PARTIALLY_REFUNDED, GatewayStatus.REVERSED}:
        return _given_back(fields, notice)
    return [notice]


def _given_back(fields: Fields, notice: Notice) -> list[Notice]:
    """Return one notice for each time that money was given back, or one of all that was."""
    listed = fields.get("refunds")
    if isinstance(listed, list) and listed and len(listed) <= RETURNS_MAX:
        return [_returned(one, notice) for one in listed]
    word, told = text_in(fields.get("transaction_status")), fields.get("refund_amount")
    if told is None and word.startswith("partial_"):
        return [replace(notice, status=GatewayStatus.REVIEW)]
    total = notice.amount if told is None else _whole(told)
    return [replace(notice, amount=total, return_id=f"{notice.external_id}:{word}:{total:f}", is_total=True)]


def _returned(row: object, notice: Notice) -> Notice:
    if not isinstance(row, dict):
        raise UnreadableMessageError
    names = ("refund_key", "refund_chargeback_uuid", "refund_chargeback_id")
    number = number_in(next((row[name] for name in names if row.get(name)), ""))
    when = _when(row.get("bank_confirmed_at") or row.get("created_at"))
    return replace(notice, amount=_whole(row.get("refund_amount")), return_id=number, occurred_at=when)


def _whole(value: object) -> Decimal:
    amount = amount_in(value)
    if amount < 0 or amount != amount.to_integral_value():
        raise UnreadableMessageError  # rupiah have no decimals, though `.00` is written
    return amount.to_integral_value()


def _some(amount: Decimal) -> Decimal:
    if amount == 0:
        raise UnreadableMessageError
    return amount


def _when(value: object) -> datetime | None:
    text = text_in(value)
    if not text:
        return None
    try:
        return datetime.strptime(text, WHEN).replace(tzinfo=JAKARTA)
    except ValueError:
        raise UnreadableMessageError from None
