"""Mails to be sent, what each user wants to be told of, and addresses that wait to be confirmed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
NOW = sa.func.now()
STATES = ("waiting", "sending", "sent", "failed", "unknown")


def upgrade() -> None:
    op.add_column("users", sa.Column("pending_email", sa.String()))
    op.add_column("notifications", sa.Column("hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    _mails()
    op.create_table(
        "notification_choices",
        sa.Column("user_id", BIG, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("event", sa.String(), primary_key=True),
        sa.Column("in_panel", sa.Boolean(), nullable=False),
        sa.Column("by_mail", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "balance_watches",
        sa.Column("user_id", BIG, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("below", sa.Numeric(24, 6), nullable=False),
        sa.Column("told_at", TIME),
        sa.CheckConstraint("below > 0", name=op.f("ck_balance_watches_below")),
    )


def _mails() -> None:
    op.create_table(
        "mails",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("key", sa.String(), nullable=False, unique=True),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("fields", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("state", sa.String(16), server_default="waiting", nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("claimed_until", TIME),
        sa.Column("said", sa.String()),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("sent_at", TIME),
        sa.CheckConstraint(sa.column("state").in_(STATES), name=op.f("ck_mails_state")),
    )
    op.create_index("ix_mails_due", "mails", ["due_at"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_index("ix_mails_claimed", "mails", ["claimed_until"], postgresql_where=sa.text("state = 'sending'"))
    op.create_index("ix_mails_user", "mails", ["user_id", "kind", "id"])
    op.create_index("ix_mails_created_at", "mails", ["created_at"])
    op.create_index(
        "uq_mails_gathering",
        "mails",
        ["user_id", "kind"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting' AND kind = 'orders_finished'"),
    )
