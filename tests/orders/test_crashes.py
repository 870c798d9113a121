"""Workers killed at every point between claiming an order and recording its answer: none lost, none doubled."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from making import Shop, assert_books, attempts_of, staff, submit
from smmpanel.accounts.access import Permission
from smmpanel.orders.models import Order
from smmpanel.orders.reconciling import DIED, mark_lapsed
from smmpanel.orders.resolving import resolve_not_taken, resolve_taken
from smmpanel.orders.submission import submit_whatever_is_due
from smmpanel.orders.tracking import track
from smmpanel.sandbox.process import SandboxProcess
from worker_processes import kill, open_house, start_worker, until

SETTLER = staff(None, Permission.ORDERS_SETTLE)


@pytest.fixture
async def house(database_url: str, tmp_path: Path, sandbox: SandboxProcess) -> AsyncIterator[Shop]:
    async with open_house(database_url, tmp_path, sandbox, concurrency=1, timeout_seconds=60) as shop:
        yield shop


async def status_counts(shop: Shop) -> dict[str, int]:
    async with shop.db.transaction() as session:
        counted = text("SELECT CASE WHEN unconfirmed THEN 'doubtful' ELSE status END, count(*) FROM orders GROUP BY 1")
        return dict((await session.execute(counted)).all())


async def has(shop: Shop, **counts: int) -> bool:
    """Whether the orders are in these states; `doubtful` counts the unconfirmed."""
    return await status_counts(shop) == counts


async def end_turns_of_the_dead(session: AsyncSession) -> None:
    """What lapses by itself some time after a process died: its places at the provider, its turn to ask for states."""
    await session.execute(text("UPDATE provider_leases SET expires_at = now()"))
    await session.execute(text("UPDATE provider_throttles SET patient_since = NULL"))
    await session.execute(text("DELETE FROM tracking_turns"))


async def let_claims_lapse(shop: Shop) -> int:
    """What happens some minutes later: the claims of the dead run out, and so do their turns at the provider."""
    async with shop.db.transaction() as session:
        await end_turns_of_the_dead(session)
        return await mark_lapsed(session, shop.panel.clock() + timedelta(minutes=10))


async def settle_by_the_log(shop: Shop) -> tuple[int, int]:
    """Settle what is unconfirmed as staff do who look at the provider's own list: (taken, not taken)."""
    truth = {row["link"]: row["order"] for row in shop.sandbox.orders()}
    taken, not_taken = 0, 0
    async with shop.db.transaction() as session:
        doubtful = (await session.execute(text("SELECT id, link FROM orders WHERE unconfirmed ORDER BY id"))).all()
    for order_id, link in doubtful:
        async with shop.db.transaction() as session:
            if link in truth:
                await resolve_taken(session, shop.panel, SETTLER, order_id, truth[link], now=shop.panel.clock())
                taken += 1
            else:
                await resolve_not_taken(session, shop.panel, SETTLER, order_id, now=shop.panel.clock())
                not_taken += 1
    return taken, not_taken


async def finish_and_prove(shop: Shop, ids: list[int]) -> None:
    """Let the provider complete everything, follow it, and compare with its log one to one."""
    theirs = shop.sandbox.orders()
    assert sorted(row["link"] for row in theirs) == sorted(order.link for order in await shop.rows(ids))
    shop.sandbox.finish("all", "completed")
    async with shop.db.transaction() as session:
        await end_turns_of_the_dead(session)
        await session.execute(
            text("UPDATE orders SET check_at = now() - interval '1 second' WHERE check_at IS NOT NULL")
        )
    await track(shop.panel, shop.provider.id, until=None)
    orders = await shop.rows(ids)
    assert {order.link: order.external_id for order in orders} == {row["link"]: row["order"] for row in theirs}
    assert {(order.status, order.earned, order.refunded) for order in orders} == {("completed", Decimal(1), Decimal(0))}
    await assert_books(shop.db)


@pytest.mark.parametrize(("moment", "reached"), [("before", 2), ("after", 3)])
async def test_a_worker_that_dies_around_its_call_leaves_one_doubt_that_staff_settle(
    house: Shop, moment: str, reached: int
) -> None:
    ids = await house.order(*(f"p/{number}" for number in range(5)))

    worker = start_worker(house, moment, "3")
    await until(lambda: worker.poll() is not None)
    assert worker.returncode == -9

    assert len(house.sandbox.log("add")) == reached
    before = await status_counts(house)
    assert before["submitting"] >= 1  # the one, and such answers before it as were not recorded yet
    assert sum(before.values()) == 5
    await submit_whatever_is_due.function(house.panel)
    assert await let_claims_lapse(house) == before["submitting"]
    doubtful = [order for order in await house.rows(ids) if order.unconfirmed]
    assert {(order.status, order.reason, order.refunded) for order in doubtful} == {("submitting", DIED, Decimal(0))}
    assert {(await attempts_of(house.db, order.id))[0].outcome for order in doubtful} == {None}

    await submit(house.panel, house.provider)  # the rest, and nothing that is in doubt
    assert await status_counts(house) == {"processing": 5 - len(doubtful), "doubtful": len(doubtful)}
    taken, not_taken = await settle_by_the_log(house)
    assert (taken, not_taken) == (len(doubtful) - (moment == "before"), int(moment == "before"))
    await submit(house.panel, house.provider)

    assert len(house.sandbox.log("add")) == 5
    await finish_and_prove(house, ids)


