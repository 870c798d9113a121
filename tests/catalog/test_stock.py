"""Stock: every unit is sold once, whole orders only, whatever happens at the same time."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from smmpanel.accounts.access import Actor
from smmpanel.catalog.editing import create_category, create_service
from smmpanel.catalog.models import StockItem
from smmpanel.catalog.stock import (
    NotAStockServiceError,
    RefusedUnit,
    StockCount,
    add_stock,
    claim_stock,
    read_stock,
    stock_counts,
)
from smmpanel.kernel.errors import NotFoundError

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STAFF = Actor.cli()


@pytest.fixture
async def accounts(panel) -> int:
    """A stock service."""
    return await own_service(panel, "Accounts", "stock")


async def own_service(panel, name: str, mode: str) -> int:
    async with panel.db.transaction() as session:
        shelf = await create_category(session, {"name": f"Shelf of {name}"}, actor=STAFF)
        return await create_service(
            session,
            {"category_id": shelf, "name": name, "mode": mode, "min": 1, "max": 100, "type": "package", "fixed_rate": Decimal(2)},
            currency="USD", actor=STAFF, now=NOW,
        )  # fmt: skip


async def put_in(panel, service_id: int, *units: str):
    async with panel.db.transaction() as session:
        return await add_stock(session, panel.vault, service_id, units, actor=STAFF)


async def claim(panel, wants):
    async with panel.db.transaction() as session:
        return await claim_stock(session, wants, NOW)


async def counts(panel, service_id: int) -> StockCount:
    async with panel.db.transaction() as session:
        return (await stock_counts(session, [service_id]))[service_id]


async def test_units_are_sealed_and_read_only_through_their_order(panel, accounts, shelves):
    added = await put_in(panel, accounts, "user1:pass1", "", " user2:pass2 ", "user3:pass3")
    assert (added.added, added.refused) == (3, ())
    items = await shelves.all(StockItem)
    assert all(b"pass" not in item.content_sealed and b"pass" not in item.fingerprint for item in items)

    got = await claim(panel, {501: (accounts, 2)})

    assert got == {501: (items[0].id, items[1].id)}
    async with panel.db.transaction() as session:
        assert await read_stock(session, panel.vault, 501) == ["user1:pass1", "user2:pass2"]
        assert await read_stock(session, panel.vault, 502) == []
    assert await counts(panel, accounts) == StockCount(free=1, sold=2)
    assert [(item.order_id, item.sold_at) for item in await shelves.all(StockItem)] == [
        (501, NOW),
        (501, NOW),
        (None, None),
    ]


async def test_duplicates_are_refused_line_by_line_even_after_the_sale(panel, accounts):
    await put_in(panel, accounts, "a", "b")
    await claim(panel, {1: (accounts, 1)})

    added = await put_in(panel, accounts, "c", "a", "d", "c", "x" * 20_000, "\ud800")

    assert added.added == 2
    assert added.refused == (
        RefusedUnit(2, "duplicate"),
        RefusedUnit(4, "duplicate"),
        RefusedUnit(5, "too_long"),
        RefusedUnit(6, "unusable"),
    )


async def test_too_few_means_none_for_that_order_only(panel, accounts):
    await put_in(panel, accounts, "a", "b", "c")

    got = await claim(panel, {1: (accounts, 2), 2: (accounts, 2), 3: (accounts, 1)})

    assert sorted(got) == [1, 3]
    assert await counts(panel, accounts) == StockCount(free=0, sold=3)


async def test_an_order_that_has_its_units_gets_no_more(panel, accounts):
    await put_in(panel, accounts, "a", "b", "c")
    first = await claim(panel, {1: (accounts, 2)})

    assert await claim(panel, {1: (accounts, 2)}) == first
    assert await counts(panel, accounts) == StockCount(free=1, sold=2)


async def test_what_is_rolled_back_is_free_again(panel, accounts):
    await put_in(panel, accounts, "a")
    async with panel.db.transaction() as session:
        assert len(await claim_stock(session, {1: (accounts, 1)}, NOW)) == 1
        await session.rollback()
    assert await counts(panel, accounts) == StockCount(free=1, sold=0)


async def test_each_unit_is_sold_once_under_parallel_claims(panel, accounts, shelves):
    await put_in(panel, accounts, *(f"unit {number}" for number in range(60)))

    answers = await asyncio.gather(*(claim(panel, {order: (accounts, 1 + order % 3)}) for order in range(1, 61)))

    got = {order: items for answer in answers for order, items in answer.items()}
    sold = [item for items in got.values() for item in items]
    assert len(sold) == len(set(sold)) <= 60
    for order, items in got.items():
        assert len(items) == 1 + order % 3
    stored = {item.id: item.order_id for item in await shelves.all(StockItem) if item.order_id is not None}
    assert stored == {item: order for order, items in got.items() for item in items}
    # Nobody is refused for want of units while single ones lie free and nobody else is claiming.
    free = (await counts(panel, accounts)).free
    assert sorted(await claim(panel, dict.fromkeys(range(100, 100 + free + 1), (accounts, 1)))) == list(
        range(100, 100 + free)
    )


async def test_single_units_all_find_a_buyer(panel, accounts):
    await put_in(panel, accounts, *(f"unit {number}" for number in range(20)))
    answers = await asyncio.gather(*(claim(panel, {order: (accounts, 1)}) for order in range(1, 41)))
    assert sum(len(answer) for answer in answers) == 20


async def test_only_stock_services_have_stock(panel, accounts):
    manual = await own_service(panel, "By hand", "manual")
    with pytest.raises(NotAStockServiceError):
        await put_in(panel, manual, "a")
    with pytest.raises(NotFoundError):
        await put_in(panel, 999, "a")
    assert await claim(panel, {}) == {}
    assert await counts(panel, manual) == StockCount(0, 0)
