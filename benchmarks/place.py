"""A throw-away panel to measure: its own PostgreSQL with the product's settings, its own processes, made data."""

import os
import secrets
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

from smmpanel.entrypoints.embedded import EmbeddedPostgres

START_SECONDS = 60


@dataclass
class Place:
    """A home, a database in it, and the processes started there."""

    home: Path
    postgres: EmbeddedPostgres
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The database's address."""
        return self.postgres.url

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
        return {**os.environ, **settings, **more}

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
        child = subprocess.Popen([sys.executable, "-m", "smmpanel", *command], env=self.environment(**more))
        self.children.append(child)
        return child

    def serve(self, number: int) -> list[int]:
        """Start web processes and return their ports once they answer."""
        ports = [free_port() for _ in range(number)]
        for port in ports:
            self.start("serve", "--port", str(port))
        for port in ports:
            _wait_for(f"http://127.0.0.1:{port}/health")
        return ports

    def stop_children(self) -> None:
        """End all processes, politely first."""
        for child in self.children:
            child.terminate()
        for child in self.children:
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
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


def free_port() -> int:
    """Return a port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(url: str) -> None:
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
