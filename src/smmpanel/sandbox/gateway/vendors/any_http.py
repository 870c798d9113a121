"""Two gateways that nobody has an adapter for: the panel knows them by a description alone.

One signs requests and messages with a time in them, and tells amounts in the smallest unit; the other has its customers' browsers
post a form, and sends forms with a token that proves nothing but where they come from.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from urllib.parse import urlencode

from smmpanel.sandbox.gateway.payments import Event, EventKind, Money, Payment, PaymentState
from smmpanel.sandbox.gateway.vendor import Answer, Call, Route, Vendor, Webhook, encoded

DRIFT_SECONDS = 300
CENTS = 100
PLAIN = "text/plain; charset=utf-8"
_OPEN = {PaymentState.OPEN: "WAITING", PaymentState.CANCELED: "CANCELLED", PaymentState.EXPIRED: "EXPIRED"}
_TOLD = {
    EventKind.PENDING: "WAITING",
    EventKind.CANCELED: "CANCELLED",
    EventKind.EXPIRED: "EXPIRED",
    EventKind.PAID: "PAID",
    EventKind.CHARGED_BACK: "CHARGED_BACK",
    EventKind.DISPUTE_WON: "DISPUTE_WON",
}
WORDS = """
WAITING = "pending"
PAID = "paid"
CANCELLED = "failed"
EXPIRED = "expired"
REFUNDED = "refunded"
PARTLY_REFUNDED = "partially_refunded"
CHARGED_BACK = "reversed"
DISPUTE_WON = "reinstated"
"""
BY_SIGNATURE = """
name = "sandbox"

[sign]
algo = "hmac-sha256"
payload = "ts.body"
location = "header:X-Signature"
timestamp_location = "header:X-Timestamp"

[create]
url = "ADDRESS/v1/orders"
headers = { X-Api-Key = "{api_key}" }
body = { order_id = "{reference}", amount = "{amount_minor:number}", currency = "{currency}", title = "{description}", \
notify_url = "{notify_url}", return_url = "{return_url}" }
success_when = "$.state == 0"
redirect_url_path = "$.data.pay_url"
gateway_id_path = "$.data.order_no"
sign = {}

[notify]
only_when = ["$.env == sandbox"]
reference_path = "$.order.order_id"
gateway_txn_path = "$.order.order_no"
status_path = "$.order.state"
amount_path = "$.order.paid_amount"
currency_path = "$.order.currency"
returned_path = "$.order.returned_amount"
amount_unit = "minor"
ip_allowlist = ["127.0.0.0/8"]
reply_body = "OK"
reply_content_type = "text/plain"
[notify.status_map]
WORDS
[query]
url = "ADDRESS/v1/orders/{reference}"
headers = { X-Api-Key = "{api_key}" }
body = { order_no = "{gateway_id}", ts = "{ts}" }
success_when = "$.state == 0"
reference_path = "$.data.order_id"
gateway_txn_path = "$.data.order_no"
status_path = "$.data.state"
amount_path = "$.data.paid_amount"
currency_path = "$.data.currency"
returned_path = "$.data.returned_amount"
amount_unit = "minor"
sign = { algo = "sha512", payload = "sorted_kv", secret_position = "kv:key", encoding = "HEX", location = "query:sign", \
timestamp_location = "body:$.ts" }
[query.status_map]
WORDS
[refund]
url = "ADDRESS/v1/orders/{reference}/refunds"
headers = { X-Api-Key = "{api_key}" }
body = { order_no = "{gateway_txn}", refund_no = "{refund_key}", amount = "{amount_minor:number}", reason = "{reason}" }
success_when = "$.state == 0"
refused_when = "$.state == 2"
refund_id_path = "$.data.number"
status_path = "$.data.status"
status_map = { DONE = "done", FAILED = "failed" }
sign = {}
"""
BY_FORM = """
name = "sandbox_token"

[create]
url = "ADDRESS/pay"
body_mode = "browser_form_post"
body = { order_id = "{reference}", amount = "{amount}", currency = "{currency}", return_url = "{return_url}" }
sign = { algo = "hmac-sha1", payload = "fields_kv", fields = ["$.order_id", "$.amount", "$.currency"], encoding = "base64", \
location = "body:$.signature" }

