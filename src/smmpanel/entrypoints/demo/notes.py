"""What the process that runs a demonstration tells the one that fills it: a file in the home, readable to us alone."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

PRESET = "homemmo"
"""What a demonstration starts from unless told otherwise."""
_FILE = "demo.json"


@dataclass(frozen=True, slots=True)
class DemoNotes:
    """Which panel is to be made, and where its provider and its gateways are."""

    preset: str
    password: str | None
    """For both accounts; `None` has them generated."""
    days: int
    """How long its history is."""
    provider_url: str
    provider_control: str
    provider_key: str
    gateways_url: str

    def write(self, home: Path) -> None:
        """Keep them in a home."""
        descriptor = os.open(home / _FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)

    @classmethod
    def read(cls, home: Path) -> Self:
        """Read what was written; raises `OSError` if nothing was."""
        return cls(**json.loads((home / _FILE).read_text(encoding="utf-8")))

    @staticmethod
    def are_in(home: Path) -> bool:
        """Whether a home has any."""
        return (home / _FILE).is_file()
