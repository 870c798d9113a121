"""Money of deposits that goes back, and deeds of staff that take two persons."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(24, 6)
ZERO = sa.text("0")
NO = sa.text("false")
EMPTY = sa.text("''")


def _to(table: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{table}.id", ondelete="RESTRICT")


def upgrade() -> None:
    _sums()
    _returns()
    _confirmations()


def _sums() -> None:
    for table, names in (
        ("deposits", ("returned", "taken")),
        ("payment_receipts", ("returned", "taken", "fee_returned")),
    ):
        for name in names:
            op.add_column(table, sa.Column(name, AMOUNT, server_default=ZERO, nullable=False))
    op.create_check_constraint(
        op.f("ck_deposits_never_more_back"),
        "deposits",
        "returned >= 0 AND returned <= received AND taken >= 0 AND taken <= credited",
    )
    op.create_check_constraint(
        op.f("ck_payment_receipts_never_more_back"),
        "payment_receipts",
        "returned >= 0 AND returned <= amount AND taken >= 0 AND taken <= credited"
        " AND fee_returned >= 0 AND fee_returned <= fee",
    )
    op.add_column("deposit_bonuses", sa.Column("taken", AMOUNT, server_default=ZERO, nullable=False))
    op.create_check_constraint(op.f("ck_deposit_bonuses_taken"), "deposit_bonuses", "taken >= 0 AND taken <= amount")


def _returns() -> None:
    op.create_table(
        "payment_returns",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("return_id", sa.String(), nullable=False),
        sa.Column("is_named", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("deposit_id", BIG, _to("deposits")),
        sa.Column("receipt_id", BIG, _to("payment_receipts")),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("said", AMOUNT, nullable=False),
        sa.Column("is_total", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("amount", AMOUNT, server_default=ZERO, nullable=False),
        sa.Column("taken", AMOUNT, server_default=ZERO, nullable=False),
        sa.Column("fee", AMOUNT, server_default=ZERO, nullable=False),
        sa.Column("posted_as", sa.String()),
        sa.Column("event_id", BIG, _to("gateway_events")),
        sa.Column("key", sa.String()),
        sa.Column("by_hand", sa.Boolean(), server_default=NO, nullable=False),
        sa.Column("bank_ref", sa.String()),
        sa.Column("note", sa.String(), server_default=EMPTY, nullable=False),
        sa.Column("said_by_gateway", sa.String(), server_default=EMPTY, nullable=False),
        sa.Column("requested_by", BIG, _to("users")),
        sa.Column("confirmed_by", BIG, _to("users")),
        sa.Column("resolved_by", BIG, _to("users")),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("sent_at", TIME),
        sa.Column("answered_at", TIME),
        sa.Column("settled_at", TIME),
        sa.CheckConstraint("amount >= 0 AND taken >= 0 AND fee >= 0", name=op.f("ck_payment_returns_money")),
        sa.CheckConstraint("receipt_id IS NOT NULL OR amount = 0", name=op.f("ck_payment_returns_nothing_of_nothing")),
    )
    named = sa.text("deposit_id IS NOT NULL")
    op.create_index("uq_payment_returns_return", "payment_returns", ["gateway", "return_id"], unique=True)
    op.create_index(
        "uq_payment_returns_key",
        "payment_returns",
        ["deposit_id", "key"],
        unique=True,
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.create_index("ix_payment_returns_deposit", "payment_returns", ["deposit_id", "id"], postgresql_where=named)
    op.create_index(
        "ix_payment_returns_receipt",
        "payment_returns",
        ["receipt_id", "id"],
        postgresql_where=sa.text("receipt_id IS NOT NULL"),
    )
    op.create_index(
        "ix_payment_returns_waiting",
        "payment_returns",
        ["gateway", "external_id"],
        postgresql_where=sa.text("receipt_id IS NULL AND state = 'pending'"),
    )
    op.create_index(
        "ix_payment_returns_open",
        "payment_returns",
        ["id"],
        postgresql_where=sa.text("state IN ('pending', 'unknown')"),
    )


def _confirmations() -> None:
    op.create_table(
        "payment_confirmations",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("deed", sa.String(16), nullable=False),
        sa.Column("deposit_id", BIG, _to("deposits")),
        sa.Column("receipt_id", BIG, _to("payment_receipts")),
        sa.Column("user_id", BIG, _to("users")),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("details", sa.dialects.postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", sa.String(16), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("first_by", BIG, _to("users"), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("second_by", BIG, _to("users")),
        sa.Column("decided_at", TIME),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_confirmations_amount")),
        sa.CheckConstraint(
            "second_by IS NULL OR second_by <> first_by OR state = 'withdrawn'",
            name=op.f("ck_payment_confirmations_two_persons"),
        ),
    )
    table = "payment_confirmations"
    op.create_index(
        "uq_payment_confirmations_deposit",
        table,
        ["deposit_id", "deed"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting' AND receipt_id IS NULL"),
    )
    op.create_index(
        "uq_payment_confirmations_receipt",
        table,
        ["receipt_id"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting' AND receipt_id IS NOT NULL"),
    )
    for name in ("deposit", "receipt"):
        there = sa.text(f"{name}_id IS NOT NULL")
        op.create_index(f"ix_payment_confirmations_{name}", table, [f"{name}_id", "id"], postgresql_where=there)
    waiting = sa.text("state = 'waiting'")
    op.create_index("ix_payment_confirmations_waiting", table, ["id"], postgresql_where=waiting)
