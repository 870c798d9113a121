"""What the address of a list of orders asks for. What it says that makes no sense is as if it were not said."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from starlette.requests import Request

from smmpanel.orders.pages.rows import PAGE_ROWS, SIZES
from smmpanel.orders.queries import OrderFilter
from smmpanel.orders.words import TABS
from smmpanel.web.formats import zone_of
from smmpanel.web.inputs import is_clean
from smmpanel.web.pages import formats_of

TEXT_MAX = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A tab, a text, the days from and to, and how many rows."""

    status: str = ""
    text: str = ""
    first: date | None = None
    last: date | None = None
    size: int = PAGE_ROWS
    time_zone: str = "UTC"

    @property
    def filtered(self) -> bool:
        """Whether anything but the tab narrows the list."""
        return bool(self.text or self.first or self.last)

    def as_filter(self) -> OrderFilter:
        """Return the same for the query; days are those of the reader."""
        return OrderFilter(
            statuses=TABS.get(self.status, ()),
            words=self.text or None,
            since=self._begin(self.first),
            until=self._begin(self.last + timedelta(days=1)) if self.last else None,
        )

    def _begin(self, day: date | None) -> datetime | None:
        return None if day is None else datetime.combine(day, time(), zone_of(self.time_zone))


def read_asked(request: Request) -> Asked:
    """Read the address of a list."""
    query = request.query_params
    text = query.get("q", "").strip()[:TEXT_MAX]
    status, size = query.get("status", ""), query.get("size", "")
    return Asked(
        status=status if status in TABS else "",
        text=text if is_clean(text) else "",
        first=_day(query.get("from", "")),
        last=_day(query.get("to", "")),
        size=next((known for known in SIZES if str(known) == size), PAGE_ROWS),
        time_zone=formats_of(request).time_zone,
    )


def _day(written: str) -> date | None:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    # Beyond these the day's begin may not be a moment that can be written down.
    return day if 2000 <= day.year <= 9000 else None
