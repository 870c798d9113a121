"""Coupons on orders, and what each took off. Only orders writes these tables, through `orders.coupons`."""

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
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base

AMOUNT = Numeric(24, 6)


class Coupon(Base):
    """A word that takes a share or an amount off an order. It is never changed, only stopped."""

    __tablename__ = "coupons"
    __table_args__ = (
        CheckConstraint("(percent IS NULL) <> (amount IS NULL)", name="one_of_both"),
        CheckConstraint("percent IS NULL OR (percent > 0 AND percent <= 100)", name="percent"),
        CheckConstraint("min_charge >= 0 AND (amount IS NULL OR amount > 0) AND (maximum IS NULL OR maximum > 0)", name="amounts"),
        CheckConstraint("uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)", name="uses"),
        Index("ix_coupons_live", "id", postgresql_where=text("stopped_at IS NULL")),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String, unique=True)
    """In capitals; it is made to be known."""
    note: Mapped[str] = mapped_column(String, server_default=text("''"))
    percent: Mapped[Decimal | None] = mapped_column(Numeric(7, 4))
    amount: Mapped[Decimal | None] = mapped_column(AMOUNT)
    maximum: Mapped[Decimal | None] = mapped_column(AMOUNT)
    """The most that it takes off."""
    min_charge: Mapped[Decimal] = mapped_column(AMOUNT, server_default=text("0"))
    """What an order costs at least for it to count."""
    max_uses: Mapped[int | None] = mapped_column(Integer)
    uses: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    uses_per_user: Mapped[int | None] = mapped_column(Integer)
    below_cost: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether an order may then cost its customer less than us."""
    valid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    made_by: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    stopped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CouponHolder(Base):
    """How often a customer has used a coupon."""

    __tablename__ = "coupon_holders"

    coupon_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("coupons.id", ondelete="RESTRICT"), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True)
    uses: Mapped[int] = mapped_column(Integer)


class CouponUse(Base):
    """What a coupon took off an order; the row goes when the order came to nothing and the use was given back."""

    __tablename__ = "coupon_uses"
    __table_args__ = (Index("ix_coupon_uses_coupon", "coupon_id", "order_id"),)

    order_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("orders.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    coupon_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("coupons.id", ondelete="RESTRICT"))
    off: Mapped[Decimal] = mapped_column(AMOUNT)
