"""The chart of a provider's calls: how many, how many failed, how long they took, by the hour."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from smmpanel.catalog.staff.provider_reads import HOURS, HourOfCalls
from smmpanel.kernel.i18n import marked
from smmpanel.web.formats import Formats

MEASURES: Mapping[str, str] = {
    "calls": marked("Calls"),
    "errors": marked("Share of errors"),
    "latency": marked("Time to answer"),
}


@dataclass(frozen=True, slots=True)
class HealthChart:
    """One measure of the last day beside the day before, as numbers and as people read them."""

    measure: str
    labels: Sequence[str]
    values: Sequence[float]
    before: Sequence[float]
    read: Sequence[str]
    read_before: Sequence[str]
    axis: Callable[[float], str]
    calls: int
    """All calls of both days: with none there is nothing to draw."""
    measures: Mapping[str, str] = field(default_factory=lambda: MEASURES)


def health_chart(formats: Formats, hours: Sequence[HourOfCalls], measure: str, now: datetime) -> HealthChart:
    """Draw one of `MEASURES` from 48 hours of calls, the oldest first."""
    measure = measure if measure in MEASURES else "calls"
    axes: Mapping[str, Callable[[float], str]] = {
        "calls": formats.compact,
        "errors": lambda value: formats.percent(value, 0),
        "latency": lambda value: f"{formats.num(value)}\N{NO-BREAK SPACE}ms",
    }
    axis = axes[measure]
    values = [_value(one, measure) for one in hours]
    before, values = values[:HOURS], values[HOURS:]
    labels = [formats.time(now - timedelta(hours=age)) for age in reversed(range(HOURS))]
    return HealthChart(
        measure,
        labels,
        values,
        before,
        [axis(one) for one in values],
        [axis(one) for one in before],
        axis,
        sum(one.calls for one in hours),
    )


def _value(hour: HourOfCalls, measure: str) -> float:
    if measure == "calls":
        return float(hour.calls)
    if not hour.calls:
        return 0.0
    return 100 * hour.failures / hour.calls if measure == "errors" else float(hour.total_ms) / hour.calls
