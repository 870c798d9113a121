"""The web process: what it answers, and as a real process how it starts and stops."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import text

from smmpanel.entrypoints.opening import prepare_panel
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.settings import Settings

HERE = ("127.0.0.1", 50000)
AWAY = ("203.0.113.9", 50000)


def client_of(panel: Panel, address: tuple[str, int] = HERE) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=build_app(panel), client=address)
    return httpx.AsyncClient(transport=transport, base_url="http://panel.test")


@pytest.fixture
async def client(panel: Panel) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody on this machine."""
    async with client_of(panel) as client:
        yield client


async def heartbeat(panel: Panel, age_seconds: int) -> None:
    async with panel.db.transaction() as session:
        moment = f"now() - interval '{age_seconds} seconds'"
        await session.execute(text(f"INSERT INTO procrastinate_workers (last_heartbeat) VALUES ({moment})"))


# Health -----------------------------------------------------------------------------------------------------------


async def test_health_is_ok_with_a_worker(panel, client):
    await heartbeat(panel, 3)

    answer = await client.get("/health", params={"require": "worker"})

    assert answer.status_code == 200
    told = answer.json()
    assert 3 <= told.pop("worker_heartbeat_age_seconds") < 60
    assert told == {"status": "ok", "database": "ok", "schema_version": "current", "worker": "ok"}


@pytest.mark.parametrize(("age_seconds", "worker"), [(None, "none"), (600, "late")])
async def test_without_a_worker_pages_are_served_and_only_a_strict_check_fails(panel, client, age_seconds, worker):
    if age_seconds is not None:
        await heartbeat(panel, age_seconds)

    lenient, strict = await client.get("/health"), await client.get("/health", params={"require": "worker"})

    assert (lenient.status_code, strict.status_code) == (200, 503)
    assert (lenient.json()["status"], lenient.json()["worker"]) == ("degraded", worker)


@pytest.mark.parametrize(
    "damage", ["UPDATE alembic_version SET version_num = '0000'", "DROP TABLE alembic_version"], ids=["old", "none"]
)
async def test_health_fails_on_a_schema_that_is_not_ours(panel, client, damage):
    async with panel.db.transaction() as session:
        await session.execute(text(damage))

    answer = await client.get("/health")

    assert answer.status_code == 503
    assert (answer.json()["status"], answer.json()["schema_version"]) == ("down", "other")


async def test_health_fails_when_the_database_is_gone(panel):
    broken = Panel(
        settings=panel.settings, currency="USD", db=type(panel.db)("postgresql://nobody@127.0.0.1:9/none"),
        vault=panel.vault, http=panel.http, public_ids=panel.public_ids,
    )  # fmt: skip
    async with client_of(broken) as lost:
        health, metrics = await lost.get("/health"), await lost.get("/metrics")
    await broken.db.close()

    assert health.status_code == 503
    assert (health.json()["status"], health.json()["database"]) == ("down", "unreachable")
    assert "smmpanel_database_up 0" in metrics.text


# Metrics ----------------------------------------------------------------------------------------------------------


async def test_metrics_are_what_prometheus_reads_and_count_routes_not_addresses(panel, client):
    await heartbeat(panel, 1)
    await client.get("/health")
    await client.get("/nothing/here/17")
    await client.get("/nothing/here/18")
    await client.delete("/api/keys/17")
    await client.post("/api/v2", data={"key": "wrong", "action": "balance"})

    answer = await client.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    counted = {
        (one.labels["route"], one.labels["method"], one.labels["status"]): one.value
        for one in families["smmpanel_http_requests"].samples
    }
    assert counted == {
        ("/health", "GET", "200"): 1,
        ("other", "GET", "404"): 2,
        ("/api/keys/{key_id}", "DELETE", "401"): 1,
        ("/api/v2", "POST", "200"): 1,
    }
    assert families["smmpanel_database_up"].samples[0].value == 1
    assert families["smmpanel_workers"].samples[0].value == 1
    assert families["smmpanel_process_resident_bytes"].samples[0].value > 10_000_000
    assert {one.labels["status"] for one in families["smmpanel_orders_open"].samples} == {
        "pending", "submitting", "unconfirmed", "processing", "in_progress", "failed",
    }  # fmt: skip


async def test_metrics_tell_of_an_alert_about_the_books(panel, client):
    async with panel.db.transaction() as session:
        insert = "INSERT INTO alerts (kind, subject, level) VALUES ('books_differ', 'ledger', 'critical')"
        await session.execute(text(insert))

    lines = (await client.get("/metrics")).text.splitlines()

    assert "smmpanel_ledger_differs 1" in lines
    assert 'smmpanel_alerts_open{kind="books_differ",level="critical"} 1' in lines


