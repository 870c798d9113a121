"""What customers show and say to prove that they have paid: evidence for people, never a reason to credit by itself."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Integer, LargeBinary, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base


class DepositClaim(Base):
    """That a customer says they have paid, and who the bank will name as the payer."""

    __tablename__ = "deposit_claims"

    deposit_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("deposits.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    payer: Mapped[str] = mapped_column(String, server_default="")
    claimed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class DepositProof(Base):
    """A picture or document that a customer sent. Kept in the database: whoever backs that up has these too."""

    __tablename__ = "deposit_proofs"
    __table_args__ = (
        Index("ix_deposit_proofs_deposit", "deposit_id", "id"),
        Index("ix_deposit_proofs_digest", "digest"),
        Index("ix_deposit_proofs_kept", "created_at", postgresql_where=text("forgotten_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    deposit_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deposits.id", ondelete="RESTRICT"))
    media_type: Mapped[str] = mapped_column(String)
    size: Mapped[int] = mapped_column(Integer)
    """Of what is kept, in bytes."""
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    """Of the file as it was sent: the same file is known again, whoever sends it, even after it was forgotten."""
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    forgotten_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
