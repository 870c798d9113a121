"""Asking a provider something that can wait: catalogue, statuses, balance. Orders being handed in go first."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.panel import Panel
from smmpanel.providers.closing import MadeCall, close_calls
from smmpanel.providers.connecting import adapter_for, provider_by
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import Adapter, ProviderFailure
from smmpanel.providers.throttle import Lease, give_back, next_free_at, take_calls

WAIT_SECONDS = 30.0
LEASE_MARGIN_SECONDS = 30
SHORTEST_WAIT_SECONDS = 0.05


class ProviderBusyError(PanelError):
    """The provider's rate or concurrency is used up for longer than the caller would wait."""

    code, status, message = "provider_busy", 503, "{provider} is busy; try again later."


class ProviderUnavailableError(PanelError):
    """The provider is switched off or paused."""

    code, status, message = "provider_unavailable", 503, "{provider} cannot be called: {reason}"


@asynccontextmanager
async def asking(
    panel: Panel, provider_id: int, action: str, *, wait_seconds: float = WAIT_SECONDS, probing: bool = False
) -> AsyncIterator[Adapter]:
    """Lend the provider's adapter for one call, which is measured and counted; no transaction is open meanwhile.

    Raises `ProviderBusyError` if its turn does not come within `wait_seconds`, `ProviderUnavailableError` if it will not
    come at all. The provider's failures pass through, heeded: a refused account pauses it, "too many requests" holds all
    calls back. `probing` asks although it is switched off or paused.
    """
    provider, lease = await _turn(panel, provider_id, wait_seconds, probing=probing)
    made: MadeCall | None = None
    started = time.perf_counter()
    try:
        yield adapter_for(panel, provider)
        made = MadeCall(action, None, _ms_since(started))
    except ProviderFailure as failure:
        made = MadeCall(action, failure, _ms_since(started))
        raise
    finally:
        # Whatever else went wrong says nothing about the provider; its place is given up all the same.
        async with panel.db.transaction() as session:
            if made is None:
                await give_back(session, lease.id, lease.calls)
            else:
                await close_calls(session, lease, [made], panel.clock())


async def _turn(panel: Panel, provider_id: int, wait_seconds: float, *, probing: bool) -> tuple[Provider, Lease]:
    until = time.monotonic() + wait_seconds
    while True:
        now = panel.clock()
        async with panel.db.transaction() as session:
            provider = await provider_by(session, provider_id)
            lease = await take_calls(
                session,
                provider_id,
                wanted=1,
                urgent=False,
                now=now,
                lease_seconds=provider.timeout_seconds + LEASE_MARGIN_SECONDS,
                probing=probing,
            )
            if lease is not None:
                return provider, lease
            free_at = await next_free_at(session, provider_id, urgent=False, now=now, probing=probing)
        if free_at is None:
            reason = provider.paused_reason or "it is paused" if provider.enabled else "it is switched off"
            raise ProviderUnavailableError(provider=provider.slug, reason=reason)
        wait = max((free_at - now).total_seconds(), SHORTEST_WAIT_SECONDS)
        if time.monotonic() + wait > until or await _stopped_within(panel, wait):
            raise ProviderBusyError(provider=provider.slug)


async def _stopped_within(panel: Panel, seconds: float) -> bool:
    """Sleep, unless the process is asked to end."""
    try:
        await asyncio.wait_for(panel.stopping.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _ms_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
