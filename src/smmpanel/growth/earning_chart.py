"""What recommending the panel brought, day by day: the last thirty days, and the thirty before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.growth.commission_rules import ZERO
from smmpanel.web.formats import Formats, zone_of

DAYS = 30
LOOKED_THROUGH = 20_000
"""So many of the latest orders that brought commission are looked at: more than anybody brings in two months."""


@dataclass(frozen=True, slots=True)
class EarningChart:
    """Both periods as numbers and as people read them."""

    labels: Sequence[str]
    values: Sequence[float]
    before: Sequence[float]
    read: Sequence[str]
    read_before: Sequence[str]
    total: Decimal
    """Of the last thirty days."""


async def earning_chart(session: AsyncSession, user_id: int, formats: Formats, now: datetime) -> EarningChart | None:
    """Draw a user's commission by the day on which money last moved for it; `None` if both periods brought none."""
    today = now.astimezone(zone_of(formats.time_zone)).date()
    earned = await _earned_by_day(session, user_id, today - timedelta(days=2 * DAYS - 1), formats.time_zone)
    if not earned:
        return None
    days = [today - timedelta(days=age) for age in reversed(range(2 * DAYS))]
    amounts = [earned.get(day, ZERO) for day in days]
    before, last = amounts[:DAYS], amounts[DAYS:]
    return EarningChart(
        labels=[formats.day(day) for day in days[DAYS:]],
        values=[float(amount) for amount in last],
        before=[float(amount) for amount in before],
        read=[formats.money(amount) for amount in last],
        read_before=[formats.money(amount) for amount in before],
        total=sum(last, ZERO),
    )


async def _earned_by_day(session: AsyncSession, user_id: int, first: date, zone: str) -> dict[date, Decimal]:
    tz = zone_of(zone)
    asked = {"user": user_id, "since": datetime.combine(first, time(), tz), "zone": tz.key, "most": LOOKED_THROUGH}
    return {row.day: row.amount for row in await session.execute(_BY_DAY, asked)}


# By the index of what was credited, from its newest end: what it costs is bounded, however long somebody has recommended.
_BY_DAY = text(
    "SELECT CAST(changed_at AT TIME ZONE CAST(:zone AS text) AS date) AS day, sum(credited) AS amount"
    " FROM (SELECT changed_at, credited FROM commissions WHERE referrer_id = :user AND credited > 0"
    " ORDER BY id DESC LIMIT :most) latest WHERE changed_at >= :since GROUP BY 1"
)
