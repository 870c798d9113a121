"""Paystack (Nigeria and its neighbours): pages on which customers pay by card, bank or phone.

One secret key calls Paystack and proves its messages; its first letters say whether it is a real one.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.addresses import check_address, link_in
from smmpanel.payments.gateways.calling import call, call_json, refused
from smmpanel.payments.gateways.hosted import SECRET_KEY, WithBearerKey, another_address
from smmpanel.payments.gateways.parts import email_of, object_in
from smmpanel.payments.gateways.paystack_messages import PLACES, paid_number, read_answer, read_message
from smmpanel.payments.minor_units import to_minor
from smmpanel.payments.protocol import (
    Asked,
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
from smmpanel.payments.signing import hmac_text, is_one_of, number_in, read_json, text_in

API_URL = "https://api.paystack.co"
PROOF = "x-paystack-signature"
ENVIRONMENTS = {"sk_live_": "live", "sk_test_": "test"}
"""By the first letters of the key, in the words of its messages."""
PAGES_MAX = 9
"""How often a page is asked for whose making was broken off: each needs a reference of its own."""
ROWS = "50"
WRONG_KEY = marked("must be a secret key, which begins with sk_live_ or sk_test_")
_REFUND_STATES: Mapping[str, Literal["done", "failed"]] = {"processed": "done", "failed": "failed"}


class Paystack(WithBearerKey):
    """One account at Paystack, live or in test mode."""

    slug: ClassVar[str] = "paystack"
    title: ClassVar[str] = marked("Paystack (cards and banks in Africa)")
    currencies: ClassVar[frozenset[str]] = frozenset({"NGN", "GHS", "ZAR", "KES", "USD"})
    api_url: ClassVar[str] = API_URL
    tells_nothing_with: ClassVar[frozenset[int]] = frozenset({400, 404})
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "secret_key",
            marked("Secret key"),
            "secret",
            hint=marked(
                "Begins with sk_live_, or with sk_test_ for no real money. Paystack signs its messages with it too."
            ),
            test_begins=("sk_test_",),
        ),
        another_address(marked("Empty: Paystack's own, for real and for test keys.")),
    )
    reply: ClassVar[Reply] = Reply({"status": "ok"})

    def check(self) -> None:
        """Raise `InvalidInputError` unless there is a key of a known environment."""
        if not self._environment:
            raise InvalidInputError(field="secret_key", reason=WRONG_KEY)
        check_address(self._account, "base_url")

    async def start(self, intent: Intent) -> Started:
        """Have a page made. A reference that was used up by a try that was broken off is followed by a number."""
        url = f"{self._address}/transaction/initialize"
        for page in range(1, PAGES_MAX + 1):
            reference = intent.reference if page == 1 else f"{intent.reference}-{page}"
            answer = await call(
                self._http,
                "POST",
                url,
                secrets=self._all_secrets,
                also=(400,),
                json=self._page(intent, reference),
                headers=self._headers,
            )
            try:
                said = read_json(answer.body)
                if said.get("status") is True:
                    data = object_in(said.get("data"))
                    shown = {"kind": "redirect", "redirect_url": link_in(data.get("authorization_url"))}
                    return Started(shown, external_ref=reference)
                is_used = "duplicate" in f"{text_in(said.get('code'))} {text_in(said.get('message'))}".lower()
            except UnreadableMessageError:
                is_used = False
            if not is_used:
                raise refused(url, answer.body, self._all_secrets)
        raise refused(url, "all references are used up", self._all_secrets)

    def verify(self, message: Message, _now: datetime) -> str | None:
        """Say whether the signature over the body holds, and the message is of the key's environment."""
        expected = [hmac_text(key, message.body, "sha512") for key in self._keys]
        holds = is_one_of(expected, message.header(PROOF))
        return "signature" if holds and self._is_of_environment(message.body) else None

    def read(self, message: Message, _verdict: str) -> Reading:
        """Understand a message."""
        return read_message(message.body)

    async def ask(self, payment: Asked) -> bytes:
        """Return Paystack's answer about a transaction, and its refunds and disputes once money has come in."""
        reference = quote(payment.external_ref or payment.reference, safe="")
        said = await self._asked(f"/transaction/verify/{reference}")
        try:
            number = paid_number(said, self._environment)
        except UnreadableMessageError:
            raise refused(self._address, said, self._all_secrets) from None
        if number is None:
            return b'{"transaction":%b}' % said
        days = {"from": f"{payment.begun_at:%Y-%m-%d}", "to": f"{payment.now + timedelta(days=1):%Y-%m-%d}"}
        query = {"transaction": number, "perPage": ROWS, **days}
        refunds = await self._asked("/refund", query)
        disputes = await self._asked("/dispute", query)
        return b'{"transaction":%b,"refunds":%b,"disputes":%b}' % (said, refunds, disputes)

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand its answer."""
        return read_answer(answer, payment)

    async def refund(self, wanted: Refund) -> Refunded:
        """Have money given back. Paystack knows no key under which it would do so once only."""
        body = {
            "transaction": wanted.external_id,
            "amount": to_minor(wanted.amount, wanted.payment.currency, places=PLACES),
            "currency": wanted.payment.currency,
            "merchant_note": wanted.key,
            "customer_note": wanted.reason or "Top-up given back",
        }
        url = f"{self._address}/refund"
        said = await call_json(
            self._http, "POST", url, secrets=self._all_secrets, acts=True, json=body, headers=self._headers
        )
        if said.get("status") is not True:
            raise refused(url, json.dumps(said), self._all_secrets)
        try:
            data = object_in(said.get("data"))
            number, word = number_in(data.get("id")), text_in(data.get("status"))
        except UnreadableMessageError:
            raise GatewayUnknownError from None
        return Refunded(f"refund:{number}", _REFUND_STATES.get(word, "pending"))

    def _page(self, intent: Intent, reference: str) -> dict[str, Any]:
        return {
            "email": email_of(intent),
            "amount": str(to_minor(intent.amount, intent.currency, places=PLACES)),
            "currency": intent.currency,
            "reference": reference,
            "callback_url": intent.return_url,
            "metadata": json.dumps({"deposit": intent.reference, "cancel_action": intent.return_url}),
        }

    def _is_of_environment(self, body: bytes) -> bool:
        try:
            data = read_json(body).get("data")
            domain = text_in(data.get("domain")) if isinstance(data, dict) else ""
        except UnreadableMessageError:
            return True  # nothing will come of it
        return domain in {"", self._environment}

    @property
    def _keys(self) -> tuple[str, ...]:
        # Of one environment only, that of the newest.
        keys = self._account.secrets_named(SECRET_KEY)
        return tuple(key for key in keys if _environment_of(key) == self._environment)

    @property
    def _environment(self) -> str:
        return _environment_of(self._key)


def _environment_of(key: str) -> str:
    return ENVIRONMENTS.get(key[:8], "")
