"""Several workers on one queue: each order is sent once, and all limits hold for all of them together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from sqlalchemy import text

from making import Shop, assert_books, credit, submit
from smmpanel.kernel.db import Database
from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.panel import Panel
from smmpanel.orders.claiming import claim_orders
from smmpanel.orders.submission import submit_pending
from smmpanel.orders.tracking import track
from smmpanel.sandbox.process import SandboxProcess
from worker_processes import kill, open_house, start_worker, until

WORKERS = 3


@asynccontextmanager
async def workers(panel: Panel, number: int = WORKERS) -> AsyncIterator[list[Panel]]:
    """Yield panels as so many processes would have them: one database, nothing else in common."""
    made = [
        replace(
            panel,
            db=Database(panel.db.url, pool_size=6),
            http=Outgoing(allow=("127.0.0.1",)),
            stopping=asyncio.Event(),
            running={},
        )
        for _ in range(number)
    ]
    try:
        yield made
    finally:
        for one in made:
            await one.http.aclose()
            await one.db.close()


def links_of(sandbox: SandboxProcess) -> list[str]:
    return sorted(row["fields"]["link"] for row in sandbox.log("add"))


async def test_claims_at_the_same_time_never_overlap(shop: Shop) -> None:
    ids = await shop.order(*(f"{number}" for number in range(60)))
    at_once = {"currency": "USD", "number": 20, "timeout_seconds": 30}

    async def claim(panel: Panel) -> list[int]:
        async with panel.db.transaction() as session:
            claims, _ = await claim_orders(session, shop.provider.id, now=panel.clock(), **at_once)
            await asyncio.sleep(0.05)
            return [one.order_id for one in claims]

    async with workers(shop.panel, 5) as panels:
        claimed = await asyncio.gather(*(claim(panel) for panel in panels))

    assert sorted(order_id for one in claimed for order_id in one) == ids


async def test_each_order_is_sent_once_and_the_concurrency_is_shared(shop: Shop) -> None:
    async with shop.db.transaction() as session:
        provider = await session.merge(shop.provider)
        provider.concurrency, provider.timeout_seconds = 8, 60
    shop.sandbox.configure(latency_ms=20)
    ids = await shop.order(*(f"{number}" for number in range(120)))

    async def work(panel: Panel) -> None:
        async with asyncio.timeout(60):
            while any(order.status == "pending" for order in await shop.rows(ids)):
                await submit_pending.function(panel, provider_id=shop.provider.id)
                await asyncio.sleep(0.05)

    async with workers(shop.panel) as panels:
        await asyncio.gather(*(work(panel) for panel in panels))

    orders = await shop.rows(ids)
    assert {order.status for order in orders} == {"processing"}
    assert links_of(shop.sandbox) == sorted(order.link for order in orders)
    assert {order.link: order.external_id for order in orders} == {
        row["link"]: row["order"] for row in shop.sandbox.orders()
    }
    assert shop.sandbox.stats()["max_in_flight_by_action"]["add"] <= 8
    await assert_books(shop.db)


async def test_workers_share_a_limited_rate(shop: Shop) -> None:
    """The provider itself would refuse what comes too often; it never has to."""
    async with shop.db.transaction() as session:
        provider = await session.merge(shop.provider)
        provider.concurrency, provider.rate_per_minute, provider.timeout_seconds = 20, 60, 60
    shop.sandbox.configure(rate_limit=60)
    ids = await shop.order(*(f"{number}" for number in range(100)))

    async def work(panel: Panel) -> None:
        for _ in range(8):
            await submit(panel, shop.provider)
            await asyncio.sleep(0.2)

    async with workers(shop.panel) as panels:
        await asyncio.gather(*(work(panel) for panel in panels))

    log = shop.sandbox.log("add")
    times = [row["at"] for row in log]
    assert len(log) >= 3
    assert len(log) < 60
    assert max(sum(other - 1 < at <= other for at in times) for other in times) <= 5, "in any one second"
    assert shop.sandbox.stats()["refusals"] == {}
    assert [before <= after for before, after in pairwise(times)] == [True] * (len(times) - 1)
    orders = await shop.rows(ids)
    assert links_of(shop.sandbox) == sorted(order.link for order in orders if order.status == "processing")
    assert {order.status for order in orders} == {"processing", "pending"}


async def test_only_one_tracker_at_a_time_asks_a_provider(shop: Shop) -> None:
    ids = await shop.order(*(f"{number}" for number in range(30)))
    await submit(shop.panel, shop.provider)
    shop.sandbox.finish("all", "partial", remains=250)
    later = [order.check_at for order in await shop.rows(ids)]
    now = max(at for at in later if at is not None)

    async with workers(shop.panel) as panels:
        summaries = await asyncio.gather(
            *(track(replace(one, clock=lambda: now), shop.provider.id, until=None) for one in panels)
        )

    assert sum(one.moved for one in summaries) == 30
    assert {order.refunded for order in await shop.rows(ids)} == {Decimal("0.25")}
    await assert_books(shop.db)


async def test_real_workers_killed_and_replaced_send_each_order_once(
    database_url: str, tmp_path: Path, sandbox: SandboxProcess
) -> None:
    async with open_house(database_url, tmp_path, sandbox, concurrency=6, timeout_seconds=60) as shop:
        async with shop.db.transaction() as session:
            await credit(session, shop.user, "1000")
        sandbox.configure(latency_ms=30)
        ids = await shop.order(*(f"{number}" for number in range(80)))

        async def settled() -> bool:
            return "pending" not in {order.status for order in await shop.rows(ids)}

        killed = [start_worker(shop) for _ in range(2)]
        try:
            await until(lambda: len(sandbox.log("add")) >= 20, killed)
        finally:
            kill(*killed)
        ids += await shop.order(*(f"{number}" for number in range(80, 120)))
        async with shop.db.transaction() as session:  # as if some time had passed
            await session.execute(text("UPDATE provider_leases SET expires_at = now()"))
            await session.execute(text("UPDATE provider_throttles SET patient_since = NULL"))
        others = [start_worker(shop) for _ in range(2)]
        try:
            await until(settled, others)
            for worker in others:
                worker.terminate()  # they record what they have under way before they end
            await until(lambda: all(worker.poll() is not None for worker in others))
        finally:
            kill(*others)

        orders = await shop.rows(ids)
        added = links_of(sandbox)
        assert len(added) == len(set(added)), "nothing was sent twice"
        believed = {order.link: order.external_id for order in orders if order.status == "processing"}
        truth = {row["link"]: row["order"] for row in sandbox.orders()}
        doubtful = {order.link for order in orders if order.status == "submitting"}
        assert len(doubtful) < 20, "no more than the killed ones had under way or not recorded"
        assert believed == {link: truth[link] for link in truth if link not in doubtful}
        assert set(truth) - set(believed) <= doubtful
        assert sandbox.stats()["max_in_flight_by_action"]["add"] <= 6
        await assert_books(shop.db)
