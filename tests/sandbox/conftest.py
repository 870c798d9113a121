"""A fake provider per test module, emptied for each test, and a client that speaks API v2 to it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from smmpanel.sandbox.process import SandboxProcess

FOLLOWERS = 1  # the first service is always an Instagram Followers service of type Default


class ProviderClient:
    """Speaks to a sandbox as a panel does: form POST, one key."""

    def __init__(self, sandbox: SandboxProcess, *, timeout: float = 5.0) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(timeout=timeout, trust_env=False)

    def post(self, action: str, **fields: Any) -> httpx.Response:
        return self.http.post(self.sandbox.url, data={"key": self.sandbox.key, "action": action, **fields})

    def ask(self, action: str, **fields: Any) -> Any:
        answer = self.post(action, **fields)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        return answer.json()

    def add(self, link: str = "https://instagram.com/someone", quantity: int = 100, **fields: Any) -> int:
        return self.ask("add", **{"service": FOLLOWERS, "link": link, "quantity": quantity, **fields})["order"]

    def close(self) -> None:
        self.http.close()


@pytest.fixture(scope="module")
def running_provider() -> Iterator[SandboxProcess]:
    with SandboxProcess.start(services=60, seed=7, finish_after=0) as sandbox:
        yield sandbox


@pytest.fixture
def provider(running_provider: SandboxProcess) -> SandboxProcess:
    """A provider without orders, faults or log, whose orders never move by themselves."""
    running_provider.reset()
    return running_provider


@pytest.fixture
def client(provider: SandboxProcess) -> Iterator[ProviderClient]:
    client = ProviderClient(provider)
    yield client
    client.close()


@pytest.fixture
def connect() -> Iterator[Any]:
    """Make clients for sandboxes that a test starts itself."""
    made: list[ProviderClient] = []

    def make(sandbox: SandboxProcess, **options: Any) -> ProviderClient:
        made.append(ProviderClient(sandbox, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()
