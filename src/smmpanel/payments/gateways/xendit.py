"""Xendit (Indonesia, Philippines, Vietnam and neighbours): payment sessions, or the older invoices.

A password in a header is all that proves its messages, so they only ever have Xendit asked; its answers count. The first
letters of the secret key say whether it is the real thing.
"""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.addresses import address_in, check_address, is_this_machine, link_in
from smmpanel.payments.gateways.calling import call, call_json
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
    UnreadableMessageError,
)
from smmpanel.payments.signing import NUMBER_MAX, Literal, is_one_of, read_json

ADDRESS = "https://api.xendit.co"
API_VERSION = "2024-11-11"
SESSIONS, INVOICES = "sessions", "invoices"
TOKEN = "callback_token"  # noqa: S105 - the setting's name
TEST_KEY, LIVE_KEY = "xnd_development_", "xnd_production_"
SESSION_PREFIX = "ps-"
COUNTRIES = {"IDR": "ID", "PHP": "PH", "VND": "VN", "THB": "TH", "MYR": "MY", "SGD": "SG", "USD": ""}
"""Where each currency is paid in; of dollars the account must say."""
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


class Xendit:
    """One business at Xendit, in the environment of its key."""

    slug: ClassVar[str] = "xendit"
    title: ClassVar[str] = marked("Xendit (Southeast Asia)")
    currencies: ClassVar[frozenset[str]] = frozenset(COUNTRIES)
    uses_memo: ClassVar[bool] = False
    approved_by_staff: ClassVar[bool] = False
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
        self._account = account
        self._http = http

    def check(self) -> None:
        """Raise `InvalidInputError` unless payments can be asked for and messages proved, all in one environment."""
        if not self._key.startswith((TEST_KEY, LIVE_KEY)):
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
        if self._key.startswith(LIVE_KEY) and is_this_machine(self._address):
            raise InvalidInputError(field="secret_key", reason=REAL_KEY)

    @property
    def accounts(self) -> frozenset[str]:
        """None: Xendit says to whom it was paid."""
        return frozenset()

    @property
    def can_be_asked(self) -> bool:
        """With its key."""
        return bool(self._key)

    async def start(self, intent: Intent) -> Started:
        """Ask for a session, or for an invoice unless one waits under this reference already."""
        if self._surface == INVOICES:
            return await self._start_invoice(intent)
        content = session_body(intent, country=self._country, channels=self._channels)
        made = await self._sent("/sessions", content, repeat_key=intent.reference)
        return _started(made.get("payment_link_url"), made.get("payment_session_id"))

    async def _start_invoice(self, intent: Intent) -> Started:
        # Xendit makes as many invoices under one reference as it is asked for.
        for known in await self._invoices(intent.reference):
            if known.get("status") == "PENDING" and _is_amount(known.get("amount"), intent.amount):
                return _started(known.get("invoice_url"), known.get("id"))
        made = await self._sent("/v2/invoices", invoice_body(intent, channels=self._channels))
        return _started(made.get("invoice_url"), made.get("id"))

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
            found["session"], session = await self._got(f"/sessions/{_quoted(number)}")
            request = _told(session, "payment_request_id")
            paid = _told(session, "payment_id") or await self._payment_of(request)
            if paid:
                found["payment"], money = await self._got(f"/v3/payments/{_quoted(paid)}")
                if _told(money, "status") == "SUCCEEDED":
                    request = _told(money, "payment_request_id") or request
                    found["refunds"], _ = await self._got("/refunds", payment_request_id=request, limit=REFUNDS_LISTED)
        else:
            number = number or await self._invoice_of(payment.reference)
            found["invoice"], invoice = await self._got(f"/v2/invoices/{_quoted(number)}")
            if _told(invoice, "status") in {"PAID", "SETTLED"}:
                found["refunds"], _ = await self._got("/refunds", invoice_id=number, limit=REFUNDS_LISTED)
        return b"{" + b",".join(b'"%s":%s' % (name.encode(), body) for name, body in found.items()) + b"}"

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand its answers."""
        return read_answers(answer, payment)

    async def refund(self, wanted: Refund) -> Refunded:
        """Have money given back, once under this key."""
        number = wanted.payment.external_ref or ""
        if number.startswith(SESSION_PREFIX):
            _, money = await self._got(f"/v3/payments/{_quoted(wanted.external_id)}")
            named = {"payment_request_id": _named(money.get("payment_request_id"))}
        else:
            named = {"invoice_id": number or await self._invoice_of(wanted.payment.reference)}
        said = await self._sent("/refunds", refund_body(wanted, named), repeat_key=wanted.key, acts=True)
        state, refund = REFUND_STATES.get(_told(said, "status")), _told(said, "id")
        if state is None or not refund:
            raise GatewayUnknownError
        return Refunded(refund, state, _told(said, "failure_code"))

    async def _payment_of(self, request: str) -> str:
        """Return the latest payment of a request: one may arrive when its session is over."""
        if not request:
            return ""
        _, found = await self._got(f"/v3/payment_requests/{_quoted(request)}")
        return _told(found, "latest_payment_id")

    async def _invoice_of(self, reference: str) -> str:
        found = await self._invoices(reference)
        return _named(found[-1].get("id") if found else None)

    async def _invoices(self, reference: str) -> list[Mapping[str, Any]]:
        _, found = await self._got("/v2/invoices", wrapped=True, external_id=reference)
        rows = found["rows"]
        if not isinstance(rows, list):
            raise GatewayFailedError
        return [row for row in rows if isinstance(row, dict) and row.get("external_id") == reference]

    async def _got(self, path: str, *, wrapped: bool = False, **params: str) -> tuple[bytes, Mapping[str, Any]]:
        """Return an answer to the letter, and what it says. A list is wrapped into an object."""
        answer = await call(
            self._http,
            "GET",
            self._address + path,
            secrets=self._secrets,
            headers=self._headers,
            params=params or None,
        )
        body = b'{"rows":%s}' % answer.body if wrapped else answer.body
        try:
            return body, read_json(body)
        except UnreadableMessageError:
            raise GatewayFailedError from None

    async def _sent(self, path: str, content: bytes, *, repeat_key: str = "", acts: bool = False) -> Mapping[str, Any]:
        headers = self._headers | {"content-type": "application/json"}
        if repeat_key:
            headers["idempotency-key"] = repeat_key
        url = self._address + path
        return await call_json(
            self._http, "POST", url, secrets=self._secrets, acts=acts, content=content, headers=headers
        )

    @property
    def _address(self) -> str:
        return address_in(self._account, "base_url", ADDRESS)

    @property
    def _surface(self) -> str:
        return self._account.option("surface", SESSIONS)

    @property
    def _country(self) -> str:
        return self._account.option("country", COUNTRIES.get(self._account.currency, "")).upper()

    @property
    def _channels(self) -> list[str]:
        return self._account.option("channels").replace(",", " ").split()

    @property
    def _key(self) -> str:
        return next(iter(self._account.secrets_named("secret_key")), "")

    @property
    def _basic(self) -> str:
        return b64encode(f"{self._key}:".encode()).decode()

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (*self._account.secrets_named("secret_key"), *self._account.secrets_named(TOKEN), self._basic)

    @property
    def _headers(self) -> dict[str, str]:
        headers = {"authorization": f"Basic {self._basic}", "accept": "application/json", "api-version": API_VERSION}
        sub_account = self._account.option("for_user_id")
        return headers | ({"for-user-id": sub_account} if sub_account else {})


def _started(link: object, number: object) -> Started:
    return Started({"kind": "redirect", "redirect_url": link_in(link)}, external_ref=_named(number))


def _named(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= NUMBER_MAX:
        raise GatewayFailedError
    return value


def _is_amount(value: object, amount: Decimal) -> bool:
    return isinstance(value, Literal) and value.value == amount


def _told(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _quoted(number: str) -> str:
    return quote(number, safe="")


def _is_word(text: str) -> bool:
    return text.isascii() and text.replace("_", "").isalnum()
