"""Homes for servers that these tests start."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory outside pytest's own: another run of the same user resets the mode of that one, under the server's feet."""
    with TemporaryDirectory(prefix="smmpanel-test-") as path:
        yield Path(path)
