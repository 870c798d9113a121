"""Orders: the row is the queue, the timeline and its attempts are the evidence."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
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
from smmpanel.kernel.states import Flow

AMOUNT = Numeric(24, 6)


class OrderStatus(StrEnum):
    """Where an order stands. Customers see the field's words: see `orders.words`."""

    PENDING = "pending"
    SUBMITTING = "submitting"
    PROCESSING = "processing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    PARTIAL = "partial"
    CANCELED = "canceled"
    FAILED = "failed"


S = OrderStatus
_AFTER_ACCEPTED = {S.PROCESSING, S.IN_PROGRESS, S.COMPLETED, S.PARTIAL, S.CANCELED}
ORDER_FLOW = Flow(
    {
        S.PENDING: {S.SUBMITTING, S.IN_PROGRESS, S.COMPLETED, S.CANCELED, S.FAILED},
        S.SUBMITTING: {S.PENDING, S.PROCESSING, S.FAILED, S.CANCELED},
        S.PROCESSING: _AFTER_ACCEPTED - {S.PROCESSING},
        S.IN_PROGRESS: _AFTER_ACCEPTED - {S.IN_PROGRESS},
        # Providers change finished orders: after a complaint, a resend, a refill that failed.
        S.COMPLETED: {S.PARTIAL, S.CANCELED, S.IN_PROGRESS, S.PROCESSING},
        S.PARTIAL: {S.COMPLETED, S.CANCELED, S.IN_PROGRESS, S.PROCESSING},
        S.CANCELED: set(),
        # Failed keeps its hold until staff send it again or give the money back.
        S.FAILED: {S.PENDING, S.CANCELED},
    }
)
OPEN = (S.PENDING, S.SUBMITTING, S.PROCESSING, S.IN_PROGRESS)
FINISHED = (S.COMPLETED, S.PARTIAL, S.CANCELED)


class OrderKind(StrEnum):
    """What drives an order forward."""

    NORMAL = "normal"
    DRIP = "drip"
    RUN = "run"
    SUBSCRIPTION = "subscription"
    MANUAL = "manual"
    STOCK = "stock"


