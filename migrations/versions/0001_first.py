"""The job queue, and all tables of the first release."""

from pathlib import Path

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The queue's own schema, of the version that requirements/ pin. An upgrade of it brings a migration of its own.
    for statements in (SchemaManager.get_schema(), Path(__file__).with_suffix(".sql").read_text()):
        # The driver reads % as the start of a parameter.
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))
