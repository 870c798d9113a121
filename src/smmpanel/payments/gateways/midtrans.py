"""Midtrans (Indonesia): Snap pages on which customers choose how to pay, in rupiah.

Its notifications prove little (a plain digest over the order, a status code and the amount), so they only ever have Midtrans
asked; its answer counts.
"""

import math
from base64 import b64encode
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.addresses import address_in, check_address, link_in
from smmpanel.payments.gateways.calling import call, call_json
from smmpanel.payments.gateways.hosted import Hosted
from smmpanel.payments.gateways.midtrans_messages import (
    CURRENCY,
    JAKARTA,
    NOT_FOUND,
    WHEN,
    is_signed,
    read_notification,
    read_status,
)
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
from smmpanel.payments.signing import read_json, text_in

PRODUCTION, SANDBOX = "production", "sandbox"
# Where pages are made, and where payments are asked about.
ADDRESSES = {
    PRODUCTION: ("https://app.midtrans.com", "https://api.midtrans.com"),
    SANDBOX: ("https://app.sandbox.midtrans.com", "https://api.sandbox.midtrans.com"),
}
SANDBOX_KEY = "SB-"
PROOF = "signature_key"
WAYS_MAX = 40
REPEAT_KEY_MAX = 46
REFUND_PENDING = frozenset({"201", "202"})
WRONG_ENVIRONMENT = marked("must be one of the list")
OTHER_ENVIRONMENT = marked("is a key of the other environment")
KEY_NEEDED = marked("is needed")
WRONG_WAYS = marked("must be one word in each line, such as bca_va")


