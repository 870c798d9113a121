"""Customers are told how their orders ended: each one, or how many if they are many; runs of drip-feeds are not."""

import pytest
from sqlalchemy import select, text

from making import NOW, WATCH, accept, make_provider, make_service, make_user, move, place
from smmpanel.kernel.facts import record
from smmpanel.kernel.jobs import JOBS
from smmpanel.notifications.models import Notification
from smmpanel.orders.asking_refills import RefillChanged
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.telling import SINGLY_MAX


@pytest.fixture
async def shop(db, panel):
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, dripfeed=True)
        return service, await make_user(session, funds="1000"), await make_user(session)


async def run_told(panel, ending):
    async with panel.db.transaction() as session:
        rows = (await session.execute(text("SELECT task_name, args FROM procrastinate_jobs ORDER BY id"))).all()
    jobs = [(name, arguments) for name, arguments in rows if name.endswith(ending)]
    for name, arguments in jobs * 2:
        await JOBS[name].function(panel, **arguments)
    return len(jobs)


async def told(panel, user):
    async with panel.db.transaction() as session:
        rows = await session.scalars(select(Notification).where(Notification.user_id == user).order_by(Notification.id))
        return [row for row in rows if row.kind.startswith(("order", "refill"))]


async def test_each_end_is_told_to_its_owner(panel, shop):
    service, mai, tom = shop
    async with panel.db.transaction() as session:
        ids = [await place(session, user, service) for user in (mai, mai, tom)]
        for number, order in enumerate(ids):
            await accept(session, order, f"x{number}")
        changes = [
            Change(ids[0], OrderStatus.COMPLETED),
            Change(ids[1], OrderStatus.PARTIAL, remains=500),
            Change(ids[2], OrderStatus.CANCELED),
        ]
        await settle(session, changes, now=NOW, watch=WATCH)

    assert await run_told(panel, "tell_of_orders") == 1

    assert sorted((row.kind, row.fields["order_id"]) for row in await told(panel, mai)) == [
        ("order_completed", ids[0]),
        ("order_partial", ids[1]),
    ]
    [canceled] = await told(panel, tom)
    assert (canceled.kind, canceled.href) == ("order_canceled", f"/orders/{ids[2]}")
    assert canceled.fields["service"]


async def test_a_corrected_end_is_told_again(panel, shop):
    service, mai, _ = shop
    async with panel.db.transaction() as session:
        order = await place(session, mai, service)
        await accept(session, order, "x")
        await move(session, order, OrderStatus.COMPLETED)
        await move(session, order, OrderStatus.PARTIAL, remains=100)

    await run_told(panel, "tell_of_orders")

    assert [row.kind for row in await told(panel, mai)] == ["order_completed", "order_partial"]


async def test_many_at_once_are_counted(panel, shop):
    service, mai, tom = shop
    async with panel.db.transaction() as session:
        ids = [await place(session, mai, service, link=f"https://example.com/{n}") for n in range(SINGLY_MAX + 2)]
        ids.append(await place(session, tom, service))
        for number, order in enumerate(ids):
            await accept(session, order, f"x{number}")
        changes = [Change(order, OrderStatus.COMPLETED) for order in ids[1:]]
        await settle(session, [Change(ids[0], OrderStatus.CANCELED), *changes], now=NOW, watch=WATCH)

    await run_told(panel, "tell_of_orders")

    [counted] = await told(panel, mai)
    assert (counted.kind, counted.href) == ("orders_finished", "/orders")
    assert counted.fields == {"n": SINGLY_MAX + 2, "completed": SINGLY_MAX + 1, "partial": 0, "canceled": 1}
    assert [row.kind for row in await told(panel, tom)] == ["order_completed"]


async def test_runs_of_a_drip_feed_are_not_told(panel, shop):
    service, mai, _ = shop
    async with panel.db.transaction() as session:
        order = await place(session, mai, service)
        await session.execute(text("UPDATE orders SET kind = 'run' WHERE id = :id"), {"id": order})
        await accept(session, order, "x")
        await move(session, order, OrderStatus.COMPLETED)

    assert await run_told(panel, "tell_of_orders") == 1

    assert await told(panel, mai) == []


async def test_refills_are_told_when_they_end(panel, shop):
    _, mai, _ = shop
    async with panel.db.transaction() as session:
        states = ("in_progress", "completed", "rejected")
        await record(
            session,
            *(RefillChanged(refill_id=n, order_id=5, user_id=mai, state=state) for n, state in enumerate(states)),
        )

    await run_told(panel, "tell_of_refills")

    assert [(row.kind, row.href) for row in await told(panel, mai)] == [
        ("refill_completed", "/orders/5"),
        ("refill_rejected", "/orders/5"),
    ]