[notify]
body = "form"
reference_path = "$.order_id"
status_path = "$.state"
amount_path = "$.amount"
currency_path = "$.currency"
returned_path = "$.returned"
sign = { algo = "static_token", location = "header:Authorization", prefix = "Token " }
[notify.status_map]
WORDS
[query]
url = "ADDRESS/orders/{reference}"
sign = { algo = "basic", username = "shop", location = "header:Authorization", prefix = "Basic " }
reference_path = "$.order_id"
status_path = "$.state"
amount_path = "$.amount"
currency_path = "$.currency"
returned_path = "$.returned"
[query.status_map]
WORDS"""


class AnyHttp(Vendor):
    """`/v1/orders`: JSON, signed with a time; money in the smallest unit."""

    name: ClassVar[str] = "any_http"
    title: ClassVar[str] = "Sandbox Pay (any gateway over HTTP)"
    gateway: ClassVar[str] = "http"
    keys: ClassVar[Mapping[str, str]] = {"secret": "sandbox-any-http-secret", "api_key": "sandbox-any-http-key"}
    currency: ClassVar[str] = "USD"
    description: ClassVar[str] = BY_SIGNATURE

    def setup(self, address: str) -> Mapping[str, str]:
        """The description, and its secrets."""
        written = self.description.replace("WORDS", WORDS).replace("ADDRESS", address)
        return {"configuration": written.strip(), **self.secrets}

    def routes(self) -> Sequence[Route]:
        """Begin, ask, and give back."""
        return (
            Route("POST", "/v1/orders", "create", self._create),
            Route("GET", "/v1/orders/{order_id}", "query", self._show),
            Route("POST", "/v1/orders/{order_id}/refunds", "refund", self._refund),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:
        """Tell of everything, in the same words."""
        if event.kind == EventKind.REFUND_FAILED:
            return None
        stamp = str(int(now.timestamp()))
        order = _order(event.payment, event.money, told_word(event), event.returned)
        body = encoded({"event": event.number, "env": "live" if self.live else "sandbox", "order": order})
        signature = self._signature(f"{stamp}.".encode() + body)
        return Webhook(body, {"x-signature": signature, "x-timestamp": stamp}, event.payment.notify_url)

    def takes(self, status: int, body: bytes) -> bool:
        """The word OK."""
        return status == 200 and body == b"OK"

    def _stranger(self, call: Call) -> Answer | None:
        stamp, signature = call.header("x-timestamp"), call.header("x-signature")
        expected = self._signature(f"{stamp}.".encode() + call.body)
        if call.header("x-api-key") != self.secrets["api_key"] or not hmac.compare_digest(expected, signature):
            return Answer({"state": 401, "message": "bad signature"}, status=401)
        if not stamp.isdigit() or abs(int(stamp) - call.desk.now.timestamp()) > DRIFT_SECONDS:
            return Answer({"state": 402, "message": "stale"}, status=401)
        return None

    def _create(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        wanted = call.json()
        number, amount = str(wanted.get("order_id", "")), wanted.get("amount")
        if not number or not isinstance(amount, int) or amount <= 0:
            return Answer({"state": 1, "message": "no order"})
        payment = call.desk.by_reference(number) or call.desk.open(
            number,
            Decimal(amount) / CENTS,
            str(wanted.get("currency", "")),
            notify_url=str(wanted.get("notify_url", "")),
            return_url=str(wanted.get("return_url", "")),
            description=str(wanted.get("title", "")),
        )
        return Answer({"state": 0, "data": {"order_no": int(payment.number), "pay_url": call.desk.page(payment)}})

    def _show(self, call: Call) -> Answer:
        said = "&".join(f"{name}={value}" for name, value in sorted(call.query.items()) if name != "sign")
        expected = hashlib.sha512(f"{said}&key={self.secrets['secret']}".encode()).hexdigest().upper()
        if not hmac.compare_digest(expected, call.query.get("sign", "")):
            return Answer({"state": 401, "message": "bad signature"}, status=401)
        payment = call.desk.by_reference(call.named["order_id"])
        if payment is None:
            return Answer({"state": 404}, status=404)
        if call.query.get("order_no") not in {"", payment.number}:
            return Answer({"state": 1, "message": "another order"})
        return Answer({"state": 0, "data": _order(payment, counted(payment), word_of(payment), None)})

    def _refund(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        wanted, payment = call.json(), call.desk.by_reference(call.named["order_id"])
        amount, key = wanted.get("amount"), str(wanted.get("refund_no", ""))
        is_known = payment is not None and payment.number == str(wanted.get("order_no")) and payment.moneys
        if payment is None or not is_known or not isinstance(amount, int) or not key:
            return Answer({"state": 2, "message": "no such payment"})
        try:
            given = call.desk.refund(payment, Decimal(amount) / CENTS, money=payment.moneys[0].number, key=key)
        except ValueError:
            return Answer({"state": 2, "message": "more than is left"})
        return Answer({"state": 0, "data": {"number": given.number, "status": "DONE"}})

    def _signature(self, content: bytes) -> str:
        return hmac.digest(self.secrets["secret"].encode(), content, "sha256").hex()


class AnyHttpToken(AnyHttp):
    """`/pay` for browsers, `/orders/…` for shops; messages are forms with a token."""

    name: ClassVar[str] = "any_http_token"
    title: ClassVar[str] = "Sandbox Pay by a form (any gateway over HTTP)"
    keys: ClassVar[Mapping[str, str]] = {"secret": "sandbox-any-http-token"}
    description: ClassVar[str] = BY_FORM

    def routes(self) -> Sequence[Route]:
        """The form, and the question."""
        return (
            Route("POST", "/pay", "page", self._form),
            Route("GET", "/orders/{order_id}", "query", self._order),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:  # noqa: ARG002 - nothing in it says when it was sent
        """Tell of everything, in a form."""
        if event.kind == EventKind.REFUND_FAILED:
            return None
        fields = _row(event.payment, event.money, told_word(event), event.returned)
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "authorization": f"Token {self.secrets['secret']}",
        }
        return Webhook(urlencode(fields).encode(), headers)

    def takes(self, status: int, body: bytes) -> bool:  # noqa: ARG002 - only the status counts
        """Anything that means success."""
        return status == 200

    def _form(self, call: Call) -> Answer:
        wanted = call.form()
        signed = ",".join(f"{name}={wanted.get(name, '')}" for name in ("order_id", "amount", "currency"))
        digest = hmac.digest(self.secrets["secret"].encode(), signed.encode(), "sha1")
        if wanted.get("signature") != base64.b64encode(digest).decode():
            return Answer("The signature is wrong.", status=400, content_type=PLAIN)
        payment = call.desk.by_reference(wanted["order_id"]) or call.desk.open(
            wanted["order_id"],
            Decimal(wanted["amount"]),
            wanted["currency"],
            return_url=wanted.get("return_url", ""),
        )
        return Answer("", status=302, content_type=PLAIN, headers=(("location", call.desk.page(payment)),))

    def _order(self, call: Call) -> Answer:
        if call.basic != ("shop", self.secrets["secret"]):
            return Answer({"error": "who are you?"}, status=401)
        payment = call.desk.by_reference(call.named["order_id"])
        if payment is None:
            return Answer({"error": "not found"}, status=404)
        return Answer(_row(payment, counted(payment), word_of(payment), None))


def counted(payment: Payment) -> Money | None:
    """Return the money of an order: it is paid once."""
    return payment.moneys[0] if payment.moneys else None


def word_of(payment: Payment) -> str:
    """Return how an order stands now."""
    money = counted(payment)
    if money is None:
        return _OPEN[payment.state]
    disputes = [one for one in money.given_back if one.kind == "chargeback"]
    if disputes:
        return "DISPUTE_WON" if disputes[-1].status == "won" else "CHARGED_BACK"
    return _returned_word(money.returned, money)


def told_word(event: Event) -> str:
    """Return how an order stood at an event."""
    if event.kind == EventKind.REFUNDED and event.money is not None:
        return _returned_word(event.returned, event.money)
    return _TOLD[event.kind]


def _returned_word(returned: Decimal, money: Money) -> str:
    if not returned:
        return "PAID"
    return "REFUNDED" if returned == money.amount else "PARTLY_REFUNDED"


def _order(payment: Payment, money: Money | None, word: str, returned: Decimal | None) -> dict[str, object]:
    amount, back = _amounts(payment, money, returned)
    return {
        "order_id": payment.reference,
        "order_no": int(payment.number),
        "state": word,
        "paid_amount": int(amount * CENTS),
        "returned_amount": int(back * CENTS),
        "currency": payment.currency if money is None else money.currency,
    }


def _row(payment: Payment, money: Money | None, word: str, returned: Decimal | None) -> dict[str, str]:
    amount, back = _amounts(payment, money, returned)
    return {
        "state": word,
        "amount": f"{amount:.2f}",
        "returned": f"{back:.2f}",
        "currency": payment.currency if money is None else money.currency,
        "order_id": payment.reference,
    }


def _amounts(payment: Payment, money: Money | None, returned: Decimal | None) -> tuple[Decimal, Decimal]:
    if money is None:
        return payment.amount, Decimal(0)
    return money.amount, money.returned if returned is None else returned
