"""How well services have been delivered lately, from what became of their latest orders."""

from collections.abc import Collection
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

LOOKED_AT_MAX = 200
"""Of each service so many of the latest orders are looked at, however many there are."""
BEST = 5
_PLACE = Decimal("0.1")


class TrackRecord(NamedTuple):
    """What is known of one service."""

    ended: int
    """How many of the orders that were looked at have ended."""
    completed: int
    """How many of those were delivered in full."""
    median_seconds: int | None
    """From placing to completion, where that was measured."""

    @property
    def rating(self) -> Decimal | None:
        """The share that was delivered in full, out of five, to one decimal; `None` while nothing has ended."""
        if not self.ended:
            return None
        return (Decimal(BEST * self.completed) / self.ended).quantize(_PLACE, ROUND_HALF_UP)


UNKNOWN = TrackRecord(0, 0, None)

_RECORDS = text(
    """
SELECT w.id, r.ended, r.completed, t.median_seconds
  FROM unnest(CAST(:services AS bigint[])) AS w(id)
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE latest.status IN ('completed', 'partial', 'canceled')) AS ended,
              count(*) FILTER (WHERE latest.status = 'completed') AS completed
         FROM (SELECT status FROM orders WHERE service_id = w.id ORDER BY id DESC LIMIT :most) latest) r
  LEFT JOIN service_timings t ON t.service_id = w.id AND t.sample > 0
"""
)


async def track_records(session: AsyncSession, service_ids: Collection[int]) -> dict[int, TrackRecord]:
    """Return what is known of these services, in one statement."""
    if not service_ids:
        return {}
    rows = await session.execute(_RECORDS, {"services": list(service_ids), "most": LOOKED_AT_MAX})
    return {row.id: TrackRecord(row.ended, row.completed, row.median_seconds) for row in rows}
