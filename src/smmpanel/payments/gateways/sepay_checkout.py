"""SePay's payment gateway (Vietnam): the customer's browser posts a signed form, and pays by card or QR code on SePay's page.

Its messages carry the secret key itself, which proves who sent them and nothing that they say: so they only have SePay asked.
"""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.addresses import address_in, check_environment, origins_under
from smmpanel.payments.gateways.calling import call
from smmpanel.payments.gateways.hosted import Hosted
from smmpanel.payments.gateways.sepay_checkout_messages import (
    CURRENCY,
    number_in_list,
    read_message,
    read_order,
    returned_as,
)
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
from smmpanel.payments.signing import hmac_text, is_one_of, read_json

PAGES_URL, API_URL = "https://pay.sepay.vn", "https://pgapi.sepay.vn"
LIVE = frozenset({"pay.sepay.vn", "pgapi.sepay.vn"})
TESTS = frozenset({"pay-sandbox.sepay.vn", "pgapi-sandbox.sepay.vn", "sandbox.pay.sepay.vn"})
TEST_MERCHANT = "SP-TEST-"
DOMAIN = "sepay.vn"
"""Customers pay on other hosts below it than the one that takes the form."""
FORM_PATH = "/v1/checkout/init"
PROOF = "x-secret-key"
TOKEN = "token"  # noqa: S105 - how a message is proved, not with what
NOT_FOUND = 404
MERCHANT_MAX = 60
ANY = "any"
METHODS = ("BANK_TRANSFER", "NAPAS_BANK_TRANSFER", "CARD")
WRONG_MERCHANT = marked("must be the merchant number that SePay gave you")
WRONG_WAY = marked("must be one of the ways in the list")


