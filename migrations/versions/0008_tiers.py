"""Tiers, what users have spent, and the discount that a tier gives."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
AMOUNT = sa.Numeric(24, 6)
PERCENT = sa.Numeric(7, 4)
ZERO = sa.text("0")


def upgrade() -> None:
    op.create_table(
        "tiers",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("icon", sa.String(), server_default="", nullable=False),
        sa.Column("min_spent", AMOUNT, nullable=False, unique=True),
        sa.Column("discount", PERCENT, server_default=ZERO, nullable=False),
        sa.Column("benefits", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("min_spent >= 0", name=op.f("ck_tiers_min_spent")),
        sa.CheckConstraint("discount >= 0 AND discount <= 100", name=op.f("ck_tiers_discount")),
    )
    op.create_table(
        "order_spends",
        sa.Column("order_id", BIG, primary_key=True, autoincrement=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("earned", AMOUNT, nullable=False),
    )
    op.create_index("ix_order_spends_user", "order_spends", ["user_id"], postgresql_include=["earned"])
    op.create_table(
        "user_spends",
        sa.Column("user_id", BIG, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("spent", AMOUNT, server_default=ZERO, nullable=False),
        sa.Column("tier_id", BIG),
        sa.Column("tier_level", sa.Integer()),
        sa.Column("discount", PERCENT, server_default=ZERO, nullable=False),
        sa.Column("moves", sa.Integer(), server_default=ZERO, nullable=False),
        sa.CheckConstraint("spent >= 0", name=op.f("ck_user_spends_spent")),
    )
    op.create_index("ix_user_spends_tier", "user_spends", ["tier_id", "user_id"])
    op.add_column("user_discounts", sa.Column("tier_percent", PERCENT, server_default=ZERO, nullable=False))
    op.create_check_constraint(
        op.f("ck_user_discounts_tier_range"), "user_discounts", "tier_percent >= 0 AND tier_percent <= 100"
    )
