"""Charts drawn on the server: the geometry as SVG, without text and inline style, so that the strict policy, dark mode,
print and translation hold. Words stand around them in HTML (macros/charts.html).
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

Number = float
_WIDTH, _HEIGHT = 1000.0, 100.0
_GAP = 0.35
"""Percent between the parts of a stacked bar."""


@dataclass(frozen=True, slots=True)
class AreaChart:
    """The geometry of a line over its area, with the period before as a dashed line."""

    line: str
    previous: str
    ticks: tuple[float, ...]
    heights: tuple[float, ...]
    """Where each value stands, from above, in percent."""


def area_chart(current: Sequence[Number], previous: Sequence[Number]) -> AreaChart:
    """Lay out two series of the same length on one scale from zero."""
    ticks = nice_ticks(max([*current, *previous, 0.0]))
    points = _points(current, 0, ticks[-1])
    return AreaChart(
        _smooth(points), _smooth(_points(previous, 0, ticks[-1])), ticks, tuple(round(y, 2) for _, y in points)
    )


def chart_data(
    labels: Sequence[str], names: Sequence[str], chart: AreaChart, a: Sequence[str], b: Sequence[str]
) -> str:
    """Return what the pointer's card shows for each point, as JSON for a data attribute."""
    data: dict[str, Any] = {"labels": labels, "names": names, "y": chart.heights, "a": a, "b": b}
    return json.dumps(data, ensure_ascii=False)


def spark(values: Sequence[Number], label: str) -> Markup:
    """Draw a small trend; `label` says it in words."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    line = _smooth(_points(values or [0.0, 0.0], low - (high - low) * 0.15, high, 100, 26))
    return Markup(
        '<svg viewBox="0 0 100 28" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path class="a" d="{}L100,28L0,28Z"/><path class="l" d="{}"/></svg>'
    ).format(label, line, line)


def stack(parts: Sequence[tuple[str, float]], label: str) -> Markup:
    """Draw parts of a whole, each a meaning class and a share of 0 to 1, as one bar."""
    drawn, start = Markup(), 0.0
    for kind, share in parts:
        width = max(0.0, share * 100 - _GAP)
        drawn += Markup('<rect class="{}" x="{:.2f}%" width="{:.2f}%" height="100%"/>').format(kind, start * 100, width)
        start += share
    return Markup('<svg class="stack" role="img" aria-label="{}">{}</svg>').format(label, drawn)


def bar(share: float) -> Markup:
    """Draw the bar behind a row of a ranking."""
    return Markup('<svg class="fill" aria-hidden="true"><rect width="{:.1f}%" height="100%" rx="6"/></svg>').format(
        share * 100
    )


def nice_ticks(top: float, count: int = 4) -> tuple[float, ...]:
    """Return marks from zero to at least `top` at steps that people count in."""
    raw = top / count or 1.0
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * size for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if factor * size >= raw * (1 - 1e-9))
    return tuple(step * place for place in range(count + 1))


def _points(
    values: Sequence[Number], low: float, high: float, width: float = _WIDTH, height: float = _HEIGHT
) -> list[tuple[float, float]]:
    span = (high - low) or 1.0
    step = width / max(1, len(values) - 1)
    return [
        (round(place * step, 2), round(height - (value - low) / span * height, 2)) for place, value in enumerate(values)
    ]


def _smooth(points: Sequence[tuple[float, float]]) -> str:
    """Join points by a monotone cubic (Fritsch and Carlson, 1980, harmonic mean): soft, and never beyond the data."""
    if len(points) < 3:
        return "M" + "L".join(f"{x},{y}" for x, y in points)
    pairs = list(pairwise(points))
    slopes = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairs]
    inner = [0.0 if a * b <= 0 else 2 * a * b / (a + b) for a, b in pairwise(slopes)]
    tangents = [slopes[0], *inner, slopes[-1]]
    drawn = f"M{points[0][0]},{points[0][1]}"
    for place, ((x0, y0), (x1, y1)) in enumerate(pairs):
        third = (x1 - x0) / 3
        first, last = y0 + tangents[place] * third, y1 - tangents[place + 1] * third
        drawn += f"C{x0 + third:.1f},{first:.2f} {x1 - third:.1f},{last:.2f} {x1},{y1}"
    return drawn


CHARTS: dict[str, Callable[..., Any]] = {
    "area_chart": area_chart,
    "chart_data": chart_data,
    "spark": spark,
    "stack": stack,
    "bar": bar,
}
"""What templates call by name."""
