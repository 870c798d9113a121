"""Other processes of this machine: who a number belongs to, and ending what a crash left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LINUX = sys.platform.startswith("linux")
PATIENCE_SECONDS = 5
_POLL_SECONDS = 0.02
_EXEC_SECONDS = 0.5


def command_of(pid: int) -> list[str]:
    """Return the command line of a process; empty if there is none, or it has ended and only waits to be counted."""
    if LINUX:
        # A process that becomes another program has no command line for a moment, and must not be taken for one that ended.
        deadline = time.monotonic() + _EXEC_SECONDS
        while not (command := _linux_command_of(pid)) and _lives(pid) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return command
    shown = subprocess.run(
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    # The line does not say where an argument ends: this is enough to know a server, whose only option is its directory.
    first, _, directory = shown.partition(" -D ")
    return [first, "-D", directory] if directory else shown.split()[:1]


def _linux_command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"


def working_in(directory: Path, *, name: str) -> list[int]:
    """Find the processes of that name whose working directory this is; where the system does not tell, none."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "comm").read_text() == f"{name}\n" and (entry / "cwd").readlink() == directory:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def end(pids: list[int]) -> None:
    """End processes that nobody looks after any more, by force if they do not go."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(command_of(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