async def test_a_worker_killed_while_its_calls_are_under_way_and_another_carries_on(house: Shop) -> None:
    """The provider takes one order and never answers, another it has not looked at: both calls are out when we die."""
    house.sandbox.add_fault("timeout_after", action="add", link="/p/taken.", seconds=30)
    house.sandbox.add_fault("timeout_before", action="add", link="/p/ignored.", seconds=30)
    async with house.db.transaction() as session:
        await session.execute(text("UPDATE providers SET concurrency = 2"))
    ids = await house.order("p/taken.1", "p/ignored.2", "p/3", "p/4")

    first = start_worker(house)
    try:
        await until(lambda: len(house.sandbox.log("add")) == 2, [first])
    finally:
        kill(first)
    assert await status_counts(house) == {"submitting": 2, "pending": 2}
    house.sandbox.clear_faults()
    assert await let_claims_lapse(house) == 2

    second = start_worker(house)
    try:
        await until(lambda: len(house.sandbox.orders()) == 3, [second])
        await until(lambda: has(house, doubtful=2, processing=2), [second])
        assert await settle_by_the_log(house) == (1, 1)
        await until(lambda: has(house, processing=4), [second])
    finally:
        kill(second)

    assert len(house.sandbox.log("add")) == 5  # what was not taken was sent a second time, and nothing else
    await finish_and_prove(house, ids)


async def test_a_worker_killed_in_the_midst_of_recording_has_recorded_nothing(house: Shop) -> None:
    """The answer is there and being written when the process dies: that transaction never happened."""
    ids = await house.order("p/1")
    house.sandbox.configure(latency_ms=1500)
    worker = start_worker(house)
    try:
        await until(lambda: house.sandbox.stats()["requests"].get("add", 0) == 1, [worker])
        async with house.db.transaction() as session:
            await session.execute(text("SELECT FROM orders FOR UPDATE"))  # recording has to wait for this
            waiting = text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            async with asyncio.timeout(30), house.db.engine.connect() as watching:
                while not await watching.scalar(waiting):
                    await watching.rollback()
                    await asyncio.sleep(0.05)
            kill(worker)
    finally:
        kill(worker)
    house.sandbox.configure(latency_ms=0)

    [order] = await house.rows(ids)
    assert (order.status, order.external_id) == ("submitting", None)
    assert [one.outcome for one in await attempts_of(house.db, order.id)] == [None]
    assert await let_claims_lapse(house) == 1
    await submit(house.panel, house.provider)
    assert await settle_by_the_log(house) == (1, 0)
    assert len(house.sandbox.log("add")) == 1
    await finish_and_prove(house, ids)


async def test_a_claim_that_has_not_lapsed_is_left_alone(house: Shop) -> None:
    """Its worker may be alive and waiting for the answer."""
    [order_id] = await house.order("p/1")
    house.sandbox.add_fault("slow", action="add", ms=700)
    working = asyncio.create_task(submit(house.panel, house.provider))
    await until(lambda: house.sandbox.log("add"))
    async with house.db.transaction() as session:
        assert await mark_lapsed(session, house.panel.clock()) == 0
    await working
    assert [order.status for order in await house.rows([order_id])] == ["processing"]


async def test_an_answer_later_than_its_claim_still_counts(house: Shop) -> None:
    [order_id] = await house.order("p/1")
    house.sandbox.add_fault("slow", action="add", ms=700)
    working = asyncio.create_task(submit(house.panel, house.provider))
    await until(lambda: house.sandbox.log("add"))
    async with house.db.transaction() as session:
        assert await mark_lapsed(session, house.panel.clock() + timedelta(minutes=10)) == 1
    await working

    [order] = await house.rows([order_id])
    assert (order.status, order.unconfirmed, order.external_id) == (
        "processing", False, house.sandbox.orders()[0]["order"],
    )  # fmt: skip


async def test_an_answer_after_staff_sent_it_again_is_told_and_moves_nothing(house: Shop) -> None:
    """They said it was not taken, wrongly: the order may be there twice now, and somebody has to know."""
    [order_id] = await house.order("p/1")
    house.sandbox.add_fault("slow", action="add", ms=700, times=1)
    working = asyncio.create_task(submit(house.panel, house.provider))
    await until(lambda: house.sandbox.log("add"))
    async with house.db.transaction() as session:
        await mark_lapsed(session, house.panel.clock() + timedelta(minutes=10))
        await resolve_not_taken(session, house.panel, SETTLER, order_id, now=house.panel.clock())
        await session.execute(text("UPDATE orders SET due_at = now() + interval '1 hour'"))
    await working

    async with house.db.transaction() as session:
        order = await session.get_one(Order, order_id)
        alerts = (await session.execute(text("SELECT kind, subject FROM alerts"))).all()
        events = (await session.scalars(text("SELECT kind FROM order_events ORDER BY id"))).all()
    assert (order.status, order.external_id) == ("pending", None)
    assert ("order_accepted_late", f"order:{order_id}") in [tuple(alert) for alert in alerts]
    assert events[-1] == "stray"
    await assert_books(house.db)


async def test_a_connection_that_breaks_between_call_and_record_is_replaced(house: Shop) -> None:
    """All of our connections are cut while the call is under way."""
    [order_id] = await house.order("p/1")
    house.sandbox.add_fault("slow", action="add", ms=500)
    working = asyncio.create_task(submit(house.panel, house.provider))
    await until(lambda: house.sandbox.log("add"))
    async with house.db.transaction() as session:
        kick = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        await session.execute(text(kick))
    await asyncio.gather(working, return_exceptions=True)  # the loop may end by it; its job is then tried again

    [order] = await house.rows([order_id])
    assert (order.status, order.external_id) == ("processing", house.sandbox.orders()[0]["order"])
    await assert_books(house.db)
