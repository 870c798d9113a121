"""The demonstration: what it is made with, and one from its start to its end, as somebody who looks at the panel sees it."""

import fcntl
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text

from making import make_user
from smmpanel.catalog.links import check_link
from smmpanel.entrypoints.demo.notes import DemoNotes
from smmpanel.entrypoints.demo.people import PLATFORMS_ORDERED, link_for
from smmpanel.entrypoints.demo.running import HOME_PREFIX, LOCK, clear_abandoned
from smmpanel.entrypoints.demo.time_machine import another_time
from smmpanel.entrypoints.demo.upstream import Upstream
from smmpanel.entrypoints.embedded import EmbeddedPostgres
from smmpanel.entrypoints.processes import command_of
from smmpanel.entrypoints.supervisor import Ending
from smmpanel.kernel.db import Database
from smmpanel.sandbox.process import SandboxProcess

PASSWORD = "a-password-to-look-with"
READY_SECONDS = 180
PATIENCE_SECONDS = 180
NOTES = DemoNotes(
    "homemmo", PASSWORD, 7, "http://127.0.0.1:1/api/v2", "http://127.0.0.1:1/_control/", "key", "http://127.0.0.1:2"
)
_DEFAULTS = "SELECT table_name, column_name, column_default FROM information_schema.columns ORDER BY 1, 2"


class Demonstration:
    """A demonstration as a process, with temporary files in a directory of its own."""

    def __init__(self, here: Path, *arguments: str) -> None:
        self.here = here
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SMMPANEL_")}
        # An address of a database that is not there: a demonstration must not look at it.
        environment |= {"TMPDIR": str(here), "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/panel"}
        environment |= {"SMMPANEL_DEMO_PASSWORD": PASSWORD, "SMMPANEL_PORT": str(self.port)}
        self._log = (here / "output").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "smmpanel", "demo", *arguments],
            env=environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """All that was printed so far."""
        return (self.here / "output").read_text()

    @property
    def homes(self) -> list[Path]:
        """The directories of demonstrations that are there."""
        return list(self.here.glob(f"{HOME_PREFIX}*"))

    def client(self) -> httpx.Client:
        """A client of the panel."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10, trust_env=False)

    def processes(self) -> set[int]:
        """Everything that runs for it: what it started, and the database."""
        found = {self.process.pid}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and _parent_of(entry) == self.process.pid:
                found.add(int(entry.name))
        return found | {int((home / "pgdata" / "postmaster.pid").read_text().split()[0]) for home in self.homes}

    def close(self) -> None:
        """End it, however far it has come."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        self._log.close()