class Midtrans(Hosted):
    """One merchant account at Midtrans, in production or in its sandbox."""

    slug: ClassVar[str] = "midtrans"
    title: ClassVar[str] = marked("Midtrans Snap (Indonesia)")
    currencies: ClassVar[frozenset[str]] = frozenset({CURRENCY})
    expires_minutes: ClassVar[int] = 24 * 60
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "environment",
            marked("Environment"),
            "choice",
            choices=((PRODUCTION, marked("Production")), (SANDBOX, marked("Sandbox: no real money"))),
            default=PRODUCTION,
        ),
        Setting("server_key", marked("Server key"), "secret", test_begins=(SANDBOX_KEY,)),
        Setting(
            PROOF,
            marked("Key that notifications are signed with"),
            "secret",
            required=False,
            hint=marked("Only if one is set in Midtrans' dashboard. Empty: the server key."),
        ),
        Setting(
            "enabled_payments",
            marked("Ways to pay that are offered"),
            "lines",
            required=False,
            hint=marked("One in each line, in Midtrans' words: qris, gopay, bca_va. Empty: all of the account."),
        ),
        Setting(
            "base_url",
            marked("Another address of the gateway"),
            required=False,
            hint=marked(
                "Empty: Midtrans' own, of the environment. For a sandbox on this machine, such as http://127.0.0.1:8910/midtrans."
            ),
        ),
    )
    reply: ClassVar[Reply] = Reply({"status": "ok"})

    def check(self) -> None:
        """Raise `InvalidInputError` unless pages can be made and notifications proved, all in one environment."""
        if self._environment not in ADDRESSES:
            raise InvalidInputError(field="environment", reason=WRONG_ENVIRONMENT)
        if not self._key:
            raise InvalidInputError(field="server_key", reason=KEY_NEEDED)
        if self._environment == PRODUCTION and self._key.startswith(SANDBOX_KEY):
            raise InvalidInputError(field="server_key", reason=OTHER_ENVIRONMENT)
        if len(self._ways) > WAYS_MAX or not all(
            way.replace("_", "").isalnum() and way.isascii() for way in self._ways
        ):
            raise InvalidInputError(field="enabled_payments", reason=WRONG_WAYS)
        check_address(self._account, "base_url")

    @property
    def can_be_asked(self) -> bool:
        """With its key."""
        return bool(self._key)

    async def start(self, intent: Intent) -> Started:
        """Have a page made. The same reference may be asked for again until a way to pay is chosen on it."""
        body = self._page(intent)
        headers = self._headers | ({"x-override-notification": intent.notify_url} if intent.notify_url else {})
        url = f"{self._address(0)}/snap/v1/transactions"
        made = await call_json(self._http, "POST", url, secrets=self._all_secrets, json=body, headers=headers)
        token = made.get("token")
        return Started(
            {"kind": "redirect", "redirect_url": link_in(made.get("redirect_url"))},
            external_ref=token if isinstance(token, str) else None,
        )

    def verify(self, message: Message, _now: datetime) -> str | None:
        """Say whether the signature in the body holds, with its own key if there is one, else the server key."""
        keys = self._account.secrets_named(PROOF) or self._account.secrets_named("server_key")
        return PROOF if is_signed(message.body, keys) else None

    def read(self, message: Message, _verdict: str) -> Reading:
        """Understand a notification: a hint, never more."""
        return read_notification(message.body)

    async def ask(self, payment: Asked) -> bytes:
        """Return Midtrans' answer about a payment; that it knows none yet is one too."""
        url = f"{self._address(1)}/v2/{quote(payment.reference, safe='')}/status"
        answer = await call(self._http, "GET", url, secrets=self._all_secrets, also=(404, 407), headers=self._headers)
        try:
            said = read_json(answer.body)
            knows_none = text_in(said.get("status_code")) == NOT_FOUND
        except UnreadableMessageError:
            raise GatewayFailedError from None
        # The code of the answer itself can be 200 though it says that something is wrong.
        if not knows_none and "transaction_status" not in said:
            raise GatewayFailedError
        return answer.body

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand its answer."""
        return read_status(answer, payment)

    async def refund(self, wanted: Refund) -> Refunded:
        """Have money given back, once under this key."""
        url = f"{self._address(1)}/v2/{quote(wanted.payment.reference, safe='')}/refund"
        body = {
            "refund_key": wanted.key,
            "amount": to_minor(wanted.amount, CURRENCY, places=0),
            "reason": wanted.reason or "Top-up given back",
        }
        headers = self._headers | ({"idempotency-key": wanted.key} if len(wanted.key) <= REPEAT_KEY_MAX else {})
        said = await call_json(
            self._http, "POST", url, secrets=self._all_secrets, acts=True, json=body, headers=headers
        )
        code = said.get("status_code")
        note = text_in(said.get("status_message"))
        if code == "200":
            return Refunded(wanted.key, "done", note)
        if code in REFUND_PENDING:
            return Refunded(wanted.key, "pending", note)
        if isinstance(code, str) and code.startswith("4"):
            raise GatewayFailedError
        raise GatewayUnknownError

    def _page(self, intent: Intent) -> dict[str, Any]:
        minutes = max(1, math.ceil((intent.expires_at - intent.now).total_seconds() / 60))
        customer = {"first_name": intent.customer, "email": intent.email}
        return {
            "transaction_details": {
                "order_id": intent.reference,
                "gross_amount": to_minor(intent.amount, CURRENCY, places=0),
            },
            "expiry": {
                "start_time": f"{intent.now.astimezone(JAKARTA):{WHEN}} +0700",
                "unit": "minute",
                "duration": minutes,
            },
            "credit_card": {"secure": True},
            "customer_details": {name: value for name, value in customer.items() if value},
            **({"enabled_payments": self._ways} if self._ways else {}),
            **({"callbacks": {"finish": intent.return_url}} if intent.return_url else {}),
        }

    def _address(self, place: int) -> str:
        return address_in(self._account, "base_url", ADDRESSES.get(self._environment, ADDRESSES[PRODUCTION])[place])

    @property
    def _environment(self) -> str:
        return self._account.option("environment", PRODUCTION)

    @property
    def _ways(self) -> list[str]:
        return self._account.option("enabled_payments").replace(",", " ").split()

    @property
    def _key(self) -> str:
        return next(iter(self._account.secrets_named("server_key")), "")

    @property
    def _all_secrets(self) -> tuple[str, ...]:
        return (*self._account.secrets_named("server_key"), *self._account.secrets_named(PROOF), self._basic)

    @property
    def _basic(self) -> str:
        return b64encode(f"{self._key}:".encode()).decode()

    @property
    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Basic {self._basic}", "accept": "application/json"}
