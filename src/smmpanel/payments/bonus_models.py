"""Rules for a bonus on deposits. They are never changed: a rule is added, and it is stopped."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, Numeric, func, text
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base

AMOUNT = Numeric(24, 6)


class BonusRule(Base):
    """So many percent of what is credited, from a sum on that was paid; amounts are in the wallet's currency."""

    __tablename__ = "bonus_rules"
    __table_args__ = (
        CheckConstraint("threshold >= 0 AND (maximum IS NULL OR maximum > 0)", name="amounts"),
        CheckConstraint("percent > 0 AND percent <= 100", name="percent"),
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="time"),
        Index("ix_bonus_rules_running", "id", postgresql_where=text("stopped_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    method_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("payment_methods.id", ondelete="RESTRICT"))
    """`None` for all methods."""
    threshold: Mapped[Decimal] = mapped_column(AMOUNT)
    percent: Mapped[Decimal] = mapped_column(Numeric(7, 4))
    maximum: Mapped[Decimal | None] = mapped_column(AMOUNT)
    """The most that one deposit brings."""
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    stopped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    made_by: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
