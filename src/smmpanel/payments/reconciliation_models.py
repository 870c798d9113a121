"""Looks at what a gateway lists, and what came of them."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base


class Reconciliation(Base):
    """One comparison of a method's list with what is on record here; unfinished, if its gateway failed on the way."""

    __tablename__ = "payment_reconciliations"
    __table_args__ = (Index("ix_payment_reconciliations_method", "method_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    method_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("payment_methods.id", ondelete="CASCADE"))
    is_whole: Mapped[bool] = mapped_column()
    """Whether it also looked for money that is on record here and not there: once a day."""
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    until: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    rows: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How many the gateway listed, money that left the account included."""
    missing_here: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    different: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """Under a reference of the bank's that is on record here with another amount."""
    missing_there: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    unreadable: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
