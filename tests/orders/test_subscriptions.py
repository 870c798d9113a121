"""Subscriptions: each post's order is paid for as delivered, the rest of the hold goes back, and nothing on a guess."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from making import (
    NOW,
    accept,
    assert_books,
    at,
    make_provider,
    make_service,
    make_user,
    order_row,
    place,
    upstream_of,
)
from smmpanel.kernel.db import Database
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of, held_of
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.subscriptions import (
    CHILDREN_OPEN,
    NOTHING_SAID,
    Bargain,
    Child,
    delivered_by,
    ordered_by,
    standing_of,
)
from smmpanel.orders.tracking_subscriptions import track_subscriptions
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import Rejected, Unclear, UpstreamReport, UpstreamStatus

U, S = UpstreamStatus, OrderStatus
BARGAIN = Bargain(
    charge=Decimal("1.5"),
    rate=Decimal(1),
    quantity=1500,
    least=100,
    most=500,
    provider_rate=Decimal("0.5"),
    provider_currency="USD",
)


def child(status: UpstreamStatus | None, charge: str | None = "0.15", **more: object) -> Child:
    return Child("c", status, None if charge is None else Decimal(charge), "USD", **more)


@pytest.mark.parametrize(
    ("charge", "currency", "quantity"),
    [
        ("0.15", "USD", 300),
        ("0.15", None, 300),
        ("0.1502", "USD", 300),
        ("0.1503", "USD", 301),
        ("9", "USD", 500),
        ("0.0001", "USD", 100),
        ("0", "USD", 100),
        (None, "USD", 100),
        ("0.15", "EUR", 100),
    ],
)
def test_a_childs_size_is_told_from_its_cost(charge: str | None, currency: str | None, quantity: int) -> None:
    cost = None if charge is None else Decimal(charge)
    assert ordered_by(Child("c", U.COMPLETED, cost, currency), BARGAIN) == quantity


@pytest.mark.parametrize(
    ("one", "delivered"),
    [
        (child(U.COMPLETED), 300),
        (child(U.PARTIAL, remains=120), 180),
        (child(U.PARTIAL, remains=9999), 0),
        (child(U.PARTIAL, remains=-5), 300),
        (child(U.PARTIAL), None),
        (child(U.CANCELED), 0),
        (child(U.CANCELED, remains=250), 50),
        (child(U.IN_PROGRESS), None),
        (child(None), None),
    ],
)
def test_what_was_delivered_of_a_child(one: Child, delivered: int | None) -> None:
    assert delivered_by(one, BARGAIN) == delivered


@pytest.mark.parametrize(
    ("said", "children", "status", "waits_for"),
    [
        (U.ACTIVE, [child(U.COMPLETED)], None, None),
        (U.PAUSED, [], None, None),
        (U.COMPLETED, [child(U.COMPLETED)], S.COMPLETED, None),
        (U.EXPIRED, [child(U.COMPLETED)], S.COMPLETED, None),
        (U.CANCELED, [child(U.COMPLETED)], S.PARTIAL, None),
        (U.CANCELED, [], S.CANCELED, None),
        (U.EXPIRED, [], S.CANCELED, None),
        (U.COMPLETED, [], None, NOTHING_SAID),
        (U.COMPLETED, [child(U.CANCELED)], S.CANCELED, None),
        (U.COMPLETED, [child(U.COMPLETED), child(U.IN_PROGRESS)], None, CHILDREN_OPEN),
        (U.CANCELED, [child(None)], None, CHILDREN_OPEN),
    ],
)
def test_where_a_subscription_stands(said, children, status, waits_for) -> None:
    standing = standing_of(BARGAIN, UpstreamReport(said), children)
    assert (standing.status, standing.waits_for) == (status, waits_for)


_CHILDREN = st.builds(
    Child,
    st.just("c"),
    st.sampled_from(UpstreamStatus),
    st.none() | st.decimals(min_value=-10, max_value=100, places=6),
    st.sampled_from([None, "USD", "VND"]),
    st.none() | st.integers(min_value=-1000, max_value=100_000),
)


@given(st.lists(_CHILDREN, max_size=30), st.sampled_from(UpstreamStatus))
def test_never_more_is_earned_than_was_held(children: list[Child], said: UpstreamStatus) -> None:
    standing = standing_of(BARGAIN, UpstreamReport(said), children)
    assert 0 <= standing.earned <= BARGAIN.charge
    assert 0 <= standing.delivered <= BARGAIN.quantity


@pytest.fixture
async def user(db: Database) -> int:
    async with db.transaction() as session:
        return await make_user(session)


@pytest.fixture
async def provider(db: Database, panel: Panel) -> Provider:
    async with db.transaction() as session:
        return await make_provider(session, panel)


@pytest.fixture
async def subscription(db: Database, provider: Provider, user: int) -> int:
    """Three posts of 100 to 500 each, at 1 per 1,000: 1.50 are held."""
    async with db.transaction() as session:
        service = await make_service(session, provider, type="subscriptions", min=10, max=1000, rate="1", cost="0.5")
        fields = {"link": None, "quantity": None, "username": "someone", "min": 100, "max": 500, "posts": 3, "delay": 0}
        order = await place(session, user, service, **fields)
        await accept(session, order, "sub1")
        return order


def report(status: UpstreamStatus, *children: str, **more: object) -> UpstreamReport:
    return UpstreamReport(status, status.value.capitalize(), children=children, **more)


def done(charge: str, status: UpstreamStatus = U.COMPLETED, **more: object) -> UpstreamReport:
    return UpstreamReport(status, status.value, charge=Decimal(charge), currency="USD", **more)


async def look(panel: Panel, provider: Provider, now: datetime) -> None:
    await track_subscriptions.function(at(panel, now), provider_id=provider.id)


async def balances(db: Database, user: int) -> tuple[Money, Money]:
    async with db.transaction() as session:
        return await balance_of(session, user, "USD"), await held_of(session, user, "USD")


async def test_a_subscription_is_followed_paid_for_and_the_rest_goes_back(
    db: Database, panel: Panel, provider: Provider, user: int, subscription: int
) -> None:
    upstream = upstream_of(provider)
    upstream.will(
        "status",
        {"sub1": report(U.ACTIVE)},
        {"sub1": report(U.ACTIVE, "11", "12")},
        {"11": done("0.15"), "12": done("0.10", U.IN_PROGRESS)},
        {"sub1": report(U.EXPIRED, "11", "12")},
        {"12": done("0.04", U.PARTIAL, remains=120)},
    )
    await look(panel, provider, NOW)
    assert upstream.asked == []  # not due yet
    for minutes in (1, 10):
        await look(panel, provider, NOW + timedelta(minutes=minutes))
    order = await order_row(db, subscription)
    assert (order.status, order.remains, order.earned, order.refunded) == ("in_progress", 1200, 0, 0)
    assert await balances(db, user) == (Money.of("98.500000", "USD"), Money.of("1.500000", "USD"))

    await look(panel, provider, NOW + timedelta(minutes=20))

    # The second was made with 200 (0.10 at 0.5), whatever it is said to cost now: 80 of it were delivered.
    order = await order_row(db, subscription)
    assert (order.status, order.earned, order.refunded) == ("completed", Decimal("0.38"), Decimal("1.12"))
    assert await balances(db, user) == (Money.of("99.620000", "USD"), Money.of("0.000000", "USD"))
    assert [asked for _, asked in upstream.asked] == [["sub1"], ["sub1"], ["11", "12"], ["sub1"], ["12"]]
    await assert_books(db)


async def test_what_a_provider_takes_back_afterwards_is_paid_back(
    db: Database, panel: Panel, provider: Provider, user: int, subscription: int
) -> None:
    upstream_of(provider).will(
        "status",
        {"sub1": report(U.COMPLETED, "11")},
        {"11": done("0.15")},
        {"sub1": report(U.COMPLETED, "11")},
        {"11": done("0.15", U.CANCELED)},
    )
    await look(panel, provider, NOW + timedelta(minutes=1))
    await look(panel, provider, NOW + timedelta(hours=7))

    assert (await order_row(db, subscription)).status == "canceled"
    assert await balances(db, user) == (Money.of("100.000000", "USD"), Money.of("0.000000", "USD"))
    await assert_books(db)


async def test_nothing_moves_while_something_is_unclear(
    db: Database, panel: Panel, provider: Provider, user: int, subscription: int
) -> None:
    upstream_of(provider).will(
        "status",
        Unclear("timeout"),
        {},
        {"sub1": Rejected("Incorrect order ID")},
        {"sub1": report(U.COMPLETED)},
        {"sub1": report(U.CANCELED, "11")},
        {"11": Rejected("Incorrect order ID")},
    )
    for minutes in range(1, 50, 10):
        await look(panel, provider, NOW + timedelta(minutes=minutes))

    order = await order_row(db, subscription)
    assert (order.status, order.earned, order.refunded, order.reason) == ("processing", 0, 0, CHILDREN_OPEN)
    assert await balances(db, user) == (Money.of("98.500000", "USD"), Money.of("1.500000", "USD"))
    async with db.transaction() as session:
        words = await session.scalar(text("SELECT fields ->> 'word' FROM alerts WHERE kind = 'odd_order_reports'"))
    assert words == f"Completed: {NOTHING_SAID}"
    await assert_books(db)
