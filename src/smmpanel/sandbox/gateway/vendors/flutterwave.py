"""Flutterwave's side: the API of version 3; messages that carry the secret hash as it is."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

import orjson

from smmpanel.sandbox.gateway.payments import Event, EventKind, GivenBack, Money, Payment, PaymentState
from smmpanel.sandbox.gateway.vendor import Answer, Call, Route, Vendor, Webhook

_STATUS = {
    PaymentState.OPEN: "pending",
    PaymentState.PAID: "successful",
    PaymentState.CANCELED: "failed",
    PaymentState.EXPIRED: "failed",
}
_TOLD = {EventKind.PAID: "successful", EventKind.CANCELED: "failed"}
_REFUND = {"done": "completed", "failed": "failed"}


class Flutterwave(Vendor):
    """`/v3/payments`, `/v3/transactions…`, `/v3/refunds`, with the secret hash in a header of its own."""

    name: ClassVar[str] = "flutterwave"
    title: ClassVar[str] = "Flutterwave"
    gateway: ClassVar[str] = "flutterwave"
    keys: ClassVar[Mapping[str, str]] = {
        "secret_key": "FLWSECK_TEST-sandbox-X",
        "secret_hash": "sandbox-secret-hash",
    }
    currency: ClassVar[str] = "NGN"

    def setup(self, address: str) -> Mapping[str, str]:
        """Base address, key and hash."""
        return {"base_url": address, "proof": "verif-hash", **self.secrets}

    def routes(self) -> Sequence[Route]:
        """The calls that a shop needs."""
        return (
            Route("POST", "/v3/payments", "create", self._begin),
            Route("GET", "/v3/transactions/verify_by_reference", "query", self._verify),
            Route("GET", "/v3/transactions/{number}/verify", "query", self._verify_number),
            Route("GET", "/v3/transactions", "query", self._transactions),
            Route("POST", "/v3/transactions/{number}/refund", "refund", self._refund),
            Route("GET", "/v3/refunds", "query", self._refunds),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:  # noqa: ARG002 - it does not say when it was sent
        """Tell of charges and refunds, with the hash beside it."""
        body = self._message(event)
        return None if body is None else Webhook(body, {"verif-hash": self.secrets["secret_hash"]})

    def takes(self, status: int, body: bytes) -> bool:  # noqa: ARG002 - only the status counts
        """200 and nothing else."""
        return status == 200

    def return_address(self, payment: Payment) -> str:
        """Back with what anybody could have written."""
        if not payment.return_url:
            return ""
        told = {"status": _STATUS[payment.state], "tx_ref": payment.reference}
        if payment.money is not None:
            told["transaction_id"] = payment.money.number
        return payment.return_url + ("&" if urlsplit(payment.return_url).query else "?") + urlencode(told)

    # Calls.

    def _begin(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        wanted = call.json()
        try:
            amount = Decimal(str(wanted.get("amount")))
        except ArithmeticError:
            return _refusal("amount must be a number")
        customer = wanted.get("customer")
        email = str(customer.get("email", "")) if isinstance(customer, Mapping) else ""
        if amount <= 0 or "@" not in email or not wanted.get("tx_ref") or not wanted.get("redirect_url"):
            return _refusal("tx_ref, amount, redirect_url and customer.email are required")
        reference = str(wanted["tx_ref"])
        payment = call.desk.by_reference(reference)
        # A page that was made already is shown again: one reference is one payment.
        if payment is None or payment.state != PaymentState.OPEN:
            payment = call.desk.open(
                reference,
                amount,
                str(wanted.get("currency") or self.currency),
                return_url=str(wanted["redirect_url"]),
                email=email,
            )
        return _said("Hosted Link", {"link": call.desk.page(payment)})

    def _verify(self, call: Call) -> Answer:
        return self._stranger(call) or self._shown(call.desk.by_reference(call.query.get("tx_ref", "")))

    def _verify_number(self, call: Call) -> Answer:
        number = call.named["number"]
        return self._stranger(call) or self._shown(call.desk.by_money(number), number)

    def _shown(self, payment: Payment | None, number: str = "") -> Answer:
        # Before anybody tried to pay there is a page, and no transaction.
        if payment is None or (payment.money is None and payment.state in {PaymentState.OPEN, PaymentState.EXPIRED}):
            return _refusal("No transaction was found for this id", status=404)
        money = next((one for one in payment.moneys if one.number == number), payment.money)
        status = "successful" if money else _STATUS[payment.state]
        return _said("Transaction fetched successfully", _charge(payment, money, status))

    def _transactions(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        wanted = call.query.get("tx_ref", "")
        rows = [
            _charge(payment, money, "successful")
            for payment in call.desk.payments()
            for money in payment.moneys
            if wanted in ("", payment.reference)
        ]
        return _said("Transactions fetched", rows)

    def _refund(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        number, wanted = call.named["number"], call.json()
        payment = call.desk.by_money(number)
        if payment is None:
            return _refusal("No transaction was found for this id", status=404)
        try:
            amount = None if wanted.get("amount") is None else Decimal(str(wanted["amount"]))
            given = call.desk.refund(payment, amount, money=number)
        except (ValueError, ArithmeticError):
            return _refusal("Refund amount is greater than the transaction amount")
        return _said("Transaction refund initiated", _refund_row(number, given))

    def _refunds(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        rows = [
            _refund_row(money.number, given)
            for payment in call.desk.payments()
            for money in payment.moneys
            for given in money.given_back
            if given.kind == "refund"
        ]
        return _said("Refunds fetched", rows)

    def _stranger(self, call: Call) -> Answer | None:
        if hmac.compare_digest(call.bearer.encode(), self.secrets["secret_key"].encode()):
            return None
        return _refusal("Invalid authorization key", status=401)

    # What is said of things.

    def _message(self, event: Event) -> bytes | None:
        payment, money, given = event.payment, event.money, event.given_back
        if given is not None and money is not None and event.kind in {EventKind.REFUNDED, EventKind.REFUND_FAILED}:
            word = "completed" if event.kind == EventKind.REFUNDED else "failed"
            data = _refund_row(money.number, given) | {"tx_ref": payment.reference, "status": word}
            return orjson.dumps({"event": f"refund.{word}", "data": data}, default=as_number)
        if event.kind not in _TOLD:
            return None
        data = _charge(payment, money, _TOLD[event.kind])
        return orjson.dumps({"event": "charge.completed", "data": data}, default=as_number)


def _charge(payment: Payment, money: Money | None, status: str) -> dict[str, Any]:
    amount = payment.amount if money is None else money.amount
    return {
        "id": int(payment.number if money is None else money.number),
        "tx_ref": payment.reference,
        "flw_ref": f"FLW-MOCK-{payment.number}",
        "amount": amount,
        "charged_amount": amount,
        "app_fee": 0,
        "currency": payment.currency if money is None else money.currency,
        "processor_response": "Approved" if money else "Declined",
        "status": status,
        "payment_type": "card",
        "created_at": _at(payment.created_at if money is None else money.at),
        "customer": {"id": 1, "email": payment.email},
    }


def _refund_row(number: str, given: GivenBack) -> dict[str, Any]:
    return {
        "id": int(given.number),
        "tx_id": int(number),
        "flw_ref": f"URF_{given.number}",
        "amount_refunded": given.amount,
        "status": _REFUND.get(given.status, "completed"),
        "destination": "payment_source",
        "created_at": _at(given.at),
    }


def as_number(value: object) -> object:
    """Write an amount as a JSON number."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def _said(message: str, told: Mapping[str, Any] | list[dict[str, Any]]) -> Answer:
    return Answer({"status": "success", "message": message, "data": told})


def _refusal(message: str, *, status: int = 400) -> Answer:
    return Answer({"status": "error", "message": message, "data": None}, status=status)
