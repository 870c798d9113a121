"""Flutterwave (Nigeria and its neighbours): pages on which customers pay by card, bank or phone.

Pages, questions and refunds are those of its API's version 3; messages come in the shape and with the proof of version 3 or 4.
"""

from datetime import datetime, timedelta
from math import ceil
from typing import Any, ClassVar
from urllib.parse import quote

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import plain
from smmpanel.payments.gateways.addresses import check_address, link_in
from smmpanel.payments.gateways.calling import call_json, refused
from smmpanel.payments.gateways.flutterwave_messages import (
    SUCCESS,
    is_settled,
    read_answer,
    read_message,
    refund_status,
)
from smmpanel.payments.gateways.hosted import WithBearerKey, another_address
from smmpanel.payments.gateways.parts import email_of, object_in
from smmpanel.payments.protocol import (
    Asked,
    GatewayStatus,
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
from smmpanel.payments.signing import hmac_text, is_one_of, number_in, text_in

API_URL = "https://api.flutterwave.com"
HASH, SIGNATURE = "verif-hash", "flutterwave-signature"
PROOFS = (HASH, SIGNATURE)
KEYS = ("FLWSECK-", "FLWSECK_TEST-")
SESSION_MINUTES_MAX = 24 * 60
WRONG_KEY = marked("must be a secret key, which begins with FLWSECK- or FLWSECK_TEST-")
WRONG_PROOF = marked("must be one of the ways in the list")
HASH_NEEDED = marked("is needed, or no message proves anything")


class Flutterwave(WithBearerKey):
    """One account at Flutterwave, live or in test mode."""

    slug: ClassVar[str] = "flutterwave"
    title: ClassVar[str] = marked("Flutterwave (cards and banks in Africa)")
    currencies: ClassVar[frozenset[str]] = frozenset(
        {"NGN", "GHS", "KES", "ZAR", "UGX", "TZS", "RWF", "XAF", "XOF", "ZMW", "USD", "EUR", "GBP"}
    )
    api_url: ClassVar[str] = API_URL
    tells_nothing_with: ClassVar[frozenset[int]] = frozenset({400, 404})
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "secret_key",
            marked("Secret key"),
            "secret",
            hint=marked("Of version 3. Begins with FLWSECK-, or with FLWSECK_TEST- for no real money."),
            test_begins=("FLWSECK_TEST-",),
        ),
        Setting(
            "proof",
            marked("How Flutterwave proves its messages"),
            "choice",
            choices=(
                (HASH, marked("Version 3: the secret hash itself")),
                (SIGNATURE, marked("Version 4: a signature made with the secret hash")),
            ),
            default=HASH,
        ),
        Setting(
            "secret_hash",
            marked("Secret hash"),
            "secret",
            hint=marked("As it is set in Flutterwave's dashboard, under webhooks."),
        ),
        another_address(marked("Empty: Flutterwave's own, for real and for test keys.")),
    )
    reply: ClassVar[Reply] = Reply({"status": "success"})

    def check(self) -> None:
        """Raise `InvalidInputError` unless pages can be made and messages proved."""
        if not self._key.startswith(KEYS):
            raise InvalidInputError(field="secret_key", reason=WRONG_KEY)
        if self._proof not in PROOFS:
            raise InvalidInputError(field="proof", reason=WRONG_PROOF)
        if not self._hashes:
            raise InvalidInputError(field="secret_hash", reason=HASH_NEEDED)
        check_address(self._account, "base_url")

    async def start(self, intent: Intent) -> Started:
        """Have a page made. The same reference may be asked for again."""
        url = f"{self._address}/v3/payments"
        said = await call_json(
            self._http, "POST", url, secrets=self._all_secrets, json=self._page(intent), headers=self._headers
        )
        try:
            if said.get("status") == SUCCESS:
                return Started({"kind": "redirect", "redirect_url": link_in(object_in(said.get("data")).get("link"))})
        except UnreadableMessageError:
            pass
        raise refused(url, "no link to a page", self._all_secrets)

    def verify(self, message: Message, _now: datetime) -> str | None:
        """Say whether the configured proof holds; the other one counts for nothing."""
        given = message.header(self._proof) if self._proof in PROOFS else b""
        expected = self._hashes
        if self._proof == SIGNATURE:
            expected = tuple(hmac_text(one, message.body, encoding="base64") for one in self._hashes)
        return self._proof if is_one_of(expected, given) else None

    def read(self, message: Message, _verdict: str) -> Reading:
        """Understand a message: a hint, never more."""
        return read_message(message.body)

    async def ask(self, payment: Asked) -> bytes:
        """Return its answer about a reference; once a try to pay is over, also what else was paid, and what went back."""
        query = {"tx_ref": payment.reference}
        said = await self._asked("/v3/transactions/verify_by_reference", query)
        try:
            if not is_settled(said):
                return b'{"verified":%b}' % said
        except UnreadableMessageError:
            raise refused(self._address, said, self._all_secrets) from None
        days = {"from": f"{payment.begun_at:%Y-%m-%d}", "to": f"{payment.now + timedelta(days=1):%Y-%m-%d}"}
        others = await self._asked("/v3/transactions", query | days)
        refunds = await self._asked("/v3/refunds", days)
        return b'{"verified":%b,"transactions":%b,"refunds":%b}' % (said, others, refunds)

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand its answer."""
        return read_answer(answer, payment)

    async def refund(self, wanted: Refund) -> Refunded:
        """Have money given back. Flutterwave knows no key under which it would do so once only."""
        url = f"{self._address}/v3/transactions/{quote(wanted.external_id, safe='')}/refund"
        body = {"amount": plain(wanted.amount), "comments": f"{wanted.reason or 'Top-up given back'} ({wanted.key})"}
        said = await call_json(
            self._http, "POST", url, secrets=self._all_secrets, acts=True, json=body, headers=self._headers
        )
        if said.get("status") != SUCCESS:
            raise refused(url, text_in(said.get("message")), self._all_secrets)
        try:
            data = object_in(said.get("data"))
            number, status = number_in(data.get("id")), refund_status(text_in(data.get("status")))
        except UnreadableMessageError:
            raise GatewayUnknownError from None
        if status == GatewayStatus.REFUND_FAILED:
            return Refunded(f"refund:{number}", "failed")
        return Refunded(f"refund:{number}", "done" if status == GatewayStatus.REFUNDED else "pending")

    def _page(self, intent: Intent) -> dict[str, Any]:
        minutes = ceil((intent.expires_at - intent.now).total_seconds() / 60)
        return {
            "tx_ref": intent.reference,
            "amount": plain(intent.amount),
            "currency": intent.currency,
            "redirect_url": intent.return_url,
            "customer": {"email": email_of(intent), "name": intent.customer},
            "customizations": {"title": intent.description or intent.reference},
            "meta": {"deposit": intent.reference},
            "session_duration": min(max(minutes, 1), SESSION_MINUTES_MAX),
        }

    @property
    def _hashes(self) -> tuple[str, ...]:
        return self._account.secrets_named("secret_hash")

    @property
    def _proof(self) -> str:
        return self._account.option("proof", HASH)
