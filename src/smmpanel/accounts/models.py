"""The tables of accounts: users, their keys and sessions, what was tried at the door, and who did what."""

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
    LargeBinary,
    Numeric,
    String,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.accounts.states import AccountState, Role
from smmpanel.kernel.db import Base


def _words(kind: type[StrEnum], name: str) -> Enum:
    return Enum(
        kind,
        name=name,
        native_enum=False,
        length=24,
        create_constraint=True,
        values_callable=lambda words: [word.value for word in words],
    )


class User(Base):
    """A person with an account. User names and e-mail addresses are unique whatever their case."""

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_username_lower", func.lower(text("username")), unique=True),
        Index("uq_users_email_lower", func.lower(text("email")), unique=True),
        # For what staff type: the beginning of a name or an address, whatever the database sorts by.
        Index(
            "ix_users_username_search",
            func.lower(text("username")).label("username_lower"),
            postgresql_ops={"username_lower": "text_pattern_ops"},
        ),
        Index(
            "ix_users_email_search",
            func.lower(text("email")).label("email_lower"),
            postgresql_ops={"email_lower": "text_pattern_ops"},
        ),
        Index("ix_users_staff", "role", postgresql_where=text("role <> 'customer'")),
        Index("ix_users_not_active", "state", postgresql_where=text("state <> 'active'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    username: Mapped[str] = mapped_column(String)
    email: Mapped[str] = mapped_column(String)
    password_hash: Mapped[str] = mapped_column(String)
    role: Mapped[Role] = mapped_column(_words(Role, "role"), server_default=Role.CUSTOMER.value, default=Role.CUSTOMER)
    permissions: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"), default=list)
    """Of staff only: what they may do, by name."""
    state: Mapped[AccountState] = mapped_column(
        _words(AccountState, "state"), server_default=AccountState.ACTIVE.value, default=AccountState.ACTIVE
    )
    state_reason: Mapped[str | None] = mapped_column(String)
    language: Mapped[str] = mapped_column(String, server_default="en", default="en")
    time_zone: Mapped[str] = mapped_column(String, server_default="UTC", default="UTC")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    email_verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    pending_email: Mapped[str | None] = mapped_column(String)
    """The address that takes the place of `email` once its owner opens the link that was sent there."""
    phone: Mapped[str | None] = mapped_column(String)
    """In the international form, `+84912345678`; nobody has proved that it is theirs."""
    password_changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class ApiKey(Base):
    """A reseller's key. Only its prefix and a keyed hash are kept: the key itself is shown once."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("daily_spend_cap IS NULL OR daily_spend_cap > 0", name="cap_positive"),
        Index("ix_api_keys_user_id", "user_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String)
    prefix: Mapped[str] = mapped_column(String, unique=True)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    ip_list: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"), default=list)
    """Networks from which the key may be used; empty means from anywhere."""
    daily_spend_cap: Mapped[Decimal | None] = mapped_column(Numeric(24, 6))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class LoginSession(Base):
    """One sign-in on one device. Access tokens and the cookie live exactly as long as this row allows."""

    __tablename__ = "login_sessions"
    __table_args__ = (Index("ix_login_sessions_user_id", "user_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    ip: Mapped[str | None] = mapped_column(String)
    user_agent: Mapped[str | None] = mapped_column(String)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    acted_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    """The staff member who opened this session to see the panel as its user does."""


class MailedToken(Base):
    """A link that was sent by e-mail: good once, for a while, for one purpose. Only its hash is kept."""

    __tablename__ = "mailed_tokens"
    __table_args__ = (Index("ix_mailed_tokens_user_id", "user_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String)
    """`reset` or `verify`."""
    email: Mapped[str] = mapped_column(String)
    """Where it was sent: it is worth nothing once the account neither has this address nor waits for it."""
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class AttemptCounter(Base):
    """Failed tries of one kind against one account or from one address, and until when the next one is refused."""

    __tablename__ = "attempt_counters"

    kind: Mapped[str] = mapped_column(String, primary_key=True)
    subject: Mapped[str] = mapped_column(String, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    last_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    blocked_until: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class LoginOutcome(StrEnum):
    """How a try to sign in ended."""

    SIGNED_IN = "signed_in"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a word, not a password
    REFUSED = "refused"
    """The proof was right and the account is suspended or banned."""
    HALF_WAY = "half_way"
    """The first proof was right; the second one is still to be given."""
    WRONG_CODE = "wrong_code"


class LoginWay(StrEnum):
    """What somebody signs in with."""

    PASSWORD = "password"  # noqa: S105 - a word, not a password
    PASSKEY = "passkey"
    OPENID = "openid"


class LoginHistory(Base):
    """One try to sign in; without a user if nobody has the name that was given, which is not kept."""

    __tablename__ = "login_history"
    __table_args__ = (Index("ix_login_history_user_id", "user_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    outcome: Mapped[LoginOutcome] = mapped_column(_words(LoginOutcome, "outcome"))
    way: Mapped[LoginWay] = mapped_column(
        _words(LoginWay, "way"), server_default=LoginWay.PASSWORD.value, default=LoginWay.PASSWORD
    )
    ip: Mapped[str | None] = mapped_column(String)
    user_agent: Mapped[str | None] = mapped_column(String)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


class AuditEntry(Base):
    """Who did what to what, by which permission, and what it was before and after. A trigger refuses every edit."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_subject", "subject", "id"),
        Index("ix_audit_log_actor_id", "actor_id", "id"),
        Index("ix_audit_log_permission", "permission", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    actor_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="RESTRICT"))
    actor_kind: Mapped[str] = mapped_column(String)
    """`user`, `cli` or `system`."""
    permission: Mapped[str] = mapped_column(String)
    subject: Mapped[str] = mapped_column(String)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    ip: Mapped[str | None] = mapped_column(String)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)
