"""A provider to test with: a row, and the sandbox behind it."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from smmpanel.accounts.access import Actor
from smmpanel.kernel.panel import Panel
from smmpanel.providers.connecting import add_provider
from smmpanel.providers.models import Provider
from smmpanel.sandbox.process import SandboxProcess

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AddProvider = Callable[..., Awaitable[Provider]]


@pytest.fixture(scope="module")
def sandbox_server() -> Iterator[SandboxProcess]:
    """A fake provider that answers at once and moves nothing by itself."""
    with SandboxProcess.start(services=25, finish_after=0) as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server: SandboxProcess) -> SandboxProcess:
    """The fake provider, with nothing left in it from other tests."""
    sandbox_server.reset()
    sandbox_server.configure(balance="1000", currency="USD", key="sandbox-key")
    return sandbox_server


@pytest.fixture
def a_provider(panel: Panel) -> AddProvider:
    """Adds a provider; what is not said is harmless."""

    async def add(**terms: Any) -> Provider:
        async with panel.db.transaction() as session:
            given: dict[str, Any] = {
                "actor": Actor.cli(),
                "slug": "jap",
                "name": "JustAnotherPanel",
                "adapter": "panel_v2",
                "base_url": "http://127.0.0.1:9/api/v2",
                "api_key": "sandbox-key",
                "currency": "USD",
            }
            return await add_provider(session, panel, **{**given, **terms})

    return add
