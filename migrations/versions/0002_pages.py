"""What pages need: notifications, favourites, measured times, daily figures, mailed links, and lists by status."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(24, 6)
NOW = sa.func.now()


def upgrade() -> None:
    _users()
    _catalogue()
    _notifications()
    _figures()
    op.create_index(
        "ix_orders_user_status",
        "orders",
        ["user_id", "status", "id"],
        postgresql_where=sa.text("status <> 'completed'"),
    )
    op.create_index("ix_orders_created_at", "orders", ["created_at"], postgresql_using="brin")


def _users() -> None:
    op.add_column("users", sa.Column("email_verified_at", TIME))
    op.create_index("ix_users_username_search", "users", [sa.text("lower(username) text_pattern_ops")])
    op.create_index("ix_users_email_search", "users", [sa.text("lower(email) text_pattern_ops")])
    op.add_column("login_sessions", sa.Column("acted_by", BIG))
    op.create_foreign_key(
        op.f("fk_login_sessions_acted_by_users"), "login_sessions", "users", ["acted_by"], ["id"], ondelete="CASCADE"
    )
    op.create_table(
        "mailed_tokens",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
    )
    op.create_index("ix_mailed_tokens_user_id", "mailed_tokens", ["user_id"])
    op.create_index(op.f("ix_mailed_tokens_expires_at"), "mailed_tokens", ["expires_at"])


def _catalogue() -> None:
    op.create_table(
        "favourites",
        sa.Column("user_id", BIG, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("service_id", BIG, sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("added_at", TIME, server_default=NOW, nullable=False),
    )
    op.create_index(op.f("ix_favourites_service_id"), "favourites", ["service_id"])
    op.create_table(
        "service_timings",
        sa.Column("service_id", BIG, sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("median_seconds", sa.Integer(), nullable=False),
        sa.Column("measured_at", TIME, server_default=NOW, nullable=False),
    )


def _notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("fields", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("href", sa.String(), server_default="", nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("read_at", TIME),
    )
    op.create_index("uq_notifications_key", "notifications", ["user_id", "key"], unique=True)
    op.create_index("ix_notifications_user", "notifications", ["user_id", "id"])
    op.create_index(
        "ix_notifications_unread", "notifications", ["user_id"], postgresql_where=sa.text("read_at IS NULL")
    )
    op.create_index("ix_notifications_created_at", "notifications", ["created_at"])


def _figures() -> None:
    op.create_table(
        "daily_sales",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("service_id", BIG, primary_key=True, autoincrement=False),
        sa.Column("provider_id", BIG, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("orders", "completed", "partial", "canceled")),
        *(sa.Column(name, AMOUNT, nullable=False) for name in ("charged", "refunded", "cost")),
        sa.Column("counted_at", TIME, server_default=NOW, nullable=False),
    )
    op.create_index("ix_daily_sales_service", "daily_sales", ["service_id", "day"])
