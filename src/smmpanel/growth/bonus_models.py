"""The bonus of each deposit that brought one. Only growth writes this table."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Integer, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base

AMOUNT = Numeric(24, 6)


class DepositBonus(Base):
    """What a deposit has brought on top so far, and by which rule."""

    __tablename__ = "deposit_bonuses"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("taken >= 0 AND taken <= amount", name="taken"),
    )

    deposit_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("deposits.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    rule_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("bonus_rules.id", ondelete="RESTRICT"))
    amount: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    taken: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What is taken back of it, because money of the deposit went back."""
    moves: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How often it has changed, up or down: names each transfer."""
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
