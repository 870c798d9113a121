"""Placing: paid to the last place or nothing at all, whatever is asked at the same time."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from making import NOW, assert_books, credit, make_provider, make_service, make_user, move, order_row, place, staff
from smmpanel.accounts.access import Permission
from smmpanel.accounts.states import AccountBannedError, AccountSuspendedError
from smmpanel.accounts.suspending import ban_user, suspend_user
from smmpanel.catalog.service_types import OrderFieldError
from smmpanel.catalog.stock import add_stock
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import InsufficientFundsError, KeyReusedError, balance_of, held_of
from smmpanel.orders.drafting import OrderKeyError, ServiceUnavailableError, ServiceUnknownError
from smmpanel.orders.guarding import LinkInUseError
from smmpanel.orders.mass import MassLine
from smmpanel.orders.mass_placing import place_mass
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.placing import NewOrder, OutOfStockError, Placed, place_orders
from smmpanel.orders.spending import SpendCapError
from smmpanel.providers.models import Provider

LINK = "https://www.instagram.com/someone"
S = OrderStatus


@pytest.fixture
async def user(db: Database) -> int:
    async with db.transaction() as session:
        return await make_user(session, funds="10")


@pytest.fixture
async def provider(db: Database, panel: Panel) -> Provider:
    async with db.transaction() as session:
        return await make_provider(session, panel)


async def a_service(db: Database, *providers: Provider, **more: Any) -> int:
    async with db.transaction() as session:
        return await make_service(session, *providers, **more)


def new(user_id: int, service_id: int, *, key: str | None = None, **fields: Any) -> NewOrder:
    raw = {"link": LINK, "quantity": "1000", **{name: str(value) for name, value in fields.items()}}
    return NewOrder(user_id, service_id, raw, key)


async def ask(db: Database, *orders: NewOrder, **more: Any) -> list[Placed | PanelError]:
    async with db.transaction() as session:
        return await place_orders(session, orders, currency="USD", now=NOW, **more)


async def ask_at_once(db: Database, *orders: NewOrder) -> list[Placed | PanelError]:
    """Place each order by itself, all at the same time."""
    return [answer for [answer] in await asyncio.gather(*(ask(db, order) for order in orders))]


async def wallet_of(db: Database, user_id: int) -> Decimal:
    async with db.transaction() as session:
        return (await balance_of(session, user_id, "USD")).amount


async def counts(db: Database) -> dict[str, int]:
    tables = ("orders", "order_events", "ledger_transfers", "facts", "procrastinate_jobs", "key_spends", "drip_feeds")
    async with db.transaction() as session:
        return {name: await session.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in tables}


def placed_ids(answers: list[Placed | PanelError]) -> list[int]:
    return [answer.order_id for answer in answers if isinstance(answer, Placed)]


def kinds(answers: list[Placed | PanelError]) -> list[type]:
    return [type(answer) for answer in answers]


@pytest.mark.parametrize(
    "case",
    [
        ("1.234567", 1001, "1.235802"),
        ("0.000001", 1, "0.000001"),
        ("0.009", 1, "0.000009"),
        ("0.333333", 10, "0.003334"),
        ("2.5", 1000, "2.500000"),
        ("0.1", 3, "0.000300"),
    ],
)
async def test_the_charge_is_exact_to_six_places_rounded_up_once_and_held(
    db: Database, user: int, provider: Provider, case: tuple[str, int, str]
) -> None:
    rate, quantity, charge = case
    service = await a_service(db, provider, rate=rate, cost="0")

    [answer] = await ask(db, new(user, service, quantity=quantity))

    assert isinstance(answer, Placed)
    assert answer.charge == Money(Decimal(charge), "USD")
    order = await order_row(db, answer.order_id)
    assert (order.charge, order.status, order.kind, order.provider_id) == (
        Decimal(charge), "pending", "normal", provider.id,
    )  # fmt: skip
    async with db.transaction() as session:
        assert (await held_of(session, user, "USD")).amount == Decimal(charge)
    assert await wallet_of(db, user) == 10 - Decimal(charge)
    await assert_books(db)


async def test_a_charge_below_a_cent_is_never_zero_however_often_it_is_repeated(
    db: Database, user: int, provider: Provider
) -> None:
    service = await a_service(db, provider, rate="0.000002", cost="0")

    answers = await ask(db, *(new(user, service, quantity=1, link=f"{LINK}/{n}") for n in range(100)))

    assert {answer.charge.amount for answer in answers if isinstance(answer, Placed)} == {Decimal("0.000001")}
    assert await wallet_of(db, user) == Decimal("9.999900")
    await assert_books(db)


async def test_a_refused_order_changes_nothing(db: Database, user: int, provider: Provider) -> None:
    plain = await a_service(db, provider, rate="1", min=10, max=5000)
    hidden = await a_service(db, provider, enabled=False)
    routeless = await a_service(db)
    before = await counts(db)

    answers = await ask(
        db,
        new(user, plain, quantity=5001),
        new(user, plain, quantity=9),
        new(user, plain, quantity=-1_000_000),
        new(user, plain, quantity="1e3"),
        new(user, plain, quantity="10.5"),
        new(user, plain, quantity=0),
        new(user, plain, link="javascript:alert(1)"),
        new(user, plain, runs=3, interval=10),
        new(user, plain, key=""),
        new(user, plain, key="a\nb"),
        new(user, plain, key="k" * 201),
        new(user, hidden),
        new(user, routeless),
        new(user, 2**40),
        new(2**40, plain),
    )

    assert kinds(answers) == [
        *[OrderFieldError] * 8, *[OrderKeyError] * 3, ServiceUnavailableError, ServiceUnavailableError,
        ServiceUnknownError, NotFoundError,
    ]  # fmt: skip
    assert await counts(db) == before
    assert await wallet_of(db, user) == 10


async def test_what_a_wallet_does_not_cover_is_refused_and_says_how_much_is_missing(
    db: Database, user: int, provider: Provider
) -> None:
    service = await a_service(db, provider, rate="10.000001")
    before = await counts(db)

    [answer] = await ask(db, new(user, service))

    assert isinstance(answer, InsufficientFundsError)
    assert (str(answer.needed.amount), str(answer.available.amount)) == ("10.000001", "10.000000")
    assert await counts(db) == before


async def test_many_orders_of_many_people_in_one_call_each_have_their_own_answer(
    db: Database, provider: Provider
) -> None:
    service = await a_service(db, provider, rate="1", max=10_000)
    async with db.transaction() as session:
        rich, poor, new_here = [await make_user(session, funds=funds) for funds in ("100", "1.5", None)]

    answers = await ask(
        db,
        new(rich, service),
        new(poor, service),
        new(poor, service),  # 0.5 are left
        new(poor, service, quantity=500),
        new(new_here, service),
        new(rich, service, quantity=20_000),
        new(rich, service, quantity=10_000),
    )

    wanted = [Placed, Placed, InsufficientFundsError, Placed, InsufficientFundsError, OrderFieldError, Placed]
    assert kinds(answers) == wanted
    assert [await wallet_of(db, who) for who in (rich, poor, new_here)] == [Decimal(89), Decimal(0), Decimal(0)]
    assert (await counts(db))["orders"] == 4
    await assert_books(db)


async def test_the_same_key_and_content_is_the_same_order_other_content_an_error(
    db: Database, user: int, provider: Provider
) -> None:
    service = await a_service(db, provider, rate="1")
    async with db.transaction() as session:
        other = await make_user(session, funds="10")

    [first] = await ask(db, new(user, service, key="k"))
    [again, differs, theirs] = await ask(
        db, new(user, service, key="k"), new(user, service, key="k", quantity=999), new(other, service, key="k")
    )

    assert isinstance(first, Placed)
    assert again == Placed(first.order_id, first.charge, repeated=True)
    assert isinstance(differs, KeyReusedError)
    assert isinstance(theirs, Placed)
    assert theirs.order_id != first.order_id
    assert await wallet_of(db, user) == 9
    await assert_books(db)


async def test_a_key_finds_its_order_even_if_it_could_not_be_placed_any_more(
    db: Database, user: int, provider: Provider
) -> None:
    """The first answer was lost, and in the meantime the service went, or its maximum sank."""
    gone = await a_service(db, provider, rate="1")
    smaller = await a_service(db, provider, rate="1")
    first = await ask(db, new(user, gone, key="a"), new(user, smaller, key="b"))
    async with db.transaction() as session:
        await session.execute(text("UPDATE services SET enabled = false WHERE id = :id"), {"id": gone})
        await session.execute(text("UPDATE services SET max = 999 WHERE id = :id"), {"id": smaller})

    again = await ask(db, new(user, gone, key="a"), new(user, smaller, key="b"))
    differs = await ask(db, new(user, gone, key="a", quantity=7), new(user, gone, key="c"))

    assert placed_ids(again) == placed_ids(first)
    assert [answer.repeated for answer in again if isinstance(answer, Placed)] == [True, True]
    assert kinds(differs) == [KeyReusedError, ServiceUnavailableError]
    assert await wallet_of(db, user) == 8


async def test_eight_calls_with_one_key_at_once_are_one_order(db: Database, user: int, provider: Provider) -> None:
    service = await a_service(db, provider, rate="1")

    answers = await ask_at_once(db, *[new(user, service, key="double click")] * 8)

    assert len(set(placed_ids(answers))) == 1
    assert len(placed_ids(answers)) == 8
    assert sum(not answer.repeated for answer in answers if isinstance(answer, Placed)) == 1
    assert await wallet_of(db, user) == 9
    await assert_books(db)


async def test_twins_of_a_key_in_one_batch_are_one_order(db: Database, user: int, provider: Provider) -> None:
    service = await a_service(db, provider, rate="1")

    first, twin, differs = await ask(
        db, new(user, service, key="t"), new(user, service, key="t"), new(user, service, key="t", quantity=5)
    )

    assert isinstance(first, Placed)
    assert twin == Placed(first.order_id, first.charge, repeated=True)
    assert isinstance(differs, KeyReusedError)
    assert await wallet_of(db, user) == 9


async def test_twins_of_a_key_are_answered_in_a_dry_run_and_when_stock_runs_out(
    db: Database, panel: Panel, user: int, provider: Provider
) -> None:
    service = await a_service(db, provider, rate="1")
    empty = await a_service(db, mode="stock", rate="1")

    dry = await ask(db, *[new(user, service, key="t")] * 2, dry_run=True)
    out = await ask(db, *[new(user, empty, key="s", quantity=1)] * 2)

    assert [answer.order_id for answer in dry if isinstance(answer, Placed)] == [0, 0]
    assert kinds(out) == [OutOfStockError, OutOfStockError]
    assert await wallet_of(db, user) == 10


@pytest.mark.parametrize("parallel", [8, 16])
async def test_a_balance_for_one_order_pays_one_of_many_at_once(
    db: Database, provider: Provider, parallel: int
) -> None:
    service = await a_service(db, provider, rate="10")
    async with db.transaction() as session:
        user = await make_user(session, funds="10")

    answers = await ask_at_once(db, *(new(user, service, link=f"{LINK}{n}") for n in range(parallel)))

    assert sorted(kind.__name__ for kind in kinds(answers)) == ["InsufficientFundsError"] * (parallel - 1) + ["Placed"]
    assert await wallet_of(db, user) == 0
    assert (await counts(db))["orders"] == 1
    await assert_books(db)


async def test_single_orders_and_mass_orders_at_once_spend_no_more_than_there_is(
    db: Database, provider: Provider
) -> None:
    service = await a_service(db, provider, rate="1")
    async with db.transaction() as session:
        user = await make_user(session, funds="7.5")

    async def mass(number: int, *, all_or_none: bool) -> int:
        lines = [MassLine(line, service, {"link": f"{LINK}/{number}/{line}", "quantity": "1000"}) for line in (1, 2)]
        async with db.transaction() as session:
            asked = {"all_or_none": all_or_none, "dry_run": False, "key": None, "currency": "USD", "now": NOW}
            return (await place_mass(session, user, lines, **asked)).placed

    async def single(number: int) -> int:
        return len(placed_ids(await ask(db, new(user, service, link=f"{LINK}/{number}"))))

    numbers = await asyncio.gather(
        *(single(n) for n in range(6)), *(mass(n, all_or_none=bool(n % 2)) for n in range(6))
    )

    assert sum(numbers) <= 7
    assert (await counts(db))["orders"] == sum(numbers)
    assert await wallet_of(db, user) == Decimal("7.5") - sum(numbers)
    assert sum(numbers) >= 6  # two lines that are placed together may miss the last place
    await assert_books(db)


async def test_suspended_and_banned_people_are_refused(db: Database, provider: Provider) -> None:
    service = await a_service(db, provider)
    boss = staff(None, Permission.USERS_SUSPEND)
    async with db.transaction() as session:
        suspended, banned, active = [await make_user(session) for _ in range(3)]
        await suspend_user(session, boss, suspended, reason="late", now=NOW)
        await ban_user(session, boss, banned, reason="fraud", now=NOW)

    answers = await ask(db, *(new(one, service) for one in (suspended, banned, active)))

    assert kinds(answers) == [AccountSuspendedError, AccountBannedError, Placed]


async def test_a_guarded_link_has_one_open_order_in_a_batch_across_batches_and_in_parallel(
    db: Database, user: int, provider: Provider
) -> None:
    guarded = await a_service(db, provider, rate="0.1", cost="0", link_guard=True, platform="instagram")
    other = await a_service(db, provider, rate="0.1", cost="0", link_guard=True, platform="instagram")
    free = await a_service(db, provider, rate="0.1", cost="0")

    in_a_batch = await ask(
        db,
        new(user, guarded),
        new(user, guarded, link="http://instagram.com/someone/?igsh=abc"),
        new(user, other),
        new(user, free),
        new(user, free),
    )
    across = await ask(db, new(user, guarded, link="instagram.com/Someone"))
    parallel = await ask_at_once(db, *(new(user, guarded, link="https://instagram.com/twin") for _ in range(8)))

    assert kinds(in_a_batch) == [Placed, LinkInUseError, Placed, Placed, Placed]
    assert kinds(across) == [LinkInUseError]
    assert len(placed_ids(parallel)) == 1
    assert kinds(parallel).count(LinkInUseError) == 7


@pytest.mark.parametrize("ending", [S.CANCELED, S.COMPLETED])
async def test_a_guarded_link_is_free_again_when_its_order_is_over(
    db: Database, user: int, provider: Provider, ending: OrderStatus
) -> None:
    service = await a_service(db, provider, rate="1", link_guard=True)
    [first] = placed_ids(await ask(db, new(user, service)))
    async with db.transaction() as session:
        await move(session, first, ending)

    assert kinds(await ask(db, new(user, service))) == [Placed]


async def test_a_daily_cap_holds_in_a_batch_in_parallel_and_starts_anew_the_next_day(
    db: Database, provider: Provider
) -> None:
    service = await a_service(db, provider, rate="1")
    async with db.transaction() as session:
        user = await make_user(session, funds="100")

    def capped(number: int) -> NewOrder:
        raw = {"link": f"{LINK}{number}", "quantity": "1000"}
        return NewOrder(user, service, raw, api_key_id=77, daily_cap=Decimal("3.5"))

    batch = await ask(db, capped(1), capped(2))
    parallel = await ask_at_once(db, *(capped(number) for number in range(3, 11)))
    async with db.transaction() as session:
        tomorrow = await place_orders(session, [capped(11)], currency="USD", now=NOW + timedelta(days=1))

    assert kinds(batch) == [Placed, Placed]
    assert len(placed_ids(parallel)) == 1
    assert kinds(parallel).count(SpendCapError) == 7
    assert kinds(tomorrow) == [Placed]
    assert await wallet_of(db, user) == 96


async def test_comments_are_billed_by_their_lines_whatever_quantity_and_price_are_sent(
    db: Database, user: int, provider: Provider
) -> None:
    service = await a_service(db, provider, rate="100", type="custom_comments", cost="1")

    [answer] = await ask(
        db, new(user, service, quantity=1, comments="one\r\n\r\ntwo\n three \n\n", price=0, charge=0, rate="0.000001")
    )

    assert isinstance(answer, Placed)
    assert answer.charge == Money(Decimal("0.3"), "USD")
    order = await order_row(db, answer.order_id)
    assert (order.quantity, order.fields) == (3, {"comments": "one\ntwo\nthree"})


async def test_a_price_from_outside_is_ignored(db: Database, user: int, provider: Provider) -> None:
    service = await a_service(db, provider, rate="1")
    fields = {"charge": "0", "price": "0", "rate": "0", "discount": "100", "user": "1", "status": "completed"}

    [answer] = await ask(db, new(user, service, **fields))

    assert isinstance(answer, Placed)
    order = await order_row(db, answer.order_id)
    assert (order.charge, order.status, order.user_id, order.fields) == (Decimal(1), "pending", user, {})


async def test_a_dry_run_answers_the_same_and_writes_nothing(db: Database, user: int, provider: Provider) -> None:
    service = await a_service(db, provider, rate="4")
    raw = {"link": LINK, "quantity": "1000"}
    orders = [
        NewOrder(user, service, raw, api_key_id=5, daily_cap=Decimal(5)),
        NewOrder(user, service, raw),
        NewOrder(user, service, raw),
        NewOrder(user, service, raw, api_key_id=5, daily_cap=Decimal(5)),
    ]
    before = await counts(db)

    dry = await ask(db, *orders, dry_run=True)

    assert kinds(dry) == [Placed, Placed, InsufficientFundsError, InsufficientFundsError]
    assert placed_ids(dry) == [0, 0]
    assert await counts(db) == before
    assert await wallet_of(db, user) == 10
    assert kinds(await ask(db, *orders)) == kinds(dry)


async def test_drip_feeds_and_subscriptions_are_paid_whole_when_they_are_placed(
    db: Database, user: int, provider: Provider
) -> None:
    drip = await a_service(db, provider, rate="1", dripfeed=True, max=1000)
    subscription = await a_service(db, provider, rate="1", type="subscriptions", max=1000)
    asked = {"username": "someone", "min": 100, "max": 200, "posts": 10, "delay": 0, "link": "", "quantity": ""}

    answers = await ask(db, new(user, drip, quantity=500, runs=4, interval=60), new(user, subscription, **asked))

    orders = [await order_row(db, order_id) for order_id in placed_ids(answers)]
    assert [(order.kind, order.quantity, order.charge) for order in orders] == [
        ("drip", 2000, Decimal(2)),
        ("subscription", 2000, Decimal(2)),
    ]
    assert [order.provider_id for order in orders] == [None, provider.id]
    assert (await counts(db))["drip_feeds"] == 1
    await assert_books(db)


async def test_the_last_unit_in_stock_is_sold_once(db: Database, panel: Panel) -> None:
    keeper = staff(None, Permission.SERVICES_EDIT)
    service = await a_service(db, mode="stock", rate="1000")
    async with db.transaction() as session:
        await add_stock(session, panel.vault, service, ["account-1"], actor=keeper)
        buyers = [await make_user(session, funds="5") for _ in range(6)]

    answers = await ask_at_once(db, *(new(buyer, service, quantity=1) for buyer in buyers))

    assert len(placed_ids(answers)) == 1
    assert kinds(answers).count(OutOfStockError) == 5
    [sold] = placed_ids(answers)
    order = await order_row(db, sold)
    assert (order.status, order.earned) == ("completed", Decimal(1))
    assert sorted([await wallet_of(db, buyer) for buyer in buyers]) == [Decimal(4), *[Decimal(5)] * 5]
    await assert_books(db)


async def test_the_terms_of_an_order_survive_a_later_price_change(db: Database, user: int, provider: Provider) -> None:
    service = await a_service(db, provider, rate="2", cost="1", refill=True, refill_days=30)
    async with db.transaction() as session:
        order_id = await place(session, user, service)
    async with db.transaction() as session:
        await session.execute(
            text(
                "UPDATE services SET rate = 5, fixed_rate = 5, refill = false, refill_days = 1, min = 9 WHERE id = :id"
            ),
            {"id": service},
        )
        await session.execute(text("UPDATE provider_services SET rate = 4"))
        later = await place(session, user, service)

    order = await order_row(db, order_id)
    assert (order.charge, order.rate, order.cost) == (Decimal(2), Decimal(2), Decimal(1))
    terms = {name: order.terms[name] for name in ("type", "min", "refill", "refill_days", "rate", "currency")}
    assert terms == {"type": "default", "min": 1, "refill": True, "refill_days": 30, "rate": "2.00", "currency": "USD"}
    assert {name: order.terms["cost"][name] for name in ("rate", "base", "fx")} == {
        "rate": "1.00",
        "base": "1.00",
        "fx": "1.00",
    }
    assert (await order_row(db, later)).charge == Decimal(5)


async def test_money_that_arrives_meanwhile_is_not_overwritten(db: Database, provider: Provider) -> None:
    """Deposits and orders of one wallet at the same time: both count."""
    service = await a_service(db, provider, rate="1")
    async with db.transaction() as session:
        user = await make_user(session, funds="8")

    async def deposit() -> None:
        async with db.transaction() as session:
            await credit(session, user, "0.25")

    await asyncio.gather(
        *(deposit() for _ in range(8)), *(ask(db, new(user, service, link=f"{LINK}{n}")) for n in range(8))
    )

    assert await wallet_of(db, user) == 2
    await assert_books(db)
