"""The panel's main job from the command line, in a home of its own with the database it brings along."""

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from typer.testing import CliRunner

from smmpanel.entrypoints.cli import app
from smmpanel.entrypoints.embedded import EmbeddedPostgres
from smmpanel.sandbox.process import SandboxProcess

PATIENCE_SECONDS = 60
PASSPHRASE = "a passphrase of some length"

pytestmark = pytest.mark.slow


class Machine:
    """A machine on which somebody runs the panel."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.home = home
        own = {
            "SMMPANEL_HOME": str(home),
            "SMMPANEL_PORT": str(self.port),
            "SMMPANEL_OUTGOING_ALLOW": "127.0.0.1",
            "SMMPANEL_BACKUP_PASSPHRASE": PASSPHRASE,
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith(("SMMPANEL_", "DATABASE_"))}
        self.environment = {**others, **own}
        self.up: subprocess.Popen[str] | None = None

    def type(self, *arguments: str, code: int = 0) -> str:
        """Run a command in this process, which saves the time that loading everything takes."""
        done = CliRunner().invoke(app, list(arguments), env=self.environment, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.stdout

    def type_for_real(self, *arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "smmpanel", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def read(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.type(*arguments, "--json", code=code))

    def start(self) -> None:
        self.up = subprocess.Popen(
            [sys.executable, "-m", "smmpanel", "up"], env=self.environment, stdout=subprocess.PIPE, text=True
        )
        assert self.up.stdout is not None
        for line in self.up.stdout:
            if line.startswith("smmpanel is ready"):
                return
        raise AssertionError("it did not start")

    def stop(self) -> None:
        if self.up is not None:
            self.up.terminate()
            self.up.communicate(timeout=PATIENCE_SECONDS)
            self.up = None

    def call(self, **fields: object) -> Any:
        address = f"http://127.0.0.1:{self.port}/api/v2"
        return httpx.post(address, data=fields, timeout=30, trust_env=False).json()  # type: ignore[arg-type]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine without a panel."""
    machine = Machine(tmp_path / "home")
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    yield machine
    # Commands set logging up for their own process.
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)
    machine.stop()
    EmbeddedPostgres(machine.home).stop()


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.2)
    return found


def test_from_nothing_to_settled_orders_and_back_from_a_backup(machine, tmp_path):
    with SandboxProcess.start(services=30, seed=7, finish_after=0) as provider:
        key = set_up(machine, provider)
        machine.start()
        service = sell_one(machine, provider, key)
        settle_doubtful_ones(machine, provider, key, service)
        assert machine.read("ledger", "verify")["differences"] == []
        machine.type("backup", str(tmp_path / "panel.backup"))
        machine.stop()

        before = machine.read("orders", "list")
        other = Machine(tmp_path / "other")
        try:
            restored = other.read("restore", str(tmp_path / "panel.backup"))
            assert restored["rows"] > 0
            assert other.read("orders", "list") == before
            assert other.read("provider", "test", "fake")["ok"] is True
            other.type("restore", str(tmp_path / "panel.backup"), code=1)
        finally:
            EmbeddedPostgres(other.home).stop()


def set_up(machine: Machine, provider: SandboxProcess) -> str:
    said = machine.type_for_real("init", "--preset", "webbooster")
    assert said.count("password  ") == 1
    currency = machine.read("user", "list")[0]["currency"]
    machine.type(
        "provider",
        "add",
        "fake",
        "--url",
        provider.url,
        "--key",
        provider.key,
        "--currency",
        currency,
        "--timeout",
        "2",
    )
    assert machine.read("provider", "test", "fake")["services"] == 30
    assert machine.read("sync-services", "--provider", "fake", "--import", "all")[0]["imported"] == 30
    machine.type("user", "create", "mai", "--email", "mai@example.com")
    assert machine.read("credit", "mai", "1000000", "--reason", "bank transfer")["balance"] == "1000000.00"
    assert json.loads(machine.type_for_real("orders", "list", "--json")) == []
    return machine.type("api-key", "create", "mai").strip()


def sell_one(machine: Machine, provider: SandboxProcess, key: str) -> dict[str, Any]:
    service = next(one for one in machine.call(key=key, action="services") if is_simple(one))
    placed = machine.call(key=key, action="add", service=service["service"], link=link_of(1), quantity=service["min"])
    order = until(lambda: submitted(machine, placed["order"]))
    assert order["provider"] == "fake"
    assert provider.order(order["external_id"])["link"] == link_of(1)

    provider.finish([order["external_id"]], "completed")
    with psycopg.connect(EmbeddedPostgres(machine.home).url) as connection:
        connection.execute("UPDATE orders SET check_at = now() - interval '1 second'")
    until(lambda: machine.read("update-orders") and shown(machine, placed["order"])["status"] == "completed")
    kinds = [line["kind"] for line in shown(machine, placed["order"])["timeline"]]
    assert {"placed", "attempt", "status", "money"} <= set(kinds)
    machine.type_for_real("orders", "show", "999999", code=3)
    return dict(service)


def settle_doubtful_ones(machine: Machine, provider: SandboxProcess, key: str, service: dict[str, Any]) -> None:
    provider.add_fault("drop_after", action="add", times=2)
    placed = [
        machine.call(key=key, action="add", service=service["service"], link=link_of(number), quantity=service["min"])
        for number in (2, 3)
    ]
    first, second = (one["order"] for one in placed)
    doubtful = until(lambda: (rows := machine.read("orders", "list", "--unconfirmed")) and len(rows) == 2 and rows)
    assert [one["id"] for one in doubtful] == [second, first]
    taken = {one["link"]: one["order"] for one in provider.orders()}

    machine.type("orders", "resolve", str(first), "--taken", str(taken[link_of(2)]))
    machine.type("orders", "resolve", str(first), "--taken", "77", code=4)
    assert submitted(machine, first)["external_id"] == str(taken[link_of(2)])
    provider.add_fault("refuse", action="add", meaning="link", times=1)
    with psycopg.connect(EmbeddedPostgres(machine.home).url) as connection:
        connection.execute("INSERT INTO panel_options (name, value) VALUES ('refused_orders', '\"hold\"')")
    machine.type("orders", "resend", str(second), code=4)
    machine.type("orders", "resolve", str(second), "--not-taken")
    until(lambda: shown(machine, second)["status"] == "failed")
    assert [one["id"] for one in machine.read("orders", "list", "--status", "failed")] == [second]
    machine.type("orders", "resend", str(second))
    until(lambda: submitted(machine, second))
    assert machine.read("orders", "list", "--user", "mai", "--limit", "1")[0]["id"] == second


def is_simple(service: dict[str, Any]) -> bool:
    return bool(
        service["type"] == "Default"
        and "nstagram" in service["name"]
        and "ollowers" in service["name"]
        and Decimal(service["rate"]) > 0
    )


def link_of(number: int) -> str:
    return f"https://instagram.com/somebody{number}"


def shown(machine: Machine, order_id: int) -> dict[str, Any]:
    return dict(machine.read("orders", "show", str(order_id)))


def submitted(machine: Machine, order_id: int) -> dict[str, Any] | None:
    order = shown(machine, order_id)
    return order if order["external_id"] else None
