"""Upstream providers: where they are, what they may be asked how often, and how they have been doing."""

from datetime import datetime
from decimal import Decimal
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


class Provider(Base):
    """One account at one upstream panel."""

    __tablename__ = "providers"
    __table_args__ = (CheckConstraint("rate_per_minute > 0 AND concurrency > 0", name="limits"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(String, unique=True)
    name: Mapped[str] = mapped_column(String)
    alias: Mapped[str] = mapped_column(String)
    """The only name of it that may leave the back office."""
    adapter: Mapped[str] = mapped_column(String)
    base_url: Mapped[str] = mapped_column(String)
    api_key_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """The adapter's own configuration; no secrets."""
    currency: Mapped[str] = mapped_column(String)
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    paused_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    paused_reason: Mapped[str | None] = mapped_column(String)
    """Why it was paused by itself: its account was refused. Its orders stay queued."""
    rate_per_minute: Mapped[int | None] = mapped_column(Integer)
    """Calls a minute over all workers; `NULL` means unlimited."""
    concurrency: Mapped[int] = mapped_column(Integer, server_default=text("50"))
    timeout_seconds: Mapped[int] = mapped_column(Integer, server_default=text("30"))
    markup_percent: Mapped[Decimal | None] = mapped_column(Numeric(9, 4))
    markup_fixed: Mapped[Decimal | None] = mapped_column(Numeric(24, 6))
    rounding_step: Mapped[Decimal | None] = mapped_column(Numeric(24, 6))
    low_balance: Mapped[Decimal | None] = mapped_column(Numeric(24, 6))
    """Below this, in the provider's currency, the panel raises an alert."""
    balance: Mapped[Decimal | None] = mapped_column(Numeric(24, 6))
    balance_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    synced_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_success_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class ProviderThrottle(Base):
    """The token bucket of one provider, shared by all workers under a row lock held for a moment."""

    __tablename__ = "provider_throttles"

    provider_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("providers.id", ondelete="CASCADE"), primary_key=True
    )
    tokens: Mapped[Decimal] = mapped_column(Numeric(12, 4), server_default=text("0"))
    refilled_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    blocked_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """Set when the provider itself asked us to wait."""
    blocked_seconds: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How long it last made us wait; asked again soon after, we wait twice as long."""
    patient_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """Since when a call that is not urgent has found nothing left, so that a long queue of orders cannot starve it."""


class ProviderLease(Base):
    """Calls in flight: taken before calling, given back after; a dead worker's lapse by themselves."""

    __tablename__ = "provider_leases"
    __table_args__ = (Index("ix_provider_leases_provider_id", "provider_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    provider_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("providers.id", ondelete="CASCADE"))
    calls: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ProviderHealth(Base):
    """What real calls of one minute were like."""

    __tablename__ = "provider_health"

    provider_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("providers.id", ondelete="CASCADE"), primary_key=True
    )
    minute: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    action: Mapped[str] = mapped_column(String, primary_key=True)
    calls: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    total_ms: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    slowest_ms: Mapped[int] = mapped_column(Integer, server_default=text("0"))
