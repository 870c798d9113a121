"""What is for sale, what stands behind it at providers, and what it costs whom."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
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

RATE = Numeric(24, 6)


class ServiceMode(StrEnum):
    """Who fulfils it."""

    PROVIDER = "provider"
    MANUAL = "manual"
    STOCK = "stock"


class Category(Base):
    """A shelf of services, of one platform at most."""

    __tablename__ = "categories"
    __table_args__ = (Index("uq_categories_name", text("lower(name)"), unique=True),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String)
    platform: Mapped[str | None] = mapped_column(String)
    """A slug of `catalog.platforms`; links are checked against it."""
    position: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    markup_percent: Mapped[Decimal | None] = mapped_column(Numeric(9, 4))
    markup_fixed: Mapped[Decimal | None] = mapped_column(RATE)
    rounding_step: Mapped[Decimal | None] = mapped_column(RATE)


class Service(Base):
    """Something a customer can order. `rate` is the list price per 1,000 (per package), in the panel's currency."""

    __tablename__ = "services"
    __table_args__ = (
        CheckConstraint("rate >= 0 AND min >= 1 AND max >= min", name="terms"),
        Index("ix_services_category", "category_id", "position", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    category_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("categories.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String)
    description: Mapped[str] = mapped_column(String, server_default=text("''"))
    average_time: Mapped[str] = mapped_column(String, server_default=text("''"))
    type: Mapped[str] = mapped_column(String, server_default=text("'default'"))
    """A slug of `catalog.service_types`."""
    mode: Mapped[str] = mapped_column(String, server_default=text("'provider'"))
    min: Mapped[int] = mapped_column(BigInteger)
    max: Mapped[int] = mapped_column(BigInteger)
    dripfeed: Mapped[bool] = mapped_column(server_default=text("false"))
    refill: Mapped[bool] = mapped_column(server_default=text("false"))
    refill_days: Mapped[int | None] = mapped_column(Integer)
    """How long after completion a refill may be asked for; `NULL` with `refill` set means for ever."""
    cancel: Mapped[bool] = mapped_column(server_default=text("false"))
    rate: Mapped[Decimal] = mapped_column(RATE)
    cost: Mapped[Decimal | None] = mapped_column(RATE)
    """What 1,000 cost us, in the panel's currency, at the first route's price; `NULL` for own services without a cost."""
    fixed_rate: Mapped[Decimal | None] = mapped_column(RATE)
    """A price set by hand; `NULL` computes `rate` from cost and markup at every sync."""
    markup_percent: Mapped[Decimal | None] = mapped_column(Numeric(9, 4))
    markup_fixed: Mapped[Decimal | None] = mapped_column(RATE)
    rounding_step: Mapped[Decimal | None] = mapped_column(RATE)
    allow_below_cost: Mapped[bool] = mapped_column(server_default=text("false"))
    link_guard: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether a link may have only one open order of this service at a time."""
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    held_reason: Mapped[str | None] = mapped_column(String)
    """Why it was taken off sale by itself (`cost_above_price`, `gone_at_provider`); `NULL` when it is on sale."""
    position: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class ProviderService(Base):
    """One line of a provider's catalogue as last seen."""

    __tablename__ = "provider_services"
    __table_args__ = (Index("uq_provider_services_external", "provider_id", "external_id", unique=True),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    provider_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("providers.id", ondelete="RESTRICT"))
    external_id: Mapped[str] = mapped_column(String)
    name: Mapped[str] = mapped_column(String)
    category: Mapped[str] = mapped_column(String)
    type: Mapped[str] = mapped_column(String)
    rate: Mapped[Decimal] = mapped_column(Numeric(24, 9))
    """Per 1,000 (per package), in the provider's currency."""
    min: Mapped[int] = mapped_column(BigInteger)
    max: Mapped[int] = mapped_column(BigInteger)
    refill: Mapped[bool | None] = mapped_column()
    cancel: Mapped[bool | None] = mapped_column()
    dripfeed: Mapped[bool | None] = mapped_column()
    description: Mapped[str] = mapped_column(String, server_default=text("''"))
    misses: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """Complete lists in a row that did not have it; two take it off sale."""
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class ServiceRoute(Base):
    """A provider's service behind one of ours; the lowest `priority` is asked first."""

    __tablename__ = "service_routes"
    __table_args__ = (
        Index("uq_service_routes_pair", "service_id", "provider_service_id", unique=True),
        Index("ix_service_routes_provider_service_id", "provider_service_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    service_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("services.id", ondelete="CASCADE"))
    provider_service_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("provider_services.id", ondelete="RESTRICT")
    )
    priority: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))


class ServiceChange(Base):
    """One change of a service, for its change log and for the updates page."""

    __tablename__ = "service_changes"
    __table_args__ = (Index("ix_service_changes_service", "service_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    service_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("services.id", ondelete="CASCADE"))
    field: Mapped[str] = mapped_column(String)
    before: Mapped[Any] = mapped_column(JSONB)
    after: Mapped[Any] = mapped_column(JSONB)
    cause: Mapped[str] = mapped_column(String)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class FxRate(Base):
    """How many units of `quote` one unit of `base` is worth."""

    __tablename__ = "fx_rates"
    __table_args__ = (CheckConstraint("rate > 0", name="positive"),)

    base: Mapped[str] = mapped_column(String, primary_key=True)
    quote: Mapped[str] = mapped_column(String, primary_key=True)
    rate: Mapped[Decimal] = mapped_column(Numeric(24, 12))
    set_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class UserDiscount(Base):
    """A user's discounts on list prices: the greater one is in force."""

    __tablename__ = "user_discounts"
    __table_args__ = (
        CheckConstraint("percent >= 0 AND percent <= 100", name="range"),
        CheckConstraint("tier_percent >= 0 AND tier_percent <= 100", name="tier_range"),
    )

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    percent: Mapped[Decimal] = mapped_column(Numeric(7, 4))
    """What staff gave this user alone."""
    tier_percent: Mapped[Decimal] = mapped_column(Numeric(7, 4), server_default=text("0"))
    """What the user's tier gives: written by whoever counts what users spend."""


class CustomRate(Base):
    """A user's own price for one service, per 1,000, in the panel's currency; no discount applies to it."""

    __tablename__ = "custom_rates"
    __table_args__ = (CheckConstraint("rate >= 0", name="not_negative"),)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    service_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    rate: Mapped[Decimal] = mapped_column(RATE)


class Favourite(Base):
    """A service that a user keeps at hand."""

    __tablename__ = "favourites"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    service_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("services.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class ServiceTiming(Base):
    """How long a service has taken lately, measured from orders that were completed."""

    __tablename__ = "service_timings"

    service_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    sample: Mapped[int] = mapped_column(Integer)
    """How many orders were measured."""
    median_seconds: Mapped[int] = mapped_column(Integer)
    """From placing to completion, of the order in the middle."""
    measured_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class StockItem(Base):
    """One unit of a stock service: sold once, readable only by its buyer."""

    __tablename__ = "stock_items"
    __table_args__ = (
        Index("uq_stock_items_content", "service_id", "fingerprint", unique=True),
        Index("ix_stock_items_free", "service_id", "id", postgresql_where=text("order_id IS NULL")),
        Index("ix_stock_items_order", "order_id", postgresql_where=text("order_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    service_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("services.id", ondelete="RESTRICT"))
    content_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    """A keyed hash of the content, so that the same unit is not put in twice."""
    order_id: Mapped[int | None] = mapped_column(BigInteger)
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    sold_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CatalogVersion(Base):
    """A single row that changes with everything a price list depends on, so that a rendered list can be kept."""

    __tablename__ = "catalog_version"
    __table_args__ = (CheckConstraint("id = 1", name="single_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
