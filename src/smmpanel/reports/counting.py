"""Counting days: what was ordered on each, what became of it, and who joined; worked out anew from orders and users.

Days are those of the panel's time zone. A drip-feed is one order of the day on which it was placed, with what its runs
were paid back and cost; the runs themselves are not counted. Orders change for weeks after they were placed, so days
are counted again and again: the last two every few minutes, those of some weeks every night.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import job
from smmpanel.kernel.options import read_option, write_option
from smmpanel.kernel.panel import Panel
from smmpanel.web.formats import zone_of

TIME_ZONE_OPTION = "time_zone"
COUNTED_OPTION = "figures_counted"
"""Panel option: when figures were last counted, up to which day, and in which time zone."""
BY_DAY_OPTION = "figures_by_day"
"""Panel option: of each day, how many joined and how many of its orders have which status."""
RECOUNTED_DAYS = 45
DAYS_AT_ONCE = 7
"""Days that one transaction counts."""
BY_DAY_KEPT = 400
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('reports.counting', 0))")


@dataclass(frozen=True, slots=True)
class Counted:
    """When figures were last counted, up to which day, and in which time zone."""

    at: datetime
    day: date
    zone: str

    @classmethod
    def read(cls, value: Any) -> "Counted | None":
        """Read what the option holds; `None` if nothing was counted yet."""
        if not value:
            return None
        return cls(datetime.fromisoformat(value["at"]), date.fromisoformat(value["day"]), str(value["zone"]))


# What an order costs us: nothing if it was canceled, its delivered share if it was delivered in part.
_COST = """coalesce(CASE {0}.status WHEN 'canceled' THEN 0
    WHEN 'partial' THEN {0}.cost * ({0}.quantity - least(greatest(coalesce({0}.remains, 0), 0), {0}.quantity)) / {0}.quantity
    ELSE {0}.cost END, 0)"""
# Of a drip-feed: what its runs cost, and those to come for as long as they may come.
_DRIP_COST = """coalesce(runs.cost, 0) + CASE WHEN d.state IN ('active', 'paused')
    THEN coalesce(o.cost, 0) * (d.runs - d.runs_started) / d.runs ELSE 0 END"""
_COUNT_SALES = text(
    f"""
INSERT INTO daily_sales (day, service_id, provider_id, orders, completed, partial, canceled, charged, refunded, cost, counted_at)
SELECT one.day, one.service_id, one.provider_id, count(*),
       count(*) FILTER (WHERE one.status = 'completed'), count(*) FILTER (WHERE one.status = 'partial'),
       count(*) FILTER (WHERE one.status = 'canceled'), sum(one.charge), sum(one.refunded), round(sum(one.cost), 6), :now
  FROM (SELECT CAST(o.created_at AT TIME ZONE CAST(:zone AS text) AS date) AS day, o.service_id, o.status, o.charge,
               coalesce(o.provider_id, runs.provider_id, 0) AS provider_id,
               o.refunded + coalesce(runs.refunded, 0) AS refunded,
               CASE WHEN o.kind = 'drip' THEN {_DRIP_COST} ELSE {_COST.format("o")} END AS cost
          FROM orders o
          LEFT JOIN drip_feeds d ON d.order_id = o.id
          LEFT JOIN LATERAL (SELECT sum(c.refunded) AS refunded, sum({_COST.format("c")}) AS cost,
                                    (array_agg(c.provider_id ORDER BY c.id DESC))[1] AS provider_id
                               FROM orders c WHERE o.kind = 'drip' AND c.parent_id = o.id) runs ON true
         WHERE o.created_at >= :start AND o.created_at < :end AND o.kind <> 'run') one
 GROUP BY one.day, one.service_id, one.provider_id
