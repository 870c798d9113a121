"""Gateways' own libraries as tests call them: over a pipe to a process that lives as long as the tests do."""

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any, Self

import pytest

from nodejs import node

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
INSTALLED = Path(sys.prefix) / "gateways"
PACKAGES = ROOT / "frontend" / "package.json"
PATIENCE_SECONDS = 20.0
# They look for proxies there; what they are to call is on this machine.
ENVIRONMENT = {"NO_PROXY": "*", "no_proxy": "*", "PYTHONPATH": str(INSTALLED), "PYTHONUTF8": "1"}


class LibraryError(Exception):
    """What a library raised: its own name for it, and what it said."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


class LibraryProcess:
    """A process in which libraries answer."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True, encoding="utf-8"
        )

    @classmethod
    def of_python(cls) -> Self:
        """Start one that knows only the folder in which `make test` installs them."""
        assert INSTALLED.is_dir(), "`make test` installs the libraries of gateways"
        return cls([sys.executable, "-S", "-P", str(HERE / "in_python.py")])

    @classmethod
    def of_node(cls) -> Self:
        """Start one for those that are in JavaScript."""
        found = node()
        if found is None:
            pytest.skip("nothing here runs javascript")
        return cls([found, str(HERE / "in_node.cjs"), str(PACKAGES)])

    def ask(self, wanted: dict[str, Any]) -> Any:
        """Have something called, and return what it returned; raises `LibraryError`."""
        asking, answering = self._process.stdin, self._process.stdout
        assert asking is not None
        assert answering is not None
        # Libraries know no time limit: one that waits for ever is ended, and has answered nothing.
        limit = Timer(PATIENCE_SECONDS, self._process.kill)
        limit.start()
        try:
            asking.write(json.dumps(wanted) + "\n")
            asking.flush()
            line = answering.readline()
        finally:
            limit.cancel()
        assert line, f"no answer to {wanted['library']}.{wanted['call']}"
        said = json.loads(line)
        if "wrong" in said:
            raise LibraryError(said["wrong"], said["because"])
        return said["result"]

    def stop(self) -> None:
        """End it: it reads until nothing comes any more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@dataclass(frozen=True)
class Library:
    """One library, set up."""

    process: LibraryProcess
    name: str
    setup: dict[str, str] = field(default_factory=dict)

    def __call__(self, call: str, *given: Any, **named: Any) -> Any:
        """Call something of it; what, stands in `in_python.py` and `in_node.cjs`."""
        wanted = {"library": self.name, "setup": self.setup, "call": call, "given": given, "named": named}
        return self.process.ask(wanted)
