"""Trying a connection: does the provider know us, and what does it offer?"""

import time
from dataclasses import dataclass
from decimal import Decimal

from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.panel import Panel
from smmpanel.providers.asking import asking
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import ProviderFailure

WAIT_SECONDS = 10.0


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
    started = time.perf_counter()
    balance = None
    services_count: int | None = None
    failure: str | None = None
    text = ""
    try:
        async with asking(panel, provider.id, "balance", wait_seconds=WAIT_SECONDS, probing=True) as adapter:
            balance = await adapter.balance()
        async with asking(panel, provider.id, "services", wait_seconds=WAIT_SECONDS, probing=True) as adapter:
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