class SePayCheckout(Hosted):
    """One merchant at SePay's payment gateway."""

    slug: ClassVar[str] = "sepay_checkout"
    title: ClassVar[str] = marked("SePay payment gateway (cards and QR, Vietnam)")
    currencies: ClassVar[frozenset[str]] = frozenset({CURRENCY})
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "merchant",
            marked("Merchant number"),
            hint=marked("Begins with SP-; that of tests with SP-TEST-."),
            test_begins=(TEST_MERCHANT,),
        ),
        Setting(
            "secret_key",
            marked("Secret key"),
            "secret",
            hint=marked("Choose SECRET_KEY as the proof of messages at SePay, so that they carry it."),
        ),
        Setting(
            "payment_method",
            marked("How customers pay"),
            "choice",
            choices=(
                (ANY, marked("As they choose on SePay's page")),
                (METHODS[0], marked("Bank transfer by QR code")),
                (METHODS[1], marked("NAPAS bank transfer")),
                (METHODS[2], marked("Card")),
            ),
            default=ANY,
        ),
        Setting(
            "base_url",
            marked("Address of the payment form"),
            required=False,
            hint=marked("For tests: https://pay-sandbox.sepay.vn"),
            default=PAGES_URL,
        ),
        Setting(
            "api_url",
            marked("Address for questions"),
            required=False,
            hint=marked("For tests: https://pgapi-sandbox.sepay.vn"),
            default=API_URL,
        ),
    )
    reply: ClassVar[Reply] = Reply({"success": True})

    def check(self) -> None:
        """Raise `InvalidInputError` unless forms can be signed, and SePay be asked."""
        if not 0 < len(self._merchant) <= MERCHANT_MAX or "," in self._merchant or ":" in self._merchant:
            raise InvalidInputError(field="merchant", reason=WRONG_MERCHANT)
        if not self._keys:
            raise InvalidInputError(field="secret_key", reason=marked("is needed"))
        if self._account.option("payment_method", ANY) not in {ANY, *METHODS}:
            raise InvalidInputError(field="payment_method", reason=WRONG_WAY)
        own, is_test = {"base_url": PAGES_URL, "api_url": API_URL}, self._merchant.startswith(TEST_MERCHANT)
        check_environment(self._account, own, live=LIVE, tests=TESTS, is_test=is_test)

    @property
    def can_be_asked(self) -> bool:
        """With its key."""
        return bool(self._keys and self._merchant)

    async def start(self, intent: Intent) -> Started:
        """Make the form; SePay hears of it from the customer's browser."""
        if not self.can_be_asked:
            raise GatewayFailedError
        way = self._account.option("payment_method", ANY)
        named = [
            ("merchant", self._merchant),
            ("operation", "PURCHASE"),
            ("payment_method", "" if way == ANY else way),
            ("order_amount", str(to_minor(intent.amount, CURRENCY))),
            ("currency", CURRENCY),
            ("order_invoice_number", intent.reference),
            ("order_description", intent.description.replace(",", " ")),
            ("customer_id", intent.customer),
            ("success_url", intent.return_url),
            ("error_url", intent.return_url),
            ("cancel_url", intent.return_url),
        ]
        fields = [(name, value) for name, value in named if value]
        sent = [*fields, ("signature", signature_of(fields, self._keys[0]))]
        url = address_in(self._account, "base_url", PAGES_URL) + FORM_PATH
        pairs = [list(pair) for pair in sent]
        return Started({"kind": "form", "url": url, "fields": pairs, "goes_on_to": origins_under(DOMAIN, url)})

    def verify(self, message: Message, _now: datetime) -> str | None:
        """Say whether the message carries our secret key."""
        return TOKEN if is_one_of(self._keys, message.header(PROOF)) else None

    def read(self, message: Message, _verdict: str) -> Reading:
        """Understand a message: a reason to ask."""
        return read_message(message.body)

    async def ask(self, payment: Asked) -> bytes:
        """Ask for the order of a deposit: by our number, and where that is not taken, by SePay's own."""
        answer = await self._get(f"/order/detail/{quote(payment.reference, safe='')}")
        if answer is not None:
            return answer
        listed = await self._get("/order")
        number = None if listed is None else number_in_list(listed, payment.reference)
        if number is None:
            return b"{}"
        return await self._get(f"/order/detail/{quote(number, safe='')}") or b"{}"

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand an order."""
        return read_order(answer, payment)

    async def refund(self, wanted: Refund) -> Refunded:
        """Have a payment by card annulled, as a whole: SePay knows no parts. That it was done is told later."""
        if wanted.amount != wanted.payment.amount:
            raise GatewayFailedError
        await call(
            self._http,
            "POST",
            f"{self._api}/order/voidTransaction",
            secrets=self._keys,
            acts=True,
            json={"order_invoice_number": wanted.payment.reference},
            headers=self._headers,
        )
        return Refunded(returned_as(wanted.external_id), "pending")

    async def _get(self, path: str) -> bytes | None:
        """Return an answer; `None` if there is no such thing."""
        url = f"{self._api}{path}"
        answer = await call(self._http, "GET", url, secrets=self._keys, also=(NOT_FOUND,), headers=self._headers)
        if answer.status == NOT_FOUND:
            return None
        try:
            read_json(answer.body)
        except UnreadableMessageError:
            raise GatewayFailedError from None
        return answer.body

    @property
    def _merchant(self) -> str:
        return self._account.option("merchant")

    @property
    def _keys(self) -> tuple[str, ...]:
        return self._account.secrets_named("secret_key")

    @property
    def _api(self) -> str:
        return address_in(self._account, "api_url", API_URL) + "/v1"

    @property
    def _headers(self) -> dict[str, str]:
        if not self.can_be_asked:
            raise GatewayFailedError
        code = base64.b64encode(f"{self._merchant}:{self._keys[0]}".encode()).decode()
        return {"authorization": f"Basic {code}", "accept": "application/json"}


def signature_of(fields: Sequence[tuple[str, str]], key: str) -> str:
    """Sign a form's fields in the order in which they are sent."""
    text = ",".join(f"{name}={value}" for name, value in fields)
    return hmac_text(key, text.encode(), "sha256", "base64")
