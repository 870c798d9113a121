"""The migrated database is exactly what the models say, and several processes may migrate at once."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from smmpanel.entrypoints.embedded import EmbeddedPostgres
from smmpanel.entrypoints.migrating import is_current, migrate
from smmpanel.entrypoints.revisions import newest_revision
from smmpanel.entrypoints.tables import metadata
from smmpanel.kernel.db import engine_url


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres):
    with psycopg.connect(postgres.url, dbname="postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS empty_panel WITH (FORCE)")
        connection.execute("CREATE DATABASE empty_panel")
    yield psycopg.conninfo.make_conninfo(postgres.url, dbname="empty_panel")
    with psycopg.connect(postgres.url, dbname="postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE empty_panel WITH (FORCE)")


def _ours(_object, name, kind, _reflected, _compare_to) -> bool:
    return not (kind == "table" and name.startswith("procrastinate_"))


def test_the_migrations_make_what_the_models_say(database_url: str) -> None:
    engine = create_engine(engine_url(database_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "include_object": _ours}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_processes_that_start_at_once_migrate_one_after_the_other(empty_url: str) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(empty_url)
    url = f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}&port={parts.get('port', 5432)}"
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(migrate, [url] * 4)) == {newest_revision()}
    assert is_current(url)
