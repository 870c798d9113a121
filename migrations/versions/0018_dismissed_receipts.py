"""Money that was dismissed, listed without looking through all that was credited."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_payment_receipts_dismissed", "payment_receipts", ["id"], postgresql_where=sa.text("state = 'dismissed'")
    )


def downgrade() -> None:
    op.drop_index("ix_payment_receipts_dismissed", "payment_receipts")
