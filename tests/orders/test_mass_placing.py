"""Mass orders: a word about each line, all or none as asked, the same orders for the same key."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import text

from making import NOW, assert_books, make_provider, make_service, make_user
from smmpanel.accounts.access import Actor
from smmpanel.catalog.stock import add_stock
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of
from smmpanel.orders.mass import MASS_LINES_MAX, MassError, MassLine, MassTooLargeError, read_text
from smmpanel.orders.mass_placing import MassResult, place_mass

LINK = "https://www.instagram.com/p/"


@pytest.fixture
async def user(db: Database) -> int:
    async with db.transaction() as session:
        return await make_user(session, funds="10")


@pytest.fixture
async def service(db: Database, panel: Panel) -> int:
    async with db.transaction() as session:
        return await make_service(session, await make_provider(session, panel), max=5000)


def lines(service: int, *quantities: int | str) -> list[MassLine | MassError]:
    return read_text("\n".join(f"{service} | {LINK}{number} | {one}" for number, one in enumerate(quantities)))


async def mass(
    db: Database,
    user: int,
    given: list[MassLine | MassError],
    *,
    all_or_none: bool = False,
    dry_run: bool = False,
    key: str | None = None,
) -> MassResult:
    async with db.transaction() as session:
        return await place_mass(
            session, user, given, all_or_none=all_or_none, dry_run=dry_run, key=key, currency="USD", now=NOW
        )


async def state(db: Database, user: int) -> tuple[int, Decimal]:
    async with db.transaction() as session:
        orders = await session.scalar(text("SELECT count(*) FROM orders"))
        assert isinstance(orders, int)
        return orders, (await balance_of(session, user, "USD")).amount


async def test_good_lines_are_placed_and_bad_ones_say_why(db: Database, user: int, service: int) -> None:
    result = await mass(db, user, [*lines(service, 1000, 9999, 2000), *read_text("x\n1 | 2 | 3 | 4")])

    assert [(one.number, one.order_id is not None) for one in result.lines] == [
        (1, True),
        (2, False),
        (3, True),
        (1, False),
        (2, False),
    ]
    assert (result.total, result.placed, result.failed) == (Money.of("3.000000", "USD"), 2, 3)
    assert str(result.lines[1].error) == "quantity: is more than the maximum of 5000"
    assert str(result.lines[3].error) == "must be: service | link | quantity"
    assert await state(db, user) == (2, Decimal(7))
    await assert_books(db)


async def test_money_runs_out_line_by_line(db: Database, user: int, service: int) -> None:
    result = await mass(db, user, lines(service, 5000, 4000, 2000, 1000))
    assert [one.error.code if one.error else None for one in result.lines] == [None, None, "insufficient_funds", None]
    assert await state(db, user) == (3, Decimal(0))


async def test_a_dry_run_says_the_same_and_writes_nothing(db: Database, user: int, service: int) -> None:
    given = lines(service, 5000, 4000, 2000, "many", 1000)
    dry = await mass(db, user, given, dry_run=True)
    assert await state(db, user) == (0, Decimal(10))
    real = await mass(db, user, given)

    assert [(one.charge, str(one.error)) for one in dry.lines] == [(one.charge, str(one.error)) for one in real.lines]
    assert (dry.total, dry.placed, dry.failed) == (real.total, 0, real.failed)


@pytest.mark.parametrize("quantities", [(5000, 4000, 2000), (1000, 9999), (1000, "many")])
async def test_all_or_none_is_none_if_one_line_fails(
    db: Database, user: int, service: int, quantities: tuple[int | str, ...]
) -> None:
    result = await mass(db, user, lines(service, *quantities), all_or_none=True)

    assert (result.placed, result.failed) == (0, 1)
    assert [one.order_id for one in result.lines] == [None] * len(quantities)
    assert await state(db, user) == (0, Decimal(10))
    await assert_books(db)


async def test_all_or_none_is_none_if_the_stock_runs_out(db: Database, panel: Panel, user: int) -> None:
    async with db.transaction() as session:
        stock = await make_service(session, mode="stock", type="default")
        await add_stock(session, panel.vault, stock, ["a", "b", "c"], actor=Actor.cli())

    result = await mass(db, user, lines(stock, 2, 2), all_or_none=True)

    assert [one.error.code if one.error else None for one in result.lines] == [None, "out_of_stock"]
    async with db.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM stock_items WHERE order_id IS NOT NULL")) == 0
    assert await state(db, user) == (0, Decimal(10))


async def test_all_or_none_places_all_that_are_good(db: Database, user: int, service: int) -> None:
    result = await mass(db, user, lines(service, 1000, 2000), all_or_none=True)
    assert (result.placed, result.failed, result.total) == (2, 0, Money.of("3.000000", "USD"))
    assert await state(db, user) == (2, Decimal(7))


async def test_the_same_key_is_the_same_orders(db: Database, user: int, service: int) -> None:
    given = lines(service, 1000, 2000)
    results = await asyncio.gather(
        *(mass(db, user, given, key="batch", all_or_none=way) for way in (True, False, True))
    )

    assert len({tuple(one.order_id for one in result.lines) for result in results}) == 1
    assert sorted(result.lines[0].repeated for result in results) == [False, True, True]
    assert await state(db, user) == (2, Decimal(7))

    changed = await mass(
        db, user, [given[0], replace(given[1], fields={**given[1].fields, "quantity": "1"})], key="batch"
    )
    assert [one.error.code if one.error else None for one in changed.lines] == [None, "key_reused"]
    assert await state(db, user) == (2, Decimal(7))


async def test_thousands_of_lines_are_one_call(db: Database, user: int, service: int) -> None:
    result = await mass(db, user, lines(service, *[1] * 3000), all_or_none=True)
    assert (result.placed, result.total) == (3000, Money.of("3.000000", "USD"))
    assert await state(db, user) == (3000, Decimal(7))
    await assert_books(db)


async def test_too_much_and_nothing_are_refused(db: Database, user: int) -> None:
    with pytest.raises(MassTooLargeError):
        await mass(db, user, [MassLine(1, 1, {})] * (MASS_LINES_MAX + 1))
    with pytest.raises(InvalidInputError):
        await mass(db, user, [])
    with pytest.raises(InvalidInputError):
        await mass(db, user, [MassLine(1, 1, {})], key="")
