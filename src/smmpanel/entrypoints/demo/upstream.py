"""The strings by which the fake provider is moved, from a process that did not start it."""

from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx

TIMEOUT_SECONDS = 30.0


class Upstream:
    """The control interface of a running sandbox; `smmpanel.sandbox.provider_control` describes it."""

    def __init__(self, control_url: str) -> None:
        self._client = httpx.AsyncClient(base_url=control_url, timeout=TIMEOUT_SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def set_clock(self, at: datetime, *, speed: float) -> None:
        """Make it this moment for the provider, and let its time pass at this speed."""
        await self._post("clock", {"at": at.isoformat(), "speed": speed})

    async def configure(self, **settings: Any) -> None:
        """Change settings of the provider."""
        await self._post("settings", settings)

    async def add_fault(self, kind: str, **fields: Any) -> None:
        """Have the provider misbehave."""
        await self._post("faults", {"kind": kind, **fields})

    async def change_service(self, external_id: str, **fields: Any) -> None:
        """Change what the provider says of one of its services."""
        await self._post(f"services/{external_id}", fields)

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        (await self._client.post(path, json=body)).raise_for_status()
