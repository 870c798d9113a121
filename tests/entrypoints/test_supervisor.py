"""The supervisor with real processes: a small web server and worker stand in for the panel's own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest

from smmpanel.entrypoints.embedded import EmbeddedPostgres
from smmpanel.entrypoints.processes import command_of
from smmpanel.entrypoints.supervisor import Ending, Plan, SupervisorError, plan_from

PATIENCE_SECONDS = 20

STAND_IN = """
import http.server, os, pathlib, signal, sys, time

kind, notes = sys.argv[1], pathlib.Path(sys.argv[2])
how = (notes / f"{kind}.how").read_text() if (notes / f"{kind}.how").exists() else ""

def note(what):
    with (notes / "events").open("a") as events:
        events.write(f"{kind} {what}\\n")

def stop(*_):
    note("stopped")
    os._exit(0)

signal.signal(signal.SIGTERM, signal.SIG_IGN if how == "stubborn" else stop)
(notes / f"{kind}.pid").write_text(str(os.getpid()))
(notes / f"{kind}.database").write_text(os.environ.get("SMMPANEL_DATABASE_URL", ""))
note("started")
if how == "fails":
    sys.exit(3)
if kind == "migrate":
    sys.exit(0)
if kind == "web":
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()
        def log_message(self, *_):
            pass
    http.server.HTTPServer((os.environ["SMMPANEL_HOST"], int(os.environ["SMMPANEL_PORT"])), Health).serve_forever()
while True:
    time.sleep(60)
"""

UP = """
import sys, pathlib
from smmpanel.entrypoints.supervisor import Plan, run

