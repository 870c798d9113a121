"""A fake provider, run as a real HTTP server, for tests that hand orders in or follow them."""

from collections.abc import Iterator

import pytest

from making import Shop, open_shop
from smmpanel.kernel.panel import Panel
from smmpanel.sandbox.process import SandboxProcess

AS_STARTED = {
    "key": "sandbox-secret-7f3a9c",
    "balance": 1_000_000,
    "latency_ms": 0,
    "rate_limit": 0,
    "rate_limit_style": "429",
    "dialect": "human",
    "unique_links": False,
    "finish_after": 0.0,
}


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess.start(services=30, seed=7, finish_after=0, key=AS_STARTED["key"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: SandboxProcess) -> SandboxProcess:
    """A provider without orders, faults or log, whose orders never move by themselves; its service 1 is a plain one."""
    running_sandbox.reset()
    running_sandbox.clear_faults()
    running_sandbox.configure(**AS_STARTED)
    running_sandbox.control("POST", "services/1", {"min": 1, "max": 1_000_000, "rate": "0.5"})
    return running_sandbox


@pytest.fixture
async def shop(panel: Panel, sandbox: SandboxProcess) -> Shop:
    return await open_shop(panel, sandbox)
