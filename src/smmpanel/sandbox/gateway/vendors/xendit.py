"""Xendit's side: payment sessions, payments, invoices and refunds; messages that a token in a header proves.

Session and invoice are paid once. Money that comes when a session is over is told as a payment: the session stays as it is.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from smmpanel.sandbox.gateway.payments import Event, Payment
from smmpanel.sandbox.gateway.vendor import Answer, BadCallError, Call, Route, Vendor, Webhook, encoded
from smmpanel.sandbox.gateway.vendors.xendit_shapes import (
    INVOICE,
    SESSION,
    invoice_shape,
    payment_shape,
    product_of,
    refund_shape,
    refunds_of,
    request_shape,
    session_shape,
    told_shape,
)

API_VERSION = "2024-11-11"
REFERENCE_MAX = 255
DAY_SECONDS = 86_400
REFUNDS_SHOWN = "10"
REASONS = frozenset({"FRAUDULENT", "DUPLICATE", "REQUESTED_BY_CUSTOMER", "CANCELLATION", "OTHERS"})


class Xendit(Vendor):
    """`/sessions`, `/v3/payment_requests`, `/v3/payments`, `/v2/invoices`, `/refunds`."""

    name: ClassVar[str] = "xendit"
    title: ClassVar[str] = "Xendit"
    gateway: ClassVar[str] = "xendit"
    keys: ClassVar[Mapping[str, str]] = {
        "secret_key": "xnd_development_sandbox",
        "callback_token": "sandbox-xendit-webhook-token",
    }
    currency: ClassVar[str] = "IDR"

    def setup(self, address: str) -> Mapping[str, str]:
        """Address, key and token."""
        return {"base_url": address, **{name: self.secrets[name] for name in self.keys}}

    def routes(self) -> Sequence[Route]:
        """The calls that a shop needs, for whoever has its key."""
        calls: Sequence[tuple[str, str, Any, Callable[[Call], Answer]]] = (
            ("POST", "/sessions", "create", self._begin_session),
            ("GET", "/sessions/{id}", "query", self._show_session),
            ("POST", "/sessions/{id}/cancel", "other", self._cancel_session),
            ("GET", "/v3/payment_requests/{id}", "query", self._show_request),
            ("GET", "/v3/payments/{id}", "query", self._show_payment),
            ("POST", "/v2/invoices", "create", self._begin_invoice),
            # What a shop asks before it makes one, since references need not be unique.
            ("GET", "/v2/invoices", "create", self._list_invoices),
            ("GET", "/v2/invoices/{id}", "query", self._show_invoice),
            ("POST", "/invoices/{id}/expire!", "other", self._expire_invoice),
            ("POST", "/refunds", "refund", self._make_refund),
            ("GET", "/refunds", "query", self._list_refunds),
        )
        return [Route(method, path, action, self._guarded(handle)) for method, path, action, handle in calls]

    def webhook(self, event: Event, now: datetime) -> Webhook | None:  # noqa: ARG002 - nothing in it says when it was sent
        """Tell of what was paid, of what expired, and of refunds. That a session was canceled is told to nobody."""
        told = told_shape(event, str(event.payment.details["link"]))
        if told is None:
            return None
        token = self.secrets["callback_token"]
        return Webhook(encoded(told), {"x-callback-token": token, "webhook-id": f"wh-{event.number}"})

    # Sessions and their payments.

    def _begin_session(self, call: Call) -> Answer:
        wanted = call.json()
        if (wanted.get("session_type"), wanted.get("mode")) != ("PAY", "PAYMENT_LINK"):
            raise BadCallError("session_type and mode are required")
        links = [str(wanted.get(f"{name}_return_url") or "") for name in ("success", "cancel")]
        if any(link and not link.startswith("https://") for link in links):
            raise BadCallError("return URLs must be HTTPS")
        ends = _moment(wanted.get("expires_at")) or call.desk.now + timedelta(minutes=30)
        number = f"ps-{call.desk.book.number()}"
        country = str(wanted.get("country") or "")
        if len(country) != 2:
            raise BadCallError("country is required")
        payment = _opened(call, wanted, "reference_id", product=SESSION, number=number, ends=ends, country=country)
        payment.return_url, payment.cancel_url = links
        return Answer(_session(payment), status=201)

    def _show_session(self, call: Call) -> Answer:
        payment = _found(call, call.named["id"], SESSION)
        return _missing() if payment is None else Answer(_session(payment))

    def _cancel_session(self, call: Call) -> Answer:
        payment = _found(call, call.named["id"], SESSION)
        if payment is None:
            return _missing()
        return _moved(call.desk.cancel, payment) or Answer(_session(payment))

    def _show_request(self, call: Call) -> Answer:
        payment = _found(call, f"ps-{call.named['id'].removeprefix('pr-')}", SESSION)
        return _missing() if payment is None else Answer(request_shape(payment))

    def _show_payment(self, call: Call) -> Answer:
        number = call.named["id"].removeprefix("py-")
        payment = call.desk.by_money(number)
        if payment is None:
            return _missing()
        return Answer(payment_shape(payment, next(one for one in payment.moneys if one.number == number)))

    # Invoices.

    def _begin_invoice(self, call: Call) -> Answer:
        wanted = call.json()
        seconds = wanted.get("invoice_duration") or DAY_SECONDS
        if not isinstance(seconds, int):
            raise BadCallError("invoice_duration must be a number")
        number = f"{int(call.desk.book.number()):024x}"
        ends = call.desk.now + timedelta(seconds=seconds)
        payment = _opened(call, wanted, "external_id", product=INVOICE, number=number, ends=ends)
        payment.return_url = str(wanted.get("success_redirect_url") or "")
        payment.email = str(wanted.get("payer_email") or "")
        payment.description = str(wanted.get("description") or "")
        return Answer(_invoice(payment))

    def _list_invoices(self, call: Call) -> Answer:
        wanted = call.query.get("external_id", "")
        mine = [one for one in call.desk.payments() if product_of(one) == INVOICE]
        return Answer([_invoice(one) for one in mine if wanted in ("", one.reference)])

    def _show_invoice(self, call: Call) -> Answer:
        payment = _found(call, call.named["id"], INVOICE)
        return _missing() if payment is None else Answer(_invoice(payment))

    def _expire_invoice(self, call: Call) -> Answer:
        payment = _found(call, call.named["id"], INVOICE)
        if payment is None:
            return _missing()
        return _moved(call.desk.expire, payment) or Answer(_invoice(payment))

    # Refunds.

    def _make_refund(self, call: Call) -> Answer:
        wanted = call.json()
        if wanted.get("invoice_id"):
            payment = _found(call, str(wanted["invoice_id"]), INVOICE)
        else:
            payment = _found(call, f"ps-{str(wanted.get('payment_request_id')).removeprefix('pr-')}", SESSION)
        if payment is None or not payment.moneys:
            return _missing()
        if wanted.get("reason") not in REASONS:
            raise BadCallError("reason is required")
        key = call.header("idempotency-key") or str(wanted.get("reference_id") or "")
        payment.details.setdefault("refunds", {}).setdefault(key, wanted)
        amount = None if wanted.get("amount") is None else _number(wanted["amount"])
        try:
            given = call.desk.refund(payment, amount, money=payment.moneys[0].number, key=key)
        except ValueError:
            return _refused("MAXIMUM_REFUND_AMOUNT_REACHED", 400)
        return Answer(refund_shape(payment, given))

    def _list_refunds(self, call: Call) -> Answer:
        rows = refunds_of(call.desk.payments())
        for name in ("payment_request_id", "invoice_id"):
            rows = [one for one in rows if call.query.get(name) in (None, one[name])]
        limit = int(call.query.get("limit", REFUNDS_SHOWN))
        return Answer({"data": rows[:limit], "has_more": len(rows) > limit})

    def _guarded(self, handle: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        def guarded(call: Call) -> Answer:
            name, password = call.basic
            if password or not hmac.compare_digest(name.encode(), self.secrets["secret_key"].encode()):
                return _refused("INVALID_API_KEY", 401)
            if call.path.startswith("/v3/") and call.header("api-version") != API_VERSION:
                return _refused("API_VALIDATION_ERROR", 400)
            return handle(call)

        return guarded


def _opened(
    call: Call,
    wanted: Mapping[str, Any],
    reference: str,
    *,
    product: str,
    number: str,
    ends: datetime,
    country: str = "",
) -> Payment:
    name = wanted.get(reference)
    if not isinstance(name, str) or not 0 < len(name) <= REFERENCE_MAX:
        raise BadCallError(f"{reference} is required")
    amount = _number(wanted.get("amount"))
    if amount <= 0:
        raise BadCallError("amount must be more than zero")
    payment = call.desk.open(name, amount, str(wanted.get("currency") or "IDR"), number=number, expires_at=ends)
    payment.details |= {"product": product, "country": country, "link": call.desk.page(payment)}
    return payment


def _found(call: Call, number: str, product: str) -> Payment | None:
    payment = call.desk.by_number(number)
    return payment if payment is not None and product_of(payment) == product else None


def _session(payment: Payment) -> dict[str, Any]:
    return session_shape(payment, str(payment.details["link"]))


def _invoice(payment: Payment) -> dict[str, Any]:
    return invoice_shape(payment, str(payment.details["link"]))


def _moved(move: Callable[[Payment], None], payment: Payment) -> Answer | None:
    try:
        move(payment)
    except ValueError:
        return _refused("INVALID_STATUS", 400)
    return None


def _number(value: object) -> Decimal:
    # Amounts are numbers here; text is refused.
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BadCallError("amount must be a number")
    return Decimal(value)


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise BadCallError("expires_at is not valid") from None


def _missing() -> Answer:
    return _refused("DATA_NOT_FOUND", 404)


def _refused(code: str, status: int) -> Answer:
    return Answer({"error_code": code, "message": code.replace("_", " ").capitalize()}, status=status)
