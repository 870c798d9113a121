"""The side of SePay's payment gateway: a signed form for browsers, messages with the secret key in a header, and orders."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar

from smmpanel.sandbox.gateway.payments import Event, EventKind, Money, Payment, PaymentState
from smmpanel.sandbox.gateway.vendor import Answer, Call, Route, Vendor, Webhook, encoded

SIGNED = (
    "merchant", "env", "operation", "payment_method", "order_amount", "currency", "order_invoice_number",
    "order_description", "customer_id", "agreement_id", "agreement_name", "agreement_type",
    "agreement_payment_frequency", "agreement_amount_per_payment", "success_url", "error_url", "cancel_url", "order_id",
)  # fmt: skip
VIETNAM = timezone(timedelta(hours=7))
PLAIN = "text/plain; charset=utf-8"
LISTED = 20
_STATUS = {PaymentState.OPEN: "AUTHENTICATION_NOT_NEEDED", PaymentState.PAID: "CAPTURED"}


class SePayCheckout(Vendor):
    """`/v1/checkout/init` for browsers; `/v1/order`, `/v1/order/detail/…`, `/v1/order/voidTransaction`, `/v1/order/cancel`."""

    name: ClassVar[str] = "sepay_checkout"
    title: ClassVar[str] = "SePay payment gateway"
    gateway: ClassVar[str] = "sepay_checkout"
    keys: ClassVar[Mapping[str, str]] = {"secret_key": "spsk_test_sandbox"}
    currency: ClassVar[str] = "VND"
    merchant: ClassVar[str] = "SP-TEST-SANDBOX"

    def setup(self, address: str) -> Mapping[str, str]:
        """Both addresses, merchant and key."""
        return {"base_url": address, "api_url": address, "merchant": self.merchant, **self.secrets}

    def routes(self) -> Sequence[Route]:
        """The form, and what a shop asks."""
        return (
            Route("POST", "/v1/checkout/init", "page", self._form),
            Route("GET", "/v1/order/detail/{number}", "query", self._detail),
            Route("GET", "/v1/order", "list", self._list),
            Route("POST", "/v1/order/voidTransaction", "refund", self._void),
            Route("POST", "/v1/order/cancel", "other", self._cancel),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:
        """Tell of paid and of annulled orders, and of nothing else."""
        kinds = {EventKind.PAID: "ORDER_PAID", EventKind.REFUNDED: "TRANSACTION_VOID"}
        money = event.money
        if (
            event.kind not in kinds
            or money is None
            or (event.kind == EventKind.REFUNDED and event.returned < money.amount)
        ):
            return None
        told = {
            "timestamp": int(now.timestamp()),
            "notification_type": kinds[event.kind],
            "order": _order(event.payment, "CAPTURED"),
            "transaction": _transaction(money, "APPROVED"),
            "customer": {"id": "", "customer_id": event.payment.details.get("customer_id")},
            "agreement": None,
        }
        return Webhook(encoded(told), {"x-secret-key": self.secrets["secret_key"]})

    def takes(self, status: int, body: bytes) -> bool:  # noqa: ARG002 - only the status counts
        """200 and nothing else."""
        return status == 200

    def return_address(self, payment: Payment) -> str:
        """To one address if it was paid, to the other if not."""
        return payment.return_url if payment.moneys else payment.cancel_url

    def _form(self, call: Call) -> Answer:
        wanted = call.form()
        # As they were sent: the order of the fields is part of what is signed.
        said = ",".join(f"{name}={value}" for name, value in wanted.items() if name in SIGNED)
        expected = base64.b64encode(hmac.digest(self.secrets["secret_key"].encode(), said.encode(), "sha256")).decode()
        if wanted.get("merchant") != self.merchant or not hmac.compare_digest(expected, wanted.get("signature", "")):
            return Answer("The signature is not valid.", status=400, content_type=PLAIN)
        number, amount = wanted.get("order_invoice_number", ""), wanted.get("order_amount", "")
        if (
            not number
            or not amount.isdigit()
            or wanted.get("currency") != "VND"
            or wanted.get("operation") != "PURCHASE"
        ):
            return Answer("The order is not valid.", status=400, content_type=PLAIN)
        payment = call.desk.by_reference(number)
        if payment is not None and payment.state != PaymentState.OPEN:
            return Answer("The invoice number is used up.", status=409, content_type=PLAIN)
        payment = payment or call.desk.open(
            number,
            Decimal(amount),
            "VND",
            return_url=wanted.get("success_url", ""),
            cancel_url=wanted.get("cancel_url", ""),
            description=wanted.get("order_description", ""),
            details={"customer_id": wanted.get("customer_id")},
        )
        return Answer("", status=302, content_type=PLAIN, headers=(("location", call.desk.page(payment)),))

    def _detail(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        number = call.named["number"]
        payment = call.desk.by_reference(number) or call.desk.by_number(number.removeprefix("SEPAY-"))
        if payment is None:
            return Answer({"message": "Order not found"}, status=404)
        return Answer({"data": _detailed(payment)})

    def _list(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        rows = [_order(one, _status(one)) for one in reversed(call.desk.payments())][:LISTED]
        return Answer({"data": rows, "meta": {"per_page": LISTED, "total": len(rows)}})

    def _void(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        payment = call.desk.by_reference(str(call.json().get("order_invoice_number", "")))
        if payment is None:
            return Answer({"message": "Order not found"}, status=404)
        try:
            call.desk.refund(payment)
        except ValueError as wrong:
            return Answer({"message": str(wrong)}, status=400)
        return Answer({"message": "Success"})

    def _cancel(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        payment = call.desk.by_reference(str(call.json().get("order_invoice_number", "")))
        if payment is None or payment.state != PaymentState.OPEN:
            return Answer({"message": "Order cannot be canceled"}, status=400)
        call.desk.cancel(payment)
        return Answer({"message": "Success"})

    def _stranger(self, call: Call) -> Answer | None:
        name, key = call.basic
        if name == self.merchant and hmac.compare_digest(key.encode(), self.secrets["secret_key"].encode()):
            return None
        return Answer({"message": "Unauthorized"}, status=401)


def _status(payment: Payment) -> str:
    money = payment.moneys[0] if payment.moneys else None
    if money is not None and money.returned == money.amount:
        return "CANCELLED"
    return _STATUS.get(payment.state, "CANCELLED")


def _order(payment: Payment, status: str) -> dict[str, Any]:
    return {
        "id": f"e2c195be-c721-47eb-b323-{payment.number:0>12}",
        "order_id": f"SEPAY-{payment.number}",
        "order_status": status,
        "order_currency": payment.currency,
        "order_amount": f"{payment.amount:.2f}",
        "order_invoice_number": payment.reference,
        "custom_data": [],
        "order_description": payment.description,
    }


def _detailed(payment: Payment) -> dict[str, Any]:
    money = payment.moneys[0] if payment.moneys else None
    voided = money is not None and money.returned == money.amount
    rows = [] if money is None else [_transaction(money, "VOIDED" if voided else "APPROVED")]
    return {**_order(payment, _status(payment)), "transactions": rows}


def _transaction(money: Money, status: str) -> dict[str, Any]:
    return {
        "id": f"384c66dd-41e6-4316-a544-{money.number:0>12}",
        "payment_method": "CARD",
        "transaction_id": money.number,
        "transaction_type": "PAYMENT",
        "transaction_date": f"{money.at.astimezone(UTC).astimezone(VIETNAM):%Y-%m-%d %H:%M:%S}",
        "transaction_status": status,
        "transaction_amount": f"{money.amount:.0f}",
        "transaction_currency": money.currency,
        "authentication_status": "AUTHENTICATION_SUCCESSFUL",
        "card_number": "411111XXXXXX1111",
    }
