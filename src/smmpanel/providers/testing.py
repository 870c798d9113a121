"""Trying a connection: does the provider know us, and what does it offer?"""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from typing import Unpack

from smmpanel.accounts.access import Actor, Permission
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.panel import Panel
from smmpanel.providers.asking import asking
from smmpanel.providers.checking import ProviderTerms, checked_key, checked_terms
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import Adapter, Connection, ProviderFailure

WAIT_SECONDS = 10.0
TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """What a try showed: balance and size of the catalogue, or which class of failure, in the provider's words."""

    took_ms: int
    balance: Decimal | None = None
    currency: str | None = None
    services_count: int | None = None
    failure: str | None = None
    """The outcome of a `ProviderFailure`, or the code of a `PanelError`."""
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether all of it worked."""
        return self.failure is None


async def test_connection(panel: Panel, provider: Provider) -> ConnectionTest:
    """Ask a provider for our balance and its catalogue, even one that is paused or switched off. Changes neither."""

    def turn(action: str) -> AbstractAsyncContextManager[Adapter]:
        return asking(panel, provider.id, action, wait_seconds=WAIT_SECONDS, probing=True)

    return await _tried(turn)


async def try_connection(
    panel: Panel, *, actor: Actor, adapter: str, api_key: str, **terms: Unpack[ProviderTerms]
) -> ConnectionTest:
    """Ask a provider that is not connected yet; nothing is kept. Raises `InvalidInputError` for what cannot be asked at all."""
    actor.require(Permission.PROVIDERS_EDIT)
    kind = panel.provider_adapters.get(adapter)
    if not terms.get("base_url"):
        terms["base_url"] = getattr(kind, "default_base_url", None) or ""
    checked = checked_terms(terms, panel.settings)
    timeout = float(checked.get("timeout_seconds", TIMEOUT_SECONDS))
    connection = Connection(checked["base_url"], checked_key(api_key), timeout, checked.get("options", {}))
    asked: Adapter = kind(connection, panel.http)
    return await _tried(lambda _: nullcontext(asked))


async def _tried(turn: Callable[[str], AbstractAsyncContextManager[Adapter]]) -> ConnectionTest:
    started = time.perf_counter()
    balance = None
    services_count: int | None = None
    failure: str | None = None
    text = ""
    try:
        async with turn("balance") as adapter:
            balance = await adapter.balance()
        async with turn("services") as adapter:
            services_count = len(await adapter.services())
    except ProviderFailure as failed:
        failure, text = failed.outcome, failed.text
    except PanelError as failed:
        failure, text = failed.code, str(failed)
    return ConnectionTest(
        took_ms=round((time.perf_counter() - started) * 1000),
        balance=None if balance is None else balance.amount,
        currency=None if balance is None else balance.currency,
        services_count=services_count,
        failure=failure,
        text=text,
    )
