"""The tables of further ways to prove who one is: second factors, passkeys, sign-ins of other sites; and who may join."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base

_USER = "users.id"


class SecondFactor(Base):
    """The secret that a user's authenticator app makes codes from, sealed, and one that waits for its first code."""

    __tablename__ = "second_factors"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(_USER, ondelete="CASCADE"), primary_key=True)
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """`NULL` until a first code has shown that the app has it."""
    waiting_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    last_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    """The latest time step whose code was taken: no code is taken twice."""
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class RecoveryCode(Base):
    """A code for when the app is lost: good once. Only its keyed hash is kept."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(_USER, ondelete="CASCADE"), primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Passkey(Base):
    """A key on somebody's device; we hold its public half."""

    __tablename__ = "passkeys"
    __table_args__ = (Index("ix_passkeys_user_id", "user_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(_USER, ondelete="CASCADE"))
    user_handle: Mapped[bytes] = mapped_column(LargeBinary)
    """What devices know the user by: the same random bytes for all of a user's keys."""
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"), default=list)
    name: Mapped[str] = mapped_column(String)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class OutsideIdentity(Base):
    """Somebody whom an OpenID Connect issuer vouches for, and whose account that is here."""

    __tablename__ = "outside_identities"
    __table_args__ = (
        Index("uq_outside_identities_subject", "issuer", "subject", unique=True),
        Index("ix_outside_identities_user_id", "user_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(_USER, ondelete="CASCADE"))
    issuer: Mapped[str] = mapped_column(String)
    subject: Mapped[str] = mapped_column(String)
    email: Mapped[str | None] = mapped_column(String)
    """What the issuer said last, to be shown; nothing is decided by it."""
    linked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SignInStep(Base):
    """What a browser was given on the way to being signed in, and must bring back: once, and soon."""

    __tablename__ = "sign_in_steps"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    kind: Mapped[str] = mapped_column(String)
    """See `steps.StepKind`."""
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey(_USER, ondelete="CASCADE"), index=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """What belongs to it, sealed."""
    begun_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


class Invitation(Base):
    """A code with which so many people may make an account. Only its keyed hash is kept."""

    __tablename__ = "invitations"
    __table_args__ = (CheckConstraint("uses >= 0 AND uses <= max_uses AND max_uses >= 1", name="uses"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    beginning: Mapped[str] = mapped_column(String)
    """The first characters of the code, to tell it from others."""
    note: Mapped[str] = mapped_column(String, server_default=text("''"))
    uses: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    max_uses: Mapped[int] = mapped_column(Integer)
    made_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey(_USER, ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    withdrawn_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class InvitedUser(Base):
    """Who made an account with which invitation."""

    __tablename__ = "invited_users"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(_USER, ondelete="CASCADE"), primary_key=True)
    invitation_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("invitations.id", ondelete="CASCADE"), index=True)
