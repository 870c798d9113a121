"""While a wallet is below zero (the contract's rule 13) nothing is ordered, run or paid out; pages and JSON show it as it is."""

from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import select

from growth.test_commission_properties import BOSS, World, a_world
from making import NOW, assert_books, credit, make_provider, make_service, make_user, place
from payments.browsers import browser_of
from payments.conftest import Till
from payments.counters import Desk, S, desk_of
from payments.test_payment_api import caller
from smmpanel.accounts.access import Viewer
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.web import build_app
from smmpanel.growth.commissions import reckon_deposits, reckon_reinstated_deposits, reckon_returned_deposits
from smmpanel.growth.payouts import approve_payout, request_payout
from smmpanel.growth.referral_terms import ReferralTerms, set_referral_terms
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import (
    BalanceBelowZeroError,
    InsufficientFundsError,
    Reason,
    Transfer,
    lock_purses,
    panel_account,
    post,
)
from smmpanel.ledger.models import AccountKind
from smmpanel.orders.dripping import BELOW_ZERO, start_runs
from smmpanel.orders.models import Order, OrderStatus
from smmpanel.payments.crediting import DepositCredited
from smmpanel.payments.taking import DepositReinstated, DepositReturned


async def charged_back(panel: Panel, user: int, amount: int = 100) -> Desk:
    """A deposit of this much that the bank takes back."""
    desk = await desk_of(Till(panel, user), amount, currency="USD", minimum=Decimal(1))
    await desk.told(S.PAID, amount)
    await desk.told(S.REVERSED, amount, return_id="d1")
    return desk


async def test_nothing_is_ordered_and_no_run_starts(panel: Panel) -> None:
    async with panel.db.transaction() as session:
        user = await make_user(session, funds="10")
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, rate="1", dripfeed=True)
        gift = await make_service(session, provider, rate="0", cost="0")
        drip = await place(session, user, service, runs=2, interval=10, quantity=1000)
        await place(session, user, service, quantity=8000, link="https://example.com/a")
    desk = await charged_back(panel, user, 5)
    assert await desk.till.balance() == 0
    async with panel.db.transaction() as session:
        await place(session, user, gift, link="https://example.com/b")
    # Five more that are spent, then taken back.
    other = await desk_of(desk.till, 5)
    await other.told(S.PAID, 5)
    async with panel.db.transaction() as session:
        await place(session, user, service, quantity=5000, link="https://example.com/c")
    await other.told(S.REVERSED, 5, return_id="d2")
    assert await desk.till.balance() == -5

    for which, quantity in ((service, 1), (gift, 1000)):
        with pytest.raises(InsufficientFundsError):
            async with panel.db.transaction() as session:
                await place(session, user, which, quantity=quantity, link="https://example.com/d")
    async with panel.db.transaction() as session:
        assert await start_runs(session, currency="USD", now=NOW) == 1
        parent = await session.get_one(Order, drip)
        assert parent.reason == BELOW_ZERO
        assert (await session.scalars(select(Order).where(Order.parent_id == drip))).all() == []
        await credit(session, user, "5")
    async with panel.db.transaction() as session:
        assert await start_runs(session, currency="USD", now=NOW + timedelta(minutes=6)) == 1
        assert len((await session.scalars(select(Order).where(Order.parent_id == drip))).all()) == 1
    await assert_books(panel.db)


