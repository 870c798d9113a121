"""Asking gateways how deposits stand, and the public keys that gateways sign with."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("deposits", sa.Column("ask_at", TIME))
    op.add_column("deposits", sa.Column("asked_at", TIME))
    op.add_column("deposits", sa.Column("asked", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "gateway_keys",
        sa.Column(
            "method_id", sa.BigInteger(), sa.ForeignKey("payment_methods.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("pem", sa.String(), nullable=False),
        sa.Column("fetched_at", TIME, nullable=False),
    )
    # No deposit is to be asked about yet: an index of no rows, made in passing.
    op.create_index("ix_deposits_ask", "deposits", ["ask_at"], postgresql_where=sa.text("ask_at IS NOT NULL"))
