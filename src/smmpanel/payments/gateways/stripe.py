"""Stripe: Checkout pages for cards and what else an account has.

The panel speaks Stripe's HTTP itself (see docs/decisions/payment-sdks.md). The first letters of the key say whether it is a
real one; events of the other environment prove nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar, Literal
from urllib.parse import quote, urlencode

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.addresses import check_address, link_in
from smmpanel.payments.gateways.calling import call_json, refused
from smmpanel.payments.gateways.hosted import WithBearerKey, another_address
from smmpanel.payments.gateways.parts import object_in, unix_moment
from smmpanel.payments.gateways.stripe_messages import REFERENCE, charge_in, places, read_answer, read_event
from smmpanel.payments.minor_units import to_minor
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
from smmpanel.payments.signing import hmac_text, is_one_of, read_json, text_in

API_URL = "https://api.stripe.com"
PROOF = "stripe-signature"
KEYS_LIVE = {"sk_live_": True, "rk_live_": True, "sk_test_": False, "rk_test_": False}
"""By the first letters of the key: whether it is a real one. Restricted keys are as good."""
ENDPOINT_BEGINS = "whsec_"
DRIFT_SECONDS = 300
TIMESTAMP_DIGITS_MAX = 12
SIGNATURES_MAX = 16
SHORTEST, LONGEST = timedelta(minutes=31), timedelta(hours=23, minutes=59)
"""How long a page can be open by Stripe's clock, which need not be ours: 30 minutes to 24 hours."""
WRONG_KEY = marked("must be a secret or restricted key, which begins with sk_ or rk_")
WRONG_WEBHOOK_SECRET = marked("must be the signing secret of an endpoint, which begins with whsec_")
_REFUND_STATES: Mapping[str, Literal["done", "failed"]] = {
    "succeeded": "done",
    "failed": "failed",
    "canceled": "failed",
}