"""
)
_FORGET = text("DELETE FROM daily_sales WHERE day >= :first AND day <= :last")
_STATUSES = text(
    "SELECT CAST(created_at AT TIME ZONE CAST(:zone AS text) AS date) AS day, status, count(*) AS number FROM orders"
    " WHERE created_at >= :start AND created_at < :end AND kind <> 'run' GROUP BY 1, 2"
)
_JOINED = text(
    "SELECT CAST(created_at AT TIME ZONE CAST(:zone AS text) AS date) AS day, count(*) AS number FROM users"
    " WHERE created_at >= :start AND created_at < :end AND role = 'customer' GROUP BY 1"
)
_FIRST_ORDER = text("SELECT created_at FROM orders ORDER BY id LIMIT 1")
_FIRST_USER = text("SELECT created_at FROM users ORDER BY id LIMIT 1")


@job(queue="chores", cron="*/5 * * * *")
async def count_lately(panel: Panel) -> None:
    """Count today and yesterday, and whatever was not counted before. Idempotent: counting again gives the same."""
    now = panel.clock()
    async with panel.db.transaction() as session:
        zone = await _zone(session)
        today = now.astimezone(zone).date()
        known = Counted.read(await read_option(session, COUNTED_OPTION))
        first = await _first_day(session, zone, today) if known is None else known.day - timedelta(days=1)
        if known is not None and known.zone != zone.key:
            first = min(first, today - timedelta(days=RECOUNTED_DAYS))
    await count_days(panel, min(first, today - timedelta(days=1)), today, zone=zone)


@job(queue="chores", cron="40 3 * * *")
async def count_last_weeks(panel: Panel) -> None:
    """Count the days of the last weeks anew, for orders that changed since. Idempotent."""
    async with panel.db.transaction() as session:
        zone = await _zone(session)
    today = panel.clock().astimezone(zone).date()
    await count_days(panel, today - timedelta(days=RECOUNTED_DAYS), today, zone=zone)


async def count_days(panel: Panel, first: date, last: date, *, zone: ZoneInfo) -> None:
    """Count some days anew, a few at a time; whoever reads meanwhile sees each day whole, as before or as after."""
    day = first
    while day <= last and not panel.stopping.is_set():
        until = min(day + timedelta(days=DAYS_AT_ONCE - 1), last)
        async with panel.db.transaction() as session:
            await _count(session, day, until, zone=zone, now=panel.clock())
        day = until + timedelta(days=1)


async def _count(session: AsyncSession, first: date, last: date, *, zone: ZoneInfo, now: datetime) -> None:
    # One at a time, or two that count the same day would both put it in.
    await session.execute(_LOCK)
    asked = {"zone": zone.key, "start": start_of(first, zone), "end": start_of(last + timedelta(days=1), zone)}
    await session.execute(_FORGET, {"first": first, "last": last})
    await session.execute(_COUNT_SALES, {**asked, "now": now})
    by_day: dict[str, dict[str, Any]] = {
        (first + timedelta(days=place)).isoformat(): {"users": 0, "statuses": {}}
        for place in range((last - first).days + 1)
    }
    for row in await session.execute(_STATUSES, asked):
        by_day[row.day.isoformat()]["statuses"][row.status] = row.number
    for row in await session.execute(_JOINED, asked):
        by_day[row.day.isoformat()]["users"] = row.number
    await _keep(session, by_day)
    await write_option(session, COUNTED_OPTION, {"at": now.isoformat(), "day": last.isoformat(), "zone": zone.key})


async def _keep(session: AsyncSession, by_day: Mapping[str, Any]) -> None:
    known = {**await read_option(session, BY_DAY_OPTION, {}), **by_day}
    await write_option(session, BY_DAY_OPTION, {day: known[day] for day in sorted(known)[-BY_DAY_KEPT:]})


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment at which a day begins in a time zone."""
    return datetime.combine(day, time.min, zone)


async def _zone(session: AsyncSession) -> ZoneInfo:
    return zone_of(str(await read_option(session, TIME_ZONE_OPTION) or "UTC"))


async def _first_day(session: AsyncSession, zone: ZoneInfo, today: date) -> date:
    moments = [await session.scalar(_FIRST_ORDER), await session.scalar(_FIRST_USER)]
    return min((moment.astimezone(zone).date() for moment in moments if moment is not None), default=today)
