"""What staff must be told, what users are told of their own affairs and want to be told, and the mails that tell it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    String,
    func,
    text,
)
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
    hidden: Mapped[bool] = mapped_column(server_default=text("false"))
    """Kept for the next mail only: the user does not want to see it in the panel."""


class NotificationChoice(Base):
    """Whether a user wants to be told of one event in the panel and by mail; without a row the event's own default holds."""

    __tablename__ = "notification_choices"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    event: Mapped[str] = mapped_column(String, primary_key=True)
    in_panel: Mapped[bool]
    by_mail: Mapped[bool]


class BalanceWatch(Base):
    """A user's wish to be told when the balance falls below an amount, and whether that has happened since it was above."""

    __tablename__ = "balance_watches"
    __table_args__ = (CheckConstraint("below > 0", name="below"),)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    below: Mapped[Decimal] = mapped_column(Numeric(24, 6))
    told_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class MailState(StrEnum):
    """How far a mail is. A lost answer makes it unknown, which nobody tries again: it may have arrived."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Mail(Base):
    """A mail that is to be sent, once. It holds what its text is made from; links that open something are made at sending."""

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'sending', 'sent', 'failed', 'unknown')", name="state"),
        Index("ix_mails_due", "due_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_mails_claimed", "claimed_until", postgresql_where=text("state = 'sending'")),
        Index("ix_mails_user", "user_id", "kind", "id"),
        Index("ix_mails_created_at", "created_at"),
        # Of the mail that gathers finished orders at most one is waiting: what finishes meanwhile joins it.
        Index(
            "uq_mails_gathering",
            "user_id",
            "kind",
            unique=True,
            postgresql_where=text("state = 'waiting' AND kind = 'orders_finished'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(String, unique=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    address: Mapped[str] = mapped_column(String)
    kind: Mapped[str] = mapped_column(String)
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    language: Mapped[str] = mapped_column(String)
    state: Mapped[str] = mapped_column(String(16), server_default=MailState.WAITING.value)
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    claimed_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    said: Mapped[str | None] = mapped_column(String)
    """What the mail server, or the line to it, said last."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


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
