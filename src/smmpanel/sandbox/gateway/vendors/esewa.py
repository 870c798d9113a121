"""eSewa's side, ePay v2: a signed form that the customer's browser posts, a signed message that it carries back, and questions.

Nothing is sent from server to server.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import ClassVar
from urllib.parse import urlencode

from smmpanel.sandbox.gateway.payments import Event, Money, Payment, PaymentState
from smmpanel.sandbox.gateway.vendor import Answer, Call, Route, Vendor, Webhook, encoded

PARTS = ("amount", "tax_amount", "product_service_charge", "product_delivery_charge")
SIGNED = "transaction_code,status,total_amount,transaction_uuid,product_code,signed_field_names"
PLAIN = "text/plain; charset=utf-8"
_STATUS = {PaymentState.OPEN: "PENDING", PaymentState.CANCELED: "CANCELED", PaymentState.EXPIRED: "NOT_FOUND"}


class Esewa(Vendor):
    """`/api/epay/main/v2/form` for browsers, `/api/epay/transaction/status/` for shops."""

    name: ClassVar[str] = "esewa"
    title: ClassVar[str] = "eSewa"
    gateway: ClassVar[str] = "esewa"
    keys: ClassVar[Mapping[str, str]] = {"secret": "8gBm/:&EnhH.1/q"}
    currency: ClassVar[str] = "NPR"
    product: ClassVar[str] = "EPAYTEST"

    def setup(self, address: str) -> Mapping[str, str]:
        """Both addresses, product and secret."""
        return {"base_url": address, "status_url": address, "product_code": self.product, **self.secrets}

    def routes(self) -> Sequence[Route]:
        """The form, and the question."""
        return (
            Route("POST", "/api/epay/main/v2/form", "page", self._form),
            Route("GET", "/api/epay/transaction/status/", "query", self._status),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:  # noqa: ARG002 - there are none
        """Nothing is told: shops ask."""
        return None

    def return_address(self, payment: Payment) -> str:
        """To one address with the signed message, or to the other with nothing."""
        money = _counted(payment)
        if money is None or not payment.return_url:
            return payment.cancel_url
        fields = {
            "transaction_code": _code(money),
            "status": "COMPLETE",
            "total_amount": _total(money.amount),
            "transaction_uuid": payment.reference,
            "product_code": self.product,
            "signed_field_names": SIGNED,
        }
        signed = {**fields, "signature": self._signature([(name, fields[name]) for name in SIGNED.split(",")])}
        data = base64.b64encode(encoded(signed)).decode()
        # It is put behind, whatever stands there already.
        return f"{payment.return_url}?{urlencode({'data': data})}"

    def _form(self, call: Call) -> Answer:
        wanted = call.form()
        names = wanted.get("signed_field_names", "").split(",")
        expected = self._signature([(name, wanted.get(name, "")) for name in names])
        amounts = [_amount(wanted.get(name, "")) for name in (*PARTS, "total_amount")]
        number = wanted.get("transaction_uuid", "")
        if (
            names[:3] != ["total_amount", "transaction_uuid", "product_code"]
            or wanted.get("product_code") != self.product
        ):
            return Answer("ES104: Invalid payload signature.", status=400, content_type=PLAIN)
        if not hmac.compare_digest(expected.encode(), wanted.get("signature", "").encode()):
            return Answer("ES104: Invalid payload signature.", status=400, content_type=PLAIN)
        if None in amounts or sum(filter(None, amounts[:-1])) != amounts[-1] or not amounts[-1]:
            return Answer("The amounts do not add up.", status=400, content_type=PLAIN)
        payment = call.desk.by_reference(number)
        if not number.replace("-", "").isalnum() or (payment is not None and payment.state != PaymentState.OPEN):
            return Answer("Duplicate transaction UUID.", status=409, content_type=PLAIN)
        payment = payment or call.desk.open(
            number,
            amounts[-1],
            self.currency,
            return_url=wanted.get("success_url", ""),
            cancel_url=wanted.get("failure_url", ""),
        )
        return Answer("", status=302, content_type=PLAIN, headers=(("location", call.desk.page(payment)),))

    def _status(self, call: Call) -> Answer:
        wanted = call.query
        number, total = wanted.get("transaction_uuid", ""), _amount(wanted.get("total_amount", ""))
        payment = call.desk.by_reference(number)
        fits = payment is not None and payment.amount == total and wanted.get("product_code") == self.product
        money = _counted(payment) if payment is not None and fits else None
        told = {
            "product_code": wanted.get("product_code", ""),
            "transaction_uuid": number,
            "total_amount": total if money is None else money.amount,
            "status": _word(payment, money) if payment is not None and fits else "NOT_FOUND",
            "ref_id": _code(money) if money is not None else None,
        }
        return Answer(told)

    def _signature(self, pairs: Sequence[tuple[str, str]]) -> str:
        text = ",".join(f"{name}={value}" for name, value in pairs)
        return base64.b64encode(hmac.digest(self.secrets["secret"].encode(), text.encode(), "sha256")).decode()


def _counted(payment: Payment) -> Money | None:
    # Under one number something is paid once.
    return payment.moneys[0] if payment.moneys else None


def _word(payment: Payment, money: Money | None) -> str:
    if money is None:
        return _STATUS[payment.state]
    if not money.returned:
        return "COMPLETE"
    return "FULL_REFUND" if money.returned == money.amount else "PARTIAL_REFUND"


def _code(money: Money) -> str:
    return f"000{money.number[-4:]}"


def _total(amount: Decimal) -> str:
    """Write an amount as messages do: with commas, and a decimal even if there is none."""
    text = f"{amount:,f}"
    return text.rstrip("0").ljust(text.index(".") + 2, "0") if "." in text else f"{text}.0"


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None
