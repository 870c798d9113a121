"""Any gateway over HTTP: a description says how payments are begun, how messages are proved and read, and how it is asked.

What a description leaves open is decided for safety: words that nobody has explained mean that a person looks, messages that
do not prove what they say only have the gateway asked, and nothing is called but what is described.
"""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from urllib.parse import urlsplit

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Answer
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.money import plain
from smmpanel.payments.gateways.addresses import link_in
from smmpanel.payments.gateways.calling import call, refused
from smmpanel.payments.gateways.generic.checking import check, message_secrets, must_be_asked
from smmpanel.payments.gateways.generic.configuration import (
    FIELD,
    LONGEST,
    Configuration,
    Create,
    Query,
    RefundCall,
    configuration_in,
)
from smmpanel.payments.gateways.generic.messages import ANSWER, WEBHOOK, Context, fields_of, reading_of
from smmpanel.payments.gateways.generic.paths import written_at
from smmpanel.payments.gateways.generic.placeholders import Values
from smmpanel.payments.gateways.generic.proofs import SIGNED, holds, verdict_on
from smmpanel.payments.gateways.generic.refunds import refunded
from smmpanel.payments.gateways.generic.requests import made
from smmpanel.payments.gateways.hosted import Hosted
from smmpanel.payments.gateways.parts import moment_in
from smmpanel.payments.minor_units import to_minor
from smmpanel.payments.protocol import (
    Asked,
    GatewayFailedError,
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
from smmpanel.payments.signing import NUMBER_MAX, read_json

NONCE_LENGTH = 24
QR_MAX = 1000
PEM_MAX = 4000
NOT_YET = "nothing is known of it there yet"


class HttpGateway(Hosted):
    """One gateway that a description tells of."""

    slug: ClassVar[str] = "http"
    title: ClassVar[str] = marked("Any gateway over HTTP")
    currencies: ClassVar[frozenset[str]] = frozenset()
    tells_by_get: ClassVar[bool] = True
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            FIELD,
            marked("Description of the gateway"),
            "lines",
            hint=marked("In TOML or JSON, as the manual says under “Without code”. No secrets in here."),
            longest=LONGEST,
        ),
        Setting(
            "secret",
            marked("Secret of signatures"),
            "secret",
            required=False,
            hint=marked("Signs requests, and proves messages unless they have a secret of their own."),
            longest=PEM_MAX,
        ),
        Setting(
            "notify_secret",
            marked("Another secret for messages"),
            "secret",
            required=False,
            longest=PEM_MAX,
        ),
        Setting(
            "api_key",
            marked("API key"),
            "secret",
            required=False,
            hint=marked("Stands wherever the description says “api_key” in braces."),
        ),
    )

    def check(self) -> None:
        """Raise `InvalidInputError` unless it is described whole, safely, and with all its secrets."""
        check(configuration_in(self._account.option(FIELD)), self._secrets)

    @property
    def reply(self) -> Reply:
        """What the description says."""
        notify = None if (described := self._described) is None else described.notify
        if notify is None:
            return Reply({"status": "ok"})
        return Reply(notify.reply_body, notify.reply_status, notify.reply_content_type)

    @property
    def can_be_asked(self) -> bool:
        """Whether the description says how."""
        return self._described is not None and self._described.query is not None

    async def start(self, intent: Intent) -> Started:
        """Begin a payment: by a call, by a form that the customer's browser sends, or by a link."""
        described = self._described_or_failed()
        create, values = described.create, self._values(described, intent.amount, intent.currency, intent.now)
        values |= {
            "reference": intent.reference,
            "description": intent.description,
            "email": intent.email,
            "user_id": intent.customer,
            "notify_url": intent.notify_url,
            "return_url": intent.return_url,
            "cancel_url": intent.return_url,
        }
        ready = made(create, values, self._first("secret"))
        if create.body_mode == "browser_form_post":
            fields = [[name, value] for name, value in ready.pairs.items()]
            further = [f"https://{host}" for host in create.redirect_hosts]
            return Started({"kind": "form", "url": ready.address, "fields": fields, "goes_on_to": further})
        if create.body_mode == "redirect_only":
            return Started({"kind": "redirect", "redirect_url": link_in(ready.address)})
        answer = await self._call(create, values)
        return self._begun(create, answer)

    def verify(self, message: Message, now: datetime) -> str | None:
        """Say how a message is proved, in the one way that is described."""
        described = self._described
        if described is None or described.notify is None:
            return None
        return verdict_on(described.notify, message, message_secrets(self._secrets), now)

    def read(self, message: Message, verdict: str) -> Reading:
        """Understand a message."""
        described = self._described
        if described is None or described.notify is None:
            raise UnreadableMessageError
        notify = described.notify
        unproved = must_be_asked(notify) or verdict != SIGNED
        context = Context(described.name, self._account.currency, WEBHOOK, unproved=unproved)
        return reading_of(notify, fields_of(notify, message.body), context, key=message.body)

    async def ask(self, payment: Asked) -> bytes:
        """Ask how a payment stands. What is not known there yet is an empty answer."""
        described = self._described_or_failed()
        if (query := described.query) is None:
            raise GatewayFailedError
        values = self._values(described, payment.amount, payment.currency, payment.now)
        values |= {"reference": payment.reference, "gateway_id": payment.external_ref or ""}
        answer = await self._call(query, values)
        if answer.status in query.not_found_statuses:
            return b""
        self._look_at(query, answer)
        return answer.body

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand an answer."""
        described = self._described
        if described is None or described.query is None:
            raise UnreadableMessageError
        key = f"{described.name}:{payment.reference}"
        if not answer:
            return Reading(key, note=NOT_YET)
        context = Context(described.name, payment.currency, ANSWER, reference=payment.reference)
        return reading_of(described.query, read_json(answer), context, key=answer)

    @property
    def can_refund(self) -> bool:
        """Whether the description says how."""
        return self._described is not None and self._described.refund is not None

    async def refund(self, wanted: Refund) -> Refunded:
        """Have money given back. What its answer leaves open is told by messages and answers, or looked at by people."""
        described = self._described_or_failed()
        if (part := described.refund) is None:
            raise GatewayFailedError
        payment = wanted.payment
        values = self._values(described, wanted.amount, payment.currency, payment.now) | {
            "reference": payment.reference,
            "gateway_id": payment.external_ref or "",
            "gateway_txn": wanted.external_id.removeprefix(f"{described.name}:"),
            "refund_key": wanted.key,
            "reason": wanted.reason,
        }
        return refunded(part, (await self._call(part, values, acts=True)).body, wanted.key, self._all_secrets)

    @property
    def _described(self) -> Configuration | None:
        try:
            return configuration_in(self._account.option(FIELD))
        except InvalidInputError:
            return None

    def _described_or_failed(self) -> Configuration:
        try:
            self.check()
        except InvalidInputError:
            raise GatewayFailedError from None
        return configuration_in(self._account.option(FIELD))

    def _secrets(self, name: str) -> tuple[str, ...]:
        kept = self._account.secrets_named(name)
        return tuple(line for secret in kept for line in _lines_of(secret))

    def _first(self, name: str) -> str:
        return next(iter(self._secrets(name)), "")

    def _values(self, described: Configuration, amount: Decimal, currency: str, now: datetime) -> dict[str, str]:
        return {
            "amount": _written(amount, described.amount_decimals),
            "amount_minor": str(to_minor(amount, currency, places=described.exponent)),
            "currency": currency,
            "ts": str(int(now.timestamp())),
            "ts_ms": str(int(now.timestamp() * 1000)),
            "nonce": random_text(NONCE_LENGTH),
            "secret": self._first("secret"),
            "api_key": self._first("api_key"),
        }

    async def _call(self, wanted: Create | Query | RefundCall, values: Values, *, acts: bool = False) -> Answer:
        ready = made(wanted, values, self._first("secret"))
        also = wanted.not_found_statuses if isinstance(wanted, Query) else ()
        return await call(
            self._http,
            wanted.method,
            ready.address,
            secrets=self._all_secrets,
            also=also,
            acts=acts,
            content=ready.content,
            headers=ready.headers,
        )

    def _begun(self, create: Create, answer: Answer) -> Started:
        said = self._look_at(create, answer)
        try:
            url = link_in(written_at(said, create.redirect_url_path or ""))
            number = written_at(said, create.gateway_id_path)[:NUMBER_MAX] if create.gateway_id_path else ""
            code = written_at(said, create.qr_path)[:QR_MAX] if create.qr_path else ""
            ends = moment_in(written_at(said, create.expires_path)) if create.expires_path else None
        except (UnreadableMessageError, GatewayFailedError):
            raise refused(create.url, answer.body, self._all_secrets) from None
        if create.redirect_hosts and urlsplit(url).hostname not in create.redirect_hosts:
            raise refused(create.url, answer.body, self._all_secrets)
        shown = {"kind": "redirect", "redirect_url": url, **({"qr": code} if code else {})}
        return Started(shown, external_ref=number or None, expires_at=ends)

    def _look_at(self, wanted: Create | Query, answer: Answer) -> object:
        """Return what an answer says, if it means success."""
        try:
            said = read_json(answer.body)
            if wanted.success_when is None or holds(wanted.success_when, said):
                return said
        except UnreadableMessageError:
            pass
        raise refused(wanted.url, answer.body, self._all_secrets)

    @property
    def _all_secrets(self) -> tuple[str, ...]:
        return tuple(secret for name in self._account.secrets for secret in self._secrets(name))


def _lines_of(secret: str) -> list[str]:
    # One in each line while one is changed for another; a key has lines of its own.
    return [secret] if "-----BEGIN" in secret else [line.strip() for line in secret.splitlines() if line.strip()]


def _written(amount: Decimal, decimals: int | None) -> str:
    if decimals is None:
        return plain(amount).removesuffix(".00")
    if amount != round(amount, decimals):
        raise GatewayFailedError
    return f"{amount:.{decimals}f}"
