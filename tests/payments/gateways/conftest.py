"""The conformance test's world: one sandbox process, one panel with a web server on a real port, one database for all."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
import uvicorn

from payments.gateways.shop import Case, Clock, Shop, in_currency
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.db import Database
from smmpanel.kernel.http import Answer, Outgoing
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.public_ids import PublicIds
from smmpanel.kernel.settings import Settings
from smmpanel.ledger.proving import verify
from smmpanel.payments.proving import verify_deposits
from smmpanel.sandbox.gateway.process import GatewayProcess

CALL_SECONDS = 0.4
"""How long the panel waits for a gateway here, whatever its adapter would."""


class Impatient(Outgoing):
    """Outgoing HTTP that gives up early, so that time-outs can be tried."""

    async def send(self, method: str, url: str, **more: Any) -> Answer:
        """Send a request."""
        return await super().send(method, url, **{**more, "timeout_seconds": CALL_SECONDS})


@dataclass(frozen=True)
class World:
    """What all cases share."""

    panel: Panel
    clock: Clock
    sandbox: GatewayProcess
    http: httpx.AsyncClient
    address: str
    methods: dict[str, int] = field(default_factory=dict)
    """Payment methods that are set up, by case."""


@pytest.fixture(scope="session")
def sandbox() -> Iterator[GatewayProcess]:
    """The fake gateways."""
    with GatewayProcess.start() as process:
        yield process


@pytest.fixture(scope="session")
def world_url(migrated_url: str) -> Iterator[str]:
    """A fresh database for all cases of this process."""
    source, name = psycopg.conninfo.conninfo_to_dict(migrated_url)["dbname"], f"gateways_{os.getpid()}"
    with psycopg.connect(migrated_url, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY FILE_COPY')
    yield migrated_url.replace(f"/{source}?", f"/{name}?")
    with psycopg.connect(migrated_url, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(world_url: str, vault: Vault, sandbox: GatewayProcess) -> AsyncIterator[World]:
    """A panel that answers on a real port, and lives where its gateways do."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    clock, db = Clock(), Database(world_url, pool_size=20)
    with TemporaryDirectory(prefix="smmpanel-test-") as home:
        settings = Settings(home=Path(home), database_url=world_url, outgoing_allow="127.0.0.1", public_url=address)  # type: ignore[arg-type]
        async with (
            Impatient(allow=("127.0.0.1",)) as outgoing,
            httpx.AsyncClient(trust_env=False, timeout=30) as http,
        ):
            panel = Panel(settings, "USD", db, vault, outgoing, PublicIds.made(), clock)
            config = uvicorn.Config(
                build_app(panel), http="httptools", ws="none", lifespan="off", log_config=None, access_log=False
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            await asyncio.to_thread(lambda: sandbox.configure(notify_base=address, retry_seconds=[]))
            yield World(panel, clock, sandbox, http, address)
            server.should_exit = True
            await serving
    await db.close()


@pytest_asyncio.fixture(loop_scope="session")
async def shop(world: World, case: Case) -> AsyncIterator[Shop]:
    """The case's gateway, offered. After the test wallets are what the ledger says, and deposits what arrived."""
    world.sandbox.reset()
    world.sandbox.set_clock(world.clock())
    panel = in_currency(world.panel, case, world.clock)
    made = Shop(case, panel, world.clock, world.sandbox, world.http, world.address, world.clock())
    made.methods = world.methods
    await made.open()
    yield made
    async with panel.db.transaction() as session:
        assert list((await verify(session)).differences) == []
        assert await verify_deposits(session) == []
