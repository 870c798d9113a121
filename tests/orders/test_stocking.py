"""Goods from stock: sold once each, delivered and earned in the transaction that sells them."""

import asyncio
from decimal import Decimal

from sqlalchemy import text

from making import NOW, assert_books, make_service, make_user, order_row
from smmpanel.accounts.access import Actor
from smmpanel.catalog.stock import add_stock, read_stock
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of, held_of
from smmpanel.orders.placing import NewOrder, OutOfStockError, Placed, place_orders

LINK = "https://example.com/"


async def test_units_are_delivered_and_earned_at_once(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        user = await make_user(session)
        service = await make_service(session, mode="stock", rate="1000")
        await add_stock(session, panel.vault, service, ["first", "second", "third"], actor=Actor.cli())
    async with db.transaction() as session:
        asked = [NewOrder(user, service, {"link": LINK, "quantity": "2"}) for _ in range(2)]
        bought, too_late = await place_orders(session, asked, currency="USD", now=NOW)
        assert isinstance(bought, Placed)
        assert await read_stock(session, panel.vault, bought.order_id) == ["first", "second"]

    assert isinstance(too_late, OutOfStockError)
    order = await order_row(db, bought.order_id)
    assert (order.status, order.kind, order.earned, order.remains) == ("completed", "stock", 2, 0)
    async with db.transaction() as session:
        assert await balance_of(session, user, "USD") == Money.of("98.000000", "USD")
        assert await held_of(session, user, "USD") == Money.of("0.000000", "USD")
    await assert_books(db)


async def test_parallel_buyers_never_get_the_same_unit(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        users = [await make_user(session) for _ in range(6)]
        service = await make_service(session, mode="stock", rate="1000")
        await add_stock(session, panel.vault, service, [f"unit {number}" for number in range(8)], actor=Actor.cli())

    async def buy(user: int) -> Placed | PanelError:
        async with db.transaction() as session:
            order = NewOrder(user, service, {"link": LINK, "quantity": "2"})
            return (await place_orders(session, [order], currency="USD", now=NOW))[0]

    answers = await asyncio.gather(*(buy(user) for user in users))

    placed = [answer for answer in answers if isinstance(answer, Placed)]
    async with db.transaction() as session:
        units = [unit for one in placed for unit in await read_stock(session, panel.vault, one.order_id)]
        revenue = await session.scalar(text("SELECT sum(earned) FROM orders WHERE status = 'completed'"))
    assert len(units) == len(set(units)) == 2 * len(placed)
    assert 1 <= len(placed) <= 4
    assert revenue == Decimal(2 * len(placed))
    await assert_books(db)
