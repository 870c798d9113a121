"""One line of the table: what was measured against what, and whether it is good enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio of two measurements, or an amount, and its target."""

    number: int
    name: str
    ours: str
    against: str
    value: float
    target: float
    sense: Literal["at least", "at most"]
    unit: str = ""
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the target is met."""
        return self.value >= self.target if self.sense == "at least" else self.value <= self.target

    def row(self) -> dict[str, Any]:
        """The figure for a machine to read."""
        return {
            "number": self.number,
            "name": self.name,
            "ours": self.ours,
            "against": self.against,
            "value": round(self.value, 3),
            "unit": self.unit or "ratio",
            "sense": self.sense,
            "target": self.target,
            "passed": self.passed,
            "note": self.note,
        }

    def cells(self) -> tuple[str, ...]:
        """The figure as cells of the table."""
        places = 0 if self.unit else 2
        sign = "≥" if self.sense == "at least" else "≤"
        return (
            str(self.number),
            self.name,
            self.ours,
            self.against,
            f"{self.value:.{places}f} {self.unit}".strip(),
            f"{sign} {self.target:g} {self.unit}".strip(),
            "pass" if self.passed else "MISSED",
        )


HEADER = ("", "figure", "measured", "against", "result", "target", "")


def table(figures: Sequence[Figure]) -> str:
    """Draw the table, with what is to be known about single figures below it."""
    rows = [HEADER, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"{figure.number}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([*lines, "", *notes]) if notes else "\n".join(lines)
