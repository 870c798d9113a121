"""Libraries of gateways that live in processes of their own, and fake gateways that nobody else uses meanwhile."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from payments.gateways.libraries.process import LibraryProcess
from smmpanel.kernel.http import Outgoing
from smmpanel.sandbox.gateway.process import GatewayProcess


@pytest.fixture(scope="session")
def in_python() -> Iterator[LibraryProcess]:
    """Libraries in Python."""
    process = LibraryProcess.of_python()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def in_node() -> Iterator[LibraryProcess]:
    """Libraries for Node.js."""
    process = LibraryProcess.of_node()
    yield process
    process.stop()


@pytest.fixture(params=["in_python", "in_node"])
def in_each(request: pytest.FixtureRequest) -> LibraryProcess:
    """Where a vendor has a library for both: one, then the other."""
    process: LibraryProcess = request.getfixturevalue(request.param)
    return process


@pytest.fixture
def vendors(sandbox: GatewayProcess) -> Iterator[GatewayProcess]:
    """The fake gateways, empty, at the present, and with nobody who answers their messages."""
    sandbox.reset()
    sandbox.set_clock(datetime.now(UTC))
    others = sandbox.control("GET", "settings")["notify_base"]
    sandbox.configure(retry_seconds=[], notify_base="http://127.0.0.1:9")
    yield sandbox
    sandbox.configure(notify_base=others)


@pytest_asyncio.fixture
async def http() -> AsyncIterator[Outgoing]:
    """What our adapters call with."""
    async with Outgoing(allow=["127.0.0.1"]) as outgoing:
        yield outgoing
