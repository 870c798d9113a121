"""Coupons: taken off once for each use they have, never below cost unless they may, and paid back as far as it was paid."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from making import NOW, WATCH, accept, assert_books, customer, make_provider, make_service, make_user, move, staff
from smmpanel.accounts.access import MissingPermissionError, Permission
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.facts import FactRow
from smmpanel.ledger import balance_of
from smmpanel.orders.coupon_editing import CouponTerms, make_coupon, stop_coupon
from smmpanel.orders.coupon_models import Coupon, CouponHolder
from smmpanel.orders.coupons import CouponWorthlessError, taken_off
from smmpanel.orders.dripping import start_runs
from smmpanel.orders.estimating import estimate
from smmpanel.orders.finishing_drips import finish_drips
from smmpanel.orders.mass import read_text
from smmpanel.orders.mass_placing import place_mass
from smmpanel.orders.models import Order, OrderKind, OrderStatus
from smmpanel.orders.placing import NewOrder, Placed, place_order
from smmpanel.orders.returning_coupons import return_coupons_of_canceled
from smmpanel.orders.settling import Change, OrderFinished, settle
from smmpanel.orders.steering_drips import cancel_drip_rest

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


async def uses_of(db, coupon_id, user_id):
    async with db.transaction() as session:
        held = await session.get(CouponHolder, (coupon_id, user_id))
        return (await session.get_one(Coupon, coupon_id)).uses, held.uses if held else 0


async def test_of_a_mass_order_each_line_is_a_use_and_those_beyond_the_limit_are_refused(db, shop):
    mai, service = shop
    made = await coupon(db, uses_per_user=2)
    lines = read_text("\n".join(f"{service} | https://example.com/{one} | 1000" for one in range(3)))

    async def order_many(**how):
        how = {"all_or_none": False, "dry_run": False, "coupon": "spring", **how}
        async with db.transaction() as session:
            done = await place_mass(session, mai, lines, key="k", currency="USD", now=NOW, **how)
        return [one.charge.amount if one.charge else one.error.code for one in done.lines], done.placed

    refused = [9, 9, "coupon_worthless"]
    assert await order_many(dry_run=True) == (refused, 0)
    assert await order_many(all_or_none=True) == (refused, 0)
    assert await uses_of(db, made, mai) == (0, 0)
    # What the repeat finds placed is not used again, and the third line is as much beyond the limit as it was.
    assert [await order_many(), await order_many()] == [(refused, 2), (refused, 2)]
    assert await uses_of(db, made, mai) == (2, 2)
    await assert_books(db)


async def tell_of_all(panel):
    """Tell what is recorded, twice and at once, as workers that die and come back may."""
    async with panel.db.transaction() as session:
        bodies = (await session.scalars(select(FactRow.body).where(FactRow.name == OrderFinished.fact))).all()
    facts = [OrderFinished.model_validate(body) for body in bodies]
    await asyncio.gather(*(return_coupons_of_canceled(panel, facts) for _ in range(2)))


async def test_a_canceled_order_that_was_wholly_paid_back_gives_its_use_back_once(panel, shop):
    mai, service = shop
    made = await coupon(panel.db, uses_per_user=3)
    canceled, kept, partial = [(await buy(panel.db, order(mai, service, n))).order_id for n in range(3)]
    async with panel.db.transaction() as session:
        await move(session, canceled, OrderStatus.CANCELED)
        await accept(session, partial, "x1")
        await move(session, partial, OrderStatus.PARTIAL, remains=1000)
    for _ in range(2):
        await tell_of_all(panel)
        assert await uses_of(panel.db, made, mai) == (2, 2)
    async with panel.db.transaction() as session:
        await accept(session, kept, "x2")
        await move(session, kept, OrderStatus.COMPLETED)
        # A provider takes back what it had called partial: that is for good, and counts as canceled from then on.
        await move(session, partial, OrderStatus.CANCELED)
        assert (await session.get_one(Order, canceled)).terms["coupon"]["off"] == "1.00"
    await tell_of_all(panel)
    assert await uses_of(panel.db, made, mai) == (1, 1)
    assert isinstance(await buy(panel.db, order(mai, service, 4)), Placed)
    await assert_books(panel.db)


@pytest.mark.parametrize("delivered", [False, True])
async def test_a_drip_feed_is_one_use_whose_runs_share_what_is_left_and_sell_at_no_loss(panel, delivered):
    async with panel.db.transaction() as session:
        mai = await make_user(session)
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, rate="0.9", cost="0.333333", dripfeed=True)
    made = await coupon(panel.db, percent=D(100))
    drip = replace(
        order(mai, service), raw={**order(mai, service).raw, "quantity": "101", "runs": "3", "interval": "9"}
    )
    placed = await buy(panel.db, drip)
    assert placed.charge.amount == D("0.101000")  # 303 of them cost us that
    async with panel.db.transaction() as session:
        for run in range(3):
            await start_runs(session, currency="USD", now=NOW + timedelta(minutes=9 * run))
        runs = (await session.scalars(select(Order).where(Order.kind == OrderKind.RUN).order_by(Order.id))).all()
        assert [objection_to_run(run) for run in runs] == [False] * 3
        assert sum(run.charge for run in runs) == placed.charge.amount
        assert {("coupon" in run.terms, run.provider_id) for run in runs} == {(False, provider.id)}
        for run in runs:
            await move(session, run.id, OrderStatus.CANCELED) if run is not runs[0] or not delivered else None
        if delivered:
            await accept(session, runs[0].id, "x1")
            await move(session, runs[0].id, OrderStatus.COMPLETED)
        await finish_drips(session, now=NOW)
    await tell_of_all(panel)
    assert await uses_of(panel.db, made, mai) == ((1, 1) if delivered else (0, 0))
    await assert_books(panel.db)


def objection_to_run(run):
    """Whether a run would be held up because it costs more than its share, by more than rounding."""
    return run.cost > run.charge + D("0.000001")


async def test_a_drip_feed_that_never_began_gives_its_use_back(panel):
    async with panel.db.transaction() as session:
        mai = await make_user(session)
        service = await make_service(session, await make_provider(session, panel), rate="10", dripfeed=True)
    made = await coupon(panel.db)
    drip = replace(order(mai, service), raw={**order(mai, service).raw, "runs": "3", "interval": "9"})
    order_id = (await buy(panel.db, drip)).order_id
    async with panel.db.transaction() as session:
        assert (await cancel_drip_rest(session, customer(mai), order_id, now=NOW)).amount == 27
    await tell_of_all(panel)
    assert await uses_of(panel.db, made, mai) == (0, 0)
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
