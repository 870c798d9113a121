"""Vouchers: batches of codes, of which only keyed hashes are kept, and what each was redeemed for. Only growth writes these tables."""

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
    LargeBinary,
    Numeric,
    String,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base

AMOUNT = Numeric(24, 6)


class VoucherBatch(Base):
    """Codes that were made together, all worth the same: many of one use each, or a single one of many uses."""

    __tablename__ = "voucher_batches"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("codes > 0 AND uses_each > 0 AND (uses_per_user IS NULL OR uses_per_user > 0)", name="numbers"),
        CheckConstraint("used >= 0 AND used <= CAST(codes AS bigint) * uses_each", name="used"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(String, unique=True)
    """Of the form that made it: sent twice, it is one batch."""
    name: Mapped[str] = mapped_column(String)
    """Stands in the statements of those who redeem."""
    note: Mapped[str] = mapped_column(String, server_default=text("''"))
    amount: Mapped[Decimal] = mapped_column(AMOUNT)
    currency: Mapped[str] = mapped_column(String)
    codes: Mapped[int] = mapped_column(Integer)
    uses_each: Mapped[int] = mapped_column(Integer)
    uses_per_user: Mapped[int | None] = mapped_column(Integer)
    """How often one customer may redeem out of the whole batch; `None` for as often as there are codes."""
    used: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    valid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    made_by: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    stopped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def uses(self) -> int:
        """How often it can be redeemed altogether."""
        return self.codes * self.uses_each

    @property
    def left(self) -> int:
        """How often it can still be redeemed, if nothing else stands against it."""
        return self.uses - self.used


class Voucher(Base):
    """One code."""

    __tablename__ = "vouchers"
    __table_args__ = (CheckConstraint("uses >= 0", name="uses"), Index("ix_vouchers_batch", "batch_id", "id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    batch_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("voucher_batches.id", ondelete="RESTRICT"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    ending: Mapped[str] = mapped_column(String)
    """The last signs of the code, so that staff can tell which one a customer speaks of."""
    uses: Mapped[int] = mapped_column(Integer, server_default=text("0"))


class VoucherHolder(Base):
    """How often a customer has redeemed out of a batch."""

    __tablename__ = "voucher_holders"

    batch_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("voucher_batches.id", ondelete="RESTRICT"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True)
    uses: Mapped[int] = mapped_column(Integer)


class Redemption(Base):
    """One use of a code; the transfer's key is made of its number."""

    __tablename__ = "voucher_redemptions"
    __table_args__ = (
        Index("ix_voucher_redemptions_batch", "batch_id", "id"),
        Index("ix_voucher_redemptions_user", "user_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    batch_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("voucher_batches.id", ondelete="RESTRICT"))
    voucher_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("vouchers.id", ondelete="RESTRICT"))
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    amount: Mapped[Decimal] = mapped_column(AMOUNT)
    redeemed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
