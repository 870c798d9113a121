"""Links can be changed until an order is sent; the guard against doubled links keeps up."""

import asyncio

import pytest
from sqlalchemy import text

from making import NOW, accept, make_provider, make_service, make_user, order_row, place
from smmpanel.catalog.order_faults import OrderFieldError
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.panel import Panel
from smmpanel.orders.claiming import claim_orders
from smmpanel.orders.editing_links import LinkNotEditableError, edit_link
from smmpanel.orders.guarding import LinkInUseError

OLD, NEW = "https://www.instagram.com/old", "https://www.instagram.com/new"


@pytest.fixture
async def user(db: Database) -> int:
    async with db.transaction() as session:
        return await make_user(session)


@pytest.fixture
async def service(db: Database, panel: Panel) -> int:
    async with db.transaction() as session:
        return await make_service(session, await make_provider(session, panel), platform="instagram", link_guard=True)


async def placed(db: Database, user: int, service: int, link: str = OLD) -> int:
    async with db.transaction() as session:
        return await place(session, user, service, link=link)


async def edit(db: Database, user: int, order: int, link: str) -> str:
    async with db.transaction() as session:
        return await edit_link(session, user, order, link, NOW)


async def test_a_pending_order_gets_another_link(db: Database, user: int, service: int) -> None:
    order = await placed(db, user, service)
    before = await order_row(db, order)

    assert await edit(db, user, order, "@new") == "https://instagram.com/new"

    after = await order_row(db, order)
    assert (after.link, after.guard_key == before.guard_key) == ("https://instagram.com/new", False)
    assert await placed(db, user, service, OLD) != order  # the old link is free again
    with pytest.raises(LinkInUseError):
        await placed(db, user, service, NEW)


async def test_another_spelling_of_ones_own_link_is_no_clash(db: Database, user: int, service: int) -> None:
    order = await placed(db, user, service)
    spelled = "https://instagram.com/old/?utm_source=x"
    assert await edit(db, user, order, spelled) == spelled


async def test_a_link_in_use_is_refused_whoever_comes_first(db: Database, user: int, service: int) -> None:
    first, second = await placed(db, user, service, OLD), await placed(db, user, service, OLD + "2")
    answers = await asyncio.gather(*(edit(db, user, order, NEW) for order in (first, second)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in answers) == ["LinkInUseError", "str"]


async def test_bad_links_strangers_and_sent_orders_change_nothing(db: Database, user: int, service: int) -> None:
    order = await placed(db, user, service)
    async with db.transaction() as session:
        stranger = await make_user(session)
    for who, link, error in (
        (stranger, NEW, NotFoundError),
        (user, "https://www.tiktok.com/@x", OrderFieldError),
        (user, "", OrderFieldError),
    ):
        with pytest.raises(error):
            await edit(db, who, order, link)
    async with db.transaction() as session:
        await accept(session, order, "1")
    with pytest.raises(LinkNotEditableError):
        await edit(db, user, order, NEW)
    assert (await order_row(db, order)).link == OLD


async def test_what_is_sent_is_the_link_that_stands(db: Database, user: int, service: int) -> None:
    orders = [await placed(db, user, service, f"{OLD}{number}") for number in range(8)]
    provider = (await order_row(db, orders[0])).provider_id

    async def claim() -> dict[int, str]:
        async with db.transaction() as session:
            asked = {"currency": "USD", "number": 8, "timeout_seconds": 30, "now": NOW}
            claims, _ = await claim_orders(session, provider, **asked)
            return {one.order_id: one.request.fields["link"] for one in claims}

    edits = [edit(db, user, order, f"{NEW}{order}") for order in orders]
    sent, *_ = await asyncio.gather(claim(), *edits, return_exceptions=True)
    for order, link in sent.items():
        assert (await order_row(db, order)).link == link


async def test_subscriptions_have_no_link_to_edit(db: Database, panel: Panel, user: int) -> None:
    async with db.transaction() as session:
        service = await make_service(session, await make_provider(session, panel), type="subscriptions")
        fields = {"username": "x", "min": 1, "max": 5, "posts": 1, "delay": 0}
        order = await place(session, user, service, link=None, quantity=None, **fields)
    with pytest.raises(LinkNotEditableError):
        await edit(db, user, order, NEW)
    async with db.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM order_events")) == 0
