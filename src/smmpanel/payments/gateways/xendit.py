"""Xendit (Indonesia, Philippines, Vietnam and neighbours): payment sessions, or the older invoices.

A password in a header is all that proves its messages, so they only ever have Xendit asked; its answers count. The first
letters of the secret key say whether it is the real thing.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.addresses import check_address, is_this_machine, link_in
from smmpanel.payments.gateways.hosted import Hosted
from smmpanel.payments.gateways.xendit_calls import TOKEN, XenditCalls, number_told, told
from smmpanel.payments.gateways.xendit_messages import read_answers, read_message
from smmpanel.payments.gateways.xendit_requests import invoice_body, refund_body, session_body
from smmpanel.payments.protocol import (
    Account,
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
)
from smmpanel.payments.signing import Literal, is_one_of

SESSIONS, INVOICES = "sessions", "invoices"
TEST_KEY, LIVE_KEY = "xnd_development_", "xnd_production_"
SESSION_PREFIX = "ps-"
COUNTRIES = {"IDR": "ID", "PHP": "PH", "VND": "VN", "THB": "TH", "MYR": "MY", "SGD": "SG", "USD": ""}
"""Where each currency is paid in; of dollars the account must say."""
PAID_WORDS = frozenset({"PAID", "SETTLED"})
CHANNELS_MAX = 40
REFUNDS_LISTED = "100"
REFUND_STATES: Mapping[str, Any] = {
    "SUCCEEDED": "done",
    "PENDING": "pending",
    "FAILED": "failed",
    "CANCELLED": "failed",
}
WRONG_SURFACE = marked("must be one of the list")
WRONG_KEY = marked("must begin with xnd_development_ or xnd_production_")
REAL_KEY = marked("is a key for real money, and the address is a sandbox's")
TOKEN_NEEDED = marked("is needed: without it no message is believed")
COUNTRY_NEEDED = marked("must be the two letters of a country, such as ID")
WRONG_CHANNELS = marked("must be one word in each line, such as QRIS")


class Xendit(Hosted):
    """One business at Xendit, in the environment of its key."""

    slug: ClassVar[str] = "xendit"
    title: ClassVar[str] = marked("Xendit (Southeast Asia)")
    currencies: ClassVar[frozenset[str]] = frozenset(COUNTRIES)
    expires_minutes: ClassVar[int] = 24 * 60
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("secret_key", marked("Secret key"), "secret", test_begins=(TEST_KEY,)),
        Setting(TOKEN, marked("Webhook verification token"), "secret"),
        Setting(
            "surface",
            marked("Product"),
            "choice",
            choices=((SESSIONS, marked("Payment sessions")), (INVOICES, marked("Invoices (older)"))),
            default=SESSIONS,
        ),
        Setting(
            "channels",
            marked("Ways to pay that are offered"),
            "lines",
            required=False,
            hint=marked("One in each line, in Xendit's words: QRIS, BCA_VIRTUAL_ACCOUNT. Empty: all of the account."),
        ),
        Setting(
            "country",
            marked("Country"),
            required=False,
            hint=marked("Two letters. Only needed for US dollars; otherwise the currency says it."),
        ),
        Setting("for_user_id", marked("Sub-account"), required=False, hint=marked("Of a platform: who is paid.")),
        Setting(
            "base_url",
            marked("Another address of the gateway"),
            required=False,
            hint=marked(
                "Empty: https://api.xendit.co, for test keys too. For a sandbox on this machine, such as http://127.0.0.1:8910/xendit."
            ),
        ),
    )
    kept_headers: ClassVar[tuple[str, ...]] = ("webhook-id",)
    reply: ClassVar[Reply] = Reply({"status": "ok"})

    def __init__(self, account: Account, http: Outgoing) -> None:
        super().__init__(account, http)
        self._calls = XenditCalls(account, http)

    def check(self) -> None:
        """Raise `InvalidInputError` unless payments can be asked for and messages proved, all in one environment."""
        if not self._calls.key.startswith((TEST_KEY, LIVE_KEY)):
            raise InvalidInputError(field="secret_key", reason=WRONG_KEY)
        if not self._account.secrets_named(TOKEN):
            raise InvalidInputError(field=TOKEN, reason=TOKEN_NEEDED)
        if self._surface not in {SESSIONS, INVOICES}:
            raise InvalidInputError(field="surface", reason=WRONG_SURFACE)
        if len(self._country) != 2 or not (self._country.isascii() and self._country.isalpha()):
            raise InvalidInputError(field="country", reason=COUNTRY_NEEDED)
        if len(self._channels) > CHANNELS_MAX or not all(_is_word(channel) for channel in self._channels):
            raise InvalidInputError(field="channels", reason=WRONG_CHANNELS)
        check_address(self._account, "base_url")
        if self._calls.key.startswith(LIVE_KEY) and is_this_machine(self._calls.address):
            raise InvalidInputError(field="secret_key", reason=REAL_KEY)

    @property
    def can_be_asked(self) -> bool:
        """With its key."""
        return bool(self._calls.key)

    async def start(self, intent: Intent) -> Started:
        """Ask for a session, or for an invoice unless one waits under this reference already."""
        if self._surface == INVOICES:
            return await self._start_invoice(intent)
        content = session_body(intent, country=self._country, channels=self._channels)
        made = await self._calls.post("/sessions", content, repeat_key=intent.reference)
        return _started(made, "payment_link_url", "payment_session_id")

    async def _start_invoice(self, intent: Intent) -> Started:
        # Xendit makes as many invoices under one reference as it is asked for.
        for known in await self._invoices(intent.reference):
            if known.get("status") == "PENDING" and _is_amount(known.get("amount"), intent.amount):
                return _started(known, "invoice_url", "id")
        made = await self._calls.post("/v2/invoices", invoice_body(intent, channels=self._channels))
        return _started(made, "invoice_url", "id")

    def verify(self, message: Message, _now: datetime) -> str | None:
        """Say whether the token in the header is the configured one."""
        return TOKEN if is_one_of(self._account.secrets_named(TOKEN), message.header("x-callback-token")) else None

    def read(self, message: Message, _verdict: str) -> Reading:
        """Understand a message: a hint, never more."""
        return read_message(message.body, message.header("webhook-id"))

    async def ask(self, payment: Asked) -> bytes:
        """Return Xendit's answers about a payment: the session or invoice, its money, and what was given back."""
        found: dict[str, bytes] = {}
        number = payment.external_ref or ""
        if number.startswith(SESSION_PREFIX):
            found["session"], session = await self._calls.get(f"/sessions/{_quoted(number)}")
            request = told(session, "payment_request_id")
            paid = told(session, "payment_id") or await self._payment_of(request)
            if paid:
                found["payment"], money = await self._calls.get(f"/v3/payments/{_quoted(paid)}")
                if told(money, "status") == "SUCCEEDED":
                    request = told(money, "payment_request_id") or request
                    found |= await self._refunds(payment_request_id=request)
        else:
            number = number or await self._invoice_of(payment.reference)
            found["invoice"], invoice = await self._calls.get(f"/v2/invoices/{_quoted(number)}")
            if told(invoice, "status") in PAID_WORDS:
                found |= await self._refunds(invoice_id=number)
        return b"{" + b",".join(b'"%s":%s' % (name.encode(), body) for name, body in found.items()) + b"}"

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand its answers."""
        return read_answers(answer, payment)

    async def refund(self, wanted: Refund) -> Refunded:
        """Have money given back, once under this key."""
        number = wanted.payment.external_ref or ""
        if number.startswith(SESSION_PREFIX):
            _, money = await self._calls.get(f"/v3/payments/{_quoted(wanted.external_id)}")
            named = {"payment_request_id": number_told(money, "payment_request_id")}
        else:
            named = {"invoice_id": number or await self._invoice_of(wanted.payment.reference)}
        said = await self._calls.post("/refunds", refund_body(wanted, named), repeat_key=wanted.key, acts=True)
        state, refund = REFUND_STATES.get(told(said, "status")), told(said, "id")
        if state is None or not refund:
            raise GatewayUnknownError
        return Refunded(refund, state, told(said, "failure_code"))

    async def _refunds(self, **named: str) -> dict[str, bytes]:
        """Return what was given back. That a key may not see refunds, or not now, is no reason to leave money uncredited."""
        try:
            body, _ = await self._calls.get("/refunds", {**named, "limit": REFUNDS_LISTED})
        except GatewayFailedError:
            return {}
        return {"refunds": body}

    async def _payment_of(self, request: str) -> str:
        """Return the latest payment of a request: one may arrive when its session is over."""
        if not request:
            return ""
        _, found = await self._calls.get(f"/v3/payment_requests/{_quoted(request)}")
        return told(found, "latest_payment_id")

    async def _invoice_of(self, reference: str) -> str:
        # Of several the one that was paid.
        found = sorted(await self._invoices(reference), key=lambda one: told(one, "status") in PAID_WORDS)
        return number_told(found[-1] if found else {}, "id")

    async def _invoices(self, reference: str) -> list[Mapping[str, Any]]:
        found = await self._calls.rows("/v2/invoices", {"external_id": reference})
        return [row for row in found if row.get("external_id") == reference]

    @property
    def _surface(self) -> str:
        return self._account.option("surface", SESSIONS)

    @property
    def _country(self) -> str:
        return self._account.option("country", COUNTRIES.get(self._account.currency, "")).upper()

    @property
    def _channels(self) -> list[str]:
        return self._account.option("channels").replace(",", " ").split()


def _started(made: Mapping[str, Any], link: str, number: str) -> Started:
    return Started(
        {"kind": "redirect", "redirect_url": link_in(made.get(link))}, external_ref=number_told(made, number)
    )


def _is_amount(value: object, amount: Decimal) -> bool:
    return isinstance(value, Literal) and value.value == amount


def _quoted(number: str) -> str:
    return quote(number, safe="")


def _is_word(text: str) -> bool:
    return text.isascii() and text.replace("_", "").isalnum()
