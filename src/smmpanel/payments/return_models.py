"""Money of deposits that goes back, and deeds of staff that wait for a second person."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base
from smmpanel.payments.models import AMOUNT


class ReturnKind(StrEnum):
    """Who wanted the money back."""

    REFUND = "refund"
    """We, or whoever runs the account at the gateway."""
    CHARGEBACK = "chargeback"
    """The bank, the card network, or the customer by way of them."""


class ReturnState(StrEnum):
    """How money that goes back stands."""

    PENDING = "pending"
    """The gateway has to confirm it; or the payment that it belongs to is not on record yet."""
    UNKNOWN = "unknown"
    """The gateway was asked and did not answer. It is not asked again by itself."""
    DONE = "done"
    FAILED = "failed"
    """The gateway did not pay it back after all: it is in the wallet again."""
    RELEASED = "released"
    """The dispute was won: it is in the wallet again."""


R = ReturnState
RETURN_RANKS: Mapping[ReturnState, int] = {R.PENDING: 0, R.UNKNOWN: 1, R.DONE: 2, R.FAILED: 3, R.RELEASED: 3}
"""A return only ever moves to a state of a higher rank: what arrives late says nothing new."""
IN_FORCE = (R.PENDING, R.UNKNOWN, R.DONE)
"""Those whose money is out of the wallet."""
OVER = (R.FAILED, R.RELEASED)


class PaymentReturn(Base):
    """One refund or dispute: money of a receipt that went back, or is on its way."""

    __tablename__ = "payment_returns"
    __table_args__ = (
        CheckConstraint("amount >= 0 AND taken >= 0 AND fee >= 0", name="money"),
        CheckConstraint("receipt_id IS NOT NULL OR amount = 0", name="nothing_of_nothing"),
        Index("uq_payment_returns_return", "gateway", "return_id", unique=True),
        Index("uq_payment_returns_key", "deposit_id", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
        Index("ix_payment_returns_deposit", "deposit_id", "id", postgresql_where=text("deposit_id IS NOT NULL")),
        Index("ix_payment_returns_receipt", "receipt_id", "id", postgresql_where=text("receipt_id IS NOT NULL")),
        Index(
            "ix_payment_returns_waiting",
            "gateway",
            "external_id",
            postgresql_where=text("receipt_id IS NULL AND state = 'pending'"),
        ),
        Index("ix_payment_returns_open", "id", postgresql_where=text("state IN ('pending', 'unknown')")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    gateway: Mapped[str] = mapped_column(String)
    return_id: Mapped[str] = mapped_column(String)
    """The gateway's number of it; one of our own as long as that is not known."""
    is_named: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether `return_id` is the gateway's own."""
    external_id: Mapped[str] = mapped_column(String)
    """The number of the money that goes back."""
    deposit_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("deposits.id", ondelete="RESTRICT"))
    receipt_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("payment_receipts.id", ondelete="RESTRICT"))
    """Empty as long as the payment is not credited."""
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    currency: Mapped[str] = mapped_column(String)
    said: Mapped[Decimal] = mapped_column(AMOUNT)
    """The amount as it was told or asked for."""
    is_total: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether `said` is all that went back of the money so far."""
    amount: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What counts of it: never more than is left of the money."""
    taken: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What the wallet lost, in its currency."""
    fee: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """The share of the payment fee in it, in the wallet's currency."""
    posted_as: Mapped[str | None] = mapped_column(String)
    """The ledger's key."""
    event_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("gateway_events.id", ondelete="RESTRICT"))
    key: Mapped[str | None] = mapped_column(String)
    """Whoever asked for it made this: the same key pays back once."""
    by_hand: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether staff paid it back themselves."""
    bank_ref: Mapped[str | None] = mapped_column(String)
    note: Mapped[str] = mapped_column(String, server_default="")
    """Why, in the words of who asked for it."""
    said_by_gateway: Mapped[str] = mapped_column(String, server_default="")
    requested_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    confirmed_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    resolved_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the gateway was about to be asked."""
    answered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    settled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def may_be_told(self) -> bool:
        """Whether its gateway can know of it: not of what we have not asked it for yet."""
        return self.key is None or self.by_hand or self.sent_at is not None

    @property
    def is_in_force(self) -> bool:
        """Whether its money is out of the wallet."""
        return self.receipt_id is not None and self.state in IN_FORCE


class Deed(StrEnum):
    """What takes two persons above a limit."""

    APPROVE = "approve"
    ASSIGN = "assign"
    REFUND = "refund"


class ConfirmationState(StrEnum):
    """What became of a deed that waits for a second person."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"


class Confirmation(Base):
    """A deed that one member of the staff has decided on and that another one has to confirm before it is done."""

    __tablename__ = "payment_confirmations"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("second_by IS NULL OR second_by <> first_by OR state = 'withdrawn'", name="two_persons"),
        Index(
            "uq_payment_confirmations_deposit",
            "deposit_id",
            "deed",
            unique=True,
            postgresql_where=text("state = 'waiting' AND receipt_id IS NULL"),
        ),
        Index(
            "uq_payment_confirmations_receipt",
            "receipt_id",
            unique=True,
            postgresql_where=text("state = 'waiting' AND receipt_id IS NOT NULL"),
        ),
        Index("ix_payment_confirmations_deposit", "deposit_id", "id", postgresql_where=text("deposit_id IS NOT NULL")),
        Index("ix_payment_confirmations_receipt", "receipt_id", "id", postgresql_where=text("receipt_id IS NOT NULL")),
        Index("ix_payment_confirmations_waiting", "id", postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    deed: Mapped[str] = mapped_column(String(16))
    deposit_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("deposits.id", ondelete="RESTRICT"))
    receipt_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("payment_receipts.id", ondelete="RESTRICT"))
    """Of money that is assigned."""
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    """Whom it is assigned to, where there is no deposit for it."""
    amount: Mapped[Decimal] = mapped_column(AMOUNT)
    currency: Mapped[str] = mapped_column(String)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """What else the first person said."""
    state: Mapped[str] = mapped_column(String(16), server_default=ConfirmationState.WAITING.value)
    first_by: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    first_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    second_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    """Who confirmed it, or withdrew it."""
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
