"""Running a demonstration: a home that is thrown away, a fake provider and gateways, and the panel under its usual supervisor.

This process stays for as long as people look, so it loads little. What fills the panel runs in the place where the
supervisor otherwise migrates.
"""

import argparse
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

from smmpanel.entrypoints.demo.notes import PRESET, DemoNotes
from smmpanel.entrypoints.embedded import EmbeddedPostgres
from smmpanel.entrypoints.supervisor import Ending, SupervisorError, plan_from, run, say
from smmpanel.sandbox.gateway.process import GatewayProcess
from smmpanel.sandbox.process import SandboxProcess

HOME_PREFIX = "smmpanel-demo-"
LOCK = "demo.lock"
PASSWORD_VARIABLE = "SMMPANEL_DEMO_PASSWORD"  # noqa: S105 - a name, not a password
DAYS, DAYS_MAX = 28, 90
CATALOGUE_SIZE = 3_000
PROVIDER_BALANCE = 2_500
PROVIDER_SEED = 11
PARTIAL_SHARE = 0.06
CANCEL_SHARE = 0.04
_PREPARE = (sys.executable, "-m", "smmpanel.entrypoints.demo.preparing")
# Nothing in it is worth a wait for the disk.
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_KEPT_VARIABLES = frozenset({"SMMPANEL_LOG_LEVEL", "SMMPANEL_LOG_FORMAT"})


def run_demo(preset: str, environment: Mapping[str, str], *, days: int = DAYS) -> Ending:
    """Run a demonstration until a signal; no process and no file of it is left when this returns."""
    try:
        where = plan_from(environment)
        clear_abandoned()
        with ExitStack() as stack:
            home = stack.enter_context(_throw_away_home())
            sandbox = stack.enter_context(_provider())
            gateways = stack.enter_context(GatewayProcess.start(notify_base=f"http://127.0.0.1:{where.port}"))
            notes = DemoNotes(
                preset=preset,
                days=days,
                password=environment.get(PASSWORD_VARIABLE) or None,
                provider_url=sandbox.url,
                provider_control=sandbox.control_url,
                provider_key=sandbox.key,
                gateways_url=gateways.url,
            )
            notes.write(home)
            _forget_other_panels(sandbox.url, gateways.url)
            plan = replace(where, home=home, database_url=None, migrate=_PREPARE, postgres_options=_CARELESS)
            return run(plan)
    except SupervisorError as error:
        say(str(error))
        return error.ending


@contextmanager
def _throw_away_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix=HOME_PREFIX))
    lock = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
        os.close(lock)


@contextmanager
def _provider() -> Iterator[SandboxProcess]:
    with SandboxProcess.start(
        key=token_hex(16),
        services=CATALOGUE_SIZE,
        seed=PROVIDER_SEED,
        balance=PROVIDER_BALANCE,
        partial_share=PARTIAL_SHARE,
        cancel_share=CANCEL_SHARE,
        latency_ms=2,
    ) as sandbox:
        yield sandbox


def _forget_other_panels(*sandboxes: str) -> None:
    """Let our children know nothing of a panel that this shell is set up for; they may call the sandboxes."""
    for name in list(os.environ):
        if name == "DATABASE_URL" or (name.startswith("SMMPANEL_") and name not in _KEPT_VARIABLES):
            del os.environ[name]
    os.environ["SMMPANEL_OUTGOING_ALLOW"] = ",".join(urlsplit(url).netloc for url in sandboxes)
    os.environ.setdefault("SMMPANEL_LOG_LEVEL", "warning")
    os.environ["SMMPANEL_MAIL_TO_FOLDER"] = "true"


def clear_abandoned(directory: Path | None = None) -> list[Path]:
    """Remove what demonstrations left behind that were killed, their databases first; returns their homes."""
    cleared = []
    for home in (directory or Path(tempfile.gettempdir())).glob(f"{HOME_PREFIX}*"):
        # The notes are written under the lock: a home without them is being made at this moment.
        if not DemoNotes.are_in(home) or home.is_symlink() or home.stat().st_uid != os.geteuid():
            continue
        lock = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            EmbeddedPostgres(home).stop()
            shutil.rmtree(home, ignore_errors=True)
            cleared.append(home)
        finally:
            os.close(lock)
    return cleared


def _leave(*_: object) -> None:
    # Until the supervisor listens to signals itself: whatever has been started is ended on the way out.
    raise SystemExit(Ending.STOPPED)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run with the settings of the command line and the environment and exit with what came of it."""
    parser = argparse.ArgumentParser(
        prog="smmpanel demo",
        description="A panel to look at, with a fake provider, fake gateways and some weeks of history.",
    )
    parser.add_argument("--preset", default=os.environ.get("PRESET") or PRESET, help="what the panel starts from")
    parser.add_argument("--port", type=int, help="port to listen on [SMMPANEL_PORT, else 8000]")
    parser.add_argument("--host", help="address to listen on [SMMPANEL_HOST, else 127.0.0.1]")
    parser.add_argument(
        "--days",
        type=int,
        choices=range(1, DAYS_MAX + 1),
        default=DAYS,
        metavar="DAYS",
        help=f"length of the history, at most {DAYS_MAX} [{DAYS}]",
    )
    given = parser.parse_args(arguments)
    environment = dict(os.environ)
    for name, value in (("SMMPANEL_PORT", given.port), ("SMMPANEL_HOST", given.host)):
        if value is not None:
            environment[name] = str(value)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave)
    sys.exit(run_demo(given.preset, environment, days=given.days))
