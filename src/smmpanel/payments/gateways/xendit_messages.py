"""Xendit's words for payments: messages of three products, and what is put together from answers about one payment.

The money's number is the payment's (`py-…`), whichever product tells of it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from smmpanel.payments.protocol import Asked, GatewayStatus, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, amount_in, number_in, read_json, text_in

S = GatewayStatus
WHOLE = frozenset({"IDR", "VND"})
"""Currencies in which Xendit takes and tells no decimals."""
SESSION_WORDS: Mapping[str, GatewayStatus] = {
    "ACTIVE": S.PENDING,
    "COMPLETED": S.PAID,
    "EXPIRED": S.EXPIRED,
    "CANCELED": S.FAILED,
}
PAYMENT_WORDS: Mapping[str, GatewayStatus] = {
    "REQUIRES_ACTION": S.PENDING,
    "ACCEPTING_PAYMENTS": S.PENDING,
    "AUTHORIZED": S.PENDING,
    "SUCCEEDED": S.PAID,
    "FAILED": S.FAILED,
    "CANCELED": S.FAILED,
    "EXPIRED": S.EXPIRED,
}
INVOICE_WORDS: Mapping[str, GatewayStatus] = {
    "PENDING": S.PENDING,
    "PAID": S.PAID,
    "SETTLED": S.PAID,
    "EXPIRED": S.EXPIRED,
}
REFUND_WORDS: Mapping[str, GatewayStatus] = {
    "SUCCEEDED": S.PARTIALLY_REFUNDED,
    "FAILED": S.REFUND_FAILED,
    "CANCELLED": S.REFUND_FAILED,
    "CANCELED": S.REFUND_FAILED,
}
SESSION, PAYMENT, INVOICE = "session", "payment", "invoice"
NO_CONCERN = "not about a payment"

Fields = Mapping[str, Any]


def read_message(body: bytes, webhook_id: bytes) -> Reading:
    """Understand a message; raises `UnreadableMessageError`. A password proves it, so all it can do is have Xendit asked."""
    fields = read_json(body)
    event = text_in(fields.get("event"))
    number = webhook_id.decode("latin-1").replace("\0", "").strip()[:NUMBER_MAX]
    key = f"{event or INVOICE}:{number or sha256(body).hexdigest()[:32]}"
    if not event:
        return Reading(
            key, [_hint(fields, INVOICE_WORDS, ("payment_id", "id"), "external_id", ("paid_amount", "amount"))]
        )
    data = _data_of(fields)
    product = event.partition(".")[0]
    if product == "refund":
        return Reading(key, [_refund_hint(data)])
    if product == "payment_session":
        return Reading(
            key, [_hint(data, SESSION_WORDS, ("payment_id", "payment_session_id"), "reference_id", ("amount",))]
        )
    if product in {"payment", "payment_request"}:
        numbers = ("payment_id", "latest_payment_id", "payment_request_id")
        return Reading(key, [_hint(data, PAYMENT_WORDS, numbers, "reference_id", ("request_amount", "amount"))])
    return Reading(key, note=NO_CONCERN)


def read_answers(answer: bytes, payment: Asked) -> Reading:
    """Understand what was asked about one payment; raises `UnreadableMessageError`, also for another payment's."""
    found = read_json(answer)
    notices = _of_invoice(found, payment) if INVOICE in found else _of_session(found, payment)
    return Reading(f"status:{payment.reference}", notices)


def _of_session(found: Fields, payment: Asked) -> list[Notice]:
    session, paid = _mapping(found.get(SESSION)), found.get(PAYMENT)
    if number_in(session.get("payment_session_id")) != payment.external_ref:
        raise UnreadableMessageError
    if text_in(session.get("reference_id")) != payment.reference:
        raise UnreadableMessageError
    status = SESSION_WORDS.get(text_in(session.get("status")), S.REVIEW)
    if paid is not None:
        money = _mapping(paid)
        if session.get("payment_id") not in (None, "", money.get("payment_id")):
            raise UnreadableMessageError
        word = PAYMENT_WORDS.get(text_in(money.get("status")), S.REVIEW)
        if word == S.PAID:
            return _with_refunds(_money(money, payment), found, "payment_request_id", money.get("payment_request_id"))
        # An attempt that failed ends nothing while the session goes on; of one that is complete its payment tells.
        status = word if status == S.PAID else status
    elif status == S.PAID:
        status = S.REVIEW  # complete, and no payment named
    amount, currency = _amount(session, "amount"), text_in(session.get("currency"))
    return [Notice(number_in(payment.external_ref), SESSION, status, amount, currency, payment.reference)]


