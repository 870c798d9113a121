"""A sandbox as a child process, for tests and benchmarks."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

START_SECONDS = 15.0
STOP_SECONDS = 5.0
CONTROL_TIMEOUT_SECONDS = 60.0


def _flags(options: dict[str, Any]) -> list[str]:
    flags: list[str] = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            flags.append(flag)
        elif value is not False and value is not None:
            flags += [flag, str(value)]
    return flags


def start_process(what: str, **options: Any) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start a sandbox and wait until it answers; returns what it said of itself. It ends with the process that started it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "smmpanel.sandbox", what, *_flags({**options, "exit_with_parent": True})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A Ctrl-C on the terminal is for whoever started us: they say when we stop.
        start_new_session=True,
    )
    line = _first_line(process)
    if line is None:
        process.kill()
        _close(process)
        raise RuntimeError(f"the sandbox did not start within {START_SECONDS:g} s, or ended at once")
    return process, orjson.loads(line)


def stop_process(process: subprocess.Popen[bytes]) -> int:
    """End a sandbox and return its exit status. May be called twice."""
    if process.poll() is None:
        process.terminate()
    return _close(process)


class ChildSandbox:
    """A running sandbox. Ends with `stop`, at the end of a `with` block, and with the process that started it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, control_url: str) -> None:
        self._process = process
        self.url = url
        """The address for clients."""
        self.control_url = control_url
        self._client = httpx.Client(base_url=control_url, timeout=CONTROL_TIMEOUT_SECONDS, trust_env=False)

    @property
    def pid(self) -> int:
        """The process id of the sandbox."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The port it listens on."""
        port = httpx.URL(self.url).port
        assert port is not None, "a sandbox always listens on a port of its own"
        return port

    def stop(self) -> int:
        """End it and return its exit status. May be called twice."""
        self._client.close()
        return stop_process(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def control(self, method: str, path: str, json: Any = None, **query: Any) -> Any:
        """One control call; raises `httpx.HTTPStatusError` with the sentence of the sandbox if it refuses."""
        answer = self._client.request(method, path, json=json, params=query)
        if answer.is_error:
            raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)
        return answer.json()


class SandboxProcess(ChildSandbox):
    """A running fake provider; its `url` ends in `/api/v2`."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, control_url: str, key: str) -> None:
        super().__init__(process, url, control_url)
        self.key = key

    @classmethod
    def start(cls, *, port: int = 0, key: str = "sandbox-key", **options: Any) -> Self:
        """Start one and wait until it answers. Options are those of the command line, with underscores."""
        process, ready = start_process("provider", port=port, key=key, **options)
        return cls(process, ready["url"], ready["control"], key)

    # The control interface; see `provider_control.py` for all of it.

    def stats(self) -> dict[str, Any]:
        """Counters, the balance, the most requests at one time."""
        return dict(self.control("GET", "stats"))

    def log(self, action: str | None = None, *, after: int = 0) -> list[dict[str, Any]]:
        """Every add, refill and cancel that arrived after that sequence number, or those of one action."""
        rows = self._lines("log.ndjson", after=after)
        return [row for row in rows if action is None or row["action"] == action]

    def orders(self) -> list[dict[str, Any]]:
        """The truth about every order that was taken."""
        return list(self._lines("orders.ndjson"))

    def order(self, ref: str | int) -> dict[str, Any]:
        """The truth about one order."""
        return dict(self.control("GET", f"orders/{ref}"))

    def add_fault(self, kind: str, **fields: Any) -> int:
        """Add a rule to the fault script: `when`, `action`, `link`, `service`, `order`, `times`, `probability` and the
        parameters of the kind. Returns its id."""
        return int(self.control("POST", "faults", {"kind": kind, **fields})[0]["id"])

    def clear_faults(self) -> None:
        """Empty the fault script."""
        self.control("DELETE", "faults")

    def finish(self, orders: Sequence[str | int] | str, outcome: str, **fields: Any) -> None:
        """Let orders (ids, or "all") become something with a name, such as "partial" with `remains`."""
        chosen = orders if isinstance(orders, str) else list(orders)
        self.control("POST", "outcome", {"orders": chosen, "finish": outcome, **fields})

    def script(self, orders: Sequence[str | int] | str, *steps: dict[str, Any]) -> None:
        """Let orders show these steps, one after the other; see `provider_outcomes.step_from`."""
        chosen = orders if isinstance(orders, str) else list(orders)
        self.control("POST", "outcome", {"orders": chosen, "steps": steps})

    def configure(self, **settings: Any) -> None:
        """Change settings of the running sandbox, `balance` among them."""
        self.control("POST", "settings", settings)

    def set_clock(self, at: datetime | None = None, *, speed: float | None = None) -> None:
        """Make it another moment for the provider, let its time pass faster or slower, or both."""
        said = {"at": None if at is None else at.isoformat(), "speed": speed}
        self.control("POST", "clock", {name: value for name, value in said.items() if value is not None})

    def reset(self) -> None:
        """Forget orders, log, faults and numbers."""
        self.control("POST", "reset")

    def _lines(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        answer = self._client.get(path, params=query)
        answer.raise_for_status()
        # Only "\n" ends a row: links may hold characters that text tools take for line breaks.
        return (orjson.loads(line) for line in answer.content.split(b"\n") if line)


def _first_line(process: subprocess.Popen[bytes]) -> bytes | None:
    """The first line of a process's output, or `None` if it ends or stays silent too long."""
    assert process.stdout is not None, "started with a pipe"
    lines: Queue[bytes] = Queue()
    threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()  # type: ignore[union-attr]
    try:
        return lines.get(timeout=START_SECONDS) or None
    except Empty:
        return None


def _close(process: subprocess.Popen[bytes]) -> int:
    try:
        status = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    return status
