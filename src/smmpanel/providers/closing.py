"""Closing calls: what came of them is recorded, and heeded, in one place and in the one order that locks are taken in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.providers.backing_off import back_off
from smmpanel.providers.health import CallRecord, record_calls
from smmpanel.providers.pausing import pause_provider
from smmpanel.providers.protocol import ProviderFailure, RefusedAccount
from smmpanel.providers.throttle import Lease, give_back


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call that is over: what for, how it failed if it did, how long it took."""

    action: str
    failure: ProviderFailure | None
    took_ms: int


async def close_calls(session: AsyncSession, lease: Lease, calls: Sequence[MadeCall], now: datetime) -> None:
    """Give calls of a lease back and draw the conclusions: health, a pause if the account was refused, a wait if asked for."""
    provider_id = lease.provider_id
    records = [CallRecord.of(call.action, call.failure, call.took_ms) for call in calls]
    await record_calls(session, provider_id, records, now)
    failures = [call.failure for call in calls if call.failure is not None]
    refused = next((failure for failure in failures if isinstance(failure, RefusedAccount)), None)
    if refused is not None:
        await pause_provider(session, provider_id, refused.text, now)
    await give_back(session, lease.id, len(calls))
    for failure in failures:
        await back_off(session, provider_id, failure, now)
