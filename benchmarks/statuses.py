"""Status sync of very many open orders against a bare script that makes the same calls and one `UPDATE` per batch."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import orjson
import psycopg
import uvloop

from benchmarks.bulk import Spread, fill
from benchmarks.figures import Figure
from benchmarks.load import drive, form_request
from benchmarks.place import Place
from benchmarks.seeding import QUANTITY, Customer, Wanted, point_at, with_panel
from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.panel import Panel
from smmpanel.orders.tracking import BATCHES_AT_ONCE, TrackingSummary, update_orders
from smmpanel.sandbox.process import SandboxProcess

BATCH = 100
PROVIDER_SECONDS = 400
"""The time in which the provider's orders are done: the first tenth of it (40 s at most) they only wait."""
BEGUN_AFTER_SECONDS = PROVIDER_SECONDS / 10 + 2
FINISHED_SHARE = 50
"""One order in so many has ended since anybody looked."""

_BARE_UPDATE = (
    "UPDATE orders o SET status = v.status, remains = v.remains, start_count = v.start_count, provider_charge = v.charge,"
    " check_at = %s FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::numeric[])"
    " AS v(id, status, remains, start_count, charge) WHERE o.id = v.id"
)
_WORDS = {
    "Pending": "processing",
    "In progress": "in_progress",
    "Completed": "completed",
    "Partial": "partial",
    "Canceled": "canceled",
}


def measure(place: Place, customers: list[Customer], services: list[Wanted], *, catalogue: int, orders: int) -> Figure:
    """Run both over copies of the same database, asking the same provider about the same orders."""
    with (
        SandboxProcess.start(services=catalogue, balance=10**9, finish_after=PROVIDER_SECONDS) as sandbox,
        place.copy("statuses") as filled,
    ):
        refs = _order(sandbox, orders)
        began = time.monotonic()
        point_at(filled, sandbox)
        due = datetime.now(UTC) - timedelta(minutes=1)
        fill(filled, customers, services, Spread(orders, open=orders, days=1), check_at=due)
        for position, outcome in enumerate(("completed", "completed", "partial", "canceled")):
            sandbox.finish(refs[position :: FINISHED_SHARE * 4], outcome)
        time.sleep(max(began + BEGUN_AFTER_SECONDS - time.monotonic(), 0))
        with filled.copy("bare") as bare:
            theirs = _bare(bare, sandbox, orders)
        with filled.copy("ours") as ours:
            seconds, summary = _ours(ours)
            _check(ours, orders, summary)
    return Figure(
        4,
        f"status sync of {orders:,} orders",
        f"{orders / seconds:,.0f}/s",
        f"bare script: {orders / theirs:,.0f}/s",
        theirs / seconds,
        0.7,
        "at least",
        note=f"remains of all orders had fallen, {summary.moved:,} had ended; ours settles their money too",
    )


def _order(sandbox: SandboxProcess, number: int) -> list[str]:
    """Have the sandbox take orders, and return their ids."""
    service = next(row for row in sandbox_services(sandbox) if row["type"] == "Default" and _fits(row))

    def make(one: int) -> bytes:
        return form_request(
            "127.0.0.1",
            sandbox.port,
            "/api/v2",
            key=sandbox.key,
            action="add",
            service=str(service["service"]),
            link=f"https://instagram.com/p/{one}",
            quantity=str(QUANTITY),
        )

    taken = drive([sandbox.port], make, wanted=b'{"order":', connections=16, number=number)
    if taken.answered != number:
        raise RuntimeError(f"the sandbox refused orders: {taken.refused}")
    return [str(1_000_001 + one) for one in range(number)]


def sandbox_services(sandbox: SandboxProcess) -> list[dict[str, str]]:
    """Return a sandbox's catalogue."""

    async def ask() -> list[dict[str, str]]:
        async with Outgoing(allow=("127.0.0.1",), max_body_bytes=50_000_000) as http:
            answer = await http.send("POST", sandbox.url, form={"key": sandbox.key, "action": "services"})
            rows: list[dict[str, str]] = orjson.loads(answer.body)
            return rows

    return asyncio.run(ask())


def _fits(row: dict[str, str]) -> bool:
    return int(row["min"]) <= QUANTITY <= int(row["max"])


def _ours(place: Place) -> tuple[float, TrackingSummary]:
    found: list[tuple[float, TrackingSummary]] = []

    async def work(panel: Panel) -> None:
        began = time.perf_counter()
        summary = await update_orders(panel)
        found.append((time.perf_counter() - began, summary))

    with_panel(place, work)
    return found[0]


def _check(place: Place, orders: int, summary: TrackingSummary) -> None:
    if summary.asked != orders or summary.failures:
        raise RuntimeError(f"not all orders were looked at: {summary}")
    with place.connect() as connection:
        counted = connection.execute(
            "SELECT count(*) FILTER (WHERE status IN ('completed', 'partial', 'canceled')),"
            " count(*) FILTER (WHERE status = 'in_progress' AND remains < quantity) FROM orders"
        ).fetchone()
    assert counted is not None
    if summary.moved < orders // FINISHED_SHARE or int(str(counted[1])) < orders * 0.9:
        raise RuntimeError(f"statuses did not change as they should have: {counted}, {summary}")


def _bare(place: Place, sandbox: SandboxProcess, orders: int) -> float:
    """Run the bare script; returns its seconds."""

    async def run() -> float:
        began = time.perf_counter()
        connections = [
            await psycopg.AsyncConnection.connect(place.url, autocommit=True) for _ in range(BATCHES_AT_ONCE)
        ]
        rows = await (
            await connections[0].execute("SELECT id, external_id FROM orders ORDER BY check_at, id")
        ).fetchall()
        assert len(rows) == orders
        batches = iter([rows[start : start + BATCH] for start in range(0, orders, BATCH)])
        async with Outgoing(allow=("127.0.0.1",)) as http:

            async def work(connection: psycopg.AsyncConnection[tuple[int, str]]) -> None:
                for batch in batches:
                    await _bare_batch(http, sandbox, connection, batch)

            await asyncio.gather(*(work(connection) for connection in connections))
        for connection in connections:
            await connection.close()
        return time.perf_counter() - began

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


async def _bare_batch(
    http: Outgoing,
    sandbox: SandboxProcess,
    connection: psycopg.AsyncConnection[tuple[int, str]],
    batch: list[tuple[int, str]],
) -> None:
    asked = {"key": sandbox.key, "action": "status", "orders": ",".join(ref for _, ref in batch)}
    answer = orjson.loads((await http.send("POST", sandbox.url, form=asked)).body)
    reports = [answer[ref] for _, ref in batch]
    await connection.execute(
        _BARE_UPDATE,
        (
            datetime.now(UTC) + timedelta(minutes=5),
            [one for one, _ in batch],
            [_WORDS[report["status"]] for report in reports],
            [int(report["remains"]) for report in reports],
            [int(report["start_count"]) for report in reports],
            [report["charge"] for report in reports],
        ),
    )
