"""What an adapter for an upstream panel must offer, and the neutral words it speaks.

Adapters translate, they never decide: no database, no clock, no retries. They are handed a `Wire`, make HTTP calls with
it, and either return neutral types or raise one of the five failures below.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol, Self

from smmpanel.kernel.http import Outgoing


class ProviderFailure(Exception):  # noqa: N818 - the five below read as what happened
    """Base of the five ways a call to a provider can fail. `text` is redacted and safe to store and to show to staff."""

    outcome: ClassVar[str]

    def __init__(self, text: str, *, answer: str | None = None, status: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.answer = answer
        self.status = status


class NotSent(ProviderFailure):
    """The request never left, or was provably not taken: connection refused, name not resolved, address forbidden."""

    outcome = "not_sent"


class RefusedOrder(ProviderFailure):
    """The provider answered no for this order (bad link, quantity, service): sending it again changes nothing."""

    outcome = "refused_order"


class RefusedAccount(ProviderFailure):
    """The provider answered no for our whole account: bad key, no funds, address not allowed."""

    outcome = "refused_account"


class TryLater(ProviderFailure):
    """The provider answered that it did nothing now: too many requests, an active order on the same link."""

    outcome = "try_later"

    def __init__(
        self,
        text: str,
        *,
        answer: str | None = None,
        status: int | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(text, answer=answer, status=status)
        self.retry_after_seconds = retry_after_seconds


class Unclear(ProviderFailure):
    """Nobody can tell whether the provider acted: time-out after sending, 5xx, HTML, garbage. Never retried blindly."""

    outcome = "unknown"


class UpstreamStatus(StrEnum):
    """An order's state in the words of this field, whatever the provider calls it."""

    PENDING = "pending"
    PROCESSING = "processing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    PARTIAL = "partial"
    CANCELED = "canceled"
    ACTIVE = "active"
    PAUSED = "paused"
    EXPIRED = "expired"


class UpstreamRefillStatus(StrEnum):
    """A refill's state."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    REJECTED = "rejected"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class UpstreamService:
    """One line of a provider's catalogue. `rate` is per 1,000 (per package for package types), in the account's currency."""

    external_id: str
    name: str
    category: str
    type: str
    """A key of `catalog.service_types` (lower case, underscores), or the provider's own word, normalised, if unknown."""
    rate: Decimal
    min: int
    max: int
    refill: bool | None = None
    """`None` means that the provider does not say."""
    cancel: bool | None = None
    dripfeed: bool | None = None
    description: str = ""
    average_time: str = ""


class Catalogue(tuple[UpstreamService, ...]):
    """All lines of a provider's catalogue that could be read; `skipped` counts those that could not."""

    skipped: int

    def __new__(cls, services: Iterable[UpstreamService] = (), *, skipped: int = 0) -> Self:
        made = super().__new__(cls, services)
        made.skipped = skipped
        return made


@dataclass(frozen=True, slots=True)
class UpstreamOrder:
    """What is asked for: the provider's service id and the fields of its type, named as in API v2, all text."""

    service: str
    type: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the order under this id. `answer` is its reply, redacted, for the order's timeline."""

    external_id: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class UpstreamReport:
    """What a provider says of one order. `None` anywhere means that it says nothing of that."""

    status: UpstreamStatus | None
    raw_status: str = ""
    charge: Decimal | None = None
    start_count: int | None = None
    remains: int | None = None
    """As reported: negative after an over-delivery, so the caller clamps it."""
    currency: str | None = None
    children: tuple[str, ...] = ()
    """Ids of orders that a subscription or drip-feed produced."""
    posts: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider's word about one id of several: what it refused and why."""

    text: str


@dataclass(frozen=True, slots=True)
class UpstreamBalance:
    """The account's balance; `currency` is `None` where the provider does not name it."""

    amount: Decimal
    currency: str | None


@dataclass(frozen=True, slots=True)
class RecentOrder:
    """One row of a provider's own order list, where it offers one: evidence for reconciliation."""

    external_id: str
    service: str | None
    link: str | None
    quantity: int | None


@dataclass(frozen=True, slots=True)
class Connection:
    """Where and as whom a provider is called. `options` is the adapter's own configuration, checked by it."""

    base_url: str
    api_key: str
    timeout_seconds: float = 30.0
    options: Mapping[str, Any] = field(default_factory=dict)


class Adapter(Protocol):
    """One upstream dialect. Made once per connection; holds no state between calls."""

    slug: ClassVar[str]
    status_batch_max: int
    supports_listing: bool

    def __init__(self, connection: Connection, http: Outgoing) -> None:
        """Take a connection; raises `InvalidInputError` if its options are not this adapter's."""
        ...

    async def services(self) -> Catalogue:
        """Read the whole catalogue; raises `Unclear` for anything that is not a list of services."""
        ...

    async def add(self, order: UpstreamOrder) -> Accepted:
        """Hand in one order, once. Raises one of the five failures; `Unclear` if it may have been taken."""
        ...

    async def status(self, external_ids: Sequence[str]) -> Mapping[str, UpstreamReport | Rejected]:
        """Ask for up to `status_batch_max` orders in one call. An id that is missing from the answer has no news.

        `Rejected` means that the provider does not own up to this one id; what concerns all of them is raised.
        """
        ...

    async def refill(self, external_id: str) -> str:
        """Ask for a refill; returns the refill's id."""
        ...

    async def refill_status(self, refill_ids: Sequence[str]) -> Mapping[str, UpstreamRefillStatus | Rejected]:
        """Ask for the state of refills; unknown words and missing ids are left out."""
        ...

    async def cancel(self, external_ids: Sequence[str]) -> Mapping[str, Rejected | None]:
        """Ask to cancel; `None` means that the request was registered, not that the order is canceled."""
        ...

    async def balance(self) -> UpstreamBalance:
        """Read the account's balance."""
        ...

    async def recent_orders(self, limit: int) -> Sequence[RecentOrder]:
        """List our latest orders at the provider, newest first; only where `supports_listing`."""
        ...
