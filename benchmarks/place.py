"""A throw-away panel to measure: its own PostgreSQL with the product's settings, its own processes, made data."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import psycopg
from psycopg import sql

from smmpanel.entrypoints.embedded import EmbeddedPostgres
from smmpanel.entrypoints.postgres_settings import PANEL_DATABASE

START_SECONDS = 60
STOP_SECONDS = 70
"""More than a worker takes to end the calls that are under way."""


@dataclass
class Place:
    """A home, a database in it, and the processes started there."""

    home: Path
    postgres: EmbeddedPostgres
    database: str = PANEL_DATABASE
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    quiet: bool = False
    """Whether what the processes say goes to a file instead of the terminal."""

    @property
    def url(self) -> str:
        """The database's address."""
        return self.postgres.url.replace(f"/{PANEL_DATABASE}?", f"/{self.database}?")

    @contextmanager
    def copy(self, database: str) -> Iterator["Place"]:
        """Copy the database as it is now; the copy and its processes end with the block. Nothing may be connected."""
        other = Place(self.home, self.postgres, database)
        names = {"copy": sql.Identifier(database), "source": sql.Identifier(self.database)}
        with psycopg.connect(self.postgres.url, dbname="postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {copy} TEMPLATE {source} STRATEGY FILE_COPY").format(**names))
        try:
            yield other
        finally:
            other.stop_children()
            # The superuser: a vacuum worker may be at it, whom the panel's role could not send away.
            with psycopg.connect(self.postgres.admin_url, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {copy} WITH (FORCE)").format(**names))

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of the product's processes here."""
        settings = {
            "SMMPANEL_HOME": str(self.home),
            "SMMPANEL_DATABASE_URL": self.url,
            "SMMPANEL_OUTGOING_ALLOW": "127.0.0.1",
            "SMMPANEL_API_RATE_PER_MINUTE": "1000000",
            "SMMPANEL_API_BURST": "1000000",
            "SMMPANEL_LOG_LEVEL": "warning",
            "SMMPANEL_ADMIN_USERNAME": "owner",
            "SMMPANEL_ADMIN_EMAIL": "owner@example.com",
            "SMMPANEL_ADMIN_PASSWORD": secrets.token_urlsafe(12),
        }
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("SMMPANEL_", "DATABASE_URL"))}
        return {**ours, **settings, **more}

    def run(self, *command: str) -> str:
        """Run one of the product's commands to its end and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "smmpanel", *command],
            env=self.environment(),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def start(self, *command: str, **more: str) -> subprocess.Popen[bytes]:
        """Start one of the product's processes; it ends with this place."""
        argv = [sys.executable, "-m", "smmpanel", *command]
        if self.quiet:
            with self.log.open("ab") as log:
                child = subprocess.Popen(argv, env=self.environment(**more), stdout=log, stderr=log)
        else:
            child = subprocess.Popen(argv, env=self.environment(**more))
        self.children.append(child)
        return child

    @property
    def log(self) -> Path:
        """Where quiet processes write."""
        return self.home / "processes.log"

    def start_module(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Python module; it ends with this place."""
        child = subprocess.Popen([sys.executable, "-m", module, *arguments], stderr=subprocess.DEVNULL)
        self.children.append(child)
        return child

    def serve(self, number: int) -> list[int]:
        """Start web processes and return their ports once they answer."""
        ports = [free_port() for _ in range(number)]
        for port in ports:
            self.start("serve", "--port", str(port))
        for port in ports:
            wait_for(f"http://127.0.0.1:{port}/health")
        return ports

    def stop_children(self) -> None:
        """End all processes, politely first."""
        end(*self.children)
        self.children.clear()

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """Open a connection that commits by itself."""
        return psycopg.connect(self.url, autocommit=True)


@contextmanager
def a_place() -> Iterator[Place]:
    """Set a panel up, with migrations and preset applied, and take everything away afterwards."""
    with TemporaryDirectory(prefix="smmpanel-bench-") as directory:
        home = Path(directory)
        postgres = EmbeddedPostgres(home)
        postgres.start()
        place = Place(home, postgres)
        try:
            place.run("init", "--preset", "automation")
            yield place
        finally:
            place.stop_children()
            postgres.stop()


def end_cleanly_when_told() -> None:
    """Have SIGTERM end this process the way Ctrl-C does: with all that was started ended, and files removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def end(*children: subprocess.Popen[bytes]) -> None:
    """End processes, politely first."""
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def free_port() -> int:
    """Return a port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str) -> None:
    """Wait until a URL is answered with success."""
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(url, timeout=5):  # noqa: S310
                return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