def _parent_of(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


@pytest.fixture
def demonstrate(tmp_path: Path) -> Iterator[Callable[..., Demonstration]]:
    """Start a demonstration; it is ended with the test."""
    started: list[Demonstration] = []

    def start(*arguments: str) -> Demonstration:
        started.append(Demonstration(tmp_path, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.close()


def until(holds: Callable[[], Any], seconds: float) -> Any:
    """Wait for what is to come about and return it."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)
    return found


def signed_in(client: httpx.Client, username: str) -> dict[str, str]:
    """Sign in and return the headers that say so."""
    answer = client.post("/api/auth/login", json={"username": username, "password": PASSWORD})
    assert answer.status_code == 200
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def test_links_are_such_as_their_platforms_take():
    rng = random.Random(1)
    for platform in PLATFORMS_ORDERED:
        for name in ("Followers", "Channel Members", "Post Likes", "Views"):
            assert check_link(link_for(rng, platform, name), platform).platform == platform


def test_notes_are_for_us_alone_and_come_back_as_written(tmp_path):
    assert not DemoNotes.are_in(tmp_path)

    NOTES.write(tmp_path)

    assert DemoNotes.read(tmp_path) == NOTES
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_demonstration_left_is_removed_and_nothing_else(tmp_path):
    dead, alive, young = (tmp_path / f"{HOME_PREFIX}{name}" for name in ("dead", "alive", "young"))
    strange = tmp_path / "strange"
    for home in (dead, alive, young, strange):
        home.mkdir()
    for home in (dead, alive, strange):
        NOTES.write(home)
    with (alive / LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        assert clear_abandoned(tmp_path) == [dead]

    assert set(tmp_path.iterdir()) == {alive, young, strange}


async def test_rows_are_of_the_moment_that_the_machine_tells_and_defaults_come_back(db: Database, database_url):
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    with psycopg.connect(database_url) as connection:
        before = connection.execute(_DEFAULTS).fetchall()
    with SandboxProcess.start(services=5) as sandbox:
        async with Upstream(sandbox.control_url) as upstream, another_time(db, upstream, moment) as machine:
            later = moment + timedelta(days=3)
            await machine.go_to(later)
            await machine.bring_provider()
            async with db.transaction() as session:
                user_id = await make_user(session)
            clock = sandbox.control("GET", "clock")
    async with db.transaction() as session:
        written = (await session.execute(text("SELECT created_at FROM users WHERE id = :id"), {"id": user_id})).scalar()
        moved = (await session.execute(text("SELECT DISTINCT created_at FROM ledger_transfers"))).scalars().all()

    assert (written, moved) == (later, [later])
    assert clock == {"at": later.isoformat(), "speed": 0.0}
    with psycopg.connect(database_url) as connection:
        assert connection.execute(_DEFAULTS).fetchall() == before


def test_a_preset_that_is_not_there_is_told_and_leaves_nothing(demonstrate):
    demonstration = demonstrate("--preset", "nowhere")

    assert demonstration.process.wait(READY_SECONDS) == Ending.MIGRATION_FAILED
    assert "Preset nowhere: there is none of this name" in demonstration.output
    assert demonstration.homes == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_demonstration_from_its_start_to_its_end(demonstrate):
    demonstration = demonstrate("--days", "7")
    until(
        lambda: "smmpanel is ready" in demonstration.output or demonstration.process.poll() is not None, READY_SECONDS
    )
    assert f"smmpanel is ready on http://127.0.0.1:{demonstration.port}" in demonstration.output
    assert demonstration.output.count(f"password {PASSWORD}") == 2
    [home] = demonstration.homes
    with demonstration.client() as client:
        look_at_accounts(client, demonstration.output)
        pay_by_every_method(client, demonstration.output)
        look_at_history(EmbeddedPostgres(home).url)
        order_and_wait(client)
    verified = subprocess.run(
        [sys.executable, "-m", "smmpanel", "ledger", "verify"],
        env={**os.environ, "SMMPANEL_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stdout[-16:-1]) == (0, "the books hold.")

    running = demonstration.processes()
    assert len(running) == 6  # itself, the provider, the gateways, the web process, the worker, the database
    demonstration.process.send_signal(signal.SIGINT)
    assert demonstration.process.wait(60) == Ending.STOPPED
    assert demonstration.homes == []
    assert [pid for pid in running if command_of(pid)] == []


def look_at_accounts(client: httpx.Client, printed: str) -> None:
    """The printed accounts can sign in, and the printed key opens the reseller API."""
    assert client.get("/api/auth/me", headers=signed_in(client, "demo")).json()["role"] == "customer"
    assert client.get("/api/auth/me", headers=signed_in(client, "admin")).json()["role"] == "master_admin"
    found = re.search(r"smm_\w+", printed)
    assert found is not None
    balance = client.post("/api/v2", data={"key": found[0], "action": "balance"}).json()
    assert balance["currency"] == "VND"


def look_at_history(url: str) -> None:
    """A week has passed in which everything was placed, sent, followed and accounted for."""
    with psycopg.connect(url) as connection:

        def one(query: str) -> Any:
            row = connection.execute(query).fetchone()
            assert row is not None
            return row[0]

        states = {row[0] for row in connection.execute("SELECT DISTINCT status FROM orders").fetchall()}
        assert {"completed", "in_progress", "submitting", "canceled"} <= states
        assert one("SELECT count(*) FROM services WHERE held_reason IS NULL") == 3000
        assert one("SELECT count(DISTINCT date(created_at)) FROM orders") >= 7
        assert one("SELECT count(*) FROM orders WHERE unconfirmed") == 2
        assert one("SELECT count(*) FROM orders WHERE kind = 'run' AND status = 'completed'") >= 5
        assert one("SELECT count(*) FROM refills") >= 1
        assert one("SELECT count(*) FROM subscription_children") >= 3
        # The traces of real work: an attempt behind each order that a provider got, a hold behind each charge, and a
        # timeline that begins when the order does.
        assert one(
            "SELECT count(*) FROM orders o WHERE external_id IS NOT NULL AND NOT EXISTS"
            " (SELECT FROM order_attempts a WHERE a.order_id = o.id AND a.outcome = 'accepted')"
        ) == 0  # fmt: skip
        assert one(
            "SELECT count(*) FROM orders o WHERE kind <> 'run' AND charge > 0 AND NOT EXISTS (SELECT FROM ledger_transfers t"
            " WHERE t.subject = 'order:' || o.id AND t.reason = 'order_hold' AND t.created_at = o.created_at)"
        ) == 0  # fmt: skip
        assert (
            one("SELECT count(*) FROM order_events e JOIN orders o ON o.id = e.order_id WHERE e.at < o.created_at") == 0
        )
        assert one("SELECT count(*) FROM information_schema.columns WHERE column_default LIKE '%demo%'") == 0
        look_at_growth(one)


def look_at_growth(one: Callable[[str], Any]) -> None:
    """Recommending, vouchers, coupons and bonuses have something to show, each of its day."""
    assert one("SELECT count(*) FROM referrals WHERE state = 'clear' AND credited > 0") == 3
    assert one("SELECT count(*) FROM referrals WHERE state = 'flagged' AND due > 0") == 1
    assert one("SELECT count(DISTINCT date(created_at)) FROM ledger_transfers WHERE reason = 'commission'") >= 4
    assert one("SELECT string_agg(state, ' ' ORDER BY id) FROM payouts") == "paid waiting"
    assert one("SELECT count(*) FROM voucher_redemptions") == 3
    assert one("SELECT count(*) FROM coupon_uses u JOIN coupons c ON c.id = u.coupon_id AND c.uses > 0") >= 2
    assert one("SELECT count(*) FROM deposit_bonuses WHERE amount > 0") >= 1


def pay_by_every_method(client: httpx.Client, printed: str) -> None:
    """Whatever a visitor pays by is credited while they look, without money and without leaving this machine."""
    headers, found = signed_in(client, "demo"), re.search(r"payments +(http://\S+)", printed)
    assert found is not None
    begun = []
    for method in client.get("/api/payment/methods", headers=headers).json()["data"]:
        if method["gateway"] == "manual":
            continue
        asked = {"method_id": method["id"], "amount": method["min"]}
        answer = client.post("/api/payment/deposit", json=asked, headers=headers)
        assert answer.status_code == 200, answer.text
        deposit = answer.json()
        if method["gateway"] == "sepay":
            told = deposit["bank_info"]
            slip = {"memo": told["content"], "amount": int(told["amount"]), "account": told["account_number"]}
            page = httpx.post(f"{found[1]}/sepay/bank", data=slip, follow_redirects=True, trust_env=False)
        elif deposit["redirect_url"] is None:
            continue  # a form that the customer's browser sends: tests with a browser look at those
        else:
            assert deposit["redirect_url"].startswith(found[1])
            page = httpx.get(deposit["redirect_url"], follow_redirects=True, trust_env=False)
        assert "Done: pay" in httpx.post(page.url, data={"deed": "pay"}, follow_redirects=True, trust_env=False).text
        begun.append(deposit["number"])
    assert len(begun) >= 10

    def are_paid() -> bool:
        read = [client.get(f"/api/payment/deposits/{number}", headers=headers).json() for number in begun]
        return {one["status"] for one in read} == {"paid"}

    until(are_paid, PATIENCE_SECONDS)


def order_and_wait(client: httpx.Client) -> None:
    """What a visitor orders is delivered while they look."""
    headers = signed_in(client, "demo")
    listed = client.get("/api/services", params={"limit": 100}, headers=headers).json()["data"]
    service = next(one for one in listed if one["type"] == "Default" and one["platform"] == "facebook")
    asked = {
        "service_id": service["id"],
        "link": "https://www.facebook.com/ByVisitor01/posts/1",
        "quantity": max(service["min"], 100),
    }
    answer = client.post("/api/orders", json=asked, headers=headers)
    assert answer.status_code in {200, 201}, answer.text
    path = f"/api/orders/{answer.json()['order_id']}"

    def is_completed() -> bool:
        return bool(client.get(path, headers=headers).json()["status"] == "completed")

    until(is_completed, PATIENCE_SECONDS)
