"""The payments of the fake gateways: what a shop asked for, what was paid, what was given back."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal


class PaymentState(StrEnum):
    """How a payment stands; money that came stays, whatever is given back later."""

    OPEN = "open"
    PAID = "paid"
    CANCELED = "canceled"
    EXPIRED = "expired"


class EventKind(StrEnum):
    """What a shop is told of."""

    PENDING = "pending"
    PAID = "paid"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    CHARGED_BACK = "charged_back"
    DISPUTE_WON = "dispute_won"


@dataclass(slots=True)
class GivenBack:
    """Money that went back, or was to."""

    number: str
    kind: Literal["refund", "chargeback"]
    amount: Decimal
    at: datetime
    status: Literal["done", "failed", "won"] = "done"
    """`failed`: a refund that was not possible; `won`: a dispute after which the money came again."""
    key: str = ""
    """The shop's own, under which it is done once."""


@dataclass(slots=True)
class Money:
    """One time that somebody paid."""

    number: str
    amount: Decimal
    currency: str
    at: datetime
    given_back: list[GivenBack] = field(default_factory=list)

    @property
    def returned(self) -> Decimal:
        """How much of it went back and stayed there."""
        return sum((one.amount for one in self.given_back if one.status == "done"), Decimal(0))


@dataclass(slots=True)
class Payment:
    """What a shop asked for."""

    vendor: str
    number: str
    """The vendor's own."""
    reference: str
    """The shop's."""
    token: str
    """What its page is found by."""
    amount: Decimal
    currency: str
    created_at: datetime
    expires_at: datetime | None = None
    notify_url: str = ""
    """Where its messages go; empty: where the shop said once for all, in the vendor's dashboard."""
    return_url: str = ""
    cancel_url: str = ""
    email: str = ""
    description: str = ""
    state: PaymentState = PaymentState.OPEN
    moneys: list[Money] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    """What else the vendor keeps of it."""

    @property
    def money(self) -> Money | None:
        """The latest money."""
        return self.moneys[-1] if self.moneys else None

    @property
    def received(self) -> Decimal:
        """All that was paid, in whatever currency."""
        return sum((one.amount for one in self.moneys), Decimal(0))

    @property
    def returned(self) -> Decimal:
        """All that went back."""
        return sum((one.returned for one in self.moneys), Decimal(0))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a payment, of which its shop is told. It does not change when the payment moves on."""

    kind: EventKind
    payment: Payment
    number: str
    at: datetime
    money: Money | None = None
    given_back: GivenBack | None = None
    returned: Decimal = Decimal(0)
    """What had gone back of the money by then, this time included."""
