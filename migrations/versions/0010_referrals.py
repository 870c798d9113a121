"""Referral codes, referrals, the commission of each order, and payouts."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(24, 6)
PERCENT = sa.Numeric(7, 4)
NOW = sa.func.now()
ZERO = sa.text("0")


def upgrade() -> None:
    op.create_table(
        "referral_codes",
        sa.Column("user_id", BIG, _user(), primary_key=True),
        sa.Column("code", sa.String(), nullable=False, unique=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
    )
    op.create_table(
        "referrers",
        sa.Column("user_id", BIG, _user(), primary_key=True),
        sa.Column("percent", PERCENT),
        sa.Column("referrals", sa.Integer(), server_default=ZERO, nullable=False),
        _sum("credited"),
        _sum("waiting"),
        _sum("untold"),
        sa.Column("untold_orders", sa.Integer(), server_default=ZERO, nullable=False),
        sa.CheckConstraint("percent IS NULL OR (percent >= 0 AND percent <= 100)", name=op.f("ck_referrers_percent")),
    )
    op.create_index("ix_referrers_untold", "referrers", ["user_id"], postgresql_where=sa.text("untold_orders > 0"))
    _referrals()
    _commissions()
    _payouts()
    op.create_table(
        "user_devices",
        sa.Column("user_id", BIG, _user(), primary_key=True),
        sa.Column("device", sa.String(), primary_key=True),
        sa.Column("seen_at", TIME, server_default=NOW, nullable=False),
    )
    op.create_index("ix_user_devices_device", "user_devices", ["device"])


def _user() -> sa.ForeignKey:
    return sa.ForeignKey("users.id", ondelete="CASCADE")


def _sum(name: str) -> sa.Column[Any]:
    return sa.Column(name, AMOUNT, server_default=ZERO, nullable=False)


def _referrals() -> None:
    op.create_table(
        "referrals",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("referrer_id", BIG, _user(), nullable=False),
        sa.Column("referred_id", BIG, _user(), nullable=False, unique=True),
        sa.Column("via", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("signals", ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("mailbox", sa.String(), nullable=False),
        sa.Column("note", sa.String()),
        sa.Column("decided_by", BIG),
        sa.Column("decided_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        _sum("paid_in"),
        sa.Column("paid_in_up_to", BIG, server_default=ZERO, nullable=False),
        *(_sum(name) for name in ("earned", "base", "due", "credited")),
        sa.CheckConstraint("referrer_id <> referred_id", name=op.f("ck_referrals_two_accounts")),
        sa.CheckConstraint(
            "base >= 0 AND base <= earned AND due >= 0 AND credited >= 0", name=op.f("ck_referrals_sums")
        ),
    )
    op.create_index("ix_referrals_referrer", "referrals", ["referrer_id", "id"])
    op.create_index("ix_referrals_mailbox", "referrals", ["referrer_id", "mailbox"])
    for state in ("flagged", "refused"):
        op.create_index(f"ix_referrals_{state}", "referrals", ["id"], postgresql_where=sa.text(f"state = '{state}'"))


def _commissions() -> None:
    op.create_table(
        "commissions",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("order_id", BIG, nullable=False, unique=True),
        sa.Column("referral_id", BIG, sa.ForeignKey("referrals.id", ondelete="CASCADE"), nullable=False),
        sa.Column("referrer_id", BIG, nullable=False),
        sa.Column("percent", PERCENT, nullable=False),
        sa.Column("earned", AMOUNT, nullable=False),
        *(_sum(name) for name in ("base", "due", "credited")),
        sa.Column("moves", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.CheckConstraint("base >= 0 AND base <= earned", name=op.f("ck_commissions_base")),
        sa.CheckConstraint("due >= 0 AND credited >= 0", name=op.f("ck_commissions_amounts")),
    )
    op.create_index("ix_commissions_referral", "commissions", ["referral_id", "id"])
    conditions = {"uncovered": "base < earned", "unsettled": "credited <> due"}
    for name, condition in conditions.items():
        op.create_index(
            f"ix_commissions_{name}", "commissions", ["referral_id", "id"], postgresql_where=sa.text(condition)
        )
    op.create_index(
        "ix_commissions_credited", "commissions", ["referrer_id", "id"], postgresql_where=sa.text("credited > 0")
    )


def _payouts() -> None:
    op.create_table(
        "payouts",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("user_id", BIG, _user(), nullable=False),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("note", sa.String()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("decided_at", TIME),
        sa.Column("decided_by", BIG),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payouts_amount")),
    )
    is_waiting = sa.text("state = 'waiting'")
    op.create_index("ix_payouts_user", "payouts", ["user_id", "id"])
    op.create_index("ix_payouts_waiting", "payouts", ["id"], postgresql_where=is_waiting)
    op.create_index("uq_payouts_waiting", "payouts", ["user_id"], unique=True, postgresql_where=is_waiting)
