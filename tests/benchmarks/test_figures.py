"""The table of figures says which targets are met."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import figures

    return figures


def test_the_table_names_what_was_missed(figures):
    met = figures.Figure(1, "add", "3,000/s", "pgbench: 2,000/s", 1.5, 0.8, "at least")
    missed = figures.Figure(6, "memory", "400 MB", "", 400.0, 300, "at most", unit="MB", note="PSS")

    assert figures.table([met, missed]).splitlines() == [
        "   figure  measured  against           result  target",
        "-  ------  --------  ----------------  ------  --------  ------",
        "1  add     3,000/s   pgbench: 2,000/s  1.50    ≥ 0.8     pass",
        "6  memory  400 MB                      400 MB  ≤ 300 MB  MISSED",
        "",
        "6: PSS",
    ]


def test_targets_are_met_at_the_limit(figures):
    assert figures.Figure(1, "", "", "", 0.8, 0.8, "at least").passed
    assert not figures.Figure(1, "", "", "", 0.79, 0.8, "at least").passed
    assert figures.Figure(5, "", "", "", 1.2, 1.2, "at most").passed
    assert not figures.Figure(5, "", "", "", 1.21, 1.2, "at most").passed
