"""Referrals, the commission of each order, payouts, and browsers by which accounts are recognised. Only growth writes these."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

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
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base

AMOUNT = Numeric(24, 6)
PERCENT = Numeric(7, 4)
ZERO = text("0")


class ReferralState(StrEnum):
    """Whether a referral is believed. The commission of a flagged one waits until staff clear or refuse it."""

    CLEAR = "clear"
    FLAGGED = "flagged"
    REFUSED = "refused"


class PayoutState(StrEnum):
    """Where a payout of earnings to the wallet stands."""

    WAITING = "waiting"
    PAID = "paid"
    REFUSED = "refused"


class Referrer(Base):
    """What one user's recommendations come to, in sums that are kept along with the rows below."""

    __tablename__ = "referrers"
    __table_args__ = (
        CheckConstraint("percent IS NULL OR (percent >= 0 AND percent <= 100)", name="percent"),
        Index("ix_referrers_untold", "user_id", postgresql_where=text("untold_orders > 0")),
    )

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    percent: Mapped[Decimal | None] = mapped_column(PERCENT)
    """A rate of their own in place of the panel's."""
    referrals: Mapped[int] = mapped_column(Integer, server_default=ZERO, default=0)
    credited: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    """All commission that was credited, less what was taken back."""
    waiting: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    """Commission of flagged referrals."""
    untold: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    """What was credited since they were last told, and for how many orders."""
    untold_orders: Mapped[int] = mapped_column(Integer, server_default=ZERO, default=0)


class Referral(Base):
    """Somebody who was brought by somebody else, and what came of it. Its lock is taken before any of it is reckoned."""

    __tablename__ = "referrals"
    __table_args__ = (
        CheckConstraint("referrer_id <> referred_id", name="two_accounts"),
        CheckConstraint("base >= 0 AND base <= earned AND due >= 0 AND credited >= 0", name="sums"),
        Index("ix_referrals_referrer", "referrer_id", "id"),
        Index("ix_referrals_mailbox", "referrer_id", "mailbox"),
        Index("ix_referrals_flagged", "id", postgresql_where=text("state = 'flagged'")),
        Index("ix_referrals_refused", "id", postgresql_where=text("state = 'refused'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    referrer_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    referred_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    via: Mapped[str] = mapped_column(String)
    """`link` or `code`."""
    state: Mapped[str] = mapped_column(String)
    signals: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))
    """Why it was flagged: names of `referral_signals.Signal`."""
    mailbox: Mapped[str] = mapped_column(String)
    """The referred user's address without what makes no difference to where mail goes."""
    note: Mapped[str | None] = mapped_column(String)
    """What staff wrote when they decided."""
    decided_by: Mapped[int | None] = mapped_column(BigInteger)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    paid_in: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    """The real money that came into the referred user's wallet, up to the transfer `paid_in_up_to`."""
    paid_in_up_to: Mapped[int] = mapped_column(BigInteger, server_default=ZERO, default=0)
    earned: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    base: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    due: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    credited: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    """The sums of the same columns of its commissions."""


class Commission(Base):
    """What one finished order of a referred user means to whoever brought them."""

    __tablename__ = "commissions"
    __table_args__ = (
        CheckConstraint("base >= 0 AND base <= earned", name="base"),
        CheckConstraint("due >= 0 AND credited >= 0", name="amounts"),
        Index("ix_commissions_referral", "referral_id", "id"),
        Index("ix_commissions_uncovered", "referral_id", "id", postgresql_where=text("base < earned")),
        Index("ix_commissions_unsettled", "referral_id", "id", postgresql_where=text("credited <> due")),
        Index("ix_commissions_credited", "referrer_id", "id", postgresql_where=text("credited > 0")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    # No foreign key: each check would write a lock into the order's row, which is never deleted anyway.
    order_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    referral_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("referrals.id", ondelete="CASCADE"))
    referrer_id: Mapped[int] = mapped_column(BigInteger)
    percent: Mapped[Decimal] = mapped_column(PERCENT)
    """The rate when the order was first finished; corrections are reckoned at the same."""
    earned: Mapped[Decimal] = mapped_column(AMOUNT)
    base: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    """The part of what it earned that was paid with real money."""
    due: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    """`base` at `percent`, rounded down to six places."""
    credited: Mapped[Decimal] = mapped_column(AMOUNT, server_default=ZERO, default=Decimal(0))
    """What of it was credited, less what was taken back."""
    moves: Mapped[int] = mapped_column(Integer, server_default=ZERO, default=0)
    """How often money moved for it: names each movement."""
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """When money last moved for it, or else when it was made."""


class Payout(Base):
    """Earnings that a user wants in the wallet: moved once, when staff approve it."""

    __tablename__ = "payouts"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        Index("ix_payouts_user", "user_id", "id"),
        Index("ix_payouts_waiting", "id", postgresql_where=text("state = 'waiting'")),
        Index("uq_payouts_waiting", "user_id", unique=True, postgresql_where=text("state = 'waiting'")),
        Index("uq_payouts_key", "user_id", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    amount: Mapped[Decimal] = mapped_column(AMOUNT)
    state: Mapped[str] = mapped_column(String)
    note: Mapped[str | None] = mapped_column(String)
    """Why it was refused; its owner reads it."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    decided_by: Mapped[int | None] = mapped_column(BigInteger)
    key: Mapped[str | None] = mapped_column(String)
    """Made by whoever asked: the same one is the same payout."""
    asked: Mapped[Decimal | None] = mapped_column(AMOUNT)
    """What was asked for with the key; `None` is everything."""


class UserDevice(Base):
    """A browser that somebody signed up with, or copied their link in."""

    __tablename__ = "user_devices"
    __table_args__ = (Index("ix_user_devices_device", "device"),)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    device: Mapped[str] = mapped_column(String, primary_key=True)
    """A hash of the browser's random name."""
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
