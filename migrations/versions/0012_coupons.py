"""Coupons on orders."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(24, 6)
ZERO = sa.text("0")


def _to(table: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{table}.id", ondelete="RESTRICT")


def upgrade() -> None:
    op.create_table(
        "coupons",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("code", sa.String(), nullable=False, unique=True),
        sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("percent", sa.Numeric(7, 4)),
        sa.Column("amount", AMOUNT),
        sa.Column("maximum", AMOUNT),
        sa.Column("min_charge", AMOUNT, server_default=ZERO, nullable=False),
        sa.Column("max_uses", sa.Integer()),
        sa.Column("uses", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("uses_per_user", sa.Integer()),
        sa.Column("below_cost", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("valid_until", TIME),
        sa.Column("made_by", BIG),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("stopped_at", TIME),
        sa.CheckConstraint("(percent IS NULL) <> (amount IS NULL)", name=op.f("ck_coupons_one_of_both")),
        sa.CheckConstraint("percent IS NULL OR (percent > 0 AND percent <= 100)", name=op.f("ck_coupons_percent")),
        sa.CheckConstraint(
            "min_charge >= 0 AND (amount IS NULL OR amount > 0) AND (maximum IS NULL OR maximum > 0)",
            name=op.f("ck_coupons_amounts"),
        ),
        sa.CheckConstraint("uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)", name=op.f("ck_coupons_uses")),
    )
    op.create_index("ix_coupons_live", "coupons", ["id"], postgresql_where=sa.text("stopped_at IS NULL"))
    op.create_table(
        "coupon_holders",
        sa.Column("coupon_id", BIG, _to("coupons"), primary_key=True),
        sa.Column("user_id", BIG, _to("users"), primary_key=True),
        sa.Column("uses", sa.Integer(), nullable=False),
    )
    op.create_table(
        "coupon_uses",
        sa.Column("order_id", BIG, _to("orders"), primary_key=True, autoincrement=False),
        sa.Column("coupon_id", BIG, _to("coupons"), nullable=False),
        sa.Column("off", AMOUNT, nullable=False),
    )
    op.create_index("ix_coupon_uses_coupon", "coupon_uses", ["coupon_id", "order_id"])
