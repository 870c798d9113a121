"""A small soak: what `python -m benchmarks.soak` demands holds for a few hundred orders too."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 400


@pytest.mark.slow
def test_a_small_soak_loses_and_doubles_nothing():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.soak", "--orders", "200", "--clients", "8", "--finish-after", "3"),
            *("--seed", "3", "--minutes-max", "5"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )

    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("  FAIL")] == []
    assert lines[-1] == "all 18 checks hold", done.stderr
    assert done.returncode == 0
    assert any("'database': 2" in line for line in lines)
