"""Writes `docs/api.md`: `python -m smmpanel.entrypoints.documenting [FILE]`, which `make docs` runs."""

import sys
from pathlib import Path

from smmpanel.api.reference import reference_of
from smmpanel.entrypoints.web import routed_app

FILE = Path("docs/api.md")


def api_reference() -> str:
    """Return what the file is to hold."""
    return reference_of(routed_app().openapi())


def main() -> None:
    """Write the file."""
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    place.write_text(api_reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
