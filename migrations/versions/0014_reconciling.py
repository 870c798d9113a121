"""Comparing what gateways list with what is on record here."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
ZERO = sa.text("0")


def upgrade() -> None:
    op.create_table(
        "payment_reconciliations",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column(
            "method_id", sa.BigInteger(), sa.ForeignKey("payment_methods.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("rows", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("missing_here", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("different", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("missing_there", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("unreadable", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
    )
    op.create_index("ix_payment_reconciliations_method", "payment_reconciliations", ["method_id", "id"])
    op.add_column("payment_receipts", sa.Column("listed_at", TIME))
    op.create_index(
        "ix_payment_receipts_bank_ref",
        "payment_receipts",
        ["gateway", "bank_ref"],
        postgresql_where=sa.text("bank_ref IS NOT NULL"),
    )
    op.create_index(
        "ix_payment_receipts_unlisted",
        "payment_receipts",
        ["method_id", "occurred_at"],
        postgresql_where=sa.text("listed_at IS NULL AND natural_key IS NOT NULL"),
    )
