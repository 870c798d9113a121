"""Bringing a database to the present schema: one process at a time, under an advisory lock."""

import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from smmpanel.kernel.db import engine_url

MIGRATIONS = Path(__file__).parents[3] / "migrations"
LOCK = 0x736D6D70616E656C
"""The advisory lock's number: the product's name in ASCII."""
LOCK_TIMEOUT = "120s"
TURN_SECONDS = 120
TURN_PAUSE_SECONDS = 0.1


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _locked(url: str, work: Callable[[Connection], str]) -> str:
    engine = create_engine(engine_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        _take_turn(connection)
        try:
            return work(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
            connection.commit()


def _take_turn(connection: Connection) -> None:
    """Wait for the lock by asking again: a statement that waits would be waited for by an index built concurrently."""
    ends = time.monotonic() + TURN_SECONDS
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}):
        connection.commit()
        if time.monotonic() > ends:
            raise TimeoutError("another process is migrating this database")
        time.sleep(TURN_PAUSE_SECONDS)
    connection.commit()


def migrate(url: str) -> str:
    """Apply all migrations that are missing and return the revision that the database is at then."""

    def work(connection: Connection) -> str:
        command.upgrade(_config(connection), "head")
        connection.commit()
        return MigrationContext.configure(connection).get_current_revision() or ""

    return _locked(url, work)


def is_current(url: str) -> bool:
    """Whether the database is at the newest revision."""
    engine = create_engine(engine_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
        return MigrationContext.configure(connection).get_current_revision() == head
