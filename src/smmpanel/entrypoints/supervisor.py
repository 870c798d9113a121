"""What `make run` starts: the database, the migrations, the web process and the worker, kept alive and stopped together.

Run as `python -m smmpanel.entrypoints.supervisor`. It loads nothing that it does not need, since it stays for good.
"""

import errno
import fcntl
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from smmpanel.entrypoints.children import Child
from smmpanel.entrypoints.embedded import EmbeddedPostgres, EmbeddedPostgresError
from smmpanel.entrypoints.postgres_user import NoUserForPostgresError

TICK_SECONDS = 0.5
SECOND_SIGNAL_SECONDS = 1.0
PORT_PATIENCE_SECONDS = 3.0
STARTING_TICK_SECONDS = 0.05
HEALTH_TIMEOUT_SECONDS = 2.0
LOG_CARE_SECONDS = 600
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending(IntEnum):
    """Exit codes of `smmpanel up`."""

    STOPPED = 0
    BAD_SETTING = 2
    ALREADY_RUNNING = 3
    PORT_TAKEN = 4
    DATABASE_FAILED = 5
    MIGRATION_FAILED = 6
    KEEPS_FAILING = 7


class SupervisorError(RuntimeError):
    """Why everything ends; the message is for the operator."""

    def __init__(self, ending: Ending, message: str) -> None:
        super().__init__(message)
        self.ending = ending


def _panel(command: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "smmpanel", command)


@dataclass(frozen=True)
class Plan:
    """What to run, where, and with how much patience."""

    home: Path = Path("var")
    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str | None = None
    migrate: Sequence[str] = _panel("migrate")
    web: Sequence[str] = _panel("serve")
    worker: Sequence[str] = _panel("worker")
    web_grace_seconds: float = 15
    worker_grace_seconds: float = 60
    postgres_options: Mapping[str, str] = field(default_factory=dict)
    steady_seconds: float = 30
    """A child that lives this long has started well; its next failure counts as the first."""
    failures_max: int = 5
    backoff_seconds: float = 0.5


def plan_from(environment: Mapping[str, str]) -> Plan:
    """Read the few settings that the supervisor itself needs; its children read the rest."""
    port = environment.get("SMMPANEL_PORT") or "8000"
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise SupervisorError(Ending.BAD_SETTING, f"SMMPANEL_PORT must be a number from 1 to 65535, not {port!r}")
    return Plan(
        home=Path(environment.get("SMMPANEL_HOME") or "var"),
        host=environment.get("SMMPANEL_HOST") or "127.0.0.1",
        port=int(port),
        database_url=environment.get("DATABASE_URL") or environment.get("SMMPANEL_DATABASE_URL") or None,
    )


def run(plan: Plan) -> Ending:
    """Run everything until a signal or a hopeless failure; all that was started has ended when this returns."""
    try:
        with _OnlyOne(plan.home):
            return _Supervisor(plan).run()
    except SupervisorError as error:
        say(str(error))
        return error.ending


def say(message: str) -> None:
    """Tell the operator."""
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()


