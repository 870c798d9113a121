"""Payments: ways to pay in, deposits, messages of gateways, and the money that arrived."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(24, 6)
RATE = sa.Numeric(24, 12)
NOW = sa.func.now()


def upgrade() -> None:
    _methods()
    _deposits()
    _events()
    _receipts()


def _zero(name: str, kind: sa.types.TypeEngine[Any] = AMOUNT, start: str = "0") -> sa.Column[Any]:
    return sa.Column(name, kind, server_default=sa.text(start), nullable=False)


def _to(table: str, name: str, *, needed: bool = True) -> sa.Column[Any]:
    return sa.Column(name, BIG, sa.ForeignKey(f"{table}.id", ondelete="RESTRICT"), nullable=not needed)


def _methods() -> None:
    op.create_table(
        "payment_methods",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("minimum", AMOUNT, nullable=False),
        sa.Column("maximum", AMOUNT),
        _zero("fee_percent", sa.Numeric(7, 4)),
        _zero("fee_fixed"),
        sa.Column("expires_minutes", sa.Integer(), nullable=False),
        _zero("options", JSONB(), "'{}'"),
        sa.Column("secrets_sealed", sa.LargeBinary()),
        _zero("policy", JSONB(), "'{}'"),
        _zero("position", sa.Integer()),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint(
            "minimum > 0 AND (maximum IS NULL OR maximum >= minimum)", name=op.f("ck_payment_methods_limits")
        ),
        sa.CheckConstraint(
            "fee_percent >= 0 AND fee_percent < 100 AND fee_fixed >= 0", name=op.f("ck_payment_methods_fee")
        ),
    )


def _deposits() -> None:
    op.create_table(
        "deposits",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        _to("users", "user_id"),
        _to("payment_methods", "method_id"),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False, unique=True),
        sa.Column("memo_code", sa.String()),
        sa.Column("memo", sa.String()),
        sa.Column("key", sa.String()),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        _zero("fee_percent", sa.Numeric(7, 4)),
        _zero("fee_fixed"),
        sa.Column("wallet_currency", sa.String(), nullable=False),
        _zero("rate", RATE, "1"),
        sa.Column("rate_source", sa.String(), server_default="same", nullable=False),
        sa.Column("rate_at", TIME, server_default=NOW, nullable=False),
        _zero("received"),
        _zero("fees"),
        _zero("credited"),
        sa.Column("state", sa.String(24), server_default="created", nullable=False),
        sa.Column("late", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _zero("shown", JSONB(), "'{}'"),
        sa.Column("external_ref", sa.String()),
        sa.Column("note", sa.String()),
        _to("users", "decided_by", needed=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("paid_at", TIME),
        sa.Column("closed_at", TIME),
        sa.CheckConstraint(
            "amount > 0 AND received >= 0 AND fees >= 0 AND credited >= 0", name=op.f("ck_deposits_money")
        ),
    )
    op.create_index(
        "uq_deposits_memo_code",
        "deposits",
        ["memo_code"],
        postgresql_where=sa.text("memo_code IS NOT NULL"),
        unique=True,
    )
    op.create_index(
        "uq_deposits_key", "deposits", ["user_id", "key"], postgresql_where=sa.text("key IS NOT NULL"), unique=True
    )
    op.create_index("ix_deposits_user", "deposits", ["user_id", "id"])
    op.create_index("ix_deposits_user_state", "deposits", ["user_id", "state", "id"])
    op.create_index("ix_deposits_state", "deposits", ["state", "id"])
    op.create_index("ix_deposits_method", "deposits", ["method_id", "id"])
    op.create_index(
        "ix_deposits_due", "deposits", ["expires_at"], postgresql_where=sa.text("state IN ('created', 'pending')")
    )
    op.create_index("ix_deposits_amount", "deposits", ["amount", "id"])
    op.create_index("ix_deposits_created_at", "deposits", ["created_at"], postgresql_using="brin")


def _events() -> None:
    op.create_table(
        "gateway_events",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("gateway", sa.String(), nullable=False),
        _to("payment_methods", "method_id"),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("event_key", sa.String(), nullable=False),
        _zero("headers", JSONB(), "'{}'"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(16), server_default="waiting", nullable=False),
        sa.Column("note", sa.String(), server_default="", nullable=False),
        _to("deposits", "deposit_id", needed=False),
        _zero("repeats", sa.Integer()),
        _zero("tries", sa.Integer()),
        sa.Column("due_at", TIME, server_default=NOW, nullable=False),
        sa.Column("received_at", TIME, server_default=NOW, nullable=False),
        sa.Column("processed_at", TIME),
    )
    op.create_index("uq_gateway_events_key", "gateway_events", ["gateway", "event_key"], unique=True)
    op.create_index(
        "ix_gateway_events_due", "gateway_events", ["due_at"], postgresql_where=sa.text("outcome = 'waiting'")
    )
    op.create_index(
        "ix_gateway_events_deposit",
        "gateway_events",
        ["deposit_id", "id"],
        postgresql_where=sa.text("deposit_id IS NOT NULL"),
    )
    op.create_index("ix_gateway_events_received_at", "gateway_events", ["received_at"], postgresql_using="brin")


def _receipts() -> None:
    op.create_table(
        "payment_receipts",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("gateway", sa.String(), nullable=False),
        _to("payment_methods", "method_id"),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("natural_key", sa.String()),
        sa.Column("also", sa.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("account", sa.String()),
        sa.Column("payer", sa.String()),
        sa.Column("memo", sa.String(), server_default="", nullable=False),
        sa.Column("bank_ref", sa.String()),
        sa.Column("occurred_at", TIME),
        sa.Column("arrived_at", TIME, server_default=NOW, nullable=False),
        _to("gateway_events", "event_id", needed=False),
        _to("deposits", "deposit_id", needed=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(), server_default="", nullable=False),
        _zero("rate", RATE, "1"),
        _zero("fee"),
        _zero("credited"),
        _to("users", "staff_id", needed=False),
        sa.Column("note", sa.String()),
        sa.Column("decided_at", TIME),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_receipts_amount")),
        sa.CheckConstraint(
            "state <> 'credited' OR deposit_id IS NOT NULL", name=op.f("ck_payment_receipts_credited_to")
        ),
    )
    op.create_index("uq_payment_receipts_external", "payment_receipts", ["gateway", "external_id"], unique=True)
    partly = (
        ("natural", ["natural_key"], "natural_key IS NOT NULL"),
        ("deposit", ["deposit_id", "id"], "deposit_id IS NOT NULL"),
        ("review", ["id"], "state = 'review'"),
        ("event", ["event_id"], "event_id IS NOT NULL"),
    )
    for name, columns, where in partly:
        op.create_index(f"ix_payment_receipts_{name}", "payment_receipts", columns, postgresql_where=sa.text(where))