here, port, home = pathlib.Path(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
command = lambda kind: [sys.executable, str(here / "stand_in.py"), kind, str(here)]
sys.exit(run(Plan(home=home, port=port, migrate=command("migrate"), web=command("web"), worker=command("worker"),
                  worker_grace_seconds=1.5, postgres_options={"fsync": "off"}, backoff_seconds=0.02,
                  database_url=sys.argv[4] if len(sys.argv) > 4 else None)))
"""


def until(condition: Callable[[], object]) -> None:
    """Wait for what is to come about; a test that waits in vain fails here."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


class Ups:
    """Starts supervisors in a directory of their own and ends what a test leaves running."""

    def __init__(self, here: Path) -> None:
        self.here = here
        self.home = here / "home"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.running: list[subprocess.Popen[str]] = []
        (here / "stand_in.py").write_text(STAND_IN)

    def start(self, *further: str) -> subprocess.Popen[str]:
        output = (self.here / "output").open("a")
        up = subprocess.Popen(
            [sys.executable, "-c", UP, self.here, str(self.port), self.home, *further],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        output.close()
        self.running.append(up)
        return up

    def start_and_wait(self, *further: str) -> subprocess.Popen[str]:
        up = self.start(*further)
        until(lambda: f"smmpanel is ready on http://127.0.0.1:{self.port}\n" in self.output() or up.poll() is not None)
        until(lambda: self.events().count("worker started") > 0)
        assert up.poll() is None, self.output()
        return up

    def behave(self, kind: str, how: str) -> None:
        (self.here / f"{kind}.how").write_text(how)

    def output(self) -> str:
        return (self.here / "output").read_text()

    def events(self) -> list[str]:
        path = self.here / "events"
        return path.read_text().splitlines() if path.exists() else []

    def pid(self, kind: str) -> int:
        return int((self.here / f"{kind}.pid").read_text())

    def postmaster(self) -> int:
        return int((self.home / "pgdata" / "postmaster.pid").read_text().split("\n")[0])

    def end(self) -> None:
        for up in self.running:
            if up.poll() is None:
                up.kill()
            up.wait()
        if (self.home / "pgdata").exists():
            EmbeddedPostgres(self.home).stop()


@pytest.fixture
def ups(tmp_path: Path) -> Iterator[Ups]:
    ups = Ups(tmp_path)
    yield ups
    ups.end()


def test_it_migrates_then_starts_web_and_worker_on_the_embedded_database(ups):
    ups.start_and_wait()

    assert ups.events()[0] == "migrate started"
    assert sorted(ups.events()[1:]) == ["web started", "worker started"]
    urls = {(ups.here / f"{kind}.database").read_text() for kind in ("migrate", "web", "worker")}
    assert urls == {EmbeddedPostgres(ups.home).url}
    with psycopg.connect(urls.pop()) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("smmpanel",)
    with urlopen(f"http://127.0.0.1:{ups.port}/health", timeout=5) as answer:
        assert answer.status == 200


def test_the_supervisor_itself_is_light(ups):
    up = ups.start_and_wait()

    status = Path(f"/proc/{up.pid}/status").read_text()
    resident_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert 0 < resident_kb < 30_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_web_then_worker_then_database(ups, number):
    up = ups.start_and_wait()
    postmaster = ups.postmaster()

    up.send_signal(number)

    assert up.wait(PATIENCE_SECONDS) == Ending.STOPPED
    assert ups.events()[-2:] == ["web stopped", "worker stopped"]
    assert command_of(postmaster) == []
    assert not (ups.home / "pgdata" / "postmaster.pid").exists()


def test_ctrl_c_on_the_terminal_reaches_the_supervisor_alone(ups):
    up = ups.start_and_wait()

    os.killpg(up.pid, signal.SIGINT)

    assert up.wait(PATIENCE_SECONDS) == Ending.STOPPED
    assert ups.events()[-2:] == ["web stopped", "worker stopped"]
    assert "Traceback" not in ups.output()


def test_a_worker_that_does_not_stop_is_killed_after_its_grace(ups):
    ups.behave("worker", "stubborn")
    up = ups.start_and_wait()
    worker = ups.pid("worker")
    before = time.monotonic()

    up.send_signal(signal.SIGTERM)

    assert up.wait(PATIENCE_SECONDS) == Ending.STOPPED
    assert 1.5 <= time.monotonic() - before < 10
    assert command_of(worker) == []
    assert ups.events()[-1] == "web stopped"


@pytest.mark.parametrize("kind", ["web", "worker"])
def test_a_child_that_dies_is_started_again(ups, kind):
    ups.start_and_wait()
    first = ups.pid(kind)

    os.kill(first, signal.SIGKILL)

    until(lambda: ups.events().count(f"{kind} started") == 2)
    assert ups.pid(kind) != first
    assert f"{kind} was killed by signal 9; starting it again" in ups.output()


def test_a_database_that_dies_is_started_again(ups):
    up = ups.start_and_wait()
    first = ups.postmaster()

    os.kill(first, signal.SIGKILL)

    until(lambda: EmbeddedPostgres(ups.home).is_running() and ups.postmaster() != first)
    assert up.poll() is None


def test_a_child_that_fails_at_once_every_time_ends_all_with_a_reason(ups):
    ups.behave("worker", "fails")
    up = ups.start()

    assert up.wait(PATIENCE_SECONDS) == Ending.KEEPS_FAILING
    assert ups.events().count("worker started") == 5
    assert "worker ended with exit code 3, 5 times in a row right after its start: giving up" in ups.output()
    assert command_of(ups.pid("web")) == []
    assert EmbeddedPostgres(ups.home).is_running() is False


def test_a_failed_migration_starts_nothing(ups):
    ups.behave("migrate", "fails")
    up = ups.start()

    assert up.wait(PATIENCE_SECONDS) == Ending.MIGRATION_FAILED
    assert ups.events() == ["migrate started"]
    assert "could not be brought up to date (exit code 3)" in ups.output()


def test_a_killed_supervisor_takes_its_children_along_and_the_next_one_mends_the_rest(ups):
    up = ups.start_and_wait()
    orphans = [ups.pid("web"), ups.pid("worker")]

    up.kill()
    up.wait()
    until(lambda: [command_of(pid) for pid in orphans] == [[], []])
    (ups.here / "output").write_text("")
    again = ups.start_and_wait()
    again.send_signal(signal.SIGTERM)

    assert again.wait(PATIENCE_SECONDS) == Ending.STOPPED
    assert EmbeddedPostgres(ups.home).is_running() is False


def test_a_second_one_in_the_same_home_is_refused_and_the_first_runs_on(ups):
    first = ups.start_and_wait()
    events = ups.events()

    second = ups.start()

    assert second.wait(PATIENCE_SECONDS) == Ending.ALREADY_RUNNING
    assert f"runs in {ups.home} already (process {first.pid})" in ups.output()
    assert ups.events() == events
    assert first.poll() is None


def test_a_port_in_use_is_said_before_anything_starts(ups):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ups.port))
        taken.listen()
        up = ups.start()

        assert up.wait(PATIENCE_SECONDS) == Ending.PORT_TAKEN

    assert f"cannot listen on 127.0.0.1, port {ups.port} (Address already in use)" in ups.output()
    assert ups.events() == []
    assert not (ups.home / "pgdata").exists()


def test_a_given_database_is_passed_on_and_none_is_started(ups):
    ups.start_and_wait("postgresql://elsewhere/panel")

    assert (ups.here / "web.database").read_text() == "postgresql://elsewhere/panel"
    assert not (ups.home / "pgdata").exists()


def test_a_command_at_work_keeps_the_database_when_the_panel_stops(ups):
    up = ups.start_and_wait()
    command = EmbeddedPostgres(ups.home)
    command.start()

    up.send_signal(signal.SIGTERM)

    assert up.wait(PATIENCE_SECONDS) == Ending.STOPPED
    assert command.is_running() is True
    command.release()
    assert command.is_running() is False


def test_settings_come_from_the_environment_and_empty_ones_do_not_count():
    assert plan_from({}) == Plan(home=Path("var"), host="127.0.0.1", port=8000, database_url=None)
    assert plan_from({"SMMPANEL_HOME": "/srv/panel", "SMMPANEL_HOST": "192.0.2.7", "SMMPANEL_PORT": "9000"}) == Plan(
        home=Path("/srv/panel"), host="192.0.2.7", port=9000
    )
    assert plan_from({"DATABASE_URL": "", "SMMPANEL_DATABASE_URL": "postgresql://a/b"}).database_url == (
        "postgresql://a/b"
    )
    for port in ("0", "65536", "http", "-1"):
        with pytest.raises(SupervisorError, match="SMMPANEL_PORT must be a number"):
            plan_from({"SMMPANEL_PORT": port})
