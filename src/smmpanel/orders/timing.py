"""How long services take, measured: from placing to completion, of what was completed lately."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel

MEASURED = timedelta(days=14)
SAMPLE_MAX = 500
LOOKED_AT_MAX = 5000
"""Of each service, the latest orders among which the completed ones are looked for."""

# Drip-feeds and subscriptions take as long as their customers wish, so they say nothing of a service.
_MEASURE = text(
    """
INSERT INTO service_timings AS t (service_id, sample, median_seconds, measured_at)
SELECT s.id, m.sample, m.median, :now
  FROM services s
  CROSS JOIN LATERAL (
       SELECT count(*) AS sample,
              percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM done.finished_at - done.created_at))::int AS median
         FROM (SELECT latest.created_at, latest.finished_at
                 FROM (SELECT id, status, kind, created_at, finished_at FROM orders
                        WHERE service_id = s.id ORDER BY id DESC LIMIT :looked_at) latest
                WHERE latest.status = 'completed' AND latest.finished_at >= :since
                  AND latest.kind NOT IN ('drip', 'subscription')
                ORDER BY latest.id DESC LIMIT :sample) done) m
 WHERE m.sample > 0
    ON CONFLICT (service_id) DO UPDATE
   SET sample = excluded.sample, median_seconds = excluded.median_seconds, measured_at = excluded.measured_at
"""
)
_FORGET = text("DELETE FROM service_timings WHERE measured_at < :now")


@job(queue="chores", cron="12 * * * *")
async def measure_services(panel: Panel) -> None:
    """Measure all services anew. Idempotent."""
    async with panel.db.transaction() as session:
        await measure_timings(session, now=panel.clock())


async def measure_timings(session: AsyncSession, *, now: datetime) -> None:
    """Write down how long each service has taken; one of which nothing was completed lately has no figure."""
    asked = {"now": now, "since": now - MEASURED, "sample": SAMPLE_MAX, "looked_at": LOOKED_AT_MAX}
    await session.execute(_MEASURE, asked)
    await session.execute(_FORGET, {"now": now})
