"""What SePay's payment gateway tells of orders: amounts as texts, with decimals here and without them there."""

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

from smmpanel.payments.gateways.parts import object_in, objects_in
from smmpanel.payments.protocol import Asked, GatewayStatus, Notice, Reading, UnreadableMessageError
from smmpanel.payments.signing import NUMBER_MAX, amount_in, number_in, read_json, text_in

CURRENCY = "VND"
WEBHOOK, ANSWER = "ipn", "order"
NOT_FOUND = "no such order yet"
NOTHING = "an order of nothing"

S = GatewayStatus
TOLD: Mapping[str, GatewayStatus] = {
    "ORDER_PAID": S.PAID,
    "RENEWAL_ORDER_PAID": S.PAID,
    "TRANSACTION_VOID": S.REFUNDED,
}
WORDS: Mapping[str, GatewayStatus] = {
    "AUTHENTICATION_NOT_NEEDED": S.PENDING,
    "CAPTURED": S.PAID,
    "CANCELLED": S.FAILED,
}

Fields = Mapping[str, Any]


def read_message(body: bytes) -> Reading:
    """Understand a message; not believed before SePay is asked. Raises `UnreadableMessageError`."""
    fields = read_json(body)
    kind = text_in(fields.get("notification_type"))[:NUMBER_MAX]
    key = f"{kind}:{sha256(body).hexdigest()}"
    status = TOLD.get(kind)
    if status is None:
        return Reading(key, note=kind or "no type")
    return _reading(key, _notice(object_in(fields.get("order")), status, WEBHOOK, unproved=True))


def read_order(answer: bytes, payment: Asked) -> Reading:
    """Understand an order that was asked for. Raises `UnreadableMessageError`, also for another one."""
    fields = read_json(answer)
    key = f"asked:{payment.reference}"
    if not fields:
        return Reading(key, [_not_found(payment)] if _is_over(payment) else [], note=NOT_FOUND)
    order = object_in(fields["data"]) if "data" in fields else fields
    if text_in(order.get("order_invoice_number")) != payment.reference:
        raise UnreadableMessageError
    status = WORDS.get(text_in(order.get("order_status")), S.REVIEW)
    if status == S.PENDING and _is_over(payment):
        status = S.EXPIRED
    if status == S.FAILED and _was_paid(order):
        status = S.REFUNDED
    return _reading(key, _notice(order, status, ANSWER))


def number_in_list(answer: bytes, reference: str) -> str | None:
    """Return SePay's own number of our order out of its list; `None` if it is not in it. Raises nothing: a list is only a way."""
    try:
        rows = objects_in(read_json(answer).get("data"))
        own = next((row for row in rows if text_in(row.get("order_invoice_number")) == reference), None)
        return None if own is None else number_in(own.get("order_id"))
    except UnreadableMessageError:
        return None


def returned_as(number: str) -> str:
    """Return the number of a payment's annulment: there is one at most."""
    return f"void:{number}"


def _reading(key: str, notice: Notice) -> Reading:
    if notice.status == S.PAID and notice.amount == 0:
        return Reading(key, note=NOTHING)
    return Reading(key, [notice])


def _notice(order: Fields, status: GatewayStatus, source: str, *, unproved: bool = False) -> Notice:
    number = number_in(order.get("order_invoice_number"))
    goes_back = status == S.REFUNDED
    return Notice(
        external_id=number,
        source=source,
        status=status,
        amount=_amount(order.get("order_amount")),
        currency=text_in(order.get("order_currency")) or CURRENCY,
        reference=number,
        bank_ref=(text_in(order.get("order_id")) or text_in(order.get("id")))[:NUMBER_MAX] or None,
        unproved=unproved,
        return_id=returned_as(number) if goes_back else None,
        is_total=goes_back,
        # A captured order that is canceled after all was annulled.
        undoes=status == S.FAILED and not unproved,
    )


def _not_found(payment: Asked) -> Notice:
    return Notice(
        external_id=payment.reference,
        source=ANSWER,
        status=S.EXPIRED,
        amount=Decimal(0),
        currency=payment.currency,
        reference=payment.reference,
    )


def _was_paid(order: Fields) -> bool:
    rows = order.get("transactions")
    if not isinstance(rows, list):
        return False
    words = (text_in(row.get("transaction_status")) for row in objects_in(rows))
    return any(word == "APPROVED" or "VOID" in word for word in words)


def _is_over(payment: Asked) -> bool:
    return payment.expires_at is not None and payment.now > payment.expires_at


def _amount(value: object) -> Decimal:
    amount = amount_in(value)
    if amount < 0 or amount != amount.to_integral_value():
        raise UnreadableMessageError
    return amount.to_integral_value()
