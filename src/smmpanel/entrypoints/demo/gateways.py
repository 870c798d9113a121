"""The strings by which the fake gateways and their bank are moved, from a process that did not start them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from smmpanel.payments.protocol import Message

TIMEOUT_SECONDS = 30.0
BANK = "sepay"


@dataclass(frozen=True, slots=True)
class FakeVendor:
    """One vendor as the sandbox tells of it."""

    name: str
    title: str
    gateway: str
    currency: str
    setup: dict[str, str]
    """Options and secrets of a method, by the names of the adapter's settings."""


class FakeGateways:
    """Running fake gateways; `smmpanel.sandbox.gateway.control` describes how they are told things."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._settings: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    @property
    def bank(self) -> str:
        """Where people make transfers."""
        return f"{self.url}/{BANK}/bank"

    async def vendors(self) -> dict[str, FakeVendor]:
        """Return all vendors by name."""
        told = await self._ask("GET", "/_control/vendors")
        names = ("title", "gateway", "currency", "setup")
        return {name: FakeVendor(name, **{one: row[one] for one in names}) for name, row in told.items()}

    async def begin_history(self) -> None:
        """Keep messages: while a history is lived through, there is nobody to send them to."""
        self._settings = await self._ask("GET", "/_control/settings")
        await self._ask("POST", "/_control/settings", {"notify_base": "", "retry_seconds": []})

    async def end_history(self) -> None:
        """From now on time is real and messages are sent."""
        await self._ask("POST", "/_control/clock", {"at": datetime.now(UTC).isoformat(), "speed": 1})
        await self._ask("POST", "/_control/settings", self._settings)

    async def transfer(self, memo: str, amount: int, account: str, at: datetime) -> Message:
        """Make a transfer at the bank at this moment; returns the message that tells of it."""
        await self._ask("POST", "/_control/clock", {"at": at.isoformat(), "speed": 0})
        slip = await self._client.post(f"/{BANK}/bank", data={"memo": memo, "amount": str(amount), "account": account})
        token = slip.headers["location"].rpartition("/")[2]
        await self._ask("POST", "/_control/do", {"vendor": BANK, "payment": token, "deed": "pay"})
        await self._ask("POST", "/_control/idle", {})
        told = (await self._ask("GET", f"/_control/deliveries?payment={token}"))[-1]
        return Message({name: text.encode() for name, text in told["headers"].items()}, told["body"].encode())

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = await self._client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()
