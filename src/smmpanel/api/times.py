"""How times look in the JSON API: `2025-10-25T09:00:00`, as the caller's own clock shows them, without zone or fraction."""

from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import Field

from smmpanel.web.formats import zone_of

LocalTime = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$",
        description="In the account's time zone.",
        examples=["2025-10-25T09:00:00"],
    ),
]
"""A moment as `local_time` writes it."""
LocalDate = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The day in the account's time zone.", examples=["2025-10-25"]),
]
"""A day as `local_date` writes it."""


FromDay = Annotated[
    date | None, Query(description="Only from this day on, in the account's time zone.", examples=["2025-10-01"])
]
UntilDay = Annotated[
    date | None, Query(description="Only up to this day, the day itself included.", examples=["2025-10-31"])
]


def day_begins(day: date | None, time_zone: str) -> datetime | None:
    """Return when a day begins in a time zone, if one was named."""
    return None if day is None else datetime.combine(day, time.min, zone_of(time_zone))


def day_ends(day: date | None, time_zone: str) -> datetime | None:
    """Return when the day after begins in a time zone, if a day was named; the last day that there is never ends."""
    return None if day is None or day == date.max else day_begins(day + timedelta(days=1), time_zone)


def local_time(moment: datetime, time_zone: str) -> str:
    """Return a moment as it is written for somebody in a time zone, cut to the second."""
    return f"{moment.astimezone(zone_of(time_zone)):%Y-%m-%dT%H:%M:%S}"


def maybe_local_time(moment: datetime | None, time_zone: str) -> str | None:
    """Return a moment as `local_time` does, if there is one."""
    return None if moment is None else local_time(moment, time_zone)


def local_date(moment: datetime, time_zone: str) -> str:
    """Return the day that a moment falls on in a time zone."""
    return f"{moment.astimezone(zone_of(time_zone)):%Y-%m-%d}"
