"""What staff do by hand: with the permission, on the record, with the money that goes with it."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from making import (
    NOW,
    accept,
    assert_books,
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
from smmpanel.kernel.errors import ForbiddenError, InvalidInputError, PanelError
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.states import IllegalMoveError
from smmpanel.ledger import balance_of
from smmpanel.orders.cancels import request_cancel
from smmpanel.orders.dripping import start_runs
from smmpanel.orders.fulfilling import (
    NotByHandError,
    NotManualError,
    OrderInDoubtError,
    cancel_and_refund,
    complete_manual,
    mark_completed,
    partial_manual,
    set_partial,
    set_start_count,
    start_manual,
)
from smmpanel.orders.models import OrderStatus

S = OrderStatus
ALL = staff(None, Permission.ORDERS_EDIT, Permission.ORDERS_REFUND)


@pytest.fixture
async def user(db: Database) -> int:
    async with db.transaction() as session:
        return await make_user(session)


@pytest.fixture
async def manual(db: Database, user: int) -> int:
    async with db.transaction() as session:
        return await place(session, user, await make_service(session, mode="manual", cancel=True))


@pytest.fixture
async def sent(db: Database, panel: Panel, user: int) -> int:
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        order = await place(session, user, await make_service(session, provider))
        await accept(session, order, "1")
        return order


async def do(db: Database, verb: Callable[..., Awaitable[Any]], order: int, *given: Any, by: Any = ALL) -> Any:
    async with db.transaction() as session:
        more = {} if verb is set_start_count else {"now": NOW}
        return await verb(session, by, order, *given, **more)


async def wallet(db: Database, user: int) -> Decimal:
    async with db.transaction() as session:
        return (await balance_of(session, user, "USD")).amount


async def audited(db: Database, order: int) -> int:
    async with db.transaction() as session:
        found = await session.scalar(
            text("SELECT count(*) FROM audit_log WHERE subject = :it"), {"it": f"order:{order}"}
        )
        assert isinstance(found, int)
        return found


async def test_a_manual_order_is_begun_and_completed(db: Database, manual: int, user: int) -> None:
    async with db.transaction() as session:
        await start_manual(session, ALL, manual, start_count=42, now=NOW)
    order = await order_row(db, manual)
    assert (order.status, order.start_count, order.check_at) == ("in_progress", 42, None)

    await do(db, complete_manual, manual)

    order = await order_row(db, manual)
    assert (order.status, order.earned, order.remains) == ("completed", 1, 0)
    assert (await wallet(db, user), await audited(db, manual)) == (99, 2)
    await assert_books(db)


async def test_a_manual_order_can_be_partial_at_once(db: Database, manual: int, user: int) -> None:
    assert await do(db, partial_manual, manual, 250) == Money.of("0.250000", "USD")
    assert (await order_row(db, manual)).status == "partial"
    assert await wallet(db, user) == Decimal("99.25")
    await assert_books(db)


async def test_an_order_is_canceled_and_paid_back_once(db: Database, sent: int, user: int) -> None:
    assert await do(db, cancel_and_refund, sent, "complaint") == Money.of("1.000000", "USD")
    with pytest.raises(IllegalMoveError):
        await do(db, cancel_and_refund, sent, "again")
    order = await order_row(db, sent)
    assert (order.status, order.reason, await wallet(db, user)) == ("canceled", "complaint", 100)
    await assert_books(db)


async def test_a_completed_order_can_be_paid_back_from_revenue(db: Database, sent: int, user: int) -> None:
    await do(db, mark_completed, sent)
    assert await do(db, set_partial, sent, 400) == Money.of("0.400000", "USD")
    assert await do(db, cancel_and_refund, sent, "never came") == Money.of("0.600000", "USD")
    assert await wallet(db, user) == 100
    await assert_books(db)


async def test_a_failed_order_is_paid_back(db: Database, panel: Panel, user: int) -> None:
    async with db.transaction() as session:
        order = await place(session, user, await make_service(session, await make_provider(session, panel)))
        await move(session, order, S.FAILED)
    await do(db, cancel_and_refund, order, "nobody takes it")
    assert await wallet(db, user) == 100
    await assert_books(db)


async def test_of_a_drip_the_rest_is_paid_back(db: Database, panel: Panel, user: int) -> None:
    async with db.transaction() as session:
        service = await make_service(session, await make_provider(session, panel), dripfeed=True)
        drip = await place(session, user, service, quantity=1000, runs=4, interval=5)
        await start_runs(session, currency="USD", now=NOW)
    for verb, *given in ((mark_completed,), (set_partial, 5)):
        with pytest.raises(NotByHandError):
            await do(db, verb, drip, *given)
    assert await do(db, cancel_and_refund, drip, "closing") == Money.of("3.000000", "USD")
    assert (await wallet(db, user), await audited(db, drip)) == (99, 1)
    await assert_books(db)


async def test_orders_in_doubt_are_left_alone(db: Database, sent: int, user: int) -> None:
    async with db.transaction() as session:
        await session.execute(text("UPDATE orders SET status = 'submitting', unconfirmed = true"))
    for verb, *given in ((cancel_and_refund, "x"), (mark_completed,), (set_partial, 5)):
        with pytest.raises(OrderInDoubtError):
            await do(db, verb, sent, *given)
    assert await wallet(db, user) == 99


async def test_each_verb_takes_its_permission(db: Database, manual: int) -> None:
    verbs = (
        (start_manual, Permission.ORDERS_EDIT),
        (complete_manual, Permission.ORDERS_EDIT),
        (partial_manual, Permission.ORDERS_REFUND, 5),
        (mark_completed, Permission.ORDERS_EDIT),
        (set_partial, Permission.ORDERS_REFUND, 5),
        (cancel_and_refund, Permission.ORDERS_REFUND, "x"),
        (set_start_count, Permission.ORDERS_EDIT, 5),
    )
    for verb, needed, *given in verbs:
        others = set(Permission) - {needed}
        with pytest.raises(ForbiddenError):
            await do(db, verb, manual, *given, by=staff(None, *others))
    assert ((await order_row(db, manual)).status, await audited(db, manual)) == ("pending", 0)


@pytest.mark.parametrize(
    ("verb", "given"),
    [
        (set_partial, (0,)),
        (set_partial, (1000,)),
        (set_partial, (-1,)),
        (cancel_and_refund, (" ",)),
        (set_start_count, (-1,)),
    ],
)
async def test_nonsense_is_refused(db: Database, sent: int, verb: Any, given: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInputError):
        await do(db, verb, sent, *given)


async def test_provider_orders_are_not_fulfilled_by_hand(db: Database, sent: int) -> None:
    for verb, *given in ((start_manual,), (complete_manual,), (partial_manual, 5)):
        with pytest.raises(NotManualError):
            await do(db, verb, sent, *given)


async def test_the_last_word_of_staff_answers_cancel_requests(db: Database, manual: int, user: int) -> None:
    await do(db, start_manual, manual)
    async with db.transaction() as session:
        answer = (await request_cancel(session, user, [manual], NOW))[manual]
        assert not isinstance(answer, PanelError)
    await do(db, cancel_and_refund, manual, "as you wish")
    async with db.transaction() as session:
        assert await session.scalar(text("SELECT state FROM cancel_requests")) == "accepted"


async def test_a_start_count_is_set(db: Database, sent: int) -> None:
    await do(db, set_start_count, sent, 1234)
    assert ((await order_row(db, sent)).start_count, await audited(db, sent)) == (1234, 1)