async def test_metrics_are_not_for_everybody(panel, client):
    async with client_of(panel, AWAY) as stranger:
        assert (await stranger.get("/metrics")).status_code == 403
    # From a proxy on this machine that the settings do not know, it may be anybody.
    assert (await client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 403


async def test_a_token_opens_metrics_from_anywhere_and_then_nothing_else_does(panel):
    panel = Panel(
        settings=panel.settings.model_copy(update={"metrics_token": SecretStr("scrape-me")}),
        currency="USD", db=panel.db, vault=panel.vault, http=panel.http, public_ids=panel.public_ids,
    )  # fmt: skip
    async with client_of(panel, AWAY) as away, client_of(panel) as here:
        assert (await away.get("/metrics", headers={"Authorization": "Bearer scrape-me"})).status_code == 200
        assert (await away.get("/metrics", headers={"Authorization": "Bearer scrape"})).status_code == 403
        assert (await here.get("/metrics")).status_code == 403


# Documentation, and what lies in front ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_documentation_is_made_of_our_own_files_without_inline_scripts(client, path):
    page = await client.get(path)

    assert page.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["script-src"] == "'self'"
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in policy["style-src"]
    assert re.findall(r"<script(?![^>]*\bsrc=)", page.text) == []
    addresses = re.findall(r"(?:src|href|spec-url)=\"?'?([^\"' >]+)", page.text)
    assert len(addresses) >= 3
    for address in addresses:
        if not address.startswith("data:"):
            assert address.startswith("/")
            assert (await client.get(address)).status_code == 200


async def test_documentation_serves_no_other_files(client):
    for name in ("favicon.png", "..%2Fcore.py", "../core.py", "nothing.js"):
        assert (await client.get(f"/docs/assets/{name}")).status_code == 404


async def test_openapi_describes_the_json_api_and_hides_pages(client):
    paths = (await client.get("/openapi.json")).json()["paths"]

    assert {"/api/auth/login", "/api/keys", "/health"} <= set(paths)
    assert not {"/", "/sign-in", "/metrics", "/docs", "/api/v2"} & set(paths)


@pytest.mark.parametrize("path", ["/api/v2", "/api/v2/"])
async def test_the_reseller_api_is_answered_where_it_is_asked(client, path):
    answer = await client.post(path, data={"key": "smm_wrong", "action": "balance"})

    assert (answer.status_code, answer.json()) == (200, {"error": "Invalid API key"})
    assert "content-security-policy" not in answer.headers


async def test_everything_else_carries_the_guards(client):
    page, missing = await client.get("/sign-in"), await client.get("/api/nothing")

    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert missing.status_code == 404
    assert missing.json()["code"] == "not_found"


# The process --------------------------------------------------------------------------------------------------------

Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
async def serve(database_url: str, tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts web processes on a prepared database and ends them."""
    await prepare_panel(Settings(home=tmp_path, database_url=database_url), database_url, environ={})  # type: ignore[arg-type]
    running: list[subprocess.Popen[str]] = []
    own = {"SMMPANEL_HOME": str(tmp_path), "SMMPANEL_DATABASE_URL": database_url, "SMMPANEL_LOG_FORMAT": "json"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMMPANEL_")} | own

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "smmpanel", "serve", *arguments]
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        if '"serving"' in line:
            found = re.search(r'"port": (\d+)', line)
            assert found is not None
            return int(found[1])
    raise AssertionError("it did not begin to serve")


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


def test_it_serves_under_its_own_number_and_ends_well_when_asked(serve):
    process = serve("--port", "0")
    port = port_of(process)
    answer = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
    asked_at = time.monotonic()

    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == 0
    assert time.monotonic() - asked_at < 8
    assert answer.status_code == 200
    assert "server" not in answer.headers


def test_two_processes_share_a_port_only_if_both_say_so(serve, free_port):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        refused = serve("--port", str(holder.getsockname()[1]))
        assert refused.wait(20) == 4
        assert refused.stderr is not None
        assert refused.stderr.read().count("\n") == 1
    first = serve("--port", "0", "--reuse-port")
    port = port_of(first)

    second = serve("--port", str(port), "--reuse-port")

    assert port_of(second) == port
    first.send_signal(signal.SIGTERM)
    assert first.wait(10) == 0
    assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