class Order(Base):
    """One order, with everything it was placed under frozen on it."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint(
            "charge >= 0 AND refunded >= 0 AND earned >= 0 AND allocated >= 0 AND refunded + earned + allocated <= charge",
            name="money",
        ),
        Index("ix_orders_user", "user_id", "id"),
        Index("ix_orders_status", "status", "id"),
        # A customer's tabs. Nearly all orders are completed, and those are found through the index above.
        Index("ix_orders_user_status", "user_id", "status", "id", postgresql_where=text("status <> 'completed'")),
        # A customer's drip-feeds and subscriptions, which are few among many.
        Index(
            "ix_orders_user_kind", "user_id", "kind", "id", postgresql_where=text("kind IN ('drip', 'subscription')")
        ),
        # Orders lie in the order of their making, so this costs next to nothing.
        Index("ix_orders_created_at", "created_at", postgresql_using="brin"),
        Index("ix_orders_service", "service_id", "id"),
        Index("uq_orders_key", "user_id", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
        # The submission queue and the tracking queue.
        Index("ix_orders_to_submit", "provider_id", "due_at", "id", postgresql_where=text("status = 'pending'")),
        Index("ix_orders_to_check", "provider_id", "check_at", postgresql_where=text("check_at IS NOT NULL")),
        Index(
            "ix_orders_submitting", "claimed_until", postgresql_where=text("status = 'submitting' AND NOT unconfirmed")
        ),
        Index("ix_orders_unconfirmed", "id", postgresql_where=text("unconfirmed")),
        Index(
            "uq_orders_external",
            "provider_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        Index("ix_orders_guard", "service_id", "guard_key", postgresql_where=text("guard_key IS NOT NULL")),
        Index("ix_orders_parent", "parent_id", "id", postgresql_where=text("parent_id IS NOT NULL")),
        # By the last word of the link, as the database's own function `link_name` cuts it out; see `orders/on_links.py`.
        Index(
            "ix_orders_link_name",
            func.link_name(text("link")).label("link_name"),
            "id",
            postgresql_ops={"link_name": "text_pattern_ops"},
        ),
        Index(
            "ix_orders_subscriptions",
            "provider_id",
            "check_at",
            postgresql_where=text("kind = 'subscription' AND check_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    service_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("services.id", ondelete="RESTRICT"))
    api_key_id: Mapped[int | None] = mapped_column(BigInteger)
    parent_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("orders.id", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(String)
    status: Mapped[str] = mapped_column(String)
    unconfirmed: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether nobody knows if the provider took it; staff or reconciliation settle that, nothing else moves it."""

    link: Mapped[str] = mapped_column(String)
    quantity: Mapped[int] = mapped_column(BigInteger)
    fields: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    """What the service type asks for beside link and quantity, as it goes to the provider."""

    currency: Mapped[str] = mapped_column(String)
    charge: Mapped[Decimal] = mapped_column(AMOUNT)
    refunded: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    earned: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    allocated: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What was passed on to runs of a drip-feed. Held = charge − refunded − earned − allocated."""
    rate: Mapped[Decimal] = mapped_column(AMOUNT)
    cost: Mapped[Decimal | None] = mapped_column(AMOUNT)
    """What it costs us at the route it goes to, in the panel's currency."""
    terms: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Frozen when placed: type, min, max, refill, refill_days, cancel, price ingredients, cost, rate, FX, markup, discount."""

    provider_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("providers.id", ondelete="RESTRICT"))
    route_id: Mapped[int | None] = mapped_column(BigInteger)
    external_id: Mapped[str | None] = mapped_column(String)
    start_count: Mapped[int | None] = mapped_column(BigInteger)
    remains: Mapped[int | None] = mapped_column(BigInteger)
    provider_charge: Mapped[Decimal | None] = mapped_column(Numeric(24, 9))
    reason: Mapped[str | None] = mapped_column(String)
    """Why it failed, was canceled or waits, for staff."""

    key: Mapped[str | None] = mapped_column(String)
    key_content: Mapped[bytes | None] = mapped_column(LargeBinary)
    guard_key: Mapped[str | None] = mapped_column(String)
    """The canonical link while the order is open and its service guards links."""

    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    claimed_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    check_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    submitted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class OrderEvent(Base):
    """One line of an order's timeline. Being placed is the order's own `created_at`."""

    __tablename__ = "order_events"
    __table_args__ = (Index("ix_order_events_order", "order_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    order_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("orders.id", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(String)
    before: Mapped[str | None] = mapped_column(String)
    after: Mapped[str | None] = mapped_column(String)
    note: Mapped[str] = mapped_column(String, server_default=text("''"))
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class OrderAttempt(Base):
    """One call that handed an order to a provider: written before it is made, completed after."""

    __tablename__ = "order_attempts"
    __table_args__ = (
        Index("ix_order_attempts_order", "order_id", "id"),
        Index("ix_order_attempts_open", "order_id", postgresql_where=text("outcome IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    order_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("orders.id", ondelete="RESTRICT"))
    provider_id: Mapped[int] = mapped_column(BigInteger)
    route_id: Mapped[int | None] = mapped_column(BigInteger)
    request: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """What was sent, without the key."""
    outcome: Mapped[str | None] = mapped_column(String)
    """`accepted`, or one of the five failures; `NULL` while the call is on its way or after its worker died."""
    answer: Mapped[str | None] = mapped_column(String)
    external_id: Mapped[str | None] = mapped_column(String)
    took_ms: Mapped[int | None] = mapped_column(Integer)
    balance_before: Mapped[Decimal | None] = mapped_column(Numeric(24, 6))
    balance_after: Mapped[Decimal | None] = mapped_column(Numeric(24, 6))
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class DripState(StrEnum):
    """Where a schedule stands. A finishing one starts no more runs and waits for those that it has started."""

    ACTIVE = "active"
    PAUSED = "paused"
    FINISHING = "finishing"
    COMPLETED = "completed"
    CANCELED = "canceled"


class DripFeed(Base):
    """The schedule of a drip-feed order: its runs are placed as orders of their own, paid from its hold."""

    __tablename__ = "drip_feeds"
    __table_args__ = (
        Index("ix_drip_feeds_due", "next_run_at", postgresql_where=text("state = 'active'")),
        Index("ix_drip_feeds_finishing", "order_id", postgresql_where=text("state = 'finishing'")),
    )

    order_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("orders.id", ondelete="RESTRICT"), primary_key=True)
    state: Mapped[str] = mapped_column(String)
    """A `DripState`."""
    runs: Mapped[int] = mapped_column(Integer)
    runs_started: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    interval_minutes: Mapped[int] = mapped_column(Integer)
    quantity_per_run: Mapped[int] = mapped_column(BigInteger)
    next_run_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class RefillState(StrEnum):
    """Where a refill stands."""

    PENDING = "pending"
    REQUESTING = "requesting"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    REJECTED = "rejected"
    ERROR = "error"


class Refill(Base):
    """A request to make up for what dropped."""

    __tablename__ = "refills"
    __table_args__ = (
        Index("ix_refills_order", "order_id", "id"),
        Index("ix_refills_user", "user_id", "id"),
        Index(
            "uq_refills_open",
            "order_id",
            unique=True,
            postgresql_where=text("state IN ('pending', 'requesting', 'in_progress')"),
        ),
        Index("ix_refills_due", "due_at", postgresql_where=text("state IN ('pending', 'requesting', 'in_progress')")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    order_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("orders.id", ondelete="RESTRICT"))
    user_id: Mapped[int] = mapped_column(BigInteger)
    provider_id: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String)
    external_id: Mapped[str | None] = mapped_column(String)
    reason: Mapped[str | None] = mapped_column(String)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CancelState(StrEnum):
    """Where a cancel request stands. Money moves only when the order itself turns Canceled or Partial."""

    REQUESTED = "requested"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class CancelRequest(Base):
    """A request to stop an order."""

    __tablename__ = "cancel_requests"
    __table_args__ = (
        Index("ix_cancel_requests_order", "order_id", "id"),
        Index(
            "uq_cancel_requests_open",
            "order_id",
            unique=True,
            postgresql_where=text("state IN ('requested', 'sending')"),
        ),
        Index("ix_cancel_requests_due", "due_at", postgresql_where=text("state IN ('requested', 'sending')")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    order_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("orders.id", ondelete="RESTRICT"))
    user_id: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String)
    reason: Mapped[str | None] = mapped_column(String)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class KeySpend(Base):
    """What one API key has spent on one day (UTC), kept only for keys with a cap."""

    __tablename__ = "key_spends"

    api_key_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    day: Mapped[str] = mapped_column(String, primary_key=True)
    spent: Mapped[Decimal] = mapped_column(AMOUNT)


class TrackingTurn(Base):
    """Who asks a provider for statuses at the moment; a dead worker's turn ends by itself."""

    __tablename__ = "tracking_turns"

    provider_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("providers.id", ondelete="CASCADE"), primary_key=True
    )
    until: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class SubscriptionChild(Base):
    """One order that a provider made for a post of a subscription; what they delivered decides what is earned."""

    __tablename__ = "subscription_children"

    order_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("orders.id", ondelete="RESTRICT"), primary_key=True)
    external_id: Mapped[str] = mapped_column(String, primary_key=True)
    status: Mapped[str | None] = mapped_column(String)
    """The provider's last word that we know; `NULL` until it has said one."""
    charge: Mapped[Decimal | None] = mapped_column(Numeric(24, 9))
    """The most that the provider has said it cost: some lower the charge once a child is partial."""
    currency: Mapped[str | None] = mapped_column(String)
    remains: Mapped[int | None] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
