"""Commission under any story: each order's rate on its base, never on bonuses, and the books hold."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from making import NOW, WATCH, accept, assert_books, credit, make_provider, make_service, make_user, place, staff
from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.referral_codes import code_of
from smmpanel.accounts.signing_up import UserRegistered
from smmpanel.accounts.states import Role
from smmpanel.growth.commissions import reckon, reckon_finished_orders
from smmpanel.growth.payouts import approve_payout, request_payout
from smmpanel.growth.referral_deciding import clear_referral, refuse_referral
from smmpanel.growth.referral_models import Commission, Referral, Referrer
from smmpanel.growth.referral_terms import ReferralTerms, set_referral_terms
from smmpanel.growth.referring import refer
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.facts import FactRow
from smmpanel.kernel.money import round_down
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import AccountKind, Reason, Transfer, balance_of, earnings_of, lock_users, panel_account, post
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.settling import Change, OrderFinished, settle

S = OrderStatus
BOSS = staff(None, Permission.REFERRALS_EDIT, Permission.REFERRALS_PAY)
_numbers = count(1)
patient = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class World:
    """Somebody who recommends the panel, somebody who came, and three services at odd rates."""

    panel: Panel
    services: list[int]
    referrer: int
    referred: int
    referral: int
    orders: list[int]

    async def pay_in(self, session: AsyncSession, amount: Decimal) -> None:
        await credit(session, self.referred, str(amount))

    async def give_bonus(self, session: AsyncSession, amount: Decimal) -> None:
        wallet = (await lock_users(session, [self.referred], "USD"))[self.referred].wallet.id
        bonuses = (await panel_account(session, AccountKind.BONUSES, "USD")).id
        gift = Transfer(f"bonus:{next(_numbers)}", Reason.ADJUSTMENT, bonuses, wallet, amount, f"user:{self.referred}")
        await post(session, [gift])

    async def order(self, session: AsyncSession, which: int, quantity: int) -> None:
        link = f"https://example.com/{next(_numbers)}"
        order = await place(session, self.referred, self.services[which], quantity=quantity, link=link)
        await accept(session, order, f"x{next(_numbers)}")
        self.orders.append(order)

    async def deliver(
        self, session: AsyncSession, which: int, quantity: int, status: OrderStatus, remains: int
    ) -> None:
        await self.order(session, which, quantity)
        await self.end(session, -1, status, remains)

    async def end(self, session: AsyncSession, which: int, status: OrderStatus, remains: int) -> None:
        if self.orders:
            change = Change(self.orders[which % len(self.orders)], status, remains=remains)
            await settle(session, [change], now=NOW, watch=WATCH, strict=False)

    async def tell(self, session: AsyncSession, _twice: int) -> None:
        """Tell all facts again, newest first, as if every job had been late."""
        own = select(FactRow.body).where(FactRow.body["user_id"].as_integer() == self.referred)
        own = own.where(FactRow.name == OrderFinished.fact)
        found = await session.scalars(own.order_by(FactRow.id))
        for body in reversed(found.all()):
            fact = OrderFinished.model_validate(body)
            await reckon(session, [fact.user_id], [fact.order_id], currency="USD", now=NOW)

    async def choose(self, session: AsyncSession, approval: bool, percent: Decimal) -> None:
        await set_referral_terms(session, BOSS, ReferralTerms(percent=percent, approval=approval))

    async def decide(self, session: AsyncSession, believed: bool) -> None:
        if believed:
            await clear_referral(session, BOSS, self.referral, currency="USD", now=NOW)
        else:
            await refuse_referral(session, BOSS, self.referral, note="fraud", currency="USD", now=NOW)

    async def pay_out(self, session: AsyncSession, part: int) -> None:
        viewer = Viewer("user", self.referrer, "r", Role.CUSTOMER, frozenset())
        gathered = (await earnings_of(session, self.referrer, "USD")).amount
        amount = round_down(gathered / part)
        if amount > 0:
            payout = await request_payout(session, viewer, amount, currency="USD", now=NOW)
            if payout.state == "waiting":
                await approve_payout(session, BOSS, payout.id, currency="USD", now=NOW)

    async def spend(self, session: AsyncSession, _all: int) -> None:
        """Spend what the referrer has, so that nothing can be taken back from the wallet."""
        wallet = (await lock_users(session, [self.referrer], "USD"))[self.referrer].wallet
        if wallet.balance:
            revenue = (await panel_account(session, AccountKind.REVENUE, "USD")).id
            key = f"spent:{next(_numbers)}"
            await post(session, [Transfer(key, Reason.ADJUSTMENT, wallet.id, revenue, wallet.balance, "test:1")])


Step = Callable[[World, AsyncSession], Awaitable[None]]
remains = st.sampled_from([0, 1, 333, 2000])
amounts = st.sampled_from([Decimal(3), Decimal("1.999999"), Decimal("0.000001")])


def step(name: str, *given_: st.SearchStrategy[object]) -> st.SearchStrategy[Step]:
    return st.tuples(*given_).map(lambda told: lambda world, session: getattr(world, name)(session, *told))


steps = st.one_of(
    step("order", st.integers(0, 2), st.integers(1, 3000)),
    *[
        step(
            "deliver",
            st.integers(0, 2),
            st.sampled_from([999, 1000, 2900]),
            st.sampled_from([S.COMPLETED, S.PARTIAL]),
            remains,
        )
    ]
    * 4,
    step("end", st.integers(0, 9), st.sampled_from([S.COMPLETED, S.PARTIAL, S.CANCELED]), st.integers(0, 3000)),
    step("end", st.integers(0, 9), st.sampled_from([S.COMPLETED, S.PARTIAL]), st.integers(0, 3000)),
    step("pay_in", amounts),
    step("pay_in", st.just(Decimal("-0.75"))),
    step("give_bonus", amounts),
    step("choose", st.booleans(), st.sampled_from([Decimal(5), Decimal("7.25"), Decimal(0)])),
    step("decide", st.booleans()),
    step("pay_out", st.integers(1, 3)),
    step("spend", st.just(0)),
    step("tell", st.just(2)),
)


async def a_world(panel: Panel, rates: list[str], *, is_flagged: bool) -> World:
    async with panel.db.transaction() as session:
        provider = await make_provider(session, panel)
        services = [await make_service(session, provider, rate=rate, cost="0") for rate in rates]
        referrer, referred = [await make_user(session, funds=None) for _ in range(2)]
        await set_referral_terms(session, BOSS, ReferralTerms())
        came = UserRegistered(user_id=referred, referral_code=await code_of(session, referrer))
        assert await refer(session, came, currency="USD", now=NOW)
        referral = (await session.scalars(select(Referral).where(Referral.referred_id == referred))).one()
        if is_flagged:
            referral.state = "flagged"
    return World(panel, services, referrer, referred, referral.id, [])


_MOVED = text(
    "SELECT t.subject, sum(CASE WHEN d.kind = 'commissions' THEN t.amount ELSE -t.amount END) AS amount"
    "  FROM ledger_transfers t JOIN ledger_accounts d ON d.id = t.debit_id JOIN ledger_accounts c ON c.id = t.credit_id"
    " WHERE 'commissions' IN (d.kind, c.kind) AND :user IN (coalesce(d.owner_id, 0), coalesce(c.owner_id, 0))"
    " GROUP BY t.subject"
)
_PAID_IN = text(
    "SELECT coalesce(sum(CASE WHEN c.owner_id = :user THEN t.amount ELSE -t.amount END), 0) FROM ledger_transfers t"
    "  JOIN ledger_accounts d ON d.id = t.debit_id JOIN ledger_accounts c ON c.id = t.credit_id"
    " WHERE 'adjustments' IN (d.kind, c.kind) AND :user IN (coalesce(d.owner_id, 0), coalesce(c.owner_id, 0))"
)


async def demand_the_rule(world: World) -> None:
    async with world.panel.db.transaction() as session:
        referral = await session.get_one(Referral, world.referral)
        referrer = await session.get_one(Referrer, world.referrer)
        rows = (await session.scalars(select(Commission).where(Commission.referral_id == referral.id))).all()
        moved = dict((await session.execute(_MOVED, {"user": world.referrer})).all())
        paid = await session.scalar(_PAID_IN, {"user": world.referred})
        wanted = text(
            "SELECT id, earned FROM orders WHERE user_id = :user AND status IN ('completed','partial','canceled')"
        )
        earned = {row.id: row.earned for row in await session.execute(wanted, {"user": world.referred}) if row.earned}
    counted = {row.order_id: row.earned for row in rows if row.earned}
    assert counted == earned
    assert sum(row.base for row in rows) == min(sum(earned.values()), max(paid, Decimal(0)))
    for row in rows:
        assert row.due == round_down(row.base * row.percent / 100)
        assert row.credited == moved.get(f"order:{row.order_id}", 0)
        assert row.credited == {"clear": row.due, "refused": 0}.get(referral.state, min(row.due, row.credited))
    assert (referral.earned, referral.base) == (sum(row.earned for row in rows), sum(row.base for row in rows))
    assert (referral.due, referral.credited) == (sum(row.due for row in rows), sum(row.credited for row in rows))
    assert referrer.credited == sum(moved.values())
    assert referrer.waiting == (referral.due - referral.credited if referral.state == "flagged" else 0)
    await assert_books(world.panel.db)


@patient
@given(
    rates=st.lists(st.sampled_from(["0.700001", "1.333333", "2", "0.000007"]), min_size=3, max_size=3),
    is_flagged=st.booleans(),
    story=st.lists(steps, min_size=6, max_size=16),
)
async def test_whatever_happens_each_order_brings_its_rate_on_real_money(
    panel: Panel, rates: list[str], is_flagged: bool, story: list[Step]
) -> None:
    world = await a_world(panel, rates, is_flagged=is_flagged)
    async with panel.db.transaction() as session:
        await world.give_bonus(session, Decimal(10))
        await world.pay_in(session, Decimal(2))
    for happen in story:
        try:
            async with panel.db.transaction() as session:
                await happen(world, session)
        except PanelError:
            continue  # no money for it, or nothing to pay out: said, and nothing changed
        async with panel.db.transaction() as session:
            await reckon(session, [world.referred], world.orders, currency="USD", now=NOW)
        await demand_the_rule(world)


async def test_facts_from_all_sides_credit_once(panel: Panel) -> None:
    world = await a_world(panel, ["1", "1", "1"], is_flagged=False)
    async with panel.db.transaction() as session:
        await world.pay_in(session, Decimal(5))
        for _ in range(4):
            await world.deliver(session, 0, 1000, S.COMPLETED, 0)
    facts = [
        OrderFinished(order_id=order, user_id=world.referred, status="completed", earned=1, refunded=0, currency="USD")
        for order in world.orders
    ]

    await asyncio.gather(*(reckon_finished_orders(panel, facts[turn % 3 :]) for turn in range(8)))

    await demand_the_rule(world)
    async with panel.db.transaction() as session:
        assert (await session.get_one(Referrer, world.referrer)).credited == Decimal("0.2")
        assert (await balance_of(session, world.referrer, "USD")).amount == Decimal("0.2")
