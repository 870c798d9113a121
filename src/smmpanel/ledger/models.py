"""The ledger's tables. Only `ledger` writes them; `reports` may read them; a trigger refuses every edit of history (migration 0001)."""

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
    Numeric,
    String,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base

AMOUNT = Numeric(24, 6)


class AccountKind(StrEnum):
    """What an account stands for. Users' accounts keep a running balance under lock; the panel's own are sums."""

    WALLET = "wallet"
    HELD = "held"
    REVENUE = "revenue"
    ADJUSTMENTS = "adjustments"
    DEPOSITS = "deposits"
    BONUSES = "bonuses"
    COMMISSIONS = "commissions"
    EARNINGS = "earnings"
    """A user's commission that is not in the wallet yet. Below zero it is what was taken back of commission already spent."""
    FEES = "fees"

    @property
    def of_users(self) -> bool:
        """Whether users have one each, with a running balance."""
        return self in {AccountKind.WALLET, AccountKind.HELD, AccountKind.EARNINGS}


class LedgerAccount(Base):
    """One side of transfers. Balance = credits − debits: a wallet's balance is what the panel owes its owner."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        CheckConstraint("balance IS NULL OR may_go_negative OR balance >= 0", name="not_overdrawn"),
        CheckConstraint("(owner_id IS NULL) = (balance IS NULL)", name="only_users_keep_a_balance"),
        Index("uq_ledger_accounts_owner", "owner_id", "kind", "currency", unique=True),
        Index("uq_ledger_accounts_system", "kind", "currency", unique=True, postgresql_where=text("owner_id IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(String)
    currency: Mapped[str] = mapped_column(String)
    balance: Mapped[Decimal | None] = mapped_column(AMOUNT)
    may_go_negative: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class LedgerTransfer(Base):
    """One movement: `amount` leaves the debit account and enters the credit account."""

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        CheckConstraint("amount > 0", name="positive"),
        CheckConstraint("debit_id <> credit_id", name="two_accounts"),
        Index("ix_ledger_transfers_debit", "debit_id", "id"),
        Index("ix_ledger_transfers_credit", "credit_id", "id"),
        Index("ix_ledger_transfers_subject", "subject", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(String, unique=True)
    reason: Mapped[str] = mapped_column(String)
    debit_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("ledger_accounts.id", ondelete="RESTRICT"))
    credit_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("ledger_accounts.id", ondelete="RESTRICT"))
    amount: Mapped[Decimal] = mapped_column(AMOUNT)
    debit_balance: Mapped[Decimal | None] = mapped_column(AMOUNT)
    """The debit account's balance after this transfer; `NULL` for accounts that keep none."""
    credit_balance: Mapped[Decimal | None] = mapped_column(AMOUNT)
    subject: Mapped[str] = mapped_column(String)
    """What it was for, such as `order:123`."""
    note: Mapped[str | None] = mapped_column(String)
    reverses: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("ledger_transfers.id", ondelete="RESTRICT"), unique=True
    )
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class LedgerRollup(Base):
    """The sum of a panel account's transfers up to one of them, so that reading it need not begin at the beginning."""

    __tablename__ = "ledger_rollups"

    account_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("ledger_accounts.id", ondelete="RESTRICT"), primary_key=True
    )
    up_to: Mapped[int] = mapped_column(BigInteger)
    balance: Mapped[Decimal] = mapped_column(AMOUNT)
