"""Binance Pay's side: orders, certificates, refunds. Requests are signed with the shop's secret (HMAC-SHA512); messages with an
RSA key that is made when the process begins.
"""

import base64
import hmac
import re
import secrets
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from hashlib import md5
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smmpanel.sandbox.gateway.payments import Event, EventKind, GivenBack, Money, Payment, PaymentState
from smmpanel.sandbox.gateway.vendor import Answer, Call, Route, Vendor, Webhook, encoded

HOUR = timedelta(hours=1)
PLACES_MAX = 8
TRADE_NUMBER = re.compile(r"[A-Za-z0-9]{1,32}")
_NAMES = ("binancepay-timestamp", "binancepay-nonce", "binancepay-signature")
_STATUS = {
    PaymentState.OPEN: "INITIAL",
    PaymentState.CANCELED: "CANCELED",
    PaymentState.EXPIRED: "EXPIRED",
}


class BinancePay(Vendor):
    """`/binancepay/openapi/…`: v3 orders, v2 questions, refunds, certificates."""

    name: ClassVar[str] = "binance_pay"
    title: ClassVar[str] = "Binance Pay"
    gateway: ClassVar[str] = "binance_pay"
    keys: ClassVar[Mapping[str, str]] = {
        "api_key": "sandboxbinanceapikey",
        "secret": "sandbox_binance_secret",
        "certificate": "sandbox",
    }
    currency: ClassVar[str] = "USDT"

    def setup(self, address: str) -> Mapping[str, str]:
        """Base address and both halves of the key."""
        return {"base_url": address, "api_key": self.secrets["api_key"], "secret": self.secrets["secret"]}

    def routes(self) -> Sequence[Route]:
        """The calls that a shop needs."""
        base = "/binancepay/openapi"
        return (
            Route("POST", f"{base}/v3/order", "create", self._create),
            Route("POST", f"{base}/v2/order/query", "query", self._query),
            Route("POST", f"{base}/order/close", "other", self._close),
            Route("POST", f"{base}/order/refund", "refund", self._refund),
            Route("POST", f"{base}/order/refund/query", "query", self._refund_query),
            Route("POST", f"{base}/certificates", "other", self._certificates),
        )

    def webhook(self, event: Event, now: datetime) -> Webhook | None:
        """Tell of orders that were paid or closed, and of refunds."""
        told = self._told(event)
        if told is None:
            return None
        kind, word, data = told
        body = encoded(
            {
                "bizType": kind,
                "data": encoded(data).decode(),
                "bizIdStr": event.payment.number,
                "bizId": Decimal(event.payment.number),
                "bizStatus": word,
            }
        )
        stamp = str(_milliseconds(now))
        nonce = "".join(secrets.choice(string.ascii_letters) for _ in range(32))
        signature = _key(self.secrets["certificate"]).sign(_signed(stamp, nonce, body), PKCS1v15(), SHA256())
        headers = {
            "BinancePay-Timestamp": stamp,
            "BinancePay-Nonce": nonce,
            # Everybody knows this number: it is in each message. A forger writes it too.
            "BinancePay-Certificate-SN": _serial(self.keys["certificate"]),
            "BinancePay-Signature": base64.b64encode(signature).decode(),
        }
        return Webhook(body, headers)

    def takes(self, status: int, body: bytes) -> bool:
        """200 and the word SUCCESS."""
        return status == 200 and b'"returnCode":"SUCCESS"' in body

    # Calls.

    def _create(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        wanted = call.json()
        number, amount = str(wanted.get("merchantTradeNo", "")), _amount(wanted.get("orderAmount"))
        if not TRADE_NUMBER.fullmatch(number) or call.desk.by_reference(number) is not None:
            return _refusal("400201", "merchantTradeNo is invalid or duplicated")
        goods, ends = wanted.get("goodsDetails"), call.desk.now + HOUR
        if amount is None or wanted.get("env") is None or not wanted.get("description") or not goods:
            return _refusal("400002", "Illegal parameter")
        if (asked := wanted.get("orderExpireTime")) is not None:
            ends = min(ends, datetime.fromtimestamp(int(asked) / 1000, UTC))
        payment = call.desk.open(
            number,
            amount,
            str(wanted.get("currency")),
            # Longer than what most programs make of a number, as theirs are.
            number=f"2938393749{call.desk.book.number()}",
            expires_at=ends,
            notify_url=str(wanted.get("webhookUrl") or ""),
            return_url=str(wanted.get("returnUrl") or ""),
            cancel_url=str(wanted.get("cancelUrl") or ""),
            description=str(wanted["description"]),
        )
        page = call.desk.page(payment)
        told = {
            "prepayId": payment.number,
            "terminalType": "WEB",
            "expireTime": _milliseconds(ends),
            "qrcodeLink": page,
            "qrContent": page,
            "checkoutUrl": page,
            "deeplink": f"bnc://app.binance.com/payment/secpay?tempToken={payment.token}",
            "universalUrl": page,
            "currency": payment.currency,
            "totalFee": f"{payment.amount:f}",
        }
        return _said(told)

    def _query(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        payment = self._named(call)
        if payment is None:
            return _refusal("400202", "order not found")
        money = payment.moneys[0] if payment.moneys else None
        told = {
            "merchantId": 98729087,
            "prepayId": payment.number,
            "merchantTradeNo": payment.reference,
            "status": _status(payment),
            "currency": money.currency if money else payment.currency,
            "orderAmount": f"{money.amount if money else payment.amount:f}",
            "createTime": _milliseconds(payment.created_at),
        }
        return _said(told | (_paid(money) if money else {}))

    def _close(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        payment = self._named(call)
        if payment is None or payment.state != PaymentState.OPEN:
            return _refusal("400203", "order cannot be closed")
        call.desk.cancel(payment)
        return _said(data=True)

    def _refund(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        wanted = call.json()
        payment = call.desk.by_number(str(wanted.get("prepayId")))
        amount, key = _amount(wanted.get("refundAmount")), str(wanted.get("refundRequestId", ""))
        if payment is None or not payment.moneys:
            return _refusal("400202", "order not found")
        if amount is None or not TRADE_NUMBER.fullmatch(key):
            return _refusal("400002", "Illegal parameter")
        is_known = call.desk.book.given_back_under(payment, key) is not None
        try:
            given = call.desk.refund(payment, amount, money=payment.moneys[0].number, key=key)
        except ValueError:
            return _refusal("400604", "refund amount exceeds the order amount")
        return _said(_refund_info(payment, given, payment.moneys[0].returned) | {"duplicateRequest": "NY"[is_known]})

    def _refund_query(self, call: Call) -> Answer:
        if (refused := self._stranger(call)) is not None:
            return refused
        key = str(call.json().get("refundRequestId", ""))
        for payment in call.desk.payments():
            if (given := call.desk.book.given_back_under(payment, key)) is not None:
                status = "REFUND_FAIL" if given.status == "failed" else "REFUND_SUCCESS"
                return _said(_refund_info(payment, given, payment.moneys[0].returned) | {"refundStatus": status})
        return _refusal("400608", "refund not found")

    def _certificates(self, call: Call) -> Answer:
        label = self.secrets["certificate"]
        found = {"certSerial": _serial(label), "certPublic": _pem(label)}
        return self._stranger(call) or _said([found])

    def _named(self, call: Call) -> Payment | None:
        wanted = call.json()
        if wanted.get("prepayId"):
            return call.desk.by_number(str(wanted["prepayId"]))
        return call.desk.by_reference(str(wanted.get("merchantTradeNo", "")))

    def _stranger(self, call: Call) -> Answer | None:
        stamp, nonce, given = (call.header(name) for name in _NAMES)
        expected = (
            hmac.digest(self.secrets["secret"].encode(), _signed(stamp, nonce, call.body), "sha512").hex().upper()
        )
        is_known = call.header("binancepay-certificate-sn") == self.secrets["api_key"]
        if is_known and len(nonce) == 32 and stamp.isdigit() and hmac.compare_digest(expected, given):
            return None
        return _refusal("400002", "Signature for this request is not valid.")

    # What is said of things.

    def _told(self, event: Event) -> tuple[str, str, dict[str, Any]] | None:
        payment, money, given = event.payment, event.money, event.given_back
        order = {
            "merchantTradeNo": payment.reference,
            "productType": "",
            "productName": payment.description,
            "tradeType": "WEB",
            "totalFee": money.amount if money else payment.amount,
            "currency": money.currency if money else payment.currency,
        }
        if event.kind == EventKind.PAID and money:
            return "PAY", "PAY_SUCCESS", order | _paid(money)
        if event.kind in (EventKind.CANCELED, EventKind.EXPIRED):
            return "PAY", "PAY_CLOSED", order | {"transactTime": _milliseconds(event.at)}
        if event.kind in (EventKind.REFUNDED, EventKind.REFUND_FAILED) and given:
            word = "REFUND_SUCCESS" if event.kind == EventKind.REFUNDED else "REFUND_REJECTED"
            return "PAY_REFUND", word, order | {"refundInfo": _refund_info(payment, given, event.returned)}
        return None


@cache
def _key(label: str) -> RSAPrivateKey:
    # Anew for each process, and by name: so a forger has another one.
    del label
    return generate_private_key(65537, 2048)


@cache
def _pem(label: str) -> str:
    return _key(label).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _serial(label: str) -> str:
    lines = _pem(label).strip().splitlines()[1:-1]
    return md5("".join(lines).encode(), usedforsecurity=False).hexdigest()


def _signed(stamp: str, nonce: str, body: bytes) -> bytes:
    return f"{stamp}\n{nonce}\n".encode() + body + b"\n"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _amount(value: object) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    exponent = amount.as_tuple().exponent
    return amount if amount > 0 and isinstance(exponent, int) and -exponent <= PLACES_MAX else None


def _status(payment: Payment) -> str:
    if not payment.moneys:
        return _STATUS[payment.state]
    money = payment.moneys[0]
    if not money.returned:
        return "PAID"
    return "FULL_REFUNDED" if money.returned == money.amount else "REFUNDED"


def _paid(money: Money) -> dict[str, Any]:
    return {
        "transactTime": _milliseconds(money.at),
        "transactionId": f"M_A_{money.number}",
        "commission": 0,
        "paymentInfo": {"payerId": 123456789, "payMethod": "funding", "channel": "DEFAULT"},
    }


def _refund_info(payment: Payment, given: GivenBack, returned: Decimal) -> dict[str, Any]:
    return {
        "refundRequestId": given.key or given.number,
        "prepayId": payment.number,
        "orderAmount": f"{payment.moneys[0].amount:f}",
        "refundedAmount": f"{returned:f}",
        "refundAmount": f"{given.amount:f}",
        "remainingAttempts": 9,
        "payerOpenId": "dde730c2e0ea1f1780cf26343b98fd3b",
    }


def _said(data: Any) -> Answer:
    return Answer({"status": "SUCCESS", "code": "000000", "data": data, "errorMessage": ""})


def _refusal(code: str, message: str) -> Answer:
    return Answer({"status": "FAIL", "code": code, "errorMessage": message}, status=400)
