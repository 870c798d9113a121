"""Payments: ways to pay in, what customers want to pay, what gateways said, and the money that arrived.

Three identities are unique: a deposit's reference and memo, a message's key, and money by the number that its gateway
gave it. The ledger's key is made of the last one, so two messages about one payment meet in one receipt.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    String,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base
from smmpanel.payments.states import DepositState

AMOUNT = Numeric(24, 6)
RATE = Numeric(24, 12)


class PaymentMethod(Base):
    """One account at one gateway, as customers are offered it."""

    __tablename__ = "payment_methods"
    __table_args__ = (
        CheckConstraint("minimum > 0 AND (maximum IS NULL OR maximum >= minimum)", name="limits"),
        CheckConstraint("fee_percent >= 0 AND fee_percent < 100 AND fee_fixed >= 0", name="fee"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    gateway: Mapped[str] = mapped_column(String)
    """The name under which its adapter is registered."""
    name: Mapped[str] = mapped_column(String)
    enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether it is offered. What was sent to one that is not offered any more is credited all the same."""
    currency: Mapped[str] = mapped_column(String)
    minimum: Mapped[Decimal] = mapped_column(AMOUNT)
    maximum: Mapped[Decimal | None] = mapped_column(AMOUNT)
    fee_percent: Mapped[Decimal] = mapped_column(Numeric(7, 4), server_default=text("0"))
    fee_fixed: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    expires_minutes: Mapped[int] = mapped_column(Integer)
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """The adapter's own configuration; no secrets."""
    secrets_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """By name a list of secrets, the newest first: all of them verify, so that they can be changed without a gap."""
    policy: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """What becomes of money that is not as asked for: see `payments.policies`."""
    position: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Deposit(Base):
    """What a customer wants to pay in, or has: amounts are in the method's currency unless they say otherwise."""

    __tablename__ = "deposits"
    __table_args__ = (
        CheckConstraint("amount > 0 AND received >= 0 AND fees >= 0 AND credited >= 0", name="money"),
        CheckConstraint(
            "returned >= 0 AND returned <= received AND taken >= 0 AND taken <= credited", name="never_more_back"
        ),
        Index("uq_deposits_memo_code", "memo_code", unique=True, postgresql_where=text("memo_code IS NOT NULL")),
        Index("uq_deposits_key", "user_id", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
        Index("ix_deposits_user", "user_id", "id"),
        Index("ix_deposits_user_state", "user_id", "state", "id"),
        Index("ix_deposits_state", "state", "id"),
        Index("ix_deposits_waiting", "gateway", "id", postgresql_where=text("state IN ('created', 'pending')")),
        Index("ix_deposits_method", "method_id", "id"),
        Index("ix_deposits_due", "expires_at", postgresql_where=text("state IN ('created', 'pending')")),
        Index("ix_deposits_ask", "ask_at", postgresql_where=text("ask_at IS NOT NULL")),
        # What a transfer that nobody can place may belong to.
        Index("ix_deposits_amount", "amount", "id"),
        Index("ix_deposits_created_at", "created_at", postgresql_using="brin"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    method_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("payment_methods.id", ondelete="RESTRICT"))
    gateway: Mapped[str] = mapped_column(String)
    reference: Mapped[str] = mapped_column(String, unique=True)
    """What gateways know it by; never used again."""
    memo_code: Mapped[str | None] = mapped_column(String)
    """What a transfer is recognised by; never used again."""
    memo: Mapped[str | None] = mapped_column(String)
    """The whole text of the transfer, as the customer was told."""
    key: Mapped[str | None] = mapped_column(String)
    """The caller's own, so that a repeated call does not make a second one."""
    amount: Mapped[Decimal] = mapped_column(AMOUNT)
    currency: Mapped[str] = mapped_column(String)
    fee_percent: Mapped[Decimal] = mapped_column(Numeric(7, 4), server_default=text("0"))
    fee_fixed: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    wallet_currency: Mapped[str] = mapped_column(String)
    rate: Mapped[Decimal] = mapped_column(RATE, server_default=text("1"))
    """What one unit of its currency is worth in the wallet's: of money that arrives before it expires."""
    rate_source: Mapped[str] = mapped_column(String, server_default="same")
    rate_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    received: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    fees: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """In the wallet's currency."""
    credited: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What the wallet gained, after fees, in the wallet's currency."""
    returned: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What went back of what was received: paid back, or taken back. In its currency."""
    taken: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What the wallet lost by that of what it had gained, in the wallet's currency."""
    state: Mapped[str] = mapped_column(String(24), server_default=DepositState.CREATED.value)
    late: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether money arrived after it had expired."""
    shown: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """What the customer was told to do, frozen: bank details, or where to pay."""
    external_ref: Mapped[str | None] = mapped_column(String)
    """The gateway's own number of the request."""
    note: Mapped[str | None] = mapped_column(String)
    """Why it was rejected."""
    decided_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    ask_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When its gateway is asked how it stands; never, if empty."""
    asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    asked: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How often it was asked."""
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    paid_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it was rejected or had expired."""


class EventOutcome(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    SETTLED = "settled"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REVIEW = "review"
    HINT = "hint"
    """It proves too little to credit anything: its gateway is asked, and the answer counts."""
    UNREADABLE = "unreadable"


class GatewayEvent(Base):
    """A message that a gateway has proved to be its own, as it came. What proves nothing is counted, not kept."""

    __tablename__ = "gateway_events"
    __table_args__ = (
        Index("uq_gateway_events_key", "gateway", "event_key", unique=True),
        Index("ix_gateway_events_due", "due_at", postgresql_where=text("outcome = 'waiting'")),
        Index("ix_gateway_events_deposit", "deposit_id", "id", postgresql_where=text("deposit_id IS NOT NULL")),
        Index("ix_gateway_events_received_at", "received_at", postgresql_using="brin"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    gateway: Mapped[str] = mapped_column(String)
    method_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("payment_methods.id", ondelete="RESTRICT"))
    source: Mapped[str] = mapped_column(String)
    """`webhook`, or `poll`."""
    event_key: Mapped[str] = mapped_column(String)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Those that its reading takes; never what authenticates it."""
    body: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    verdict: Mapped[str] = mapped_column(String)
    """How it was authenticated."""
    outcome: Mapped[str] = mapped_column(String(16), server_default=EventOutcome.WAITING.value)
    note: Mapped[str] = mapped_column(String, server_default="")
    deposit_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("deposits.id", ondelete="RESTRICT"))
    repeats: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How often the same came again."""
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    processed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class GatewayKey(Base):
    """A public key that a gateway signs its messages with. Old ones stay: messages signed with them may still come."""

    __tablename__ = "gateway_keys"

    method_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("payment_methods.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String, primary_key=True)
    pem: Mapped[str] = mapped_column(String)
    fetched_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ReceiptState(StrEnum):
    """What became of money that arrived."""

    CREDITED = "credited"
    REVIEW = "review"
    DISMISSED = "dismissed"
    """It is nobody's here: sent back, or the panel's own."""


class Receipt(Base):
    """Money that arrived, known by its gateway's number: credited once, or waiting for somebody to look at it."""

    __tablename__ = "payment_receipts"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("state <> 'credited' OR deposit_id IS NOT NULL", name="credited_to"),
        CheckConstraint(
            "returned >= 0 AND returned <= amount AND taken >= 0 AND taken <= credited"
            " AND fee_returned >= 0 AND fee_returned <= fee",
            name="never_more_back",
        ),
        Index("uq_payment_receipts_external", "gateway", "external_id", unique=True),
        Index("ix_payment_receipts_natural", "natural_key", postgresql_where=text("natural_key IS NOT NULL")),
        Index("ix_payment_receipts_deposit", "deposit_id", "id", postgresql_where=text("deposit_id IS NOT NULL")),
        Index("ix_payment_receipts_review", "id", postgresql_where=text("state = 'review'")),
        Index("ix_payment_receipts_dismissed", "id", postgresql_where=text("state = 'dismissed'")),
        Index("ix_payment_receipts_bank_ref", "gateway", "bank_ref", postgresql_where=text("bank_ref IS NOT NULL")),
        # What a day's list must still name.
        Index(
            "ix_payment_receipts_unlisted",
            "method_id",
            "occurred_at",
            postgresql_where=text("listed_at IS NULL AND natural_key IS NOT NULL"),
        ),
        Index("ix_payment_receipts_event", "event_id", postgresql_where=text("event_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    gateway: Mapped[str] = mapped_column(String)
    method_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("payment_methods.id", ondelete="RESTRICT"))
    source: Mapped[str] = mapped_column(String)
    external_id: Mapped[str] = mapped_column(String)
    natural_key: Mapped[str | None] = mapped_column(String)
    """What the same money looks like from another side of its gateway."""
    also: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))
    """The numbers that other sides gave it, as `source:number`."""
    amount: Mapped[Decimal] = mapped_column(AMOUNT)
    currency: Mapped[str] = mapped_column(String)
    account: Mapped[str | None] = mapped_column(String)
    payer: Mapped[str | None] = mapped_column(String)
    memo: Mapped[str] = mapped_column(String, server_default="")
    bank_ref: Mapped[str | None] = mapped_column(String)
    occurred_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    arrived_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    event_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("gateway_events.id", ondelete="RESTRICT"))
    listed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it was first found in its gateway's list."""
    deposit_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("deposits.id", ondelete="RESTRICT"))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String, server_default="")
    """Why it is looked at, or what was odd about it: see `payments.words`."""
    rate: Mapped[Decimal] = mapped_column(RATE, server_default=text("1"))
    fee: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    credited: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What the wallet gained of it, after its fee, in the wallet's currency."""
    returned: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What went back of it, in its currency."""
    taken: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What the wallet lost by that, in the wallet's currency."""
    fee_returned: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """The share of the fee in what went back: the panel's loss."""
    staff_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    note: Mapped[str | None] = mapped_column(String)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
