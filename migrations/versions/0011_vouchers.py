"""Vouchers, rules for a bonus on deposits, and the bonus of each deposit."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(24, 6)
NOW = sa.func.now()
ZERO = sa.text("0")


def upgrade() -> None:
    _vouchers()
    _bonuses()


def _to(table: str, name: str, *, needed: bool = True, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, BIG, sa.ForeignKey(f"{table}.id", ondelete="RESTRICT"), nullable=not needed, **more)


def _vouchers() -> None:
    op.create_table(
        "voucher_batches",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("key", sa.String(), nullable=False, unique=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("codes", sa.Integer(), nullable=False),
        sa.Column("uses_each", sa.Integer(), nullable=False),
        sa.Column("uses_per_user", sa.Integer()),
        sa.Column("used", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("valid_until", TIME),
        sa.Column("made_by", BIG),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("stopped_at", TIME),
        sa.CheckConstraint("amount > 0", name=op.f("ck_voucher_batches_amount")),
        sa.CheckConstraint(
            "codes > 0 AND uses_each > 0 AND (uses_per_user IS NULL OR uses_per_user > 0)",
            name=op.f("ck_voucher_batches_numbers"),
        ),
        sa.CheckConstraint(
            "used >= 0 AND used <= CAST(codes AS bigint) * uses_each", name=op.f("ck_voucher_batches_used")
        ),
    )
    op.create_table(
        "vouchers",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        _to("voucher_batches", "batch_id"),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("ending", sa.String(), nullable=False),
        sa.Column("uses", sa.Integer(), server_default=ZERO, nullable=False),
        sa.CheckConstraint("uses >= 0", name=op.f("ck_vouchers_uses")),
    )
    op.create_index("ix_vouchers_batch", "vouchers", ["batch_id", "id"])
    op.create_table(
        "voucher_holders",
        _to("voucher_batches", "batch_id", primary_key=True),
        _to("users", "user_id", primary_key=True),
        sa.Column("uses", sa.Integer(), nullable=False),
    )
    op.create_table(
        "voucher_redemptions",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        _to("voucher_batches", "batch_id"),
        _to("vouchers", "voucher_id"),
        _to("users", "user_id"),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("redeemed_at", TIME, nullable=False),
    )
    op.create_index("ix_voucher_redemptions_batch", "voucher_redemptions", ["batch_id", "id"])
    op.create_index("ix_voucher_redemptions_user", "voucher_redemptions", ["user_id", "id"])


def _bonuses() -> None:
    op.create_table(
        "bonus_rules",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        _to("payment_methods", "method_id", needed=False),
        sa.Column("threshold", AMOUNT, nullable=False),
        sa.Column("percent", sa.Numeric(7, 4), nullable=False),
        sa.Column("maximum", AMOUNT),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME),
        sa.Column("stopped_at", TIME),
        sa.Column("made_by", BIG),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint("threshold >= 0 AND (maximum IS NULL OR maximum > 0)", name=op.f("ck_bonus_rules_amounts")),
        sa.CheckConstraint("percent > 0 AND percent <= 100", name=op.f("ck_bonus_rules_percent")),
        sa.CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name=op.f("ck_bonus_rules_time")),
    )
    op.create_index("ix_bonus_rules_running", "bonus_rules", ["id"], postgresql_where=sa.text("stopped_at IS NULL"))
    op.create_table(
        "deposit_bonuses",
        _to("deposits", "deposit_id", primary_key=True, autoincrement=False),
        _to("bonus_rules", "rule_id", needed=False),
        sa.Column("amount", AMOUNT, server_default=ZERO, nullable=False),
        sa.Column("moves", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_deposit_bonuses_amount")),
    )
