"""Cryptomus' and Heleket's side: invoices, questions, refunds. Everything is signed with MD5 over base64 and the payment key; in
messages the signature stands within the body, which is written as PHP writes JSON.
"""

import base64
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from hashlib import md5
from typing import Any, ClassVar
from uuid import uuid4

from smmpanel.sandbox.gateway.payments import Event, EventKind, Money, Payment, PaymentState
from smmpanel.sandbox.gateway.vendor import Answer, Call, Route, Vendor, Webhook

REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,128}")
LIFETIME, LIFETIME_MIN, LIFETIME_MAX = 3600, 300, 43200
COIN, RATE = "USDT", Decimal("1.0004")
"""What is paid with, and how much of it a unit of the invoice's currency takes."""
_OPEN = {PaymentState.OPEN: "check", PaymentState.CANCELED: "fail", PaymentState.EXPIRED: "cancel"}


class Cryptomus(Vendor):
    """`/v1/payment`, `/v1/payment/info`, `/v1/payment/refund`, `/v1/payment/resend`."""

    name: ClassVar[str] = "cryptomus"
    title: ClassVar[str] = "Cryptomus"
    gateway: ClassVar[str] = "cryptomus"
    keys: ClassVar[Mapping[str, str]] = {
        "merchant": "8b03432e-385b-4670-8d06-064591096795",
        "secret": "sandbox_cryptomus_payment_key",
    }
    currency: ClassVar[str] = "USD"

    def setup(self, address: str) -> Mapping[str, str]:
        """Base address, merchant and payment key; refunds by the gateway."""
        return {"base_url": address, "refunds": "sender", **self.secrets}

    def routes(self) -> Sequence[Route]:
        """The calls that a shop needs."""
        return (
            Route("POST", "/v1/payment", "create", self._create),
            Route("POST", "/v1/payment/info", "query", self._info),
            Route("POST", "/v1/payment/refund", "refund", self._refund),
            Route("POST", "/v1/payment/resend", "other", self._resend),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:  # noqa: ARG002 - nothing in it says when it was sent
        """Tell of invoices: that coins are seen, have come, are given back, or never came."""
        word = _word_of(event)
        if word is None:
            return None
        fields = {"type": "payment", **_invoice(event.payment, word, event.money), "sign": None}
        del fields["sign"], fields["url"], fields["payment_status"]
        sign = self._digest(_as_php(fields))
        return Webhook(_as_php({**fields, "sign": sign}))

    # Calls.

    def _create(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        wanted = call.json()
        reference, amount = str(wanted.get("order_id", "")), _amount(wanted.get("amount"))
        lifetime = int(wanted.get("lifetime", LIFETIME))
        if not REFERENCE.fullmatch(reference) or amount is None or not LIFETIME_MIN <= lifetime <= LIFETIME_MAX:
            return _refusal("validation")
        payment = call.desk.by_reference(reference)
        if payment is None:
            # Otherwise the invoice that is there is answered, whatever is asked for now.
            payment = call.desk.open(
                reference,
                amount,
                str(wanted.get("currency")),
                number=str(uuid4()),
                expires_at=call.desk.now + timedelta(seconds=lifetime),
                notify_url=str(wanted.get("url_callback") or ""),
                return_url=str(wanted.get("url_success") or wanted.get("url_return") or ""),
                cancel_url=str(wanted.get("url_return") or ""),
            )
        return self._shown(call, payment)

    def _info(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        payment = self._named(call)
        return self._shown(call, payment) if payment is not None else _refusal("Not found", status=404)

    def _refund(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        payment = self._named(call)
        money = _counted(payment) if payment is not None else None
        if payment is None or money is None or not call.json().get("address"):
            return _refusal("The payment was not found")
        try:
            call.desk.refund(payment, money=money.number)
        except ValueError:
            return _refusal("The payment was refunded already")
        return Answer({"state": 0, "result": []})

    def _resend(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        payment = self._named(call)
        if payment is None or not payment.moneys:
            return _refusal("The payment was not found")
        call.desk.tell(Event(EventKind.PAID, payment, call.desk.book.number(), call.desk.now, _counted(payment)))
        return Answer({"state": 0, "result": []})

    def _named(self, call: Call) -> Payment | None:
        wanted = call.json()
        if wanted.get("uuid"):
            return call.desk.by_number(str(wanted["uuid"]))
        return call.desk.by_reference(str(wanted.get("order_id", "")))

    def _shown(self, call: Call, payment: Payment) -> Answer:
        fields = _invoice(payment, _word(payment), _counted(payment))
        # In answers nothing is said in dollars.
        del fields["payment_amount_usd"]
        ends = int((payment.expires_at or payment.created_at).timestamp())
        return Answer({"state": 0, "result": {**fields, "expired_at": ends, "url": call.desk.page(payment)}})

    def _stranger(self, call: Call) -> Answer | None:
        is_known = call.header("merchant") == self.secrets["merchant"]
        if is_known and hmac.compare_digest(self._digest(call.body), call.header("sign")):
            return None
        return Answer({"state": 1, "message": "Invalid Sign"}, status=401)

    def _digest(self, body: bytes) -> str:
        return md5(base64.b64encode(body) + self.secrets["secret"].encode(), usedforsecurity=False).hexdigest()


class Heleket(Cryptomus):
    """The same at another address, with other keys."""

    name: ClassVar[str] = "heleket"
    title: ClassVar[str] = "Heleket"
    gateway: ClassVar[str] = "heleket"
    keys: ClassVar[Mapping[str, str]] = {
        "merchant": "5e8b2d0c-1f5a-4f0e-9a60-0d1f1a6f1c77",
        "secret": "sandbox_heleket_payment_key",
    }


def _counted(payment: Payment) -> Money | None:
    # An invoice is over with the first coins: what comes after them is seen by nobody.
    return payment.moneys[0] if payment.moneys else None


def _word(payment: Payment) -> str:
    money = _counted(payment)
    if money is None:
        return _OPEN[payment.state]
    return "refund_paid" if money.returned else _paid_word(payment, money)


def _paid_word(payment: Payment, money: Money) -> str:
    if money.amount == payment.amount:
        return "paid"
    return "paid_over" if money.amount > payment.amount else "wrong_amount"


def _word_of(event: Event) -> str | None:
    payment, money = event.payment, event.money
    if event.kind == EventKind.PENDING:
        return "confirm_check"
    if event.kind == EventKind.PAID and money is not None:
        return _paid_word(payment, money) if payment.moneys[:1] in ([], [money]) else None
    ends = {
        EventKind.CANCELED: "fail",
        EventKind.EXPIRED: "cancel",
        EventKind.REFUNDED: "refund_paid",
        EventKind.REFUND_FAILED: "refund_fail",
    }
    return ends.get(event.kind)


def _invoice(payment: Payment, word: str, money: Money | None) -> dict[str, Any]:
    currency = payment.currency if money is None else money.currency
    paid = None if money is None else money.amount
    return {
        "uuid": payment.number,
        "order_id": payment.reference,
        "amount": f"{payment.amount:.2f}",
        "payment_amount": None if paid is None else f"{paid * RATE:.8f}",
        "payment_amount_usd": None if paid is None else f"{paid:.2f}",
        "payer_amount": f"{payment.amount * RATE:.8f}",
        "merchant_amount": None if paid is None else f"{paid * Decimal('0.98'):.8f}",
        "is_final": word not in {"check", "confirm_check"},
        "status": word,
        "payment_status": word,
        "from": None if money is None else "TSandboxSender",
        "wallet_address_uuid": None,
        "network": "tron",
        "currency": currency,
        "payer_currency": COIN,
        "additional_data": "https://panel.test/u/Nguyễn",
        "txid": None if money is None else md5(money.number.encode(), usedforsecurity=False).hexdigest() * 2,
        "url": "",
    }


def _as_php(fields: Mapping[str, Any]) -> bytes:
    """Write JSON as PHP does when letters are left as they are: slashes are escaped all the same."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()


def _amount(value: object) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount > 0 else None


def _refusal(message: str, *, status: int = 422) -> Answer:
    return Answer({"state": 1, "message": message}, status=status)
