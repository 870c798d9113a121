"""Midtrans' side: Snap pages, the status of orders, refunds; notifications with a SHA-512 digest in the body.

An order is paid once, and only the exact amount: what people do beyond that changes nothing that Midtrans says.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha512
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit
from uuid import NAMESPACE_URL, uuid5

from smmpanel.sandbox.gateway.payments import Event, EventKind, GivenBack, Money, Payment, PaymentState
from smmpanel.sandbox.gateway.vendor import Answer, BadCallError, Call, Route, Vendor, Webhook, encoded

JAKARTA = timezone(timedelta(hours=7))
ORDER_MAX = 50
UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
TAKEN = "transaction_details.order_id sudah digunakan"
# Words and status codes.
_STATES = {
    PaymentState.PAID: ("settlement", "200"),
    PaymentState.CANCELED: ("cancel", "200"),
    PaymentState.EXPIRED: ("expire", "407"),
}
_EVENTS = {
    EventKind.PENDING: ("pending", "201"),
    EventKind.PAID: ("settlement", "200"),
    EventKind.CANCELED: ("cancel", "200"),
    EventKind.EXPIRED: ("expire", "407"),
}


class Midtrans(Vendor):
    """`/snap/v1/transactions`, `/v2/{order_id}/status`, `/cancel`, `/expire`, `/refund`."""

    name: ClassVar[str] = "midtrans"
    title: ClassVar[str] = "Midtrans Snap"
    gateway: ClassVar[str] = "midtrans"
    keys: ClassVar[Mapping[str, str]] = {"server_key": "SB-Mid-server-sandbox"}
    currency: ClassVar[str] = "IDR"

    def setup(self, address: str) -> Mapping[str, str]:
        """Address, environment and server key."""
        return {"base_url": address, "environment": "sandbox", "server_key": self.secrets["server_key"]}

    def routes(self) -> Sequence[Route]:
        """The calls that a shop needs."""
        return (
            Route("POST", "/snap/v1/transactions", "create", self._create),
            Route("GET", "/v2/{order}/status", "query", self._status),
            Route("POST", "/v2/{order}/cancel", "other", self._cancel),
            Route("POST", "/v2/{order}/expire", "other", self._expire),
            Route("POST", "/v2/{order}/refund", "refund", self._refund),
            Route("POST", "/v2/{order}/refund/online/direct", "refund", self._refund),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:  # noqa: ARG002 - nothing in it says when it was sent
        """Tell of an order's status, signed over order, status code and amount."""
        payment = event.payment
        if event.money in payment.moneys[1:]:
            return None
        if event.kind in _EVENTS:
            word, code = _EVENTS[event.kind]
            return Webhook(encoded(self._signed(self._transaction(payment, event.money, word, code))))
        if event.kind not in {EventKind.REFUNDED, EventKind.CHARGED_BACK} or event.money is None:
            return None
        given = event.money.given_back
        until = given[: 1 + next(place for place, one in enumerate(given) if one is event.given_back)]
        return Webhook(encoded(self._signed(self._given_back(payment, event.money, until))))

    def return_address(self, payment: Payment) -> str:
        """Back with the order and its status, which prove nothing."""
        if not payment.return_url:
            return ""
        word, code = _STATES.get(payment.state, ("pending", "201"))
        sign = "&" if urlsplit(payment.return_url).query else "?"
        told = {"order_id": payment.reference, "status_code": code, "transaction_status": word}
        return payment.return_url + sign + urlencode(told)

    # Calls.

    def _create(self, call: Call) -> Answer:
        if not self._is_known(call):
            text = "Access denied due to unauthorized transaction, please check client or server key"
            return Answer({"error_messages": [text]}, status=401)
        wanted = call.json()
        order, amount = _asked_for(wanted)
        payment = call.desk.by_reference(order)
        if payment is not None and payment.state != PaymentState.OPEN:
            return _refused(TAKEN)
        payment = payment or call.desk.open(
            order,
            Decimal(amount),
            self.currency,
            expires_at=_expiry(wanted.get("expiry"), call.desk.now),
            return_url=str((wanted.get("callbacks") or {}).get("finish") or ""),
            notify_url=call.header("x-override-notification").split(",")[0],
            email=str((wanted.get("customer_details") or {}).get("email") or ""),
        )
        return Answer({"token": payment.token, "redirect_url": call.desk.page(payment)}, status=201)

    def _status(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        payment = _named(call)
        if payment is None or payment.state == PaymentState.OPEN:
            # Nobody has chosen how to pay: said in the body alone.
            return _said("404", "Transaction doesn't exist.")
        return Answer(self._signed(self._now(payment)))

    def _cancel(self, call: Call) -> Answer:
        return self._moved(call, call.desk.cancel)

    def _expire(self, call: Call) -> Answer:
        return self._moved(call, call.desk.expire)

    def _moved(self, call: Call, move: Any) -> Answer:
        payment = _named(call)
        if (refused := self._stranger(call)) is not None or payment is None:
            return refused or _said("404", "Transaction doesn't exist.")
        try:
            move(payment)
        except ValueError:
            return _said("412", "Merchant cannot modify the status of the transaction")
        return Answer(self._now(payment))

    def _refund(self, call: Call) -> Answer:
        payment = _named(call)
        if (refused := self._stranger(call)) is not None or payment is None:
            return refused or _said("404", "Transaction doesn't exist.")
        wanted = call.json()
        amount, key = wanted.get("amount"), str(wanted.get("refund_key") or "")
        try:
            given = call.desk.refund(
                payment,
                None if amount is None else Decimal(str(amount)),
                money=payment.moneys[0].number if payment.moneys else "",
                key=key,
            )
        except ValueError:
            return _said("412", "Merchant cannot modify the status of the transaction")
        told = {
            **self._now(payment),
            "status_message": "Success, refund request is approved",
            "refund_chargeback_id": int(given.number),
            "refund_amount": _rupiah(given.amount),
            "refund_key": _key_of(given),
        }
        return Answer(told)

    def _is_known(self, call: Call) -> bool:
        name, password = call.basic
        return hmac.compare_digest(name.encode(), self.secrets["server_key"].encode()) and password == ""

    def _stranger(self, call: Call) -> Answer | None:
        return None if self._is_known(call) else _said("401", "Unknown Merchant server_key/id", status=401)

    # What is said of an order.

    def _now(self, payment: Payment) -> dict[str, Any]:
        money = next(iter(payment.moneys), None)
        if money is not None and any(one.status == "done" for one in money.given_back):
            return self._given_back(payment, money, money.given_back)
        word, code = ("settlement", "200") if money is not None else _STATES.get(payment.state, ("pending", "201"))
        return self._transaction(payment, money, word, code)

    def _transaction(self, payment: Payment, money: Money | None, word: str, code: str) -> dict[str, Any]:
        settled = {"settlement_time": _at(money.at), "fraud_status": "accept"} if money is not None else {}
        return {
            "transaction_time": _at(payment.created_at),
            "transaction_status": word,
            "transaction_id": _number_of(payment),
            "status_message": "midtrans payment notification",
            "status_code": code,
            "payment_type": "qris",
            "order_id": payment.reference,
            "merchant_id": "G141532850" if self.live else "G000000001",
            "gross_amount": _rupiah(payment.amount),
            "currency": payment.currency if money is None else money.currency,
            **settled,
        }

    def _given_back(self, payment: Payment, money: Money, given: Sequence[GivenBack]) -> dict[str, Any]:
        done = [one for one in given if one.status == "done"]
        total = sum((one.amount for one in done), Decimal(0))
        word = "chargeback" if any(one.kind == "chargeback" for one in done) else "refund"
        told = self._transaction(payment, money, word if total >= payment.amount else f"partial_{word}", "200")
        rows = [
            {
                "refund_chargeback_id": int(one.number),
                "refund_chargeback_uuid": str(uuid5(NAMESPACE_URL, f"midtrans:refund:{one.number}")),
                "refund_amount": _rupiah(one.amount),
                "created_at": _at(one.at),
                "reason": "Customer",
                "refund_key": _key_of(one),
            }
            for one in done
        ]
        return {**told, "refund_amount": _rupiah(total), "refunds": rows}

    def _signed(self, told: Mapping[str, Any]) -> dict[str, Any]:
        text = f"{told['order_id']}{told['status_code']}{told['gross_amount']}{self.secrets['server_key']}"
        return {**told, "signature_key": sha512(text.encode()).hexdigest()}


def _asked_for(wanted: Mapping[str, Any]) -> tuple[str, int]:
    details = wanted.get("transaction_details")
    if not isinstance(details, dict):
        raise BadCallError("transaction_details is required")
    order, amount = details.get("order_id"), details.get("gross_amount")
    if not isinstance(order, str) or not 0 < len(order) <= ORDER_MAX:
        raise BadCallError("transaction_details.order_id is required")
    if isinstance(amount, bool) or not isinstance(amount, int) or amount < 1:
        raise BadCallError("transaction_details.gross_amount is not a number")
    items = wanted.get("item_details") or []
    if items and sum(one["price"] * one["quantity"] for one in items) != amount:
        raise BadCallError("transaction_details.gross_amount is not equal to the sum of item_details")
    return order, amount


def _named(call: Call) -> Payment | None:
    """Orders are asked for by the shop's number or by Midtrans' own, once there is one: a way to pay was chosen."""
    name = call.named["order"]
    known = (one for one in call.desk.payments() if one.state != PaymentState.OPEN and _number_of(one) == name)
    return call.desk.by_reference(name) or next(known, None)


def _number_of(payment: Payment) -> str:
    return str(uuid5(NAMESPACE_URL, f"midtrans:{payment.number}"))


def _key_of(given: GivenBack) -> str:
    return given.key or f"reference-{given.number}"


def _rupiah(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(JAKARTA):%Y-%m-%d %H:%M:%S}"


def _expiry(wanted: object, now: datetime) -> datetime:
    if wanted is None:
        return now + timedelta(days=1)
    try:
        assert isinstance(wanted, dict)
        begins = datetime.strptime(wanted["start_time"], "%Y-%m-%d %H:%M:%S %z") if "start_time" in wanted else now
        return begins + UNITS[wanted["unit"]] * int(wanted["duration"])
    except (AssertionError, KeyError, TypeError, ValueError):
        raise BadCallError("expiry is not valid") from None


def _refused(text: str) -> Answer:
    return Answer({"error_messages": [text]}, status=400)


def _said(code: str, message: str, *, status: int = 200) -> Answer:
    return Answer({"status_code": code, "status_message": message, "id": "sandbox"}, status=status)
