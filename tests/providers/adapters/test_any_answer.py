"""Whatever bytes a panel answers: nothing but the five failures comes out, and no order is taken without an id."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smmpanel.kernel.http import Outgoing
from smmpanel.providers.adapters.mapped import Mapped
from smmpanel.providers.adapters.medanpedia import MedanPedia
from smmpanel.providers.adapters.panel_v2 import PanelV2
from smmpanel.providers.protocol import (
    Accepted,
    Connection,
    ProviderFailure,
    Rejected,
    UpstreamOrder,
    UpstreamRefillStatus,
    UpstreamReport,
)

MAPPED = {
    "services": {"at": "data"},
    "add": {"at": "data"},
    "status": {"batch_max": 10, "at": "data", "many_at": "orders"},
    "balance": {"at": "data"},
    "refill": {"at": "data"},
    "refill_status": {"at": "data"},
    "cancel": {},
}
NAMES = st.sampled_from(
    ["order", "order_id", "id", "error", "errors", "status", "success", "msg", "message", "data", "orders", "1", "2",
     "charge", "remains", "start_count", "currency", "refill", "refill_id", "id_refill", "cancel", "balance", "service",
     "name", "type", "category", "rate", "price", "min", "max", "posts"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["success", "error", "fail", "true", "false", "null", "", "0", "1", "Completed", "Canceled", "Incorrect order ID",
     "Invalid API key", "Too many requests", "+2", "-2", "1,000", "0.90", "NaN", "1e999", "#5", "\ud800", "\x00"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=20)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=6),
    max_leaves=25,
)
BODIES = DOCUMENTS.map(lambda document: json.dumps(document).encode()) | st.binary(max_size=200)
STATUSES = st.sampled_from([200, 200, 200, 200, 201, 400, 401, 403, 404, 422, 429, 302, 500, 503])


class Stage:
    """A server and the three adapters on a loop of their own, since each example is a synchronous call."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.answer = b""

    async def open(self) -> None:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        self.http = Outgoing(allow=["127.0.0.1"])
        self.adapters = [
            PanelV2(Connection(url, "k", options={"listing": True, "cloudflare_means_not_sent": True}), self.http),
            MedanPedia(Connection(url, "k", options={"api_id": 1}), self.http),
            Mapped(Connection(url, "k", options=MAPPED), self.http),
        ]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
                )
                await reader.readexactly(length)
                writer.write(self.answer)
        except asyncio.IncompleteReadError:
            writer.close()

    async def close(self) -> None:
        await self.http.aclose()
        self.server.close()
        await asyncio.sleep(0.01)

    def answers(self, status: int, body: bytes) -> None:
        self.answer = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with asyncio.Runner() as runner:
        made = Stage(runner)
        runner.run(made.open())
        yield made
        runner.run(made.close())


def mentions_an_id(body: bytes) -> bool:
    """Whether any number or any text with a digit stands in a document: without one there can be no order id."""
    return any(48 <= byte <= 57 for byte in body)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(status=STATUSES, body=BODIES)
def test_nothing_but_the_five_failures_comes_out(stage, status, body):
    stage.answers(status, body)
    shown: list[tuple[str, str]] = []

    async def try_all() -> None:
        for adapter in stage.adapters:
            for call, kinds in (
                (adapter.services, tuple),
                (lambda adapter=adapter: adapter.status(["1"]), dict),
                (lambda adapter=adapter: adapter.status(["1", "2"]), dict),
                (lambda adapter=adapter: adapter.refill("1"), str),
                (lambda adapter=adapter: adapter.refill_status(["1"]), dict),
                (lambda adapter=adapter: adapter.refill_status(["1", "2"]), dict),
                (lambda adapter=adapter: adapter.cancel(["1"]), dict),
                (lambda adapter=adapter: adapter.cancel(["1", "2"]), dict),
                (adapter.balance, object),
                (lambda adapter=adapter: adapter.recent_orders(5), list),
            ):
                try:
                    result = await call()
                except ProviderFailure as failure:
                    shown.append((failure.text, failure.answer or ""))
                    continue
                assert isinstance(result, kinds)
                if isinstance(result, dict):
                    known = (UpstreamReport, Rejected, UpstreamRefillStatus, type(None))
                    assert set(result) <= {"1", "2"}
                    assert all(isinstance(value, known) for value in result.values())

    stage.runner.run(try_all())
    for text, answer in shown:
        assert 0 < len(text) <= 300
        assert len(answer) <= 2000
        assert "\x00" not in text + answer
        assert (text + answer).encode()


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(status=STATUSES, body=BODIES)
def test_no_order_is_taken_without_an_id(stage, status, body):
    stage.answers(status, body)

    async def try_all() -> None:
        for adapter in stage.adapters:
            try:
                taken = await adapter.add(UpstreamOrder("7", "default", {"link": "l", "quantity": "5"}))
            except ProviderFailure:
                continue
            assert isinstance(taken, Accepted)
            assert 200 <= status < 300
            assert any(letter.isdigit() for letter in taken.external_id)
            assert taken.external_id.strip("0") != ""
            assert mentions_an_id(body)
            document = json.loads(body)
            assert isinstance(document, dict)
            assert not document.get("error") or str(document["error"]).strip() in {"", "0", "null", "false", "none"}

    stage.runner.run(try_all())
