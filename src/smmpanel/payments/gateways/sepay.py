"""SePay (Vietnam): tells of transfers to a linked bank account, in three shapes and with three proofs.

Which proof counts is chosen by configuration, never by what a message brings: otherwise whoever forges one takes the weakest.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.i18n import marked
from smmpanel.payments.gateways.addresses import address_in, check_address
from smmpanel.payments.gateways.bank_details import (
    ACCOUNT_NUMBER,
    BANK_SETTINGS,
    WRONG_ACCOUNT,
    check_bank_details,
    transfer_to,
)
from smmpanel.payments.gateways.calling import call
from smmpanel.payments.gateways.sepay_list import (
    API_URL,
    ROWS_PER_PAGE,
    accounts_in,
    found_in,
    list_query,
    listed_in,
    read_listed,
    search_query,
)
from smmpanel.payments.gateways.sepay_messages import fields_of, is_blurred, read_transfer, signed_text
from smmpanel.payments.protocol import (
    Account,
    Asked,
    GatewayFailedError,
    Intent,
    LinkedAccount,
    Listed,
    Message,
    Reading,
    Reply,
    Setting,
    Started,
    UnreadableMessageError,
)
from smmpanel.payments.signing import hmac_text, is_one_of, read_json, text_in

DRIFT_SECONDS = 300
SEARCHED_BEFORE = timedelta(days=1)
"""Clocks of banks differ, and some write the day on which they book."""
TIMESTAMP_DIGITS_MAX = 12
HMAC, API_KEY, SPEC = "hmac", "apikey", "spec_signature"
EITHER = f"{HMAC},{SPEC}"
MODES = (HMAC, API_KEY, SPEC)
BLURRED = "spec_blurred"
"""Signed fields of which one holds the separator: what is signed could have been others."""
SPEC_FIELDS = "transaction_id,account_number,amount,content,transaction_date"
SPEC_NEEDED = frozenset({"transaction_id", "account_number", "amount", "content"})
"""What money depends on: unsigned, whoever sees one message could write another."""
ALGORITHMS = ("sha256", "sha512")
ENCODINGS = ("hex", "base64")
WRONG_MODE = marked("must be one of the ways in the list")
WRONG_FIELDS = marked("must name transaction_id, account_number, amount and content, none of them twice")
SECRET_NEEDED = marked("is needed for this way of proving messages")
_SIGNED = b"sha256="
_SCHEME = b"apikey"


class SePay:
    """One bank account that SePay watches."""

    slug: ClassVar[str] = "sepay"
    title: ClassVar[str] = marked("SePay (Vietnamese banks)")
    currencies: ClassVar[frozenset[str]] = frozenset({"VND"})
    uses_memo: ClassVar[bool] = True
    approved_by_staff: ClassVar[bool] = False
    expires_minutes: ClassVar[int] = 60
    settings: ClassVar[tuple[Setting, ...]] = (
        *BANK_SETTINGS,
        Setting(
            "other_accounts",
            marked("Other accounts that money may arrive on"),
            "lines",
            required=False,
            hint=marked("Virtual accounts of the same bank account, one in each line."),
        ),
        Setting(
            "auth_mode",
            marked("How SePay proves its messages"),
            "choice",
            choices=(
                (HMAC, marked("Signature (HMAC-SHA256), the safest")),
                (API_KEY, marked("API key: what it tells is looked at by staff first")),
                (SPEC, marked("Signature field in the message")),
                (EITHER, marked("Either signature, in the header or in the message")),
            ),
            default=HMAC,
        ),
        Setting(
            "secret",
            marked("Secret or API key for messages"),
            "secret",
            hint=marked("At SePay, let the webhook send transfers without a payment code too, and repeat by itself."),
        ),
        Setting(
            "api_token",
            marked("API token for the list of transfers"),
            "secret",
            required=False,
            hint=marked("With it, transfers are found even when no message came."),
        ),
        Setting("api_url", marked("Address of the API"), required=False, default=API_URL),
        Setting("spec_fields", marked("Fields of the signature, in order"), required=False, default=SPEC_FIELDS),
        Setting("spec_separator", marked("Separator of the signature's fields"), required=False, default="|"),
        Setting(
            "spec_algorithm",
            marked("Digest of the signature"),
            "choice",
            choices=(("sha256", marked("SHA-256")), ("sha512", marked("SHA-512"))),
            default="sha256",
        ),
        Setting(
            "spec_encoding",
            marked("Writing of the signature"),
            "choice",
            choices=(("hex", marked("hex")), ("base64", marked("Base64"))),
            default="hex",
        ),
    )
    kept_headers: ClassVar[tuple[str, ...]] = ("content-type", "user-agent", "x-sepay-timestamp")
    reply: ClassVar[Reply] = Reply({"success": True})

    def __init__(self, account: Account, http: Outgoing) -> None:
        self._account = account
        self._http = http

    def check(self) -> None:
        """Raise `InvalidInputError` unless customers can transfer to it and SePay can prove its messages."""
        check_bank_details(self._account)
        if not self._account.option("bank"):
            raise InvalidInputError(field="bank", reason=marked("is needed"))
        check_address(self._account, "api_url")
        if any(not ACCOUNT_NUMBER.fullmatch(one) for one in self._others):
            raise InvalidInputError(field="other_accounts", reason=WRONG_ACCOUNT)
        if not self._modes or any(mode not in MODES for mode in self._modes):
            raise InvalidInputError(field="auth_mode", reason=WRONG_MODE)
        if not self._secrets:
            raise InvalidInputError(field="secret", reason=SECRET_NEEDED)
        for name, known in (("spec_algorithm", ALGORITHMS), ("spec_encoding", ENCODINGS)):
            if self._account.option(name, known[0]) not in known:
                raise InvalidInputError(field=name, reason=WRONG_MODE)
        if len(set(self._signed_names)) != len(self._signed_names) or not set(self._signed_names) >= SPEC_NEEDED:
            raise InvalidInputError(field="spec_fields", reason=WRONG_FIELDS)

    @property
    def accounts(self) -> frozenset[str]:
        """The bank account and its virtual ones."""
        return frozenset({self._account.option("account_number"), *self._others})

    @property
    def _others(self) -> list[str]:
        return self._account.option("other_accounts").split()

    @property
    def _modes(self) -> list[str]:
        # Several while one is changed for another.
        return self._account.option("auth_mode", HMAC).replace(",", " ").split()

    @property
    def _secrets(self) -> tuple[str, ...]:
        return self._account.secrets_named("secret")

    @property
    def _signed_names(self) -> list[str]:
        return [name.strip() for name in self._account.option("spec_fields", SPEC_FIELDS).split(",")]

    @property
    def _separator(self) -> str:
        return self._account.option("spec_separator", "|")

    async def start(self, intent: Intent) -> Started:
        """Say where to transfer to; SePay need not be asked."""
        return transfer_to(self._account, intent)

    def verify(self, message: Message, now: datetime) -> str | None:
        """Return the configured proof that holds."""
        proofs = {HMAC: self._is_signed, API_KEY: self._has_key, SPEC: self._has_signature_field}
        mode = next((mode for mode in self._modes if mode in proofs and proofs[mode](message, now)), None)
        is_unclear = mode == SPEC and is_blurred(fields_of(message), self._signed_names, self._separator)
        return BLURRED if is_unclear else mode

    def read(self, message: Message, verdict: str) -> Reading:
        """Understand a transfer in any of the three shapes."""
        is_spec, unproved = verdict in {SPEC, BLURRED}, verdict in {API_KEY, BLURRED}
        return read_transfer(message, self.accounts, unproved=unproved, signs_fields=is_spec)

    @property
    def can_be_asked(self) -> bool:
        """Whether SePay's list may be read."""
        return bool(self._account.secrets_named("api_token"))

    @property
    def can_list(self) -> bool:
        """The same: what is asked about one transfer is a search in the list."""
        return self.can_be_asked

    async def ask(self, payment: Asked) -> bytes:
        """Search the list for the code of a deposit."""
        code = (payment.memo or payment.reference).split()[-1]
        return await self._get(search_query(code, payment.begun_at - SEARCHED_BEFORE))

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand what the search has found."""
        readings = [read_listed(row, self.accounts) for row in found_in(answer)]
        return Reading(payment.reference, [notice for reading in readings for notice in reading.notices])

    async def list_page(self, since: datetime, until: datetime, after: str | None) -> Listed:
        """Return one page of all transfers, in and out."""
        answer = await self._get(list_query(since, until, after))
        try:
            return listed_in(answer, after)
        except UnreadableMessageError:
            raise GatewayFailedError from None

    async def linked_accounts(self) -> Sequence[LinkedAccount]:
        """Return the bank accounts that SePay watches for this token."""
        if not self.can_be_asked:
            raise InvalidInputError(field="api_token", reason=marked("is needed"))
        try:
            return accounts_in(await self._get({"per_page": str(ROWS_PER_PAGE), "page": "1"}, "bank-accounts"))
        except UnreadableMessageError:
            raise GatewayFailedError from None

    def read_row(self, row: bytes) -> Reading:
        """Understand a row of the list."""
        return read_listed(read_json(row), self.accounts)

    async def _get(self, query: dict[str, str], what: str = "transactions") -> bytes:
        tokens = self._account.secrets_named("api_token")
        answer = await call(
            self._http,
            "GET",
            f"{address_in(self._account, 'api_url', API_URL)}/{what}",
            params=query,
            headers={"Authorization": f"Bearer {tokens[0]}", "Accept": "application/json"},
            secrets=tokens,
        )
        return answer.body

    def _is_signed(self, message: Message, now: datetime) -> bool:
        given, stamp = message.header("x-sepay-signature"), message.header("x-sepay-timestamp")
        if not stamp.isdigit() or len(stamp) > TIMESTAMP_DIGITS_MAX or not given.startswith(_SIGNED):
            return False
        if abs(now.timestamp() - int(stamp)) > DRIFT_SECONDS:
            return False
        content = stamp + b"." + message.body
        expected = [hmac_text(secret, content) for secret in self._secrets]
        return is_one_of(expected, given.removeprefix(_SIGNED))

    def _has_key(self, message: Message, _now: datetime) -> bool:
        scheme, _, key = message.header("authorization").partition(b" ")
        return scheme.lower() == _SCHEME and is_one_of(self._secrets, key)

    def _has_signature_field(self, message: Message, _now: datetime) -> bool:
        try:
            fields = fields_of(message)
            given = text_in(fields.get("signature"))
            text = signed_text(fields, self._signed_names, self._separator)
        except UnreadableMessageError:
            return False
        algorithm, encoding = (
            self._account.option("spec_algorithm", "sha256"),
            self._account.option("spec_encoding", "hex"),
        )
        expected = [hmac_text(secret, text.encode(), algorithm, encoding) for secret in self._secrets]
        return is_one_of(expected, given)
