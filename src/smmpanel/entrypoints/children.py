"""A process that the supervisor keeps running and that never outlives it."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from smmpanel.entrypoints.processes import LINUX

PR_SET_PDEATHSIG = 1


class Child:
    """One process that is to run all the time."""

    def __init__(self, name: str, command: Sequence[str], grace_seconds: float) -> None:
        self.name = name
        self.grace_seconds = grace_seconds
        self.failures = 0
        self.restart_at: float | None = 0.0
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._is_over = False

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it, or start it again."""
        self._process = subprocess.Popen(
            self._command,
            env=environment,
            stdin=subprocess.DEVNULL,
            # Its own session: a Ctrl-C on the terminal reaches us alone, and we say who stops when.
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509  # no thread runs here
        )
        self._started_at = time.monotonic()
        self._is_over = False
        self.restart_at = None

    def exit_code(self) -> int | None:
        """Return the exit code if it has ended since it was started."""
        return self._process.poll() if self._process else None

    @property
    def is_started(self) -> bool:
        """Whether it was started at all."""
        return self._process is not None

    def ran_seconds(self) -> float:
        """Return how long ago it was started."""
        return time.monotonic() - self._started_at

    def ask_to_stop(self) -> None:
        """Let it finish what it is at."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all that it started."""
        if self._process is None or self._is_over:
            return
        # Once only: when the whole group is gone its number may be given to somebody else. (macOS says "not permitted"
        # of a group whose members are all dead.)
        self._is_over = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _die_with(parent: int) -> Callable[[], None] | None:
    """Have the kernel end a child when the supervisor dies without a word, so that none is left holding the port."""
    if not LINUX:
        return None
    libc = ctypes.CDLL(None)

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return in_child
