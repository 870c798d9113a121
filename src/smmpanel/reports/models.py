"""Figures by day and service, worked out from orders so that pages need not count them anew."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Date, DateTime, Index, Integer, Numeric, func
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base

AMOUNT = Numeric(24, 6)


class DailySales(Base):
    """What was ordered of one service on one day (of the panel's time zone), and what became of it so far."""

    __tablename__ = "daily_sales"
    __table_args__ = (Index("ix_daily_sales_service", "service_id", "day"),)

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    service_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    provider_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """0 for orders that no provider has been given."""
    orders: Mapped[int] = mapped_column(Integer)
    completed: Mapped[int] = mapped_column(Integer)
    partial: Mapped[int] = mapped_column(Integer)
    canceled: Mapped[int] = mapped_column(Integer)
    charged: Mapped[Decimal] = mapped_column(AMOUNT)
    """What customers paid, in the panel's currency, before refunds."""
    refunded: Mapped[Decimal] = mapped_column(AMOUNT)
    cost: Mapped[Decimal] = mapped_column(AMOUNT)
    """What providers charge for it, in the panel's currency, less what they did not deliver."""
    counted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
