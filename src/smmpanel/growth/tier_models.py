"""Tiers and what users have spent. Only growth writes these tables."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    String,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base

AMOUNT = Numeric(24, 6)
PERCENT = Numeric(7, 4)


class Tier(Base):
    """What whoever has spent this much gets. A tier's level is its place by what it takes, from zero."""

    __tablename__ = "tiers"
    __table_args__ = (
        CheckConstraint("min_spent >= 0", name="min_spent"),
        CheckConstraint("discount >= 0 AND discount <= 100", name="discount"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String)
    icon: Mapped[str] = mapped_column(String, server_default=text("''"))
    """A few signs; each `*` is shown as a star."""
    min_spent: Mapped[Decimal] = mapped_column(AMOUNT, unique=True)
    """In the panel's currency."""
    discount: Mapped[Decimal] = mapped_column(PERCENT, server_default=text("0"))
    """In percent, on list prices."""
    benefits: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    """One line each; `{discount}` in it is the tier's discount."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class OrderSpend(Base):
    """What one order has earned, as far as it was counted for its customer. Orders that earned nothing have no row."""

    __tablename__ = "order_spends"
    # Read for one user's sum, from the index alone.
    __table_args__ = (Index("ix_order_spends_user", "user_id", postgresql_include=["earned"]),)

    # No foreign key: each check would write a lock into the order's row, which is never deleted anyway.
    order_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(BigInteger)
    earned: Mapped[Decimal] = mapped_column(AMOUNT)


class UserSpend(Base):
    """What a user has spent, and the tier that follows from it. The row's lock is taken before anything of it is counted."""

    __tablename__ = "user_spends"
    __table_args__ = (
        CheckConstraint("spent >= 0", name="spent"),
        Index("ix_user_spends_tier", "tier_id", "user_id"),
    )

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    spent: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """The sum of what the user's orders have earned."""
    tier_id: Mapped[int | None] = mapped_column(BigInteger)
    """The tier that the user was put into last; it may have been removed since."""
    tier_level: Mapped[int | None] = mapped_column(Integer)
    """Which level that tier was then."""
    discount: Mapped[Decimal] = mapped_column(PERCENT, server_default=text("0"))
    """What the catalogue was told last of the tier's discount."""
    moves: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How often the tier has changed: names each change."""
