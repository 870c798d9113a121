"""What an adapter for a payment gateway must offer, and the neutral words it speaks.

Adapters translate, they never decide: no database, no clock, no retries. They are handed an account and a client for HTTP,
say what a customer has to do, prove messages, and turn them into notices. What a notice is worth is decided by
`payments.settling`, the same for all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.http import Outgoing

SettingKind = Literal["text", "secret", "choice", "lines", "bank", "amount"]


class GatewayStatus(StrEnum):
    """How a payment stands in the words of this product, whatever the gateway calls it."""

    PENDING = "pending"
    PAID = "paid"
    """Money has arrived: whether it is enough is not the gateway's to say."""
    FAILED = "failed"
    EXPIRED = "expired"
    REVIEW = "review"
    """Something that a person has to look at: a word that nobody knows, money held back at the gateway."""
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    REVERSED = "reversed"
    """The bank or the card network took it back, or a dispute was opened."""
    REINSTATED = "reinstated"
    """A dispute was won: what was taken back is there again."""
    REFUND_FAILED = "refund_failed"


GIVES_BACK = frozenset({GatewayStatus.PARTIALLY_REFUNDED, GatewayStatus.REFUNDED, GatewayStatus.REVERSED})


class UnreadableMessageError(PanelError):
    """The message is its gateway's, but it is none that we know how to read."""

    code, status, message = "unreadable_message", 400, "The message could not be read."


class GatewayFailedError(PanelError):
    """The gateway could not be asked, or refused. `said` is redacted."""

    code, status, message = (
        "gateway_failed",
        503,
        "The payment method is not available now. Try another one or try later.",
    )


