"""Waiting when a provider asks for it: no calls to it until then, from any worker."""

import re
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.providers.protocol import ProviderFailure, TryLater
from smmpanel.providers.throttle import block_until

FIRST_WAIT_SECONDS = 5
LONGEST_WAIT_SECONDS = 300
LONGEST_ASKED_WAIT_SECONDS = 3600
"""A provider that asks for more is asked again after this."""

# Most panels say it with status 200 and words. "Too many orders" and "active order" are about one link, not about us.
_ABOUT_OUR_RATE = re.compile(
    r"too[ _]?many[ _](requests|calls|connections|attempts)|rate[ _-]?limit|slow down|\bflood"
    r"|terlalu banyak (permintaan|request)|quá nhiều (yêu cầu|request)",
    re.IGNORECASE,
)

# Of many calls in flight each hears "too many requests": while one wait lasts, the others do not double it.
_BLOCK_LONGER = text("""
UPDATE provider_throttles t SET blocked_until = :now + make_interval(secs => next.seconds), blocked_seconds = next.seconds
FROM (
    SELECT provider_id, CASE
        WHEN blocked_seconds > 0 AND blocked_until > :now - make_interval(secs => 2 * blocked_seconds)
        THEN least(blocked_seconds * 2, :longest) ELSE :first END AS seconds
    FROM provider_throttles WHERE provider_id = :provider_id FOR NO KEY UPDATE
) next
WHERE t.provider_id = next.provider_id AND (t.blocked_until IS NULL OR t.blocked_until <= :now)
""")


async def back_off(session: AsyncSession, provider_id: int, failure: ProviderFailure, now: datetime) -> None:
    """Wait for the provider if this is what it answered: as long as it asks, or twice as long each time."""
    if not isinstance(failure, TryLater):
        return
    if failure.retry_after_seconds is not None:
        seconds = min(failure.retry_after_seconds, LONGEST_ASKED_WAIT_SECONDS)
        await block_until(session, provider_id, now + timedelta(seconds=seconds))
    elif failure.status == 429 or _ABOUT_OUR_RATE.search(failure.text):
        limits = {"first": FIRST_WAIT_SECONDS, "longest": LONGEST_WAIT_SECONDS}
        await session.execute(_BLOCK_LONGER, {"provider_id": provider_id, "now": now, **limits})
