"""Reading orders: everybody finds their own, staff find all, and drip-feeds tell of their runs."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, select

from making import (
    NOW,
    accept,
    customer,
    make_provider,
    make_service,
    make_user,
    move,
    place,
    staff,
)
from smmpanel.accounts.access import Permission
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.panel import Panel
from smmpanel.orders.dripping import start_runs
from smmpanel.orders.histories import timeline_of
from smmpanel.orders.models import Order, OrderKind, OrderStatus
from smmpanel.orders.queries import (
    OrderFilter,
    OrderForApi,
    OrderView,
    order_for,
    orders_for_api,
    orders_page,
    refills_for_api,
)
from smmpanel.orders.refills import request_refill
from smmpanel.providers.models import Provider

S = OrderStatus
CLERK = staff(None, Permission.ORDERS_VIEW)


@pytest.fixture
async def user(db: Database) -> int:
    async with db.transaction() as session:
        return await make_user(session)


@pytest.fixture
async def provider(db: Database, panel: Panel) -> Provider:
    async with db.transaction() as session:
        return await make_provider(session, panel, "jap")


@pytest.fixture
async def service(db: Database, provider: Provider) -> int:
    async with db.transaction() as session:
        return await make_service(session, provider, dripfeed=True, refill=True)


async def order(db: Database, user: int, service: int, **fields: object) -> int:
    async with db.transaction() as session:
        return await place(session, user, service, **fields)


async def page(db: Database, viewer: object, size: int = 50, after: str | None = None, **wanted: object) -> list[int]:
    async with db.transaction() as session:
        found = await orders_page(session, viewer, OrderFilter(**wanted), size=size, after=after)
        return [one.id for one in found.rows]


async def drip_with_two_runs(db: Database, user: int, service: int) -> tuple[int, list[int]]:
    """Make a drip-feed of four runs of 100: one completed, one partial with 40 left, two to come."""
    drip = await order(db, user, service, quantity=100, runs=4, interval=10)
    async with db.transaction() as session:
        await start_runs(session, currency="USD", now=NOW)
    async with db.transaction() as session:
        await start_runs(session, currency="USD", now=NOW + timedelta(minutes=10))
        runs = list(await session.scalars(select(Order.id).where(Order.parent_id == drip).order_by(Order.id)))
        for run in runs:
            await accept(session, run, f"x{run}")
        await move(session, runs[0], S.COMPLETED)
        await move(session, runs[1], S.PARTIAL, remains=40)
    return drip, runs


async def test_the_api_is_told_ones_own_orders_in_one_statement(
    db: Database, user: int, service: int, provider: Provider
) -> None:
    pending = await order(db, user, service)
    partial = await order(db, user, service)
    drip, _ = await drip_with_two_runs(db, user, service)
    async with db.transaction() as session:
        stranger = await make_user(session)
        await accept(session, partial, "1")
        await move(session, partial, S.PARTIAL, remains=250, start_count=7)
    statements: list[str] = []
    event.listen(db.engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))

    async with db.transaction() as session:
        found = await orders_for_api(session, user, [partial, drip, 10**15, 2**70, pending])
        assert len(statements) == 1
        assert await orders_for_api(session, stranger, [pending, partial, drip]) == {}

    assert found == {
        pending: OrderForApi(pending, "Pending", Decimal("1.000000"), None, 1000, "USD"),
        partial: OrderForApi(partial, "Partial", Decimal("0.750000"), 7, 250, "USD"),
        drip: OrderForApi(drip, "Active", Decimal("0.360000"), None, 240, "USD"),
    }


async def test_refills_are_told_to_their_owner(db: Database, user: int, service: int) -> None:
    done = await order(db, user, service)
    async with db.transaction() as session:
        stranger = await make_user(session)
        await accept(session, done, "1")
        await move(session, done, S.COMPLETED)
        refill = (await request_refill(session, user, done, NOW)).id
        assert await refills_for_api(session, user, [refill, 999, 2**70]) == {refill: "Pending"}
        assert await refills_for_api(session, stranger, [refill]) == {}


async def test_fetching_is_checking(db: Database, user: int, service: int) -> None:
    one = await order(db, user, service)
    async with db.transaction() as session:
        stranger = await make_user(session)
        for viewer in (customer(stranger), staff(stranger), staff(stranger, Permission.ORDERS_EDIT)):
            for read in (order_for, timeline_of):
                with pytest.raises(NotFoundError):
                    await read(session, viewer, one)
        for missing in (10**12, 2**70, 0, -5):
            with pytest.raises(NotFoundError):
                await order_for(session, CLERK, missing)
        mine, theirs = await order_for(session, customer(user), one), await order_for(session, CLERK, one)
    assert mine == theirs
    assert (mine.word, mine.provider, mine.delivered, mine.net_charge) == ("Pending", "jap", 0, 1)


async def test_a_drip_feed_tells_of_its_runs(db: Database, user: int, service: int) -> None:
    drip, runs = await drip_with_two_runs(db, user, service)
    async with db.transaction() as session:
        seen: OrderView = await order_for(session, customer(user), drip)
    assert (seen.runs, seen.runs_started, seen.interval_minutes, seen.drip_state) == (4, 2, 10, "active")
    assert (seen.remains, seen.delivered, seen.refunded, seen.earned) == (
        240,
        160,
        Decimal("0.040000"),
        Decimal("0.160000"),
    )
    assert await page(db, customer(user)) == [drip]
    assert await page(db, customer(user), parent_id=drip) == runs[::-1]
    assert await page(db, customer(user), kinds=(OrderKind.RUN,)) == runs[::-1]


async def test_lists_are_filtered_and_paged_by_key(db: Database, user: int, service: int, provider: Provider) -> None:
    async with db.transaction() as session:
        other = await make_user(session)
        manual = await make_service(session, mode="manual")
    mine = [await order(db, user, service, link=f"https://www.instagram.com/{number}") for number in range(3)]
    theirs, by_hand = await order(db, other, service), await order(db, user, manual)
    async with db.transaction() as session:
        await accept(session, mine[1], "ext-9")

    assert await page(db, CLERK) == [by_hand, theirs, *mine[::-1]]
    assert await page(db, customer(user), user_id=other) == [by_hand, *mine[::-1]]
    assert await page(db, CLERK, user_id=other) == [theirs]
    assert await page(db, CLERK, service_id=manual) == [by_hand]
    assert await page(db, CLERK, provider_id=provider.id) == [theirs, *mine[::-1]]
    assert await page(db, CLERK, statuses=(S.PROCESSING, S.FAILED)) == [mine[1]]
    assert await page(db, CLERK, unconfirmed=True) == []
    async with db.transaction() as session:
        first = await orders_page(session, CLERK, OrderFilter(), size=2)
        second = await orders_page(session, CLERK, OrderFilter(), size=2, after=first.after)
        third = await orders_page(session, CLERK, OrderFilter(), size=2, after=second.after)
    assert [one.id for part in (first, second, third) for one in part.rows] == [by_hand, theirs, *mine[::-1]]
    assert third.after is None


async def test_orders_are_found_by_id_external_id_and_link(db: Database, user: int, service: int) -> None:
    async with db.transaction() as session:
        other = await make_user(session)
    link = "https://www.instagram.com/p/abc"
    mine, theirs = await order(db, user, service, link=link), await order(db, other, service, link=link)
    async with db.transaction() as session:
        await accept(session, mine, "ext-9")
        await accept(session, theirs, "777000")

    assert await page(db, CLERK, search=f" #{theirs} ") == [theirs]
    assert await page(db, CLERK, search="ext-9") == [mine]
    assert await page(db, CLERK, search="777000") == [theirs]
    assert await page(db, CLERK, search=link) == [theirs, mine]
    assert await page(db, CLERK, search="nothing like it") == []
    assert await page(db, CLERK, search="9" * 30) == []
    assert await page(db, customer(user), search=str(theirs)) == []
    assert await page(db, customer(user), search=link) == [mine]
    assert await page(db, customer(user), search="ext-9") == []


async def test_a_history_hides_the_provider_from_customers(db: Database, user: int, service: int) -> None:
    one = await order(db, user, service)
    async with db.transaction() as session:
        await accept(session, one, "secret-1")
        await move(session, one, S.PARTIAL, remains=100, note="the provider jap says Partial")
    async with db.transaction() as session:
        own = await timeline_of(session, customer(user), one)
        full = await timeline_of(session, CLERK, one)

    assert {(line.kind, line.before, line.after) for line in own if line.kind == "status"} == {
        ("status", "Pending", "Processing"),
        ("status", "Processing", "Partial"),
    }
    assert {line.note for line in own} == {"1.00 USD", "", "order_hold 1.00 USD", "order_refund 0.10 USD"}
    assert own == sorted(own, key=lambda line: line.at)
    assert "the provider jap says Partial" in {line.note for line in full}
    assert {line.note for line in full if line.kind == "money"} == {
        "order_hold 1.00 USD",
        "order_refund 0.10 USD",
        "order_earned 0.90 USD",
    }
