"""Canceling: what was not sent is paid back at once, the rest is a request; the row lock decides which it is."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from making import (
    NOW,
    accept,
    assert_books,
    at,
    make_provider,
    make_service,
    make_user,
    move,
    order_row,
    place,
    staff,
    upstream_of,
)
from smmpanel.accounts.access import Permission
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of, held_of
from smmpanel.orders.cancels import CancelAnswer, CannotCancelError, reject_cancel, request_cancel
from smmpanel.orders.claiming import claim_orders
from smmpanel.orders.dripping import start_runs
from smmpanel.orders.models import CancelRequest, OrderStatus
from smmpanel.orders.sending_cancels import GIVE_UP, NO_ANSWER, send_cancels
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import RefusedOrder, Rejected, Unclear

S = OrderStatus
FULL = (Money.of("100.000000", "USD"), Money.of("0.000000", "USD"))
PlaceOrder = Callable[..., Awaitable[int]]


async def send(panel: Panel, provider: Provider, now: datetime = NOW) -> None:
    await send_cancels.function(at(panel, now), provider_id=provider.id)


@pytest.fixture
async def user(db: Database) -> int:
    async with db.transaction() as session:
        return await make_user(session)


@pytest.fixture
async def provider(db: Database, panel: Panel) -> Provider:
    async with db.transaction() as session:
        return await make_provider(session, panel)


@pytest.fixture
def an_order(db: Database, provider: Provider, user: int) -> PlaceOrder:
    """Places an order of a service that can be canceled, unless said otherwise."""

    async def make(*, sent_as: str | None = None, **service: object) -> int:
        given = {"cancel": True, **service}
        providers = () if given.get("mode") else (provider,)
        async with db.transaction() as session:
            order = await place(session, user, await make_service(session, *providers, **given))
            if sent_as is not None:
                await accept(session, order, sent_as)
            return order

    return make


async def cancel(db: Database, user: int, *orders: int) -> list[CancelAnswer]:
    async with db.transaction() as session:
        return list((await request_cancel(session, user, orders, NOW)).values())


async def balances(db: Database, user: int) -> tuple[Money, Money]:
    async with db.transaction() as session:
        return await balance_of(session, user, "USD"), await held_of(session, user, "USD")


async def requests(db: Database) -> list[CancelRequest]:
    async with db.transaction() as session:
        return list((await session.scalars(select(CancelRequest).order_by(CancelRequest.id))).all())


def reason_of(answer: CancelAnswer) -> str:
    assert isinstance(answer, CannotCancelError)
    return answer.reason.value


async def test_a_pending_order_is_canceled_and_paid_back_in_full(db: Database, an_order: PlaceOrder, user: int) -> None:
    order = await an_order(cancel=False)

    [answer] = await cancel(db, user, order)

    assert isinstance(answer, CancelRequest)
    assert answer.state == "accepted"
    assert (await order_row(db, order)).status == "canceled"
    assert await balances(db, user) == FULL
    await assert_books(db)


async def test_a_second_cancel_pays_nothing_more(db: Database, an_order: PlaceOrder, user: int) -> None:
    order = await an_order()
    answers = [one for both in await asyncio.gather(*(cancel(db, user, order) for _ in range(4))) for one in both]

    assert sum(isinstance(answer, CancelRequest) for answer in answers) == 1
    assert {reason_of(one) for one in answers if isinstance(one, PanelError)} == {"cancel_finished"}
    assert await balances(db, user) == FULL
    await assert_books(db)


async def test_canceling_against_the_worker_that_sends_has_one_winner(
    db: Database, an_order: PlaceOrder, user: int, provider: Provider
) -> None:
    orders = [await an_order() for _ in range(12)]

    async def claim() -> set[int]:
        async with db.transaction() as session:
            asked = {"currency": "USD", "number": 6, "timeout_seconds": 30, "now": NOW}
            claims, _ = await claim_orders(session, provider.id, **asked)
            return {one.order_id for one in claims}

    *answers, first, second = await asyncio.gather(*(cancel(db, user, order) for order in orders), claim(), claim())

    canceled = {order for order in orders if (await order_row(db, order)).status == "canceled"}
    assert not first & second
    assert canceled == set(orders) - first - second
    assert {one[0].state for one in answers if isinstance(one[0], CancelRequest)} <= {"accepted", "requested"}
    wallet, held = await balances(db, user)
    assert held.amount == len(first | second) * Decimal(1)
    assert wallet.amount + held.amount == 100
    await assert_books(db)


async def test_others_orders_are_not_found(db: Database, an_order: PlaceOrder, user: int) -> None:
    order = await an_order()
    async with db.transaction() as session:
        stranger = await make_user(session)

    answers = await cancel(db, stranger, order, 10**12, 2**70, -1)

    assert [type(one) for one in answers] == [NotFoundError] * 4
    assert (await order_row(db, order)).status == "pending"


async def test_each_order_gets_its_own_answer_in_the_order_asked(db: Database, an_order: PlaceOrder, user: int) -> None:
    pending, fixed, open_one = await an_order(), await an_order(sent_as="1", cancel=False), await an_order(sent_as="2")
    done, doubtful, failed = await an_order(sent_as="3"), await an_order(), await an_order()
    async with db.transaction() as session:
        await move(session, done, S.COMPLETED)
        await move(session, failed, S.FAILED)
        await session.execute(
            text("UPDATE orders SET status = 'submitting', unconfirmed = true WHERE id = :id"), {"id": doubtful}
        )

    async with db.transaction() as session:
        answers = await request_cancel(session, user, [failed, pending, done, fixed, open_one, doubtful], NOW)

    assert list(answers) == [failed, pending, done, fixed, open_one, doubtful]
    assert isinstance(answers[pending], CancelRequest)
    assert answers[open_one].state == "requested"
    assert {order: reason_of(answers[order]) for order in (failed, done, fixed, doubtful)} == {
        failed: "cancel_with_staff",
        done: "cancel_finished",
        fixed: "cancel_not_offered",
        doubtful: "cancel_unconfirmed",
    }
    await assert_books(db)


async def test_a_request_is_sent_in_one_call_and_moves_no_money(
    db: Database, panel: Panel, an_order: PlaceOrder, user: int, provider: Provider
) -> None:
    first, second = await an_order(sent_as="11"), await an_order(sent_as="12")
    await cancel(db, user, first, second)
    upstream_of(provider).will("cancel", {"11": None, "12": Rejected("too late")})

    await send(panel, provider)
    await send(panel, provider)

    assert upstream_of(provider).asked == [("cancel", ["11", "12"])]
    assert [(one.state, one.reason) for one in await requests(db)] == [("accepted", None), ("rejected", "too late")]
    assert {(await order_row(db, order)).status for order in (first, second)} == {"processing"}
    assert await balances(db, user) == (Money.of("98.000000", "USD"), Money.of("2.000000", "USD"))


async def test_a_request_is_repeated_after_a_lost_answer_and_given_up_after_a_day(
    db: Database, panel: Panel, an_order: PlaceOrder, user: int, provider: Provider
) -> None:
    order = await an_order(sent_as="11")
    await cancel(db, user, order)
    upstream_of(provider).will("cancel", Unclear("timeout"), {})

    await send(panel, provider)
    [waiting] = await requests(db)
    assert (waiting.state, waiting.reason) == ("requested", "timeout")

    await send(panel, provider, NOW + GIVE_UP + timedelta(minutes=1))
    [given_up] = await requests(db)
    assert (given_up.state, given_up.reason) == ("rejected", NO_ANSWER)
    assert len(upstream_of(provider).asked) == 2


async def test_a_provider_without_cancel_rejects_and_another_request_may_follow(
    db: Database, panel: Panel, an_order: PlaceOrder, user: int, provider: Provider
) -> None:
    order = await an_order(sent_as="11")
    await cancel(db, user, order)
    upstream_of(provider).will("cancel", RefusedOrder("Incorrect request"))
    await send(panel, provider)

    [again] = await cancel(db, user, order)
    [same] = await cancel(db, user, order)

    assert [(one.id, one.state) for one in await requests(db)] == [(same.id - 1, "rejected"), (again.id, "requested")]
    assert same.id == again.id


async def test_an_order_that_comes_back_unsent_is_canceled_then(
    db: Database, panel: Panel, an_order: PlaceOrder, user: int, provider: Provider
) -> None:
    order = await an_order()
    async with db.transaction() as session:
        asked = {"currency": "USD", "number": 1, "timeout_seconds": 30, "now": NOW}
        await claim_orders(session, provider.id, **asked)
    [answer] = await cancel(db, user, order)
    assert answer.state == "requested"
    async with db.transaction() as session:
        await move(session, order, S.PENDING)

    await send(panel, provider)

    assert (await order_row(db, order)).status == "canceled"
    assert [one.state for one in await requests(db)] == ["accepted"]
    assert upstream_of(provider).asked == []
    assert await balances(db, user) == FULL
    await assert_books(db)


async def test_a_request_whose_order_ends_first_is_closed_unsent(
    db: Database, panel: Panel, an_order: PlaceOrder, user: int, provider: Provider
) -> None:
    done, gone = await an_order(sent_as="11"), await an_order(sent_as="12")
    await cancel(db, user, done, gone)
    async with db.transaction() as session:
        await move(session, done, S.COMPLETED)
        await move(session, gone, S.CANCELED)

    await send(panel, provider)

    assert [one.state for one in await requests(db)] == ["rejected", "accepted"]
    assert upstream_of(provider).asked == []


async def test_a_drip_feed_loses_its_rest(db: Database, user: int, provider: Provider) -> None:
    async with db.transaction() as session:
        service = await make_service(session, provider, dripfeed=True)
        drip = await place(session, user, service, quantity=1000, runs=3, interval=10)
        await start_runs(session, currency="USD", now=NOW)

    [answer] = await cancel(db, user, drip)
    [same] = await cancel(db, user, drip)

    assert (answer.state, same.id) == ("accepted", answer.id)
    assert await balances(db, user) == (Money.of("99.000000", "USD"), Money.of("1.000000", "USD"))
    await assert_books(db)


async def test_canceling_a_drip_and_its_runs_against_the_worker_that_starts_them(
    db: Database, user: int, provider: Provider
) -> None:
    async with db.transaction() as session:
        service = await make_service(session, provider, dripfeed=True)
        drips = [await place(session, user, service, quantity=100, runs=2, interval=1) for _ in range(8)]

    async def start() -> None:
        async with db.transaction() as session:
            await start_runs(session, currency="USD", now=NOW)

    await asyncio.gather(start(), *(cancel(db, user, *drips[::way]) for way in (1, -1)), start())
    async with db.transaction() as session:
        runs = (await session.scalars(text("SELECT id FROM orders WHERE kind = 'run'"))).all()
    if runs:
        await cancel(db, user, *runs)

    assert await balances(db, user) == FULL
    await assert_books(db)


async def test_staff_turn_down_a_request_for_a_manual_service(db: Database, an_order: PlaceOrder, user: int) -> None:
    order = await an_order(mode="manual")
    async with db.transaction() as session:
        await move(session, order, S.IN_PROGRESS)
    [answer] = await cancel(db, user, order)
    assert answer.state == "requested"

    async with db.transaction() as session:
        await reject_cancel(session, staff(None, Permission.ORDERS_EDIT), order, "it has been done", NOW)

    assert [(one.state, one.reason) for one in await requests(db)] == [("rejected", "it has been done")]
    with pytest.raises(NotFoundError):
        async with db.transaction() as session:
            await reject_cancel(session, staff(None, Permission.ORDERS_EDIT), order, "again", NOW)
