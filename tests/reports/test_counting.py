"""Figures by day: each order counted once, on the panel's own day, with what became of it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from making import accept, at, make_provider, make_service, make_user, move, place
from smmpanel.kernel.db import Database
from smmpanel.kernel.options import read_option, write_option
from smmpanel.kernel.panel import Panel
from smmpanel.orders.dripping import start_runs
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.timing import measure_timings
from smmpanel.reports.counting import BY_DAY_OPTION, COUNTED_OPTION, count_last_weeks, count_lately

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
S = OrderStatus


async def sales(db: Database) -> list[dict[str, Any]]:
    async with db.transaction() as session:
        wanted = text("SELECT * FROM daily_sales ORDER BY day, service_id, provider_id")
        return [dict(row) for row in (await session.execute(wanted)).mappings()]


async def test_a_day_says_what_was_sold_and_what_became_of_it(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, rate="2", cost="0.5")
        user = await make_user(session)
        full, part, gone, open_ = [await place(session, user, service, now=NOON) for _ in range(4)]
        for number, order in enumerate((full, part, gone)):
            await accept(session, order, str(number), now=NOON)
        await move(session, full, S.COMPLETED, now=NOON)
        await move(session, part, S.PARTIAL, remains=250, now=NOON)
        await move(session, gone, S.CANCELED, now=NOON)

    await count_lately.function(at(panel, NOON))

    (row,) = await sales(db)
    counted = {name: row[name] for name in ("orders", "completed", "partial", "canceled")}
    assert counted == {"orders": 4, "completed": 1, "partial": 1, "canceled": 1}
    assert (row["day"], row["service_id"], row["provider_id"]) == (date(2026, 5, 1), service, provider.id)
    assert (row["charged"], row["refunded"]) == (Decimal(8), Decimal("2.5"))
    # The whole of two, three quarters of one, nothing of the canceled one.
    assert row["cost"] == Decimal("1.375")
    async with db.transaction() as session:
        by_day = await read_option(session, BY_DAY_OPTION)
    assert by_day["2026-05-01"]["statuses"] == {"completed": 1, "partial": 1, "canceled": 1, "pending": 1}
    assert open_


async def test_counting_again_changes_nothing_and_sees_what_changed(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        order = await place(session, await make_user(session), await make_service(session, provider), now=NOON)
        await accept(session, order, "1", now=NOON)
    await count_lately.function(at(panel, NOON))
    before = await sales(db)
    await count_lately.function(at(panel, NOON))
    assert await sales(db) == before

    later = NOON + timedelta(days=20)
    await count_lately.function(at(panel, later))
    async with db.transaction() as session:
        await move(session, order, S.CANCELED, now=later)
    await count_lately.function(at(panel, later))
    # An old day is left alone until the night.
    assert (await sales(db))[0]["canceled"] == 0
    await count_last_weeks.function(at(panel, later))
    (row,) = await sales(db)
    assert (row["canceled"], row["refunded"], row["cost"]) == (1, Decimal(1), Decimal(0))


async def test_a_drip_feed_is_one_order_with_the_money_of_its_runs(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, dripfeed=True)
        user = await make_user(session)
        drip = await place(session, user, service, now=NOON, quantity=1000, runs=2, interval=60)
        await start_runs(session, currency="USD", now=NOON)
        run = await session.scalar(text("SELECT id FROM orders WHERE parent_id = :id"), {"id": drip})
        assert isinstance(run, int)
        await accept(session, run, "1", now=NOON)
        await move(session, run, S.PARTIAL, remains=500, now=NOON)

    await count_lately.function(at(panel, NOON))

    (row,) = await sales(db)
    # Two runs of 1000: half of the first is delivered, the second is still to come.
    assert (row["orders"], row["charged"], row["refunded"]) == (1, Decimal(2), Decimal("0.5"))
    assert (row["cost"], row["provider_id"]) == (Decimal("0.75"), provider.id)


@pytest.mark.parametrize(("zone", "day"), [("UTC", date(2026, 5, 1)), ("Asia/Ho_Chi_Minh", date(2026, 5, 2))])
async def test_days_are_those_of_the_panels_time_zone(db: Database, panel: Panel, zone: str, day: date) -> None:
    late = datetime(2026, 5, 1, 20, 0, tzinfo=UTC)
    async with db.transaction() as session:
        await write_option(session, "time_zone", zone)
        await place(session, await make_user(session), await make_service(session, mode="manual"), now=late)

    await count_lately.function(at(panel, late))

    (row,) = await sales(db)
    assert (row["day"], row["provider_id"], row["cost"]) == (day, 0, Decimal(0))
    async with db.transaction() as session:
        counted = await read_option(session, COUNTED_OPTION)
    assert counted == {"at": late.isoformat(), "day": day.isoformat(), "zone": zone}


async def test_another_time_zone_moves_the_days_that_are_there(db: Database, panel: Panel) -> None:
    late = datetime(2026, 5, 1, 20, 0, tzinfo=UTC)
    async with db.transaction() as session:
        await place(session, await make_user(session), await make_service(session, mode="manual"), now=late)
    await count_lately.function(at(panel, late))
    async with db.transaction() as session:
        await write_option(session, "time_zone", "Asia/Ho_Chi_Minh")
    await count_lately.function(at(panel, late + timedelta(days=3)))

    assert [row["day"] for row in await sales(db)] == [date(2026, 5, 2)]


async def test_the_first_count_begins_with_the_first_order(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        user, service = await make_user(session), await make_service(session, mode="manual")
        for days in (0, 30, 90):
            await place(session, user, service, now=NOON - timedelta(days=90 - days))
        await session.execute(text("UPDATE users SET created_at = :at"), {"at": NOON - timedelta(days=1)})

    await count_lately.function(at(panel, NOON))

    assert [row["day"] for row in await sales(db)] == [date(2026, 1, 31), date(2026, 3, 2), date(2026, 5, 1)]
    async with db.transaction() as session:
        by_day = await read_option(session, BY_DAY_OPTION)
    assert by_day["2026-04-30"] == {"users": 1, "statuses": {}}


async def test_services_are_timed_by_what_was_completed_lately(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        service, other = [await make_service(session, mode="manual") for _ in range(2)]
        user = await make_user(session)
        for days, seconds in ((0, 30), (0, 60), (1, 600), (20, 9999)):
            placed = NOON - timedelta(days=days)
            order = await place(session, user, service, now=placed)
            await move(session, order, S.COMPLETED, now=placed + timedelta(seconds=seconds))
        await place(session, user, other, now=NOON)

    async with db.transaction() as session:
        await measure_timings(session, now=NOON + timedelta(hours=1))
        rows = (await session.execute(text("SELECT service_id, sample, median_seconds FROM service_timings"))).all()
    assert [tuple(row) for row in rows] == [(service, 3, 60)]

    async with db.transaction() as session:
        await measure_timings(session, now=NOON + timedelta(days=30))
        assert (await session.scalar(text("SELECT count(*) FROM service_timings"))) == 0
