"""A customer's drip-feeds and subscriptions are listed without going through all orders."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_orders_user_kind",
        "orders",
        ["user_id", "kind", "id"],
        postgresql_where=sa.text("kind IN ('drip', 'subscription')"),
    )
