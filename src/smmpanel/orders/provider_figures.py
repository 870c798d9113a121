"""What orders tell of a provider: how fast our money goes there, and which orders it did not take lately."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.staff.provider_reads import FailedAttempt, Spent

ATTEMPTS_LOOKED_AT = 20_000
"""Refusals are looked for among so many of the latest attempts of all providers."""
SHOWN = 20


class OrderFigures:
    """Answers what the providers' pages ask of orders; they lie below and cannot ask themselves."""

    async def spent_since(self, session: AsyncSession, since: datetime) -> dict[int, Spent]:
        """Return by provider what the orders since then cost there."""
        rows = await session.execute(_SPENT, {"since": since})
        return {row.provider_id: Spent(row.charged or Decimal(0), row.reckoned or Decimal(0)) for row in rows}

    async def failed_attempts(self, session: AsyncSession, provider_id: int) -> Sequence[FailedAttempt]:
        """Return the latest attempts that a provider did not accept."""
        given = {"provider": provider_id, "looked_at": ATTEMPTS_LOOKED_AT, "most": SHOWN}
        return [FailedAttempt(*row) for row in await session.execute(_FAILED, given)]


_SPENT = text(
    "SELECT provider_id, sum(provider_charge) AS charged, sum(cost) FILTER (WHERE provider_charge IS NULL) AS reckoned"
    " FROM orders WHERE created_at >= :since AND provider_id IS NOT NULL AND external_id IS NOT NULL GROUP BY provider_id"
)
_FAILED = text(
    "SELECT order_id, outcome, answer, took_ms, started_at FROM order_attempts"
    " WHERE id > (SELECT max(id) FROM order_attempts) - :looked_at AND provider_id = :provider"
    " AND outcome <> 'accepted' ORDER BY id DESC LIMIT :most"
)
