"""Panels with nothing, little and much in them, each made once for all tests of a process that want it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pages.filling import Amount, Filled, filled
from smmpanel.entrypoints.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def filled_panel(postgres: EmbeddedPostgres, migrated_url: str) -> Iterator[Callable[[Amount], Filled]]:
    """Makes the panel that has so much in it, or returns the one that was made."""
    made: dict[str, Filled] = {}

    with TemporaryDirectory(prefix="smmpanel-test-") as homes:

        def get(amount: Amount) -> Filled:
            if amount.name not in made:
                home = Path(homes) / amount.name
                home.mkdir()
                made[amount.name] = filled(postgres, migrated_url, home, amount)
            return made[amount.name]

        yield get
