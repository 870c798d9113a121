"""Fixtures that all tests share: a real PostgreSQL, a fresh database per test, a panel on it."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
import structlog
from cryptography.fernet import Fernet
from xdist.scheduler import LoadScopeScheduling

from smmpanel.entrypoints.embedded import EmbeddedPostgres
from smmpanel.entrypoints.migrating import migrate
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.db import Database
from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.public_ids import PublicIds
from smmpanel.kernel.settings import Settings

_numbers = count(1)
QUICK_ROOM = 6 * 2**30
TOGETHER = (
    "tests/browser/test_every_page.py",
    "tests/browser/",
    "tests/entrypoints/",
    "tests/pages/",
    "tests/payments/gateways/test_conformance.py",
    "tests/payments/gateways/libraries/",
)
"""What one process runs: it shares a browser, a panel, a sandbox or libraries, or mostly waits for processes, while others work."""

# Tracebacks as the product writes them: with the values of all local variables, as is usual where nothing is said, one takes seconds.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


class Groups(LoadScopeScheduling):
    """Shares single tests out between the processes, and what belongs together as one; the largest groups first."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group in TOGETHER if nodeid.startswith(group)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Groups:
    """Share the tests out by these groups, whatever `--dist` says."""
    return Groups(config, log)


def _quick_folder() -> str | None:
    """Memory to keep throw-away databases in, where there is plenty: copying one is then three times as quick."""
    memory = Path("/dev/shm")  # noqa: S108 - the folders in it are made with names of their own
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= QUICK_ROOM
    return str(memory) if roomy else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server of this test process alone, not durable."""
    # Not below pytest's own directory: each further test run of the same user resets its mode, which for root shuts the
    # system user that runs the server out of its files.
    with TemporaryDirectory(prefix="smmpanel-test-", dir=_quick_folder()) as home:
        server = EmbeddedPostgres(
            Path(home),
            options={
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
                "max_connections": "300",
                # Its workers would be in the way of dropping databases, and only a superuser may send them away.
                "autovacuum": "off",
            },
        )
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def migrated_url(postgres: EmbeddedPostgres) -> str:
    """A database with all migrations applied, to be copied and left alone."""
    migrate(postgres.url)
    return postgres.url


def _admin(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url, dbname="postgres", autocommit=True)


def _with_database(url: str, name: str) -> str:
    scheme, _, rest = url.partition("://")
    before, mark, query = rest.partition("?")
    return f"{scheme}://{before.rsplit('/', 1)[0]}/{name}{mark}{query}"


@pytest.fixture
def database_url(migrated_url: str) -> Iterator[str]:
    """The address of a fresh, migrated database for one test."""
    source = psycopg.conninfo.conninfo_to_dict(migrated_url)["dbname"]
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with _admin(migrated_url) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY FILE_COPY')
    yield _with_database(migrated_url, name)
    with _admin(migrated_url) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A fresh database."""
    database = Database(database_url, pool_size=20)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def vault() -> Vault:
    """A key ring of one key."""
    return Vault([Fernet.generate_key().decode()])


@pytest.fixture
async def panel(db: Database, database_url: str, vault: Vault, tmp_path: Path) -> AsyncIterator[Panel]:
    """A panel in US dollars that may call servers on this machine."""
    settings = Settings(
        home=tmp_path,
        database_url=database_url,  # type: ignore[arg-type]
        outgoing_allow="127.0.0.1",
        api_burst=100_000,
    )
    http = Outgoing(allow=("127.0.0.1",))
    yield Panel(settings=settings, currency="USD", db=db, vault=vault, http=http, public_ids=PublicIds.made())
    await http.aclose()
