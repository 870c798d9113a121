"""Paystack's side: transactions, refunds and disputes; messages signed with the secret key (HMAC-SHA512 over the body)."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from smmpanel.sandbox.gateway.payments import Event, EventKind, GivenBack, Money, Payment, PaymentState
from smmpanel.sandbox.gateway.vendor import Answer, Call, Route, Vendor, Webhook, encoded

KOBO = 100
_STATUS = {
    PaymentState.OPEN: "ongoing",
    PaymentState.PAID: "success",
    PaymentState.CANCELED: "abandoned",
    PaymentState.EXPIRED: "abandoned",
}


class Paystack(Vendor):
    """`/transaction/initialize`, `/transaction/verify/…`, `/transaction/…`, `/refund`, `/dispute`."""

    name: ClassVar[str] = "paystack"
    title: ClassVar[str] = "Paystack"
    gateway: ClassVar[str] = "paystack"
    keys: ClassVar[Mapping[str, str]] = {"secret_key": "sk_test_sandbox_paystack"}
    currency: ClassVar[str] = "NGN"

    def setup(self, address: str) -> Mapping[str, str]:
        """Base address and secret key."""
        return {"base_url": address, "secret_key": self.secrets["secret_key"]}

    def routes(self) -> Sequence[Route]:
        """The calls that a shop needs."""
        return (
            Route("POST", "/transaction/initialize", "create", self._initialize),
            Route("GET", "/transaction/verify/{reference}", "query", self._verify),
            Route("GET", "/transaction/{number}", "query", self._fetch),
            Route("POST", "/refund", "refund", self._refund),
            Route("GET", "/refund", "query", self._refunds),
            Route("GET", "/dispute", "query", self._disputes),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:  # noqa: ARG002 - nothing in it says when it was sent
        """Tell of charges, refunds and disputes. Of what was not paid Paystack tells nothing."""
        told = self._told(event)
        if told is None:
            return None
        body = encoded(told)
        signature = hmac.digest(self.secrets["secret_key"].encode(), body, "sha512").hex()
        return Webhook(body, {"x-paystack-signature": signature})

    def takes(self, status: int, body: bytes) -> bool:  # noqa: ARG002 - only the status counts
        """200 and nothing else."""
        return status == 200

    def return_address(self, payment: Payment) -> str:
        """Back with the reference, twice."""
        if not payment.return_url:
            return ""
        sign = "&" if urlsplit(payment.return_url).query else "?"
        return payment.return_url + sign + urlencode({"trxref": payment.reference, "reference": payment.reference})

    # Calls.

    def _initialize(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        wanted = call.json()
        reference = str(wanted.get("reference") or call.desk.book.number())
        amount = str(wanted.get("amount", ""))
        if not amount.isdigit() or int(amount) == 0:
            return _refusal("Invalid Amount Sent", "invalid_params")
        if "@" not in str(wanted.get("email", "")):
            return _refusal("Invalid Email Address Passed", "invalid_email_address")
        if call.desk.by_reference(reference) is not None:
            return _refusal("Duplicate Transaction Reference", "duplicate_reference")
        payment = call.desk.open(
            reference,
            Decimal(amount) / KOBO,
            str(wanted.get("currency") or self.currency),
            return_url=str(wanted.get("callback_url") or ""),
            email=str(wanted["email"]),
            details={"metadata": wanted.get("metadata")},
        )
        told = {
            "authorization_url": call.desk.page(payment),
            "access_code": payment.token,
            "reference": reference,
        }
        return _said("Authorization URL created", told)

    def _verify(self, call: Call) -> Answer:
        return self._stranger(call) or self._shown(call.desk.by_reference(call.named["reference"]))

    def _fetch(self, call: Call) -> Answer:
        number = call.named["number"]
        found = call.desk.by_money(number) or call.desk.by_number(number)
        return self._stranger(call) or self._shown(found, number)

    def _shown(self, payment: Payment | None, number: str = "") -> Answer:
        if payment is None:
            return _refusal("Transaction reference not found.", "transaction_not_found")
        money = next((one for one in payment.moneys if one.number == number), payment.money)
        return _said("Verification successful", self._transaction(payment, money))

    def _refund(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        wanted = call.json()
        named = str(wanted.get("transaction", ""))
        payment = call.desk.by_reference(named) or call.desk.by_money(named)
        if payment is None or payment.money is None:
            return _refusal("Transaction not found", "transaction_not_found")
        money = named if any(one.number == named for one in payment.moneys) else payment.money.number
        amount = wanted.get("amount")
        try:
            given = call.desk.refund(payment, None if amount is None else Decimal(str(amount)) / KOBO, money=money)
        except ValueError:
            return _refusal("Refund amount cannot be more than the transaction amount", "invalid_params")
        # Paystack only takes it on: that it is done is told later.
        told = self._given(payment, given) | {"status": "pending"}
        return _said("Refund has been queued for processing", told)

    def _refunds(self, call: Call) -> Answer:
        return self._stranger(call) or _said("Refunds retrieved", self._listed(call, "refund"))

    def _disputes(self, call: Call) -> Answer:
        return self._stranger(call) or _said("Disputes retrieved", self._listed(call, "chargeback"))

    def _listed(self, call: Call, kind: str) -> list[dict[str, Any]]:
        named = call.query.get("transaction", "")
        return [
            self._given(payment, given) if kind == "refund" else self._dispute(payment, money, given)
            for payment in call.desk.payments()
            for money in payment.moneys
            for given in money.given_back
            if given.kind == kind and named in ("", money.number, payment.reference)
        ]

    def _stranger(self, call: Call) -> Answer | None:
        if hmac.compare_digest(call.bearer.encode(), self.secrets["secret_key"].encode()):
            return None
        return Answer({"status": False, "message": "Invalid key", "code": "invalid_Key"}, status=401)

    # What is said of things.

    @property
    def _domain(self) -> str:
        return "live" if self.live else "test"

    def _told(self, event: Event) -> dict[str, Any] | None:
        payment, money, given = event.payment, event.money, event.given_back
        if event.kind == EventKind.PAID:
            return {"event": "charge.success", "data": self._transaction(payment, money)}
        if money is None or given is None:
            return None
        is_won = event.kind == EventKind.DISPUTE_WON
        if event.kind in (EventKind.CHARGED_BACK, EventKind.DISPUTE_WON):
            name = "charge.dispute.resolve" if is_won else "charge.dispute.create"
            return {"event": name, "data": self._dispute(payment, money, given, won=is_won)}
        status = "failed" if event.kind == EventKind.REFUND_FAILED else "processed"
        return {"event": f"refund.{status}", "data": self._refund_told(payment, given, status)}

    def _transaction(self, payment: Payment, money: Money | None) -> dict[str, Any]:
        amount = payment.amount if money is None else money.amount
        return {
            "id": int(payment.number if money is None else money.number),
            "domain": self._domain,
            "status": _STATUS[payment.state] if money is None else "success",
            "reference": payment.reference,
            "amount": _kobo(amount),
            "requested_amount": _kobo(payment.amount),
            "message": None,
            "gateway_response": "Successful" if money else "The transaction was not completed",
            "paid_at": _at(money.at) if money else None,
            "created_at": _at(payment.created_at),
            "channel": "card",
            "currency": payment.currency if money is None else money.currency,
            "metadata": payment.details.get("metadata") or "",
            "fees": _kobo(amount) * 15 // 1000 if money else None,
            "customer": {"id": 181873746, "email": payment.email, "customer_code": "CUS_sandbox"},
        }

    def _refund_told(self, payment: Payment, given: GivenBack, status: str) -> dict[str, Any]:
        return {
            "status": status,
            "transaction_reference": payment.reference,
            "refund_reference": given.number,
            "amount": _kobo(given.amount),
            "currency": payment.currency,
            "processor": "instant-transfer",
            "customer": {"email": payment.email},
            "integration": 463433,
            "domain": self._domain,
        }

    def _given(self, payment: Payment, given: GivenBack) -> dict[str, Any]:
        money = next(one for one in payment.moneys if given in one.given_back)
        return {
            "id": int(given.number),
            "domain": self._domain,
            "transaction": {"id": int(money.number), "reference": payment.reference, "amount": _kobo(money.amount)},
            "refund_reference": given.number,
            "currency": payment.currency,
            "amount": _kobo(given.amount),
            "status": {"done": "processed", "failed": "failed"}[given.status],
            "refunded_at": _at(given.at),
        }

    def _dispute(self, payment: Payment, money: Money, given: GivenBack, *, won: bool | None = None) -> dict[str, Any]:
        is_won = given.status == "won" if won is None else won
        return {
            "id": int(given.number),
            "refund_amount": _kobo(given.amount),
            "currency": money.currency,
            "status": "resolved" if is_won else "awaiting-merchant-feedback",
            "resolution": "declined" if is_won else None,
            "domain": self._domain,
            "category": "chargeback",
            "transaction": self._transaction(payment, money),
            "transaction_reference": None,
            "created_at": _at(given.at),
        }


def _kobo(amount: Decimal) -> int:
    return int(amount * KOBO)


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def _said(message: str, told: Mapping[str, Any] | list[dict[str, Any]]) -> Answer:
    return Answer({"status": True, "message": message, "data": told})


def _refusal(message: str, code: str) -> Answer:
    return Answer({"status": False, "message": message, "type": "validation_error", "code": code}, status=400)
