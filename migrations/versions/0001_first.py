"""The job queue, and all tables of the first release."""

from alembic import op
from procrastinate.schema import SchemaManager

from smmpanel.entrypoints.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The driver reads % as the start of a parameter.
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    metadata.create_all(op.get_bind())
