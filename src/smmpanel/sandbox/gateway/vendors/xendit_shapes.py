"""What Xendit's objects and messages look like, made of the sandbox's payments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from smmpanel.sandbox.gateway.payments import Event, EventKind, GivenBack, Money, Payment, PaymentState

SESSION, INVOICE = "session", "invoice"
BUSINESS = "661f87c614802d6c402cd82d"
WAYS = ("banks", "retail_outlets", "ewallets", "qr_codes", "direct_debits", "paylaters")
"""Those that invoices list."""
_SESSION_WORDS = {
    PaymentState.OPEN: "ACTIVE",
    PaymentState.PAID: "COMPLETED",
    PaymentState.CANCELED: "CANCELED",
    PaymentState.EXPIRED: "EXPIRED",
}
_INVOICE_WORDS = {
    PaymentState.OPEN: "PENDING",
    PaymentState.PAID: "PAID",
    PaymentState.CANCELED: "EXPIRED",
    PaymentState.EXPIRED: "EXPIRED",
}


def product_of(payment: Payment) -> str:
    """Return which of the two products a payment belongs to."""
    return str(payment.details["product"])


def request_of(payment: Payment) -> str:
    """Return the number of the payment request behind a session or an invoice."""
    return f"pr-{payment.number.removeprefix('ps-')}"


def session_shape(payment: Payment, link: str, state: PaymentState | None = None) -> dict[str, Any]:
    """Show a session; as it was in another state, if that is said. Money that came too late is not the session's."""
    state = _state_of(payment) if state is None else state
    money = next(iter(payment.moneys), None)
    return {
        "payment_session_id": payment.number,
        "created": _at(payment.created_at),
        "updated": _at(payment.created_at if money is None else money.at),
        "reference_id": payment.reference,
        "session_type": "PAY",
        "mode": "PAYMENT_LINK",
        "currency": payment.currency,
        "amount": payment.amount,
        "country": payment.details["country"],
        "expires_at": _at(payment.expires_at or payment.created_at),
        "status": _SESSION_WORDS[state],
        "payment_link_url": link,
        "payment_request_id": None if money is None else request_of(payment),
        "payment_id": payment_number(money) if money is not None and state == PaymentState.PAID else None,
        "business_id": BUSINESS,
    }


def request_shape(payment: Payment) -> dict[str, Any]:
    """Show a payment request."""
    money = next(iter(payment.moneys), None)
    return {
        "payment_request_id": request_of(payment),
        "reference_id": payment.reference,
        "type": "PAY",
        "status": "REQUIRES_ACTION" if money is None else "SUCCEEDED",
        "request_amount": payment.amount,
        "currency": payment.currency,
        "latest_payment_id": None if money is None else payment_number(money),
    }


def payment_shape(payment: Payment, money: Money) -> dict[str, Any]:
    """Show a payment."""
    return {
        "payment_id": payment_number(money),
        "business_id": BUSINESS,
        "payment_request_id": request_of(payment),
        "reference_id": payment.reference,
        "type": "PAY",
        "status": "SUCCEEDED",
        "request_amount": payment.amount,
        "currency": money.currency,
        "channel_code": "QRIS",
        "captures": [{"capture_id": f"cap-{money.number}", "capture_amount": money.amount}],
        "created": _at(money.at),
        "updated": _at(money.at),
    }


def invoice_shape(payment: Payment, link: str, state: PaymentState | None = None) -> dict[str, Any]:
    """Show an invoice. Its payment's number is only told in messages."""
    money = next(iter(payment.moneys), None)
    state = payment.state if state is None else state
    paid = {"paid_amount": money.amount, "paid_at": _at(money.at), "payment_channel": "QRIS"} if money else {}
    return {
        "id": payment.number,
        "external_id": payment.reference,
        "user_id": BUSINESS,
        "status": _INVOICE_WORDS[state],
        "merchant_name": "Sandbox",
        "merchant_profile_picture_url": "https://xnd-merchant-logos.test/sandbox.png",
        "amount": payment.amount,
        "currency": payment.currency if money is None else money.currency,
        "description": payment.description,
        "payer_email": payment.email,
        "expiry_date": _at(payment.expires_at or payment.created_at),
        "created": _at(payment.created_at),
        "updated": _at(payment.created_at if money is None else money.at),
        "invoice_url": link,
        "should_send_email": False,
        **{f"available_{name}": [] for name in WAYS},
        **(paid if state == PaymentState.PAID else {}),
    }