def _of_invoice(found: Fields, payment: Asked) -> list[Notice]:
    invoice = _mapping(found.get(INVOICE))
    number = number_in(invoice.get("id"))
    if number != (payment.external_ref or number) or text_in(invoice.get("external_id")) != payment.reference:
        raise UnreadableMessageError
    status = INVOICE_WORDS.get(text_in(invoice.get("status")), S.REVIEW)
    currency = text_in(invoice.get("currency"))
    if status != S.PAID:
        return [Notice(number, INVOICE, status, _amount(invoice, "amount"), currency, payment.reference)]
    named = invoice.get("payment_id")
    money = Notice(
        external_id=number_in(named) if named else number,
        source=PAYMENT if named else INVOICE,
        status=S.PAID,
        amount=_positive(_amount(invoice, "amount" if invoice.get("paid_amount") is None else "paid_amount")),
        currency=currency,
        reference=payment.reference,
        # Joins the two numbers, should the payment's only be told later: an invoice is paid once.
        natural_key=f"xendit/invoice/{number}",
        occurred_at=_when(invoice.get("paid_at")),
    )
    return _with_refunds(money, found, "invoice_id", number)


def _money(fields: Fields, payment: Asked) -> Notice:
    captures = fields.get("captures")
    if isinstance(captures, list) and captures:
        currency = text_in(fields.get("currency"))
        amount = sum(
            (_amount({**_mapping(one), "currency": currency}, "capture_amount") for one in captures), Decimal(0)
        )
    else:
        amount = _amount(fields, "request_amount")
    return Notice(
        external_id=number_in(fields.get("payment_id")),
        source=PAYMENT,
        status=S.PAID,
        amount=_positive(amount),
        currency=text_in(fields.get("currency")),
        reference=payment.reference,
        occurred_at=_when(fields.get("updated") or fields.get("created")),
    )


def _with_refunds(money: Notice, found: Fields, name: str, number: object) -> list[Notice]:
    """Return money with what was given back of it: only rows that name it, whatever else was listed."""
    rows = _mapping(found.get("refunds") or {}).get("data") or []
    if not isinstance(rows, list):
        raise UnreadableMessageError
    mine = [row for row in map(_mapping, rows) if number and row.get(name) == number]
    notices, left = [money], money.amount
    for row in sorted(mine, key=lambda row: text_in(row.get("created"))):
        status = REFUND_WORDS.get(text_in(row.get("status")))
        if status is None:
            continue  # still under way
        amount = _positive(_amount(row, "amount"))
        left -= amount if status == S.PARTIALLY_REFUNDED else 0
        notices.append(
            Notice(
                external_id=money.external_id,
                source=money.source,
                status=S.REFUNDED if status == S.PARTIALLY_REFUNDED and left <= 0 else status,
                amount=amount,
                currency=text_in(row.get("currency")) or money.currency,
                reference=money.reference,
                occurred_at=_when(row.get("updated") or row.get("created")),
                return_id=number_in(row.get("id")),
            )
        )
    return notices


def _hint(
    fields: Fields,
    words: Mapping[str, GatewayStatus],
    numbers: tuple[str, ...],
    reference: str,
    amounts: tuple[str, ...],
) -> Notice:
    number = next((fields[name] for name in numbers if fields.get(name)), None)
    told = next((name for name in amounts if fields.get(name) is not None), amounts[-1])
    status, amount = words.get(text_in(fields.get("status")), S.REVIEW), _amount(fields, told)
    return Notice(
        external_id=number_in(number),
        source=PAYMENT,
        status=status,
        amount=_positive(amount) if status == S.PAID else amount,
        currency=text_in(fields.get("currency")),
        reference=number_in(fields.get(reference)),
        unproved=True,
    )


def _refund_hint(fields: Fields) -> Notice:
    # Of the numbers that it may tell, invoices' is the one that we know them by.
    names = ("invoice_id", "payment_id", "payment_request_id")
    metadata = fields.get("metadata")
    named = text_in(metadata.get("reference")) if isinstance(metadata, dict) else ""
    return Notice(
        external_id=number_in(next((fields[name] for name in names if fields.get(name)), None)),
        source=PAYMENT,
        status=REFUND_WORDS.get(text_in(fields.get("status")), S.REVIEW),
        amount=_amount(fields, "amount"),
        currency=text_in(fields.get("currency")),
        reference=named or None,
        return_id=number_in(fields.get("id")),
        unproved=True,
    )


def _data_of(fields: Fields) -> Fields:
    data = _mapping(fields.get("data"))
    # Xendit's pages show messages about refunds wrapped twice; its library reads them wrapped once.
    return _mapping(data["data"]) if isinstance(data.get("data"), dict) else data


def _mapping(value: object) -> Fields:
    if not isinstance(value, dict):
        raise UnreadableMessageError
    return value


def _amount(fields: Fields, name: str) -> Decimal:
    amount = amount_in(fields.get(name))
    whole = text_in(fields.get("currency")) in WHOLE
    if amount < 0 or (whole and amount != amount.to_integral_value()):
        raise UnreadableMessageError
    return amount


def _positive(amount: Decimal) -> Decimal:
    if amount <= 0:
        raise UnreadableMessageError
    return amount


def _when(value: object) -> datetime | None:
    text = text_in(value)
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UnreadableMessageError from None
    if when.tzinfo is None:
        raise UnreadableMessageError
    return when
