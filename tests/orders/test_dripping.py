"""Drip-feed: runs start once, on time, with exactly their share of the money, whoever else is at it."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from making import (
    NOW,
    WATCH,
    accept,
    assert_books,
    customer,
    make_provider,
    make_service,
    make_user,
    move,
    order_row,
    place,
    staff,
)
from smmpanel.accounts.access import Permission
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of, held_of
from smmpanel.orders.claiming import claim_orders
from smmpanel.orders.dripping import NO_ROUTE, run_share, start_runs
from smmpanel.orders.finishing_drips import finish_drips, recheck_drips
from smmpanel.orders.models import DripFeed, Order, OrderEvent, OrderStatus
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.steering_drips import DripStateError, cancel_drip_rest, pause_drip, resume_drip
from smmpanel.providers.models import Provider

INTERVAL = timedelta(minutes=10)
S = OrderStatus


@pytest.fixture
async def user(db: Database) -> int:
    async with db.transaction() as session:
        return await make_user(session, funds="100")


@pytest.fixture
async def provider(db: Database, panel: Panel) -> Provider:
    async with db.transaction() as session:
        return await make_provider(session, panel)


@pytest.fixture
async def drip(db: Database, provider: Provider, user: int) -> int:
    """Three runs of 101, ten minutes apart, at 0.333333 per 1,000."""
    async with db.transaction() as session:
        service = await make_service(session, provider, rate="0.333333", cost="0.333333", dripfeed=True)
        return await place(session, user, service, quantity=101, runs=3, interval=10)


async def start(db: Database, now: object = NOW) -> int:
    async with db.transaction() as session:
        return await start_runs(session, currency="USD", now=now)


async def runs_of(db: Database, order_id: int) -> list[Order]:
    async with db.transaction() as session:
        found = await session.scalars(select(Order).where(Order.parent_id == order_id).order_by(Order.id))
        return list(found.all())


async def schedule(db: Database, order_id: int) -> DripFeed:
    async with db.transaction() as session:
        return await session.get_one(DripFeed, order_id)


async def finish_run(db: Database, run: Order, status: OrderStatus, **known: object) -> None:
    async with db.transaction() as session:
        await accept(session, run.id, f"x{run.id}")
        await move(session, run.id, status, **known)


async def finish(db: Database) -> set[int]:
    async with db.transaction() as session:
        return await finish_drips(session, now=NOW)


async def balances(db: Database, user: int) -> tuple[Money, Money]:
    async with db.transaction() as session:
        return await balance_of(session, user, "USD"), await held_of(session, user, "USD")


async def test_a_run_is_an_order_of_its_own_paid_from_the_parent(
    db: Database, drip: int, user: int, provider: Provider
) -> None:
    before = await balances(db, user)

    assert await start(db) == 1

    [run] = await runs_of(db, drip)
    parent = await order_row(db, drip)
    assert (run.kind, run.status, run.quantity, run.link) == ("run", "pending", 101, parent.link)
    assert (run.provider_id, run.charge, run.rate, run.cost) == (
        provider.id,
        Decimal("0.033667"),
        Decimal("0.333333"),
        Decimal("0.033667"),
    )
    assert (parent.status, parent.allocated, parent.charge) == ("in_progress", run.charge, Decimal("0.101000"))
    assert await balances(db, user) == before
    await assert_books(db)


async def test_runs_start_one_by_one_and_their_charges_make_the_whole(db: Database, drip: int) -> None:
    assert await start(db) == 1
    assert await start(db) == 0
    assert await start(db, NOW + INTERVAL - timedelta(seconds=1)) == 0
    assert await start(db, NOW + INTERVAL) == 1
    assert await start(db, NOW + 2 * INTERVAL) == 1
    assert await start(db, NOW + 9 * INTERVAL) == 0

    charges = [run.charge for run in await runs_of(db, drip)]
    assert charges == [Decimal("0.033667"), Decimal("0.033667"), Decimal("0.033666")]
    assert sum(charges) == (await order_row(db, drip)).allocated == Decimal("0.101000")
    assert (await schedule(db, drip)).state == "finishing"
    await assert_books(db)


async def test_a_run_whose_share_was_rounded_down_is_handed_in_all_the_same(
    db: Database, drip: int, provider: Provider
) -> None:
    last = (await all_started(db, drip))[2]
    assert last.charge < last.cost  # by rounding alone: price and cost are the same here
    async with db.transaction() as session:
        asked = {"currency": "USD", "number": 10, "timeout_seconds": 30, "now": NOW + 3 * INTERVAL}
        claims, _ = await claim_orders(session, provider.id, **asked)
    assert last.id in {claim.order_id for claim in claims}


@given(
    whole=st.decimals(min_value="0.000001", max_value="1000000", places=6),
    runs=st.integers(min_value=2, max_value=60),
)
def test_shares_always_make_the_whole(whole: Decimal, runs: int) -> None:
    parent = {"charge": whole, "refunded": Decimal(0), "earned": Decimal(0), "allocated": Decimal(0), "runs": runs}
    for started in range(runs):
        share = run_share({**parent, "runs_started": started})
        assert share >= 0
        assert abs(share - whole / runs) <= Decimal("0.000001")
        parent["allocated"] += share
    assert parent["allocated"] == whole


async def test_after_a_downtime_runs_do_not_come_in_a_burst(db: Database, drip: int) -> None:
    late = NOW + 5 * INTERVAL
    assert await start(db, late) == 1
    assert await start(db, late) == 0
    assert (await schedule(db, drip)).next_run_at == late + INTERVAL


async def test_a_little_lateness_does_not_shift_the_rhythm(db: Database, drip: int) -> None:
    assert await start(db, NOW + timedelta(seconds=14)) == 1
    assert (await schedule(db, drip)).next_run_at == NOW + INTERVAL


async def test_many_workers_start_each_due_run_once(db: Database, provider: Provider, user: int) -> None:
    async with db.transaction() as session:
        service = await make_service(session, provider, dripfeed=True)
        drips = [await place(session, user, service, quantity=100, runs=4, interval=10) for _ in range(12)]

    served = await asyncio.gather(*(start(db) for _ in range(6)))

    assert sum(served) == 12
    for drip in drips:
        assert len(await runs_of(db, drip)) == 1
    await assert_books(db)


async def test_a_start_that_is_rolled_back_leaves_nothing(db: Database, drip: int) -> None:
    async def start_and_die() -> None:
        async with db.transaction() as session:
            await start_runs(session, currency="USD", now=NOW)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await start_and_die()

    assert await runs_of(db, drip) == []
    assert ((await schedule(db, drip)).runs_started, (await order_row(db, drip)).allocated) == (0, 0)
    assert await start(db) == 1


async def test_a_run_goes_to_the_next_provider_in_line_if_the_first_is_paused(
    db: Database, panel: Panel, user: int
) -> None:
    async with db.transaction() as session:
        first, second = await make_provider(session, panel), await make_provider(session, panel)
        service = await make_service(session, first, second, dripfeed=True)
        drip = await place(session, user, service, quantity=100, runs=3, interval=10)
        first.paused_at = NOW

    assert await start(db) == 1
    assert [run.provider_id for run in await runs_of(db, drip)] == [second.id]


async def test_a_run_that_nobody_can_take_waits_and_says_why_once(db: Database, drip: int, provider: Provider) -> None:
    async with db.transaction() as session:
        await session.execute(text("UPDATE providers SET enabled = false"))

    assert await start(db) == 1
    assert await start(db) == 0
    assert await start(db, NOW + timedelta(minutes=5)) == 1

    assert await runs_of(db, drip) == []
    parent = await order_row(db, drip)
    assert (parent.status, parent.reason, parent.allocated) == ("pending", NO_ROUTE, 0)
    async with db.transaction() as session:
        kinds = await session.scalars(select(OrderEvent.kind).where(OrderEvent.order_id == drip))
        assert list(kinds) == ["run_waits"]
        await session.execute(text("UPDATE providers SET enabled = true"))
    assert await start(db, NOW + timedelta(minutes=10)) == 1
    assert (await order_row(db, drip)).reason is None


async def all_started(db: Database, drip: int) -> list[Order]:
    for number in range(3):
        assert await start(db, NOW + number * INTERVAL) == 1
    return await runs_of(db, drip)


async def test_a_parent_is_completed_when_all_runs_are(db: Database, drip: int, user: int) -> None:
    runs = await all_started(db, drip)
    for run in runs[:2]:
        await finish_run(db, run, S.COMPLETED)
    assert await finish(db) == set()
    assert (await order_row(db, drip)).status == "in_progress"

    await finish_run(db, runs[2], S.COMPLETED)

    assert await finish(db) == {drip}
    parent = await order_row(db, drip)
    assert (parent.status, parent.earned, parent.refunded, parent.remains) == ("completed", 0, 0, 0)
    assert (await schedule(db, drip)).state == "completed"
    assert await balances(db, user) == (Money.of("99.899000", "USD"), Money.of("0.000000", "USD"))
    await assert_books(db)


async def test_a_partial_run_makes_the_parent_partial_and_pays_back_its_part_only(
    db: Database, drip: int, user: int
) -> None:
    first, second, third = await all_started(db, drip)
    await finish_run(db, first, S.COMPLETED)
    await finish_run(db, second, S.PARTIAL, remains=50)
    await finish_run(db, third, S.CANCELED)

    assert await finish(db) == {drip}

    parent = await order_row(db, drip)
    assert (parent.status, parent.remains, parent.refunded) == ("partial", 151, 0)
    back = Decimal("0.016666") + Decimal("0.033666")  # 0.033667 × 50 / 101 rounded down, and a whole run
    assert await balances(db, user) == (Money(Decimal("99.899000") + back, "USD"), Money.of("0.000000", "USD"))
    await assert_books(db)


async def test_a_parent_is_canceled_if_all_runs_were(db: Database, drip: int, user: int) -> None:
    for run in await all_started(db, drip):
        await finish_run(db, run, S.CANCELED)

    assert await finish(db) == {drip}
    assert (await order_row(db, drip)).status == "canceled"
    assert await balances(db, user) == (Money.of("100.000000", "USD"), Money.of("0.000000", "USD"))
    await assert_books(db)


async def test_a_parent_follows_runs_that_change_after_its_end(db: Database, drip: int) -> None:
    runs = await all_started(db, drip)
    for run in runs:
        await finish_run(db, run, S.COMPLETED)
    await finish(db)
    async with db.transaction() as session:
        await move(session, runs[0].id, S.PARTIAL, remains=101)
    async with db.transaction() as session:
        assert await recheck_drips(session, since=NOW - WATCH, now=NOW) == 1
    async with db.transaction() as session:
        assert await recheck_drips(session, since=NOW - WATCH, now=NOW) == 0

    assert (await order_row(db, drip)).status == "partial"
    await assert_books(db)


async def test_a_paused_drip_starts_nothing_until_it_is_resumed(db: Database, drip: int, user: int) -> None:
    await start(db)
    async with db.transaction() as session:
        await pause_drip(session, customer(user), drip)
    assert await start(db, NOW + 3 * INTERVAL) == 0

    later = NOW + 4 * INTERVAL
    async with db.transaction() as session:
        await resume_drip(session, customer(user), drip, now=later)

    assert await start(db, later) == 1
    assert await start(db, later) == 0
    with pytest.raises(DripStateError):
        async with db.transaction() as session:
            await resume_drip(session, customer(user), drip, now=later)


async def test_only_owner_and_staff_steer_a_drip(db: Database, drip: int) -> None:
    async with db.transaction() as session:
        stranger, helper = await make_user(session), await make_user(session)
    for nobody in (customer(stranger), staff(helper, Permission.ORDERS_VIEW)):
        for verb in (pause_drip, cancel_drip_rest, resume_drip):
            more = {} if verb is pause_drip else {"now": NOW}
            with pytest.raises(NotFoundError):
                async with db.transaction() as session:
                    await verb(session, nobody, drip, **more)
    async with db.transaction() as session:
        await pause_drip(session, staff(helper, Permission.ORDERS_EDIT), drip)
        audited = await session.scalar(
            text("SELECT count(*) FROM audit_log WHERE subject = :it"), {"it": f"order:{drip}"}
        )
    assert ((await schedule(db, drip)).state, audited) == ("paused", 1)


async def cancel_rest(db: Database, drip: int, user: int) -> Money:
    async with db.transaction() as session:
        return await cancel_drip_rest(session, customer(user), drip, now=NOW)


async def test_canceling_before_the_first_run_pays_everything_back(db: Database, drip: int, user: int) -> None:
    assert await cancel_rest(db, drip, user) == Money.of("0.101000", "USD")

    assert (await order_row(db, drip)).status == "canceled"
    assert (await schedule(db, drip)).state == "canceled"
    assert await balances(db, user) == (Money.of("100.000000", "USD"), Money.of("0.000000", "USD"))
    with pytest.raises(DripStateError):
        await cancel_rest(db, drip, user)
    assert await start(db, NOW + INTERVAL) == 0
    await assert_books(db)


async def test_canceling_the_rest_pays_back_at_once_and_the_order_ends_with_its_runs(
    db: Database, drip: int, user: int
) -> None:
    await start(db)
    [run] = await runs_of(db, drip)

    assert await cancel_rest(db, drip, user) == Money.of("0.067333", "USD")

    assert await balances(db, user) == (Money.of("99.966333", "USD"), Money.of("0.033667", "USD"))
    assert (await order_row(db, drip)).status == "in_progress"
    await assert_books(db)
    with pytest.raises(DripStateError):
        await cancel_rest(db, drip, user)

    await finish_run(db, run, S.COMPLETED)
    assert await finish(db) == {drip}
    parent = await order_row(db, drip)
    assert (parent.status, parent.remains, parent.refunded) == ("partial", 202, Decimal("0.067333"))
    assert await balances(db, user) == (Money.of("99.966333", "USD"), Money.of("0.000000", "USD"))
    await assert_books(db)


async def test_canceling_and_starting_at_once_never_loses_or_doubles_money(
    db: Database, provider: Provider, user: int
) -> None:
    async with db.transaction() as session:
        service = await make_service(session, provider, dripfeed=True)
        drips = [await place(session, user, service, quantity=100, runs=3, interval=1) for _ in range(10)]

    async def cancel(drip: int) -> None:
        try:
            await cancel_rest(db, drip, user)
        except DripStateError:
            return

    jobs = [start(db, NOW + timedelta(minutes=5)) for _ in range(3)]
    jobs += [cancel(drip) for drip in drips] + [cancel(drip) for drip in drips]
    await asyncio.gather(*jobs)
    await assert_books(db)

    for drip in drips:
        for run in await runs_of(db, drip):
            async with db.transaction() as session:
                change = Change(run.id, S.CANCELED)
                await settle(session, [change], now=NOW, watch=WATCH)
    await finish(db)
    assert {(await order_row(db, drip)).status for drip in drips} == {"canceled"}
    assert await balances(db, user) == (Money.of("100.000000", "USD"), Money.of("0.000000", "USD"))
    await assert_books(db)
