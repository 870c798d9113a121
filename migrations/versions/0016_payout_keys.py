"""Keys of payouts: one that is asked for twice is one."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payouts", sa.Column("key", sa.String()))
    op.add_column("payouts", sa.Column("asked", sa.Numeric(24, 6)))
    # No payout has a key yet: an index of no rows, made in passing.
    op.create_index(
        "uq_payouts_key", "payouts", ["user_id", "key"], unique=True, postgresql_where=sa.text("key IS NOT NULL")
    )
