"""Coupons: taken off once for each use they have, never below cost unless they may, and paid back as far as it was paid."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import NOW, WATCH, accept, assert_books, make_provider, make_service, make_user, staff
from smmpanel.accounts.access import MissingPermissionError, Permission
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.ledger import balance_of
from smmpanel.orders.coupon_editing import CouponTerms, make_coupon, stop_coupon
from smmpanel.orders.coupon_models import Coupon
from smmpanel.orders.coupons import CouponWorthlessError, taken_off
from smmpanel.orders.estimating import estimate
from smmpanel.orders.models import Order, OrderStatus
from smmpanel.orders.placing import NewOrder, Placed, place_order
from smmpanel.orders.settling import Change, settle

D = Decimal
BOSS = staff(None, Permission.VOUCHERS_EDIT)


@pytest.fixture
async def shop(panel):
    """A customer with 100, and a service at 10 that costs 6."""
    async with panel.db.transaction() as session:
        mai = await make_user(session)
        return mai, await make_service(session, await make_provider(session, panel), rate="10", cost="6")


async def coupon(db, code="SPRING", **more):
    terms = CouponTerms(**{"code": code, **({} if "amount" in more else {"percent": D(10)}), **more})
    async with db.transaction() as session:
        return await make_coupon(session, terms, actor=BOSS, now=NOW)


def order(mai, service, number=1, **more):
    raw = {"link": f"https://example.com/{number}", "quantity": "1000"}
    return NewOrder(mai, service, raw, coupon="spring", **more)


async def buy(db, new):
    async with db.transaction() as session:
        return await place_order(session, new, currency="USD", now=NOW)


async def test_it_is_taken_off_frozen_on_the_order_and_given_back_as_far_as_it_was_paid(db, shop):
    mai, service = shop
    made = await coupon(db)
    async with db.transaction() as session:
        asked = await estimate(session, order(mai, service), currency="USD", now=NOW)
    assert (asked.charge, asked.coupon_off) == (D(9), D(1))
    placed = await buy(db, order(mai, service, key="a"))
    again = await buy(db, order(mai, service, key="a"))
    assert (placed.charge.amount, again.repeated, again.order_id) == (D(9), True, placed.order_id)
    async with db.transaction() as session:
        kept = await session.get_one(Order, placed.order_id)
        assert kept.terms["coupon"] == {"id": made, "code": "SPRING", "off": "1.00"}
        assert (await session.get_one(Coupon, made)).uses == 1
        await accept(session, placed.order_id, "x1")
        await settle(session, [Change(placed.order_id, OrderStatus.PARTIAL, remains=500)], now=NOW, watch=WATCH)
        # Half of it was not delivered: half of the nine that were paid come back, not half of ten.
        assert (await balance_of(session, mai, "USD")).amount == D("95.5")
    await assert_books(db)


async def test_its_uses_hold_when_many_order_at_once(panel, shop):
    mai, service = shop
    async with panel.db.transaction() as session:
        people = [mai, *[await make_user(session) for _ in range(3)]]
    made = await coupon(panel.db, max_uses=5, uses_per_user=2)
    asked = [buy(panel.db, order(one, service, n)) for n, one in enumerate(people * 3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(one, Placed | CouponWorthlessError) for one in answers), answers
    assert [isinstance(one, Placed) for one in answers].count(True) == 5
    async with panel.db.transaction() as session:
        assert (await session.get_one(Coupon, made)).uses == 5
        left = [(await balance_of(session, one, "USD")).amount for one in people]
    assert sum(left) == 400 - 5 * 9
    assert min(left) >= 100 - 2 * 9
    await assert_books(panel.db)


@pytest.mark.parametrize(
    ("terms", "charge"),
    [
        ({"percent": D(90)}, D(6)),
        ({"percent": D(90), "below_cost": True}, D(1)),
        ({"percent": D(30), "maximum": D(2)}, D(8)),
        ({"amount": D(3)}, D(7)),
        ({"amount": D(50), "below_cost": True}, D(0)),
        ({"min_charge": D(10)}, D(9)),
        ({"min_charge": D("10.01")}, None),
        ({"valid_until": NOW + timedelta(seconds=1)}, D(9)),
    ],
)
async def test_what_it_takes_off(db, shop, terms, charge):
    await coupon(db, **terms)
    if charge is None:
        with pytest.raises(CouponWorthlessError):
            await buy(db, order(*shop))
    else:
        assert (await buy(db, order(*shop))).charge.amount == charge
    await assert_books(db)


async def test_one_that_does_not_count_refuses_the_order_and_costs_nothing(db, shop):
    made = await coupon(db)
    async with db.transaction() as session:
        await stop_coupon(session, made, actor=BOSS, now=NOW)
    for wrong in (order(*shop), replace(order(*shop), coupon="never")):
        with pytest.raises(CouponWorthlessError):
            await buy(db, wrong)
    async with db.transaction() as session:
        assert (await balance_of(session, shop[0], "USD")).amount == 100
        with pytest.raises(MissingPermissionError):
            await stop_coupon(session, made, actor=staff(1, Permission.VOUCHERS_VIEW), now=NOW)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("code", {"code": "A B"}),
        ("percent", {"percent": D(10), "amount": D(1)}),
        ("percent", {"percent": D(101)}),
        ("amount", {"amount": D(0)}),
        ("max_uses", {"max_uses": 0}),
        ("valid_until", {"valid_until": NOW}),
    ],
)
async def test_a_coupon_that_makes_no_sense_is_refused(db, field, wrong):
    with pytest.raises(InvalidInputError) as refused:
        await coupon(db, **wrong)
    assert refused.value.fields["field"] == field


MONEY = st.integers(0, 10_000).map(lambda cents: D(cents) / 100)


@given(
    charge=MONEY,
    cost=st.one_of(st.none(), MONEY),
    off=st.one_of(st.integers(1, 100), MONEY.filter(bool)),
    maximum=st.one_of(st.none(), MONEY.filter(bool)),
    below=st.booleans(),
)
def test_nothing_is_ever_sold_below_cost_or_for_less_than_nothing(charge, cost, off, maximum, below):
    whole = isinstance(off, int)
    made = Coupon(percent=D(off) if whole else None, amount=None if whole else off, maximum=maximum, below_cost=below)
    taken = taken_off(made, charge, cost)
    assert 0 <= taken <= charge
    assert maximum is None or taken <= maximum
    assert below or cost is None or taken == 0 or charge - taken >= cost