class Stripe(WithBearerKey):
    """One account at Stripe, live or in test mode."""

    slug: ClassVar[str] = "stripe"
    title: ClassVar[str] = marked("Stripe Checkout (cards)")
    currencies: ClassVar[frozenset[str]] = frozenset()
    api_url: ClassVar[str] = API_URL
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "secret_key",
            marked("Secret key"),
            "secret",
            hint=marked("Begins with sk_live_ or rk_live_, or with sk_test_ or rk_test_ for no real money."),
            test_begins=("sk_test_", "rk_test_"),
        ),
        Setting(
            "webhook_secret",
            marked("Signing secret of the webhook"),
            "secret",
            hint=marked("Of the endpoint in Stripe's dashboard. It begins with whsec_."),
        ),
        another_address(marked("Empty: Stripe's own, for real and for test keys.")),
    )
    reply: ClassVar[Reply] = Reply({"received": True})

    def check(self) -> None:
        """Raise `InvalidInputError` unless there are a key of a known environment and a webhook's secret."""
        if self._is_live is None:
            raise InvalidInputError(field="secret_key", reason=WRONG_KEY)
        if not any(secret.startswith(ENDPOINT_BEGINS) for secret in self._webhook_secrets):
            raise InvalidInputError(field="webhook_secret", reason=WRONG_WEBHOOK_SECRET)
        check_address(self._account, "base_url")

    async def start(self, intent: Intent) -> Started:
        """Have a page made. The same content makes the same page, however often it is asked for."""
        body = urlencode(self._page(intent)).encode("ascii")
        url = f"{self._address}/v1/checkout/sessions"
        headers = self._sending(f"{intent.reference}-{sha256(body).hexdigest()[:32]}")
        made = await call_json(self._http, "POST", url, secrets=self._all_secrets, content=body, headers=headers)
        number = made.get("id")
        if made.get("livemode", self._is_live) is not self._is_live or not isinstance(number, str) or not number:
            raise refused(url, "a session of another environment, or without a number", self._all_secrets)
        shown, ends = (
            {"kind": "redirect", "redirect_url": link_in(made.get("url"))},
            unix_moment(made.get("expires_at")),
        )
        return Started(shown, external_ref=number, expires_at=ends)

    def verify(self, message: Message, now: datetime) -> str | None:
        """Say whether one of the `v1` signatures holds, of a time near ours, and the event is of the key's environment."""
        stamp, given = signatures_in(message.header(PROOF))
        if not stamp.isdigit() or len(stamp) > TIMESTAMP_DIGITS_MAX:
            return None
        if abs(now.timestamp() - int(stamp)) > DRIFT_SECONDS:
            return None
        expected = [hmac_text(secret, stamp + b"." + message.body) for secret in self._webhook_secrets]
        holds = any(is_one_of(expected, one) for one in given)
        return "signature" if holds and self._is_of_environment(message.body) else None

    def read(self, message: Message, _verdict: str) -> Reading:
        """Understand an event."""
        return read_event(message.body)

    async def ask(self, payment: Asked) -> bytes:
        """Return a session as it stands, with its charge, and the disputes about it if there are any."""
        if not payment.external_ref:
            raise GatewayFailedError
        session = quote(payment.external_ref, safe="")
        said = await self._asked(f"/v1/checkout/sessions/{session}", {"expand[]": "payment_intent.latest_charge"})
        try:
            found = read_json(said)
            charge = charge_in(found)
            if charge is None or charge.get("disputed") is not True:
                return b'{"session":%b}' % said
            intent = text_in(object_in(found["payment_intent"]).get("id"))
        except UnreadableMessageError:
            raise refused(self._address, said, self._all_secrets) from None
        disputes = await self._asked("/v1/disputes", {"payment_intent": intent, "limit": "20"})
        return b'{"session":%b,"disputes":%b}' % (said, disputes)

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand its answer."""
        return read_answer(answer, payment)

    async def refund(self, wanted: Refund) -> Refunded:
        """Have money given back, once under this key."""
        currency = wanted.payment.currency
        form = {
            "payment_intent": wanted.external_id,
            "amount": str(to_minor(wanted.amount, currency, places=places(currency))),
            "reason": "requested_by_customer",
            f"metadata[{REFERENCE}]": wanted.payment.reference,
            "metadata[key]": wanted.key,
        }
        url, headers = f"{self._address}/v1/refunds", self._sending(wanted.key)
        content = urlencode(form).encode("ascii")
        said = await call_json(
            self._http, "POST", url, secrets=self._all_secrets, acts=True, content=content, headers=headers
        )
        number = said.get("id")
        if not isinstance(number, str) or not number:
            raise GatewayUnknownError
        return Refunded(f"refund:{number}", _REFUND_STATES.get(text_in(said.get("status")), "pending"))

    def _page(self, intent: Intent) -> dict[str, str]:
        currency, item = intent.currency, "line_items[0][price_data]"
        ends = min(max(intent.expires_at, intent.now + SHORTEST), intent.now + LONGEST)
        fields = {
            "mode": "payment",
            "client_reference_id": intent.reference,
            "line_items[0][quantity]": "1",
            f"{item}[currency]": currency.lower(),
            f"{item}[unit_amount]": str(to_minor(intent.amount, currency, places=places(currency))),
            f"{item}[product_data][name]": intent.description or intent.reference,
            f"metadata[{REFERENCE}]": intent.reference,
            # Charges and refunds carry what their payment intent carries, not what its session does.
            f"payment_intent_data[metadata][{REFERENCE}]": intent.reference,
            "success_url": intent.return_url,
            "cancel_url": intent.return_url,
            "expires_at": str(int(ends.timestamp())),
        }
        return fields | ({"customer_email": intent.email} if intent.email else {})

    async def _asked(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        said = await super()._asked(path, query)
        if read_json(said).get("livemode", self._is_live) is not self._is_live:
            raise refused(self._address, "an answer of another environment", self._all_secrets)
        return said

    def _is_of_environment(self, body: bytes) -> bool:
        try:
            return read_json(body).get("livemode", self._is_live) is self._is_live
        except UnreadableMessageError:
            return True  # nothing will come of it

    @property
    def _is_live(self) -> bool | None:
        return KEYS_LIVE.get(self._key[:8])

    @property
    def _webhook_secrets(self) -> tuple[str, ...]:
        return self._account.secrets_named("webhook_secret")

    def _sending(self, key: str) -> dict[str, str]:
        return self._headers | {"content-type": "application/x-www-form-urlencoded", "idempotency-key": key}


def signatures_in(header: bytes) -> tuple[bytes, list[bytes]]:
    """Return the time and the `v1` signatures of a header; those of other schemes count for nothing."""
    stamp, given = b"", []
    for item in header.split(b",")[: SIGNATURES_MAX + 1]:
        name, _, value = item.strip().partition(b"=")
        if name == b"t":
            stamp = value
        elif name == b"v1":
            given.append(value)
    return stamp, given
