"""The database: one engine per panel, transactions opened by edges, and what is to happen once one is committed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, OperationalError
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection as PooledConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

STATEMENT_TIMEOUT_MS = 60_000
LOCK_TIMEOUT_MS = 20_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000

_AFTER_COMMIT = "smmpanel_after_commit"


class Base(DeclarativeBase):
    """Base of all tables; names of constraints follow one rule so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def engine_url(libpq_url: str) -> str:
    """Turn a `postgresql://` address, as everybody writes it, into the one SQLAlchemy wants."""
    scheme, separator, rest = libpq_url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
        raise ValueError("the database must be PostgreSQL: postgresql://user@host/name")
    return f"postgresql+psycopg://{rest}"


class Database:
    """One PostgreSQL database and its pool of connections. Verbs receive sessions from here and never commit them."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = url
        self.wake_sink: Callable[[Any], None] | None = None
        """Where `jobs.wake` drops its hints; nothing listens in a process that runs no panel."""
        self.engine: AsyncEngine = create_async_engine(
            engine_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=30,
            pool_recycle=1800,
            pool_pre_ping=False,
            connect_args={
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
                f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_MS} -c timezone=UTC",
                "application_name": "smmpanel",
            },
        )
        self._statements = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, info={"database": self})

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction: committed at the end, rolled back if anything is raised. Then run what waits for the commit."""
        async with self._sessions() as session:
            async with session.begin():
                yield session
            for callback in session.info.pop(_AFTER_COMMIT, ()):
                callback()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a session whose statements stand each for itself: for a few quick reads, half the round trips of a transaction."""
        async with self._sessions(bind=self._statements) as session:
            yield session

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Lend the driver's own connection, each statement for itself: for the one that every call of an API waits for."""
        async with self._statements.connect() as connection:
            driver = await _driver_of(connection)
            try:
                yield driver
            except OperationalError:
                if driver.closed:
                    # The engine was not told: what else it keeps was most likely cut off with this one.
                    await self.engine.dispose()
                raise

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Open a read-only transaction that sees one moment of the database throughout, for as long as it takes."""
        async with self.transaction() as session:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            await session.execute(text("SET TRANSACTION READ ONLY"))
            await session.execute(text("SET LOCAL statement_timeout = 0"))
            yield session

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()


def was_rolled_back(error: Exception) -> bool:
    """Whether a transaction that ended in this error has certainly changed nothing.

    The server's own refusals roll back. A connection that broke says nothing: the commit may have arrived.
    """
    if isinstance(error, DBAPIError):
        return not error.connection_invalidated and getattr(error.orig, "sqlstate", None) is not None
    return not isinstance(error, OSError)


def after_commit(session: AsyncSession, callback: Callable[[], None]) -> None:
    """Have a quick, synchronous callback run once this transaction is committed; it is forgotten if it is not.

    Only hints may travel this way: the process can die between the commit and the callback.
    """
    session.info.setdefault(_AFTER_COMMIT, []).append(callback)


async def psycopg_connection(session: AsyncSession) -> AsyncConnection[Any]:
    """Return the driver's connection under a session, for COPY, pipelines and the job queue."""
    return await _driver_of(await session.connection())


async def _driver_of(connection: PooledConnection) -> AsyncConnection[Any]:
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, AsyncConnection)
    return driver
