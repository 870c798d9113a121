"""Days as staff choose them in forms: whole days of their own time zone."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.web.formats import zone_of

DAY_WRONG = marked("Choose a day.")
YEARS = range(2000, 2200)


def day_begins(form: Mapping[str, str], name: str, zone: str) -> datetime | None:
    """Return when a chosen day begins; nothing chosen is `None`. Raises `InvalidInputError`."""
    day = _day(form, name)
    return None if day is None else datetime.combine(day, time(), zone_of(zone)).astimezone(UTC)


def day_is_over(form: Mapping[str, str], name: str, zone: str) -> datetime | None:
    """Return when a chosen day is over; nothing chosen is `None`. Raises `InvalidInputError`."""
    day = _day(form, name)
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=1), time(), zone_of(zone)).astimezone(UTC)


def _day(form: Mapping[str, str], name: str) -> date | None:
    typed = form.get(name, "").strip()
    if not typed:
        return None
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        raise InvalidInputError(field=name, reason=DAY_WRONG) from None
    if day.year not in YEARS:
        raise InvalidInputError(field=name, reason=DAY_WRONG)
    return day
