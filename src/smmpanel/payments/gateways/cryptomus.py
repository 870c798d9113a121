"""Cryptomus, and Heleket, which speaks the same: invoices that are paid in coins.

Their messages are signed with MD5 and bear no time, so what they tell is only believed when the gateway is asked.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.money import plain
from smmpanel.payments.gateways.addresses import address_in, check_address, link_in
from smmpanel.payments.gateways.calling import call
from smmpanel.payments.gateways.cryptomus_messages import (
    digest,
    invoice_in,
    read_invoice,
    read_message,
    received_of,
    returned_as,
    without_sign,
    word_of,
)
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
from smmpanel.payments.signing import amount_in, is_one_of, number_in, read_json, text_in

MD5 = "md5"
LIFETIME_MIN, LIFETIME_MAX = 300, 43200
MERCHANT = re.compile(r"[0-9a-fA-F-]{32,36}")
WRONG_MERCHANT = marked("must be the merchant's number, such as 8b03432e-385b-4670-8d06-064591096795")
BY_HAND, TO_SENDER = "hand", "sender"
REFUNDS = (BY_HAND, TO_SENDER)
NOT_STARTED_REFUND = frozenset({"paid", "paid_over", "wrong_amount", "refund_fail"})

log = get_logger()


def _settings(address: str) -> tuple[Setting, ...]:
    return (
        Setting("merchant", marked("Merchant number"), hint=marked("A UUID: it stands above the keys in the account.")),
        Setting("secret", marked("Payment key"), "secret", hint=marked("Not the payout key.")),
        Setting(
            "refunds",
            marked("Refunds"),
            "choice",
            required=False,
            choices=(
                (BY_HAND, marked("By hand, in the account at the gateway")),
                (TO_SENDER, marked("By the gateway, to the address that paid")),
            ),
            hint=marked("Many customers pay from an exchange: what is sent back to its address is lost to them."),
            default=BY_HAND,
        ),
        Setting("base_url", marked("Address of the API"), required=False, default=address),
    )


class Cryptomus(Hosted):
    """One merchant at Cryptomus."""

    slug: ClassVar[str] = "cryptomus"
    title: ClassVar[str] = "Cryptomus"
    address: ClassVar[str] = "https://api.cryptomus.com"
    currencies: ClassVar[frozenset[str]] = frozenset()
    settings: ClassVar[tuple[Setting, ...]] = _settings(address)
    reply: ClassVar[Reply] = Reply({"success": True})

    def check(self) -> None:
        """Raise `InvalidInputError` unless requests can be signed."""
        check_address(self._account, "base_url")
        if not MERCHANT.fullmatch(self._account.option("merchant")):
            raise InvalidInputError(field="merchant", reason=WRONG_MERCHANT)
        if not self._keys:
            raise InvalidInputError(field="secret", reason=marked("is needed"))
        if self._account.option("refunds", BY_HAND) not in REFUNDS:
            raise InvalidInputError(field="refunds", reason=marked("must be one of the ways in the list"))

    @property
    def can_be_asked(self) -> bool:
        """Whether requests can be signed."""
        return bool(self._keys)

    @property
    def can_refund(self) -> bool:
        """Only if staff have chosen so: what is sent back to an exchange does not reach its customer."""
        return self._account.option("refunds", BY_HAND) == TO_SENDER

    @property
    def _keys(self) -> tuple[str, ...]:
        return self._account.secrets_named("secret")

    async def start(self, intent: Intent) -> Started:
        """Make an invoice. One that is there under this reference already is returned as it is, if it is about the same money."""
        seconds = int((intent.expires_at - intent.now).total_seconds())
        asked = {
            "amount": plain(intent.amount),
            "currency": intent.currency,
            "order_id": intent.reference,
            "url_return": intent.return_url,
            "url_success": intent.return_url,
            "url_callback": intent.notify_url,
            "lifetime": max(LIFETIME_MIN, min(seconds, LIFETIME_MAX)),
            # What comes is credited as it is, and nothing waits for a rest that may never come.
            "is_payment_multiple": False,
        }
        answer = await self._send("/v1/payment", {name: value for name, value in asked.items() if value != ""})
        try:
            made = invoice_in(answer)
            same = (text_in(made.get("order_id")), text_in(made.get("currency")), amount_in(made.get("amount")))
            number, ends = number_in(made.get("uuid")), moment_in(text_in(made.get("expired_at")))
        except UnreadableMessageError:
            raise GatewayFailedError from None
        if same != (intent.reference, intent.currency, intent.amount):
            log.warning("gateway_has_another_invoice", gateway=self.slug, reference=intent.reference)
            raise GatewayFailedError
        return Started({"kind": "redirect", "redirect_url": link_in(made.get("url"))}, number, ends)

    def verify(self, message: Message, _now: datetime) -> str | None:
        """Return `md5` for a message whose bytes are signed, without the signature in them."""
        cut = without_sign(message.body)
        if cut is None:
            return None
        signed, given = cut
        return MD5 if is_one_of([digest(signed, key) for key in self._keys], given) else None

    def read(self, message: Message, _verdict: str) -> Reading:
        """Understand what became of an invoice."""
        return read_message(message.body)

    async def ask(self, payment: Asked) -> bytes:
        """Ask how an invoice stands."""
        return await self._send("/v1/payment/info", {"order_id": payment.reference})

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand how an invoice stands."""
        return read_invoice(answer, payment)

    async def refund(self, wanted: Refund) -> Refunded:
        """Give all of an invoice back to the address that paid it, if staff have chosen so; parts cannot be given back."""
        if not self.can_refund:
            raise GatewayFailedError
        try:
            answer = await self.ask(wanted.payment)
            read_invoice(answer, wanted.payment)
            invoice = invoice_in(answer)
            word, address, received = word_of(invoice), text_in(invoice.get("from")), received_of(invoice)
        except UnreadableMessageError:
            raise GatewayFailedError from None
        number = returned_as(wanted.external_id)
        if word in {"refund_process", "refund_paid"}:
            return Refunded(number, "done" if word == "refund_paid" else "pending")
        if word not in NOT_STARTED_REFUND or not address or received != wanted.amount:
            raise GatewayFailedError
        asked = {"uuid": wanted.external_id, "address": address, "is_subtract": True}
        await self._send("/v1/payment/refund", asked, acts=True)
        return Refunded(number, "pending")

    async def _send(self, path: str, asked: Mapping[str, Any], *, acts: bool = False) -> bytes:
        """Return an answer that means success."""
        if not self._keys:
            raise GatewayFailedError
        body = json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        answer = await call(
            self._http,
            "POST",
            address_in(self._account, "base_url", self.address) + path,
            secrets=self._keys,
            acts=acts,
            content=body,
            headers={
                "Content-Type": "application/json",
                "merchant": self._account.option("merchant"),
                "sign": digest(body, self._keys[0]),
            },
        )
        try:
            done = text_in(read_json(answer.body).get("state")) == "0"
        except UnreadableMessageError:
            raise (GatewayUnknownError if acts else GatewayFailedError) from None
        if not done:
            log.warning("gateway_refused", gateway=self.slug)
            raise GatewayFailedError
        return answer.body


class Heleket(Cryptomus):
    """One merchant at Heleket, whose API is the same at another address."""

    slug: ClassVar[str] = "heleket"
    title: ClassVar[str] = "Heleket"
    address: ClassVar[str] = "https://api.heleket.com"
    settings: ClassVar[tuple[Setting, ...]] = _settings(address)
