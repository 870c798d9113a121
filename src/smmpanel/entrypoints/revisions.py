"""Which revision of the database this version of the panel wants, without loading what migrates."""

import re
from functools import cache
from pathlib import Path

MIGRATIONS = Path(__file__).parents[3] / "migrations"
_ASSIGNED = re.compile(r"^(revision|down_revision)(?:\s*:[^=]+)?\s*=\s*(?:[\"']([^\"']+)[\"']|None)", re.MULTILINE)


@cache
def newest_revision() -> str:
    """Return the revision that no other one builds on."""
    revisions: set[str] = set()
    built_on: set[str] = set()
    for path in (MIGRATIONS / "versions").glob("*.py"):
        found = dict(_ASSIGNED.findall(path.read_text(encoding="utf-8")))
        revisions.add(found["revision"])
        built_on.add(found["down_revision"])
    heads = revisions - built_on
    assert len(heads) == 1, f"migrations must form one line: {sorted(heads)}"
    return heads.pop()
