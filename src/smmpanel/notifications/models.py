"""What staff must be told, one row for each thing that is wrong, and what users are told of their own affairs."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, DateTime, Enum, ForeignKey, Identity, Index, Integer, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base


class AlertLevel(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Notification(Base):
    """Something that a user is told: kept until they have read it, and for a while after."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("uq_notifications_key", "user_id", "key", unique=True),
        Index("ix_notifications_user", "user_id", "id"),
        Index("ix_notifications_unread", "user_id", postgresql_where=text("read_at IS NULL")),
        Index("ix_notifications_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String)
    """What it tells, once: a fact that is told twice is still one notification."""
    kind: Mapped[str] = mapped_column(String)
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """What its sentence is made from, in the reader's language, when it is shown."""
    href: Mapped[str] = mapped_column(String, server_default="")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    read_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Alert(Base):
    """Something that staff should know of. Open until it is cleared; of the same thing only one is open at a time."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("uq_alerts_open", "kind", "subject", unique=True, postgresql_where=text("cleared_at IS NULL")),
        Index("ix_alerts_open_id", "id", postgresql_where=text("cleared_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String)
    subject: Mapped[str] = mapped_column(String)
    """What it is about, such as `provider:3`."""
    level: Mapped[AlertLevel] = mapped_column(
        Enum(
            AlertLevel,
            name="level",
            native_enum=False,
            length=16,
            create_constraint=True,
            values_callable=lambda levels: [level.value for level in levels],
        )
    )
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """What its sentence is made from, as it was when it was last raised."""
    raised_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    last_raised_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    times: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    cleared_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