class GatewayUnknownError(GatewayFailedError):
    """The answer was lost: what was asked for may have been done. Never sent again by itself."""

    code, status, message = (
        "gateway_unknown",
        503,
        "The payment method did not answer. Whether it acted is not known yet.",
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that an account at a gateway takes, as staff are asked for it. Labels are translated where they are shown."""

    name: str
    label: str
    kind: SettingKind = "text"
    required: bool = True
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    """Values and their labels; of `choice` only."""
    default: str = ""
    test_begins: tuple[str, ...] = ()
    """How values begin that are for tests only, with no real money behind them."""
    longest: int = 2000
    """How many characters it may have."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account at a gateway. Of each secret the newest comes first; an empty one never verifies anything."""

    currency: str
    options: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    public_keys: Mapping[str, str] = field(default_factory=dict)
    """The gateway's own, in PEM by name, as far as they are known: see `HasPublicKeys`."""

    def option(self, name: str, default: str = "") -> str:
        """Return an option as text."""
        found = self.options.get(name)
        return default if found is None or found == "" else str(found)

    def secrets_named(self, name: str) -> tuple[str, ...]:
        """Return the secrets of a name that are not empty."""
        return tuple(secret for secret in self.secrets.get(name, ()) if secret)


@dataclass(frozen=True, slots=True)
class Intent:
    """What a customer is to pay."""

    reference: str
    memo: str | None
    amount: Decimal
    currency: str
    expires_at: datetime
    now: datetime
    customer: str = ""
    """Who pays, in a name that tells strangers nothing."""
    email: str = ""
    description: str = ""
    return_url: str = ""
    """Where the customer comes back to. It proves nothing, and carries no secret."""
    notify_url: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A payment that its gateway is asked about, or asked to give back."""

    reference: str
    external_ref: str | None
    """The gateway's own number of the request, if `start` returned one."""
    memo: str | None
    amount: Decimal
    currency: str
    begun_at: datetime
    now: datetime
    expires_at: datetime | None = None
    """Until when it was to be paid: what nobody has paid before then may still be."""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money to give back, once under this key."""

    payment: Asked
    external_id: str
    """The number of the money, as its notice said."""
    amount: Decimal
    key: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refunded:
    """What the gateway said to a refund: done, failed, or still under way."""

    return_id: str
    status: Literal["done", "failed", "pending"]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of what a gateway lists, row by row as it came, and where the next one begins."""

    rows: Sequence[bytes]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """What the customer has to do now: `shown` is kept with the deposit as it is.

    `{"kind": "transfer", ...}`: see `gateways.bank_details`. `{"kind": "redirect", "redirect_url": ...}`: pays elsewhere;
    with `qr` where a code of the gateway's can be scanned instead. `{"kind": "form", "url": ..., "fields": [[name, value], ...]}`:
    the customer's browser sends a form, in this order; with `goes_on_to` where the gateway sends the browser on to other
    origins of its own, such as `https://pay.example` or `https://*.example.com`.
    """

    shown: Mapping[str, Any]
    external_ref: str | None = None
    expires_at: datetime | None = None
    """Until when the gateway takes the money, if it says so: what is earlier than what was asked for counts."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came: header names in lower case, values and body as bytes."""

    headers: Mapping[str, bytes]
    """`:query` is the address's query, as it was sent; `:ip` the address of whoever sent it, where that is known."""
    body: bytes

    def header(self, name: str) -> bytes:
        """Return a header; one that is missing is empty."""
        return self.headers.get(name, b"")


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that a gateway says about money.

    `external_id` is the money's own number at its gateway, never the message's, and the same whichever message or answer
    tells of it; `natural_key` is what the same money looks like from another side of the gateway, where it has another number.
    """

    external_id: str
    source: str
    status: GatewayStatus
    amount: Decimal
    currency: str
    reference: str | None = None
    """Ours, where the gateway carries it."""
    texts: tuple[str, ...] = ()
    """Where the memo may stand."""
    account: str | None = None
    payer: str | None = None
    bank_ref: str | None = None
    natural_key: str | None = None
    occurred_at: datetime | None = None
    unproved: bool = False
    """Whether the message proved only who sent it, or by a weak digest: the gateway is asked before money is credited."""
    return_id: str | None = None
    """Of money given back: the number of the refund or dispute."""
    is_total: bool = False
    """Of money given back: whether `amount` is all that was given back so far, rather than this time."""
    undoes: bool = False
    """Of a failure: whether this very money went back if it was credited before. Only of what is so now, never of what is told late."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as it is understood. No notices: nothing in it concerns us, and `note` says why."""

    event_key: str
    notices: Sequence[Notice] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """How a gateway is answered when its message is in safe hands: JSON, or a text of its own."""

    body: Mapping[str, Any] | str
    status: int = 200
    content_type: str = "application/json"


class Gateway(Protocol):
    """One gateway's dialect. Made for one account; holds no state between calls."""

    slug: ClassVar[str]
    title: ClassVar[str]
    """What it is called in the back office, in English."""
    currencies: ClassVar[frozenset[str]]
    """Those that it takes; empty: any."""
    uses_memo: ClassVar[bool]
    """Whether what is paid is recognised by a text that the customer writes."""
    approved_by_staff: ClassVar[bool]
    """Whether nothing says that money has arrived but a person."""
    expires_minutes: ClassVar[int]
    """How long a customer usually has."""
    settings: ClassVar[tuple[Setting, ...]]
    kept_headers: ClassVar[tuple[str, ...]]
    """Headers that its reading takes, none of them secret."""

    @property
    def reply(self) -> Reply:
        """How its messages are answered."""
        ...

    def __init__(self, account: Account, http: Outgoing) -> None:
        """Take an account."""
        ...

    def check(self) -> None:
        """Raise `InvalidInputError` that names the setting which is missing or wrong."""
        ...

    @property
    def accounts(self) -> frozenset[str]:
        """The bank accounts that money may arrive on; empty: whatever the gateway says is right."""
        ...

    async def start(self, intent: Intent) -> Started:
        """Ask the gateway for the payment, or say where to transfer to; raises `GatewayFailedError`."""
        ...

    def verify(self, message: Message, now: datetime) -> str | None:
        """Say how the message proves that it is the gateway's, or return `None`. Only the configured ways count."""
        ...

    def read(self, message: Message, verdict: str) -> Reading:
        """Understand a message that was verified in this way; raises `UnreadableMessageError`."""
        ...


@runtime_checkable
class CanBeAsked(Protocol):
    """A gateway that says how a payment stands. Its answers are kept, and settled like messages."""

    @property
    def can_be_asked(self) -> bool:
        """Whether this account is set up for it."""
        ...

    async def ask(self, payment: Asked) -> bytes:
        """Return the gateway's answer as it came; raises `GatewayFailedError`. Harmless to repeat."""
        ...

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:
        """Understand an answer, with the same numbers that messages give; raises `UnreadableMessageError`."""
        ...


@runtime_checkable
class CanList(Protocol):
    """A gateway that lists all money that moved, whether a message told of it or not."""

    @property
    def can_list(self) -> bool:
        """Whether this account is set up for it."""
        ...

    async def list_page(self, since: datetime, until: datetime, after: str | None) -> Listed:
        """Return one page of what moved between two moments, oldest first; raises `GatewayFailedError`."""
        ...

    def read_row(self, row: bytes) -> Reading:
        """Understand a row; raises `UnreadableMessageError`."""
        ...


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """A bank account that a gateway watches."""

    number: str
    holder: str
    bank: str


@runtime_checkable
class NamesAccounts(Protocol):
    """A gateway that says which bank accounts it watches, so that a wrong one is seen before customers pay into it."""

    async def linked_accounts(self) -> Sequence[LinkedAccount]:
        """Return them; raises `GatewayFailedError`, or `InvalidInputError` that names the setting which is missing for it."""
        ...


@runtime_checkable
class CanRefund(Protocol):
    """A gateway that gives money back when it is asked to."""

    async def refund(self, wanted: Refund) -> Refunded:
        """Ask for it, once; raises `GatewayFailedError` if it was provably not taken, `GatewayUnknownError` if nobody knows."""
        ...


@runtime_checkable
class HasPublicKeys(Protocol):
    """A gateway that signs with keys which it hands out and changes. What is fetched is kept, old keys too."""

    def key_named(self, message: Message) -> str:
        """Return the name of the key that a message claims to be signed with."""
        ...

    async def fetch_public_keys(self, now: datetime) -> Mapping[str, str]:
        """Return the present keys in PEM by name; raises `GatewayFailedError`."""
        ...


@runtime_checkable
class SignsReturns(Protocol):
    """A gateway that sends its customers back with a message it has signed: `verify` and `read` take it as a body.

    A base64 text in an address may have lost its plus signs to blanks on the way; they are there again in the body.
    """

    return_field: ClassVar[str]
    """The name under which the message stands in the address's query."""


@runtime_checkable
class TellsByGet(Protocol):
    """A gateway that may tell of money by calling our address with GET: what stands in the query is the message's body."""

    tells_by_get: ClassVar[bool]


@runtime_checkable
class RefundsAtChoice(Protocol):
    """A gateway that gives money back only where staff have set it up so."""

    @property
    def can_refund(self) -> bool:
        """Whether this account is set up for it."""
        ...


def gives_back(adapter: Gateway) -> bool:
    """Whether a gateway gives money back when it is asked to, as this account is set up."""
    return isinstance(adapter, CanRefund) and (not isinstance(adapter, RefundsAtChoice) or adapter.can_refund)