def refund_shape(payment: Payment, given: GivenBack) -> dict[str, Any]:
    """Show a refund, with what the shop said when it asked for it."""
    asked = payment.details.get("refunds", {}).get(given.key, {})
    is_session = product_of(payment) == SESSION
    return {
        "id": f"rfd-{given.number}",
        "payment_id": request_of(payment),
        "payment_request_id": request_of(payment) if is_session else None,
        "invoice_id": None if is_session else payment.number,
        "amount": given.amount,
        "payment_method_type": "QR_CODE",
        "channel_code": "QRIS",
        "country": payment.details["country"] or "ID",
        "currency": payment.currency,
        "status": "SUCCEEDED" if given.status == "done" else "FAILED",
        "reason": asked.get("reason", "REQUESTED_BY_CUSTOMER"),
        "reference_id": asked.get("reference_id", f"dashboard-{given.number}"),
        "failure_code": None if given.status == "done" else "REFUND_FAILED",
        "created": _at(given.at),
        "updated": _at(given.at),
        "metadata": asked.get("metadata"),
    }


def told_shape(event: Event, link: str) -> dict[str, Any] | None:
    """Return the message about an event, if there is one."""
    payment, money, given = event.payment, event.money, event.given_back
    if money in payment.moneys[1:]:
        return None
    if event.kind == EventKind.PAID and money is not None:
        return _told_paid(event, payment, money, link)
    if event.kind in {EventKind.REFUNDED, EventKind.REFUND_FAILED} and given is not None:
        name = "refund.succeeded" if event.kind == EventKind.REFUNDED else "refund.failed"
        return _wrapped(event, name, refund_shape(payment, given))
    if event.kind != EventKind.EXPIRED:
        return None
    if product_of(payment) == INVOICE:
        return invoice_shape(payment, link, PaymentState.EXPIRED)
    return _wrapped(event, "payment_session.expired", session_shape(payment, link, PaymentState.EXPIRED))


def _told_paid(event: Event, payment: Payment, money: Money, link: str) -> dict[str, Any]:
    if product_of(payment) == INVOICE:
        shown = invoice_shape(payment, link, PaymentState.PAID)
        paid = {"currency": money.currency, "paid_amount": money.amount, "paid_at": _at(money.at)}
        return {**shown, **paid, "payment_id": payment_number(money)}
    if _is_late(payment, money):
        return _wrapped(event, "payment.capture", payment_shape(payment, money))
    shown = session_shape(payment, link, PaymentState.PAID)
    numbers = {"payment_request_id": request_of(payment), "payment_id": payment_number(money)}
    return _wrapped(event, "payment_session.completed", {**shown, **numbers})


def payment_number(money: Money) -> str:
    """Return a payment's number."""
    return f"py-{money.number}"


def refunds_of(payments: Sequence[Payment]) -> list[dict[str, Any]]:
    """Show all refunds."""
    return [
        refund_shape(payment, given)
        for payment in payments
        for money in payment.moneys
        for given in money.given_back
        if given.kind == "refund"
    ]


def _state_of(payment: Payment) -> PaymentState:
    money = next(iter(payment.moneys), None)
    if money is not None and _is_late(payment, money):
        return PaymentState.EXPIRED
    return payment.state


def _is_late(payment: Payment, money: Money) -> bool:
    return payment.expires_at is not None and money.at > payment.expires_at


def _wrapped(event: Event, name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"event": name, "business_id": BUSINESS, "created": _at(event.at), "data": data}


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
