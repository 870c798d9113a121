"""Runs migrations on the connection that `smmpanel.entrypoints.migrating` hands over."""

from alembic import context

from smmpanel.entrypoints.tables import metadata

connection = context.config.attributes["connection"]
# Each in a transaction of its own: an index that is built beside the work of others needs none at all.
context.configure(connection=connection, target_metadata=metadata, compare_type=True, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
