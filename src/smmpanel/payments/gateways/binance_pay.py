"""Binance Pay: an order at Binance that is paid in stablecoins. There is no sandbox of theirs; requests are signed with a secret,
messages with a key of which they hand out the certificate.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.money import json_number, plain
from smmpanel.payments.gateways.addresses import address_in, check_address, link_in
from smmpanel.payments.gateways.binance_pay_messages import (
    AGAIN,
    UNSURE,
    USED_UP,
    Envelope,
    fields_in,
    opened,
    read_message,
    read_order,
)
from smmpanel.payments.gateways.binance_pay_signing import (
    STAMP_DIGITS_MAX,
    is_signed_with,
    milliseconds,
    new_nonce,
    public_key,
    request_signature,
    signed_bytes,
)
from smmpanel.payments.gateways.calling import SAID_MAX, call
from smmpanel.payments.gateways.hosted import Hosted
from smmpanel.payments.gateways.parts import moment_in
from smmpanel.payments.protocol import (
    Asked,
    GatewayFailedError,
    GatewayUnknownError,
    Intent,
    Message,
    Reading,
    Refund,
    Refunded,
    Reply,
    Setting,
    Started,
    UnreadableMessageError,
)
from smmpanel.payments.signing import number_in, text_in

ADDRESS = "https://bpay.binanceapi.com"
RSA = "rsa"
ORDER_LASTS = timedelta(hours=1)
"""The longest that Binance keeps an order open."""
OLDEST, AHEAD = timedelta(days=1), timedelta(minutes=10)
"""How old a message may be, and how far ahead a clock: generous, since one that is sent again may bear its first time and
credits nothing twice."""
REASON_MAX = 256
ORDERS_MAX = 5
QR_MAX = 500
"""Longer ones are no codes that a telephone reads from a screen."""
API_KEY = re.compile(r"[!-~]{1,128}")
REQUEST_ID = re.compile(r"[A-Za-z0-9]{1,32}")
WRONG_KEY = marked("must be the key as Binance shows it, without spaces")
_GOODS = {
    "goodsType": "02",
    "goodsCategory": "Z000",
    "referenceGoodsId": "wallet-topup",
    "goodsName": "Wallet top-up",
}

log = get_logger()


class BinancePay(Hosted):
    """One merchant account at Binance Pay."""

    slug: ClassVar[str] = "binance_pay"
    title: ClassVar[str] = "Binance Pay"
    currencies: ClassVar[frozenset[str]] = frozenset({"USDT", "USDC"})
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "api_key", marked("API key"), hint=marked("The public half: Binance calls it the certificate's number.")
        ),
        Setting("secret", marked("Secret key"), "secret"),
        Setting(
            "base_url",
            marked("Address of the API"),
            required=False,
            hint=marked("Binance has none for tests."),
            default=ADDRESS,
        ),
    )
    reply: ClassVar[Reply] = Reply({"returnCode": "SUCCESS", "returnMessage": None})

    def check(self) -> None:
        """Raise `InvalidInputError` unless requests can be signed."""
        check_address(self._account, "base_url")
        if not API_KEY.fullmatch(self._account.option("api_key")):
            raise InvalidInputError(field="api_key", reason=WRONG_KEY)
        if not self._secrets:
            raise InvalidInputError(field="secret", reason=marked("is needed"))

    @property
    def can_be_asked(self) -> bool:
        """Whether requests can be signed."""
        return bool(self._secrets)

    @property
    def _secrets(self) -> tuple[str, ...]:
        return self._account.secrets_named("secret")

    async def start(self, intent: Intent) -> Started:
        """Make an order; customers pay it at Binance, or by scanning its code.

        A reference that was used up by a try that was broken off is followed by a number.
        """
        for turn in range(1, ORDERS_MAX + 1):
            reference = intent.reference if turn == 1 else f"{intent.reference}{AGAIN}{turn}"
            _, envelope = await self._called("/binancepay/openapi/v3/order", _order(intent, reference), intent.now)
            if envelope.is_success or envelope.code != USED_UP:
                break
        if not envelope.is_success:
            raise GatewayFailedError
        try:
            made = fields_in(envelope.data)
            number, code = number_in(made.get("prepayId")), text_in(made.get("qrContent"))
            ends = moment_in(text_in(made.get("expireTime")))
        except UnreadableMessageError:
            raise GatewayFailedError from None
        shown = {"kind": "redirect", "redirect_url": link_in(made.get("checkoutUrl"))}
        return Started(shown | ({"qr": code} if 0 < len(code) <= QR_MAX else {}), number, ends)

    def verify(self, message: Message, now: datetime) -> str | None:
        """Return `rsa` for a message that was signed with a key of Binance's, not long ago."""
        stamp = message.header("binancepay-timestamp")
        key = public_key(self._account.public_keys.get(self.key_named(message), ""))
        if not self._secrets or key is None or not stamp.isdigit() or len(stamp) > STAMP_DIGITS_MAX:
            return None
        if not milliseconds(now - OLDEST) <= int(stamp) <= milliseconds(now + AHEAD):
            return None
        signed = signed_bytes(stamp, message.header("binancepay-nonce"), message.body)
        return RSA if is_signed_with(key, message.header("binancepay-signature"), signed) else None

    def read(self, message: Message, _verdict: str) -> Reading:
        """Understand what became of an order or of a refund."""
        return read_message(message.body)

    async def ask(self, payment: Asked) -> bytes:
        """Ask how an order stands."""
        order = {"prepayId": payment.external_ref} if payment.external_ref else {"merchantTradeNo": payment.reference}
        return await self._send("/binancepay/openapi/v2/order/query", order, payment.now)

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand how an order stands."""
        return read_order(answer, payment)

    async def refund(self, wanted: Refund) -> Refunded:
        """Ask for money to be given back; a message says later whether it was."""
        number = wanted.key if REQUEST_ID.fullmatch(wanted.key) else sha256(wanted.key.encode()).hexdigest()[:32]
        asked = {
            "refundRequestId": number,
            "prepayId": wanted.external_id,
            "refundAmount": json_number(wanted.amount),
            **({"refundReason": wanted.reason[:REASON_MAX]} if wanted.reason else {}),
        }
        await self._send("/binancepay/openapi/order/refund", asked, wanted.payment.now, acts=True)
        return Refunded(number, "pending")

    def key_named(self, message: Message) -> str:
        """Return the number of the certificate that a message names."""
        try:
            return number_in(message.header("binancepay-certificate-sn").decode("ascii"))
        except (UnicodeDecodeError, UnreadableMessageError):
            return ""

    async def fetch_public_keys(self, now: datetime) -> Mapping[str, str]:
        """Return the keys of the present certificates."""
        listed = opened(await self._send("/binancepay/openapi/certificates", {}, now)).data
        if not isinstance(listed, list):
            raise GatewayFailedError
        found = {}
        for one in listed:
            name, pem = (one.get("certSerial"), one.get("certPublic")) if isinstance(one, dict) else (None, None)
            if isinstance(name, str) and isinstance(pem, str) and public_key(pem) is not None:
                found[name] = pem
        return found

    async def _send(self, path: str, asked: Mapping[str, Any], now: datetime, *, acts: bool = False) -> bytes:
        """Return an answer that means success."""
        answer, envelope = await self._called(path, asked, now, acts=acts)
        if envelope.is_success:
            return answer
        raise GatewayUnknownError if acts and envelope.code in UNSURE else GatewayFailedError

    async def _called(
        self, path: str, asked: Mapping[str, Any], now: datetime, *, acts: bool = False
    ) -> tuple[bytes, Envelope]:
        if not self._secrets:
            raise GatewayFailedError
        body = json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        answer = await call(
            self._http,
            "POST",
            address_in(self._account, "base_url", ADDRESS) + path,
            secrets=self._secrets,
            also=(400,),
            acts=acts,
            content=body,
            headers=self._signed(body, now),
        )
        try:
            envelope = opened(answer.body)
        except UnreadableMessageError:
            raise (GatewayUnknownError if acts else GatewayFailedError) from None
        if not envelope.is_success:
            log.warning("gateway_refused", gateway=self.slug, code=envelope.code[:SAID_MAX])
        return answer.body, envelope

    def _signed(self, body: bytes, now: datetime) -> dict[str, str]:
        stamp, nonce = str(milliseconds(now)), new_nonce()
        return {
            "Content-Type": "application/json",
            "BinancePay-Timestamp": stamp,
            "BinancePay-Nonce": nonce,
            "BinancePay-Certificate-SN": self._account.option("api_key"),
            "BinancePay-Signature": request_signature(self._secrets[0], stamp, nonce, body),
        }


def _order(intent: Intent, reference: str) -> dict[str, Any]:
    ways = {"returnUrl": intent.return_url, "cancelUrl": intent.return_url, "webhookUrl": intent.notify_url}
    return {
        "env": {"terminalType": "WEB"},
        "merchantTradeNo": reference,
        "orderAmount": plain(intent.amount),
        "currency": intent.currency,
        "description": intent.description or _GOODS["goodsName"],
        "goodsDetails": [_GOODS],
        "orderExpireTime": milliseconds(min(intent.expires_at, intent.now + ORDER_LASTS)),
        **{name: address for name, address in ways.items() if address},
    }