class _OnlyOne:
    """Held as long as a supervisor runs in a home. The kernel lets go of it even if the supervisor cannot."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._descriptor = -1

    def __enter__(self) -> None:
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._home / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SupervisorError(
                Ending.BAD_SETTING, f"SMMPANEL_HOME, {self._home.absolute()}, cannot be used: {error.strerror}"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 20).decode() or "?"
            os.close(self._descriptor)
            raise SupervisorError(
                Ending.ALREADY_RUNNING,
                f"smmpanel runs in {self._home.absolute()} already (process {holder.strip()}): "
                "stop it first, or choose another SMMPANEL_HOME",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


class _Supervisor:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._postgres = None if plan.database_url else EmbeddedPostgres(plan.home, plan.postgres_options)
        self._web = Child("web", plan.web, plan.web_grace_seconds)
        self._worker = Child("worker", plan.worker, plan.worker_grace_seconds)
        self._signals = 0
        self._signalled_at = float("-inf")
        self._holds_database = False
        self._is_ready = False
        self._log_cared_at = time.monotonic()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def run(self) -> Ending:
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays nohup
                signal.signal(number, self._on_signal)
        # A death of a child wakes the loop at once; the number alone is of no interest.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            _check_port(self._plan.host, self._plan.port)
            self._start_database()
            environment = self._environment()
            self._migrate(environment)
            self._keep_running(environment)
        finally:
            self._stop_all()
            signal.set_wakeup_fd(-1)
            os.close(self._wake_read)
            os.close(self._wake_write)
        return Ending.STOPPED

    def _on_signal(self, *_: object) -> None:
        # Wrappers pass on a Ctrl-C that the terminal has sent us already: only a later one is the impatient second.
        if time.monotonic() - self._signalled_at > SECOND_SIGNAL_SECONDS:
            self._signals += 1
            self._signalled_at = time.monotonic()

    def _wait(self, seconds: float) -> None:
        if select.select([self._wake_read], [], [], seconds)[0]:
            os.read(self._wake_read, 512)

    # Starting ---------------------------------------------------------------------------------------------------

    def _start_database(self) -> None:
        if self._postgres is None:
            return
        try:
            self._postgres.start()
            self._holds_database = True
        except (EmbeddedPostgresError, NoUserForPostgresError, OSError) as error:
            raise SupervisorError(Ending.DATABASE_FAILED, str(error)) from error

    def _environment(self) -> dict[str, str]:
        ours = {
            "SMMPANEL_HOME": str(self._plan.home.absolute()),
            "SMMPANEL_HOST": self._plan.host,
            "SMMPANEL_PORT": str(self._plan.port),
        }
        url = self._postgres.url if self._postgres else self._plan.database_url
        if url is not None:
            ours["SMMPANEL_DATABASE_URL"] = url
        return {**os.environ, **ours}

    def _migrate(self, environment: Mapping[str, str]) -> None:
        child = Child("migrate", self._plan.migrate, self._plan.worker_grace_seconds)
        child.start(environment)
        try:
            while (code := child.exit_code()) is None and not self._signals:
                self._wait(TICK_SECONDS)
            if self._signals:
                self._stop(child)
            elif code:
                raise SupervisorError(
                    Ending.MIGRATION_FAILED, f"the database could not be brought up to date (exit code {code})"
                )
        finally:
            child.kill()

    # Running ----------------------------------------------------------------------------------------------------

    def _keep_running(self, environment: Mapping[str, str]) -> None:
        while not self._signals:
            self._care_for_database()
            for child in (self._web, self._worker):
                self._care_for(child, environment)
            if not self._is_ready and self._web.exit_code() is None and _answers(self._plan.host, self._plan.port):
                self._is_ready = True
                say(f"smmpanel is ready on {_address(self._plan.host, self._plan.port)}")
            self._wait(TICK_SECONDS if self._is_ready else STARTING_TICK_SECONDS)

    def _care_for(self, child: Child, environment: Mapping[str, str]) -> None:
        if child.restart_at is not None:
            if time.monotonic() >= child.restart_at:
                child.start(environment)
            return
        code = child.exit_code()
        if code is None:
            return
        child.kill()  # what it started itself
        child.failures = 1 if child.ran_seconds() >= self._plan.steady_seconds else child.failures + 1
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if child.failures >= self._plan.failures_max:
            raise SupervisorError(
                Ending.KEEPS_FAILING,
                f"{child.name} {how}, {child.failures} times in a row right after its start: giving up, see its log above",
            )
        delay = self._plan.backoff_seconds * 2 ** (child.failures - 1)
        child.restart_at = time.monotonic() + delay
        say(f"{child.name} {how}; starting it again in {delay:g} s")

    def _care_for_database(self) -> None:
        if self._postgres is None:
            return
        if not self._postgres.is_running():
            say("the database has stopped; starting it again")
            self._start_database()
        if time.monotonic() - self._log_cared_at > LOG_CARE_SECONDS:
            self._log_cared_at = time.monotonic()
            self._postgres.trim_log()

    # Stopping ---------------------------------------------------------------------------------------------------

    def _stop_all(self) -> None:
        # First who lets work in, then who does it, then where it is kept.
        if self._web.is_started:
            say("stopping")
        for child in (self._web, self._worker):
            self._stop(child)
        if self._postgres is not None and self._holds_database:
            # A command that is still at work, a backup say, keeps the database and stops it when it is done.
            self._postgres.release()

    def _stop(self, child: Child) -> None:
        """Ask, wait, then kill; a second Ctrl-C kills at once."""
        child.ask_to_stop()
        deadline = time.monotonic() + child.grace_seconds
        while child.is_started and child.exit_code() is None and time.monotonic() < deadline and self._signals < 2:
            self._wait(TICK_SECONDS)
        child.kill()


def _check_port(host: str, port: int) -> None:
    # The web process of a supervisor killed a moment ago is being ended by the kernel: it is given that moment.
    deadline = time.monotonic() + PORT_PATIENCE_SECONDS
    while (problem := _bind(host, port)) is not None:
        if problem.errno != errno.EADDRINUSE or time.monotonic() > deadline:
            raise SupervisorError(
                Ending.PORT_TAKEN,
                f"cannot listen on {host}, port {port} ({problem.strerror}): "
                "stop what uses it, or choose another SMMPANEL_PORT or SMMPANEL_HOST",
            )
        time.sleep(STARTING_TICK_SECONDS)


def _bind(host: str, port: int) -> OSError | None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def _near(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def _address(host: str, port: int) -> str:
    near = _near(host)
    return f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"


def _answers(host: str, port: int) -> bool:
    """Ask whether the web process says that it is well, without loading an HTTP client for this one line."""
    try:
        with socket.create_connection((_near(host), port), timeout=HEALTH_TIMEOUT_SECONDS) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def main() -> None:
    """Run with the settings of the environment and exit with what came of it."""
    try:
        plan = plan_from(os.environ)
    except SupervisorError as error:
        say(str(error))
        sys.exit(error.ending)
    sys.exit(run(plan))


if __name__ == "__main__":
    main()