async def test_nothing_is_paid_out(panel: Panel) -> None:
    async with panel.db.transaction() as session:
        user = await make_user(session, funds=None)
        await set_referral_terms(session, BOSS, ReferralTerms(approval=True, minimum=Decimal(1)))
        purse = (await lock_purses(session, [user], "USD"))[user]
        costs = await panel_account(session, AccountKind.COMMISSIONS, "USD")
        await post(session, [Transfer("c", Reason.ADJUSTMENT, costs.id, purse.earnings.id, Decimal(9), "test:1")])
    viewer = Viewer("user", user, "u", Role.CUSTOMER, frozenset())
    async with panel.db.transaction() as session:
        waiting = await request_payout(session, viewer, Decimal(2), currency="USD", now=NOW)
    desk = await charged_back(panel, user)
    assert await desk.till.balance() == 0
    other = await desk_of(desk.till, 5)
    await other.told(S.PAID, 5)
    async with panel.db.transaction() as session:
        wallet = (await lock_purses(session, [user], "USD"))[user].wallet
        revenue = await panel_account(session, AccountKind.REVENUE, "USD")
        await post(session, [Transfer("s", Reason.ADJUSTMENT, wallet.id, revenue.id, Decimal(5), "test:1")])
    await other.told(S.REVERSED, 5, return_id="d2")
    with pytest.raises(BalanceBelowZeroError):
        async with panel.db.transaction() as session:
            await approve_payout(session, BOSS, waiting.id, currency="USD", now=NOW)
    with pytest.raises(BalanceBelowZeroError):
        async with panel.db.transaction() as session:
            await request_payout(session, viewer, Decimal(1), currency="USD", now=NOW)
    await other.told(S.REINSTATED, 5, return_id="d2")
    async with panel.db.transaction() as session:
        await approve_payout(session, BOSS, waiting.id, currency="USD", now=NOW)
    assert await desk.till.balance() == 2


async def earned(world: World) -> Decimal:
    return await Till(world.panel, world.referrer).balance()


async def test_rule_10_commission_of_the_money_goes_back_with_it(panel: Panel) -> None:
    world = await a_world(panel, ["1", "1", "1"], is_flagged=False)
    till = Till(panel, world.referred)
    desk = await desk_of(till, 10, currency="USD", minimum=Decimal(1))
    await desk.told(S.PAID, 10)
    async with panel.db.transaction() as session:
        await world.deliver(session, 0, 8000, OrderStatus.COMPLETED, 0)
    [fact] = await till.facts()
    await reckon_deposits(panel, [DepositCredited.model_validate(fact)])
    async with panel.db.transaction() as session:
        await world.tell(session, 0)
    full = await earned(world)
    assert full > 0

    await desk.told(S.REVERSED, 6, return_id="d1")
    [back] = await till.facts("deposit_returned")
    for _ in range(2):
        await reckon_returned_deposits(panel, [DepositReturned.model_validate(back)])
    assert await earned(world) == full / 2
    assert await till.balance() == -4

    await desk.told(S.REINSTATED, 6, return_id="d1")
    [again] = await till.facts("deposit_reinstated")
    for _ in range(2):
        await reckon_reinstated_deposits(panel, [DepositReinstated.model_validate(again)])
    assert await earned(world) == full
    await assert_books(panel.db)


async def test_pages_and_json_show_it_as_it_is(till: Till) -> None:
    desk = await desk_of(till)
    await desk.told(S.PAID, 100_000)
    async with till.panel.db.transaction() as session:
        wallet = (await lock_purses(session, [till.user], "VND"))[till.user].wallet
        revenue = await panel_account(session, AccountKind.REVENUE, "VND")
        await post(session, [Transfer("s", Reason.ADJUSTMENT, wallet.id, revenue.id, Decimal(70_000), "test:1")])
    await desk.told(S.REVERSED, 100_000, return_id="d1")
    async with browser_of(till, till.user) as browser:
        for path in ("/statement", f"/deposits/{desk.deposit.id}", "/orders/new", "/add-funds"):
            shown = await browser.get(path)
            assert shown.status_code == 200
            assert "\N{MINUS SIGN}₫70,000" in shown.text
        assert "Pay in ₫70,000 or more to order again." in shown.text
    transport = httpx.ASGITransport(build_app(till.panel), client=("203.0.113.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as http:
        me = await caller(till, http, till.user)
        said = (await me.call("GET", "/api/user/balance")).json()
        assert said["balance"] == -70_000
        told = (await me.call("GET", f"/api/payment/deposits/{desk.deposit.id}")).json()
        assert (told["status"], told["returned"], told["taken"]) == ("reversed", 100_000, 100_000)
