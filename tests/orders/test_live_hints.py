"""Open pages are told when there is something new to see, once per batch, and only those of whom it is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from making import NOW, WATCH, accept, make_provider, make_service, make_user, move, place
from smmpanel.kernel.live import listen
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.progress import DueOrder, store_progress
from smmpanel.orders.settling import Change, settle
from smmpanel.providers.protocol import UpstreamReport, UpstreamStatus


class Ear:
    """Hears what is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []

    async def after(self, number: int) -> list[tuple[str, int]]:
        """Return what was heard since the last time, once it is so much; a moment more shows that it is no more."""
        for _ in range(500):
            if len(self.heard) >= number:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        heard, self.heard = sorted(self.heard), []
        return heard


@pytest.fixture
async def ear(db) -> AsyncIterator[Ear]:
    opened, connected = Ear(), asyncio.Event()
    task = asyncio.create_task(
        listen(db.url, lambda what, user: opened.heard.append((what, user)), connected=connected.set)
    )
    await asyncio.wait_for(connected.wait(), 5)
    yield opened
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def two(db, panel):
    """Two customers with an order each."""
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(session, provider)
        users = [await make_user(session) for _ in range(2)]
        orders = [await place(session, user, service) for user in users]
    return users, orders


async def test_moves_are_told_to_whom_they_concern_once(*, db, ear, two):
    users, orders = two
    async with db.transaction() as session:
        for number, order in enumerate(orders):
            await accept(session, order, f"x{number}")
    assert await ear.after(2) == [("orders", users[0]), ("orders", users[1])]

    async with db.transaction() as session:
        changes = [Change(orders[0], OrderStatus.COMPLETED), Change(orders[1], OrderStatus.PARTIAL, remains=400)]
        await settle(session, changes, now=NOW, watch=WATCH)

    assert await ear.after(3) == [("balance", users[1]), ("orders", users[0]), ("orders", users[1])]


async def test_what_a_customer_cannot_see_is_not_told(*, db, ear, two):
    users, orders = two
    async with db.transaction() as session:
        await accept(session, orders[0], "x")
        await move(session, orders[1], OrderStatus.FAILED)

    assert await ear.after(1) == [("orders", users[0])]


async def test_progress_is_told_only_where_there_is_some(*, db, ear, two):
    users, orders = two
    async with db.transaction() as session:
        for number, order in enumerate(orders):
            await accept(session, order, f"x{number}")
            await move(session, order, OrderStatus.IN_PROGRESS, remains=900)
    await ear.after(2)
    reports = {
        DueOrder(order, f"x{number}", "in_progress"): UpstreamReport(
            status=UpstreamStatus.IN_PROGRESS, raw_status="In progress", remains=remains
        )
        for number, (order, remains) in enumerate(zip(orders, (900, 500), strict=True))
    }

    async with db.transaction() as session:
        assert await store_progress(session, reports, now=NOW + timedelta(hours=1), watch=WATCH)
    assert await ear.after(1) == [("orders", users[1])]

    async with db.transaction() as session:
        assert await store_progress(session, reports, now=NOW + timedelta(hours=2), watch=WATCH)
    assert await ear.after(0) == []
