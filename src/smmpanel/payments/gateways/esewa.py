"""eSewa (Nepal), ePay v2: the customer's browser posts a signed form, and carries a signed message back.

What a browser carries can be sent again by anybody who sees its history: so it is only a reason to ask eSewa, whose answer
counts. There are no messages from server to server, and money is given back in the merchant's account.
"""

import re
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from urllib.parse import urlencode

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import plain
from smmpanel.payments.gateways.addresses import address_in, check_environment, origins_under
from smmpanel.payments.gateways.calling import call
from smmpanel.payments.gateways.esewa_messages import (
    CURRENCY,
    FORM_FIELDS,
    NAMES,
    SIGNATURE,
    carried,
    read_return,
    read_status,
    signed_names,
    signed_text,
)
from smmpanel.payments.gateways.hosted import Hosted
from smmpanel.payments.protocol import (
    Asked,
    GatewayFailedError,
    Intent,
    Message,
    Reading,
    Reply,
    Setting,
    Started,
    UnreadableMessageError,
)
from smmpanel.payments.signing import hmac_text, is_one_of, read_json, text_in

ADDRESS = "https://epay.esewa.com.np"
DOMAIN = "esewa.com.np"
"""Customers sign in and pay on other hosts below it than the one that takes the form."""
FORM_PATH = "/api/epay/main/v2/form"
STATUS_PATH = "/api/epay/transaction/status/"
SIGNED = "signature"
TEST_PRODUCT = "EPAYTEST"
LIVE = frozenset({"epay.esewa.com.np", "esewa.com.np"})
TESTS = frozenset({"rc-epay.esewa.com.np", "rc.esewa.com.np"})
PRODUCT = re.compile(r"[A-Za-z0-9_-]{1,64}")
WRONG_PRODUCT = marked("must be the code that eSewa gave you: letters, digits and hyphens")
_SHA256 = "sha256"


class Esewa(Hosted):
    """One merchant at eSewa."""

    slug: ClassVar[str] = "esewa"
    title: ClassVar[str] = marked("eSewa (Nepal)")
    currencies: ClassVar[frozenset[str]] = frozenset({CURRENCY})
    expires_minutes: ClassVar[int] = 15
    return_field: ClassVar[str] = "data"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "product_code",
            marked("Product code"),
            hint=marked("EPAYTEST is the one for tests."),
            test_begins=(TEST_PRODUCT,),
        ),
        Setting("secret", marked("Secret key"), "secret"),
        Setting(
            "base_url",
            marked("Address of the payment form"),
            required=False,
            hint=marked("For tests: https://rc-epay.esewa.com.np"),
            default=ADDRESS,
        ),
        Setting(
            "status_url",
            marked("Address for questions"),
            required=False,
            hint=marked("For tests: https://rc.esewa.com.np"),
            default=ADDRESS,
        ),
    )
    reply: ClassVar[Reply] = Reply({"success": True})

    def check(self) -> None:
        """Raise `InvalidInputError` unless forms can be signed, and eSewa be asked."""
        if not PRODUCT.fullmatch(self._product):
            raise InvalidInputError(field="product_code", reason=WRONG_PRODUCT)
        if not self._secrets:
            raise InvalidInputError(field="secret", reason=marked("is needed"))
        own = {"base_url": ADDRESS, "status_url": ADDRESS}
        check_environment(self._account, own, live=LIVE, tests=TESTS, is_test=self._product == TEST_PRODUCT)

    @property
    def can_be_asked(self) -> bool:
        """Always: questions need no proof of who asks."""
        return True

    @property
    def _product(self) -> str:
        return self._account.option("product_code")

    @property
    def _secrets(self) -> tuple[str, ...]:
        return self._account.secrets_named("secret")

    async def start(self, intent: Intent) -> Started:
        """Make the form; eSewa hears of it from the customer's browser."""
        if not self._secrets:
            raise GatewayFailedError
        total = _written(intent.amount)
        fields = {
            "amount": total,
            "tax_amount": "0",
            "product_service_charge": "0",
            "product_delivery_charge": "0",
            "total_amount": total,
            "transaction_uuid": intent.reference,
            "product_code": self._product,
            "success_url": intent.return_url,
            "failure_url": intent.return_url,
            NAMES: ",".join(FORM_FIELDS),
        }
        signature = hmac_text(self._secrets[0], signed_text(fields, list(FORM_FIELDS)).encode(), _SHA256, "base64")
        sent = [[name, value] for name, value in {**fields, SIGNATURE: signature}.items()]
        url = address_in(self._account, "base_url", ADDRESS) + FORM_PATH
        return Started({"kind": "form", "url": url, "fields": sent, "goes_on_to": origins_under(DOMAIN, url)})

    def verify(self, message: Message, _now: datetime) -> str | None:
        """Return `signature` for a message that signs all that matters, with our key."""
        try:
            fields = carried(message.body)
            text = signed_text(fields, signed_names(fields, self._product))
            given = text_in(fields.get(SIGNATURE))
        except UnreadableMessageError:
            return None
        expected = [hmac_text(secret, text.encode(), _SHA256, "base64") for secret in self._secrets]
        return SIGNED if is_one_of(expected, given) else None

    def read(self, message: Message, _verdict: str) -> Reading:
        """Understand what a browser carried back."""
        return read_return(message.body)

    async def ask(self, payment: Asked) -> bytes:
        """Ask how a payment stands."""
        asked = {
            "product_code": self._product,
            "total_amount": _written(payment.amount),
            "transaction_uuid": payment.reference,
        }
        url = address_in(self._account, "status_url", ADDRESS) + STATUS_PATH
        answer = await call(self._http, "GET", f"{url}?{urlencode(asked)}", secrets=self._secrets)
        return _without_outage(answer.body)

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand how a payment stands."""
        return read_status(answer, payment, self._product)


def _without_outage(answer: bytes) -> bytes:
    # While it is down, eSewa says so with status 200.
    try:
        is_answer = "status" in read_json(answer)
    except UnreadableMessageError:
        is_answer = False
    if not is_answer:
        raise GatewayFailedError
    return answer


def _written(amount: Decimal) -> str:
    return plain(amount).removesuffix(".00")
