"""How fast one worker hands waiting orders to a provider that takes its time."""

import time

from benchmarks.figures import Figure
from benchmarks.place import Place, end
from benchmarks.seeding import CURRENCY, QUANTITY, Customer, Wanted, point_at, with_panel
from smmpanel.kernel.panel import Panel
from smmpanel.orders.placing import NewOrder, Placed, place_orders
from smmpanel.sandbox.process import SandboxProcess

LATENCY_MS = 200
CONCURRENCY = 50
PLACED_TOGETHER = 500
PATIENCE_SECONDS = 120


def measure(place: Place, customers: list[Customer], services: list[Wanted], *, catalogue: int, orders: int) -> Figure:
    """Place orders while no worker runs, start one, and look at when the provider received them."""
    with (
        place.copy("submission") as here,
        SandboxProcess.start(
            services=catalogue, latency_ms=LATENCY_MS, latency_on="add", balance=10**9, finish_after=0
        ) as sandbox,
    ):
        point_at(here, sandbox, concurrency=CONCURRENCY)
        _place(here, customers, services, orders)
        worker = here.start("worker")
        ends = time.monotonic() + PATIENCE_SECONDS
        while sandbox.stats()["orders"] < orders and time.monotonic() < ends:
            time.sleep(1)
        end(worker)
        received = sandbox.log("add")
        with here.connect() as connection:
            ours = connection.execute("SELECT external_id, link FROM orders").fetchall()
    links = [row["fields"]["link"] for row in received]
    if len(set(links)) != len(links) or len(links) != orders:
        raise RuntimeError(
            f"{orders} orders were to arrive once each; {len(links)} did, {len(set(links))} different ones"
        )
    if {(row["external_id"], row["fields"]["link"]) for row in received} != set(ours):
        raise RuntimeError("the provider's ids and ours differ")
    moments = sorted(row["at"] for row in received)
    # The first calls all leave at once: what was measured is the pace of those that had to wait for a place.
    pace = (orders - CONCURRENCY) / (moments[-1] - moments[0])
    ideal = CONCURRENCY * 1000 / LATENCY_MS
    return Figure(
        3,
        f"handing in {orders:,} orders",
        f"{pace:,.0f}/s",
        f"ideal: {ideal:,.0f}/s",
        pace / ideal,
        0.9,
        "at least",
        note="from the first to the last order that the provider's own log received; each arrived exactly once",
    )


def _place(place: Place, customers: list[Customer], services: list[Wanted], number: int) -> None:
    orders = [
        NewOrder(
            user_id=customers[one % len(customers)].user_id,
            service_id=services[one % len(services)].service_id,
            raw={"link": services[one % len(services)].link.format(number=one), "quantity": str(QUANTITY)},
        )
        for one in range(number)
    ]

    async def work(panel: Panel) -> None:
        for start in range(0, number, PLACED_TOGETHER):
            async with panel.db.transaction() as session:
                part = orders[start : start + PLACED_TOGETHER]
                answers = await place_orders(session, part, currency=CURRENCY, now=panel.clock())
                assert all(isinstance(answer, Placed) for answer in answers), answers

    with_panel(place, work)
