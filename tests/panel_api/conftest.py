"""A panel that is really served, on a port of this machine; the tests of one module share it."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg
import pytest
import structlog
import uvicorn

from making import make_user
from smmpanel.accounts.api_keys import issue_key
from smmpanel.accounts.models import User
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.db import Database
from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.money import plain
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.public_ids import PublicIds
from smmpanel.kernel.settings import Settings
from smmpanel.ledger import balance_of

_numbers = count(1)


@dataclass(frozen=True)
class Reseller:
    """Somebody with a wallet and a key, and the database in which that can be looked at."""

    user_id: int
    key: str
    db: Database

    async def balance(self) -> str:
        async with self.db.transaction() as session:
            return plain((await balance_of(session, self.user_id, "USD")).amount)


class Client:
    """Calls the reseller API as most clients do: a POST with a form."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def send(self, who: Reseller | str, action: str, **fields: Any) -> httpx.Response:
        key = who if isinstance(who, str) else who.key
        return await self.http.post("/api/v2", data={"key": key, "action": action, **fields})

    async def __call__(self, who: Reseller | str, action: str, **fields: Any) -> Any:
        answer = await self.send(who, action, **fields)
        assert answer.status_code == 200
        return answer.json()


@pytest.fixture(scope="module")
def database_url(migrated_url: str) -> Iterator[str]:
    """A fresh database for the tests of one module."""
    parts = psycopg.conninfo.conninfo_to_dict(migrated_url)
    source, name = parts["dbname"], f"served_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(migrated_url, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY FILE_COPY')
    yield migrated_url.replace(f"/{source}?", f"/{name}?")
    with psycopg.connect(migrated_url, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def logged() -> Iterator[list[str]]:
    """What the running panels log, as lines of JSON with plain tracebacks."""
    before, lines = structlog.get_config(), []

    def keep(_logger: Any, _method: str, line: str) -> str:
        lines.append(line)
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer(), keep])
    yield lines
    structlog.configure(**before)


class Served:
    """A web process's inside, on a thread and a loop of its own."""

    def __init__(self, database_url: str, vault: Vault, home: Path, **settings: Any) -> None:
        self._database_url, self._vault = database_url, vault
        generous = {"api_rate_per_minute": 100_000, "api_burst": 100_000, **settings}
        self._settings = Settings(home=home, database_url=database_url, **generous)  # type: ignore[arg-type]
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        db, http = Database(self._database_url), Outgoing()
        panel = Panel(
            settings=self._settings, currency="USD", db=db, vault=self._vault, http=http, public_ids=PublicIds.made()
        )
        config = uvicorn.Config(
            build_app(panel),
            http="httptools",
            ws="none",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )
        self.server = uvicorn.Server(config)
        await self.server.serve(sockets=[self._socket])
        await http.aclose()
        await db.close()

    def __enter__(self) -> "Served":
        self._socket.listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        self._socket.close()


@pytest.fixture(scope="module")
def served(logged: list[str], database_url: str, vault: Vault) -> Iterator[Served]:
    """The running panel."""
    with TemporaryDirectory(prefix="smmpanel-test-") as home, Served(database_url, vault, Path(home)) as server:
        yield server


@pytest.fixture
async def http(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client of the running panel."""
    async with httpx.AsyncClient(base_url=served.address, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def call(http: httpx.AsyncClient) -> Client:
    """A client of the reseller API."""
    return Client(http)


@pytest.fixture
def reseller(db: Database, panel: Panel):
    """Makes customers with a key."""

    async def make(
        funds: str | None = "100", *, ip_list: tuple[str, ...] = (), cap: str | None = None, of: int | None = None
    ) -> Reseller:
        async with db.transaction() as session:
            user_id = of or await make_user(session, funds=funds)
            user = await session.get_one(User, user_id)
            daily = None if cap is None else Decimal(cap)
            _, key = await issue_key(session, panel.vault, user, "shop", ip_list, daily)
        return Reseller(user_id, key, db)

    return make
