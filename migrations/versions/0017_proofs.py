"""What customers say and send to prove that they have paid; deposits that wait, by gateway."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
NOW = sa.func.now()


def _deposit() -> sa.ForeignKey:
    return sa.ForeignKey("deposits.id", ondelete="RESTRICT")


def upgrade() -> None:
    op.create_table(
        "deposit_claims",
        sa.Column("deposit_id", BIG, _deposit(), primary_key=True, autoincrement=False),
        sa.Column("payer", sa.String(), server_default="", nullable=False),
        sa.Column("claimed_at", TIME, server_default=NOW, nullable=False),
    )
    op.create_table(
        "deposit_proofs",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("deposit_id", BIG, _deposit(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("forgotten_at", TIME),
    )
    op.create_index("ix_deposit_proofs_deposit", "deposit_proofs", ["deposit_id", "id"])
    op.create_index("ix_deposit_proofs_digest", "deposit_proofs", ["digest"])
    op.create_index(
        "ix_deposit_proofs_kept", "deposit_proofs", ["created_at"], postgresql_where=sa.text("forgotten_at IS NULL")
    )
    # How many of a gateway's wait is asked for on every page of the back office.
    op.create_index(
        "ix_deposits_waiting",
        "deposits",
        ["gateway", "id"],
        postgresql_where=sa.text("state IN ('created', 'pending')"),
    )
