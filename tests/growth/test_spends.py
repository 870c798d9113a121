"""What users have spent is what their orders earned, whatever happens to them, and however often and late it is told."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from making import NOW, WATCH, accept, assert_books, make_provider, make_service, make_user, move, place
from smmpanel.catalog.user_prices import discount_in_force
from smmpanel.growth.recounting_spends import recount_spends
from smmpanel.growth.spends import TierChanged, count_finished_orders
from smmpanel.growth.telling_of_tiers import tell_of_tiers
from smmpanel.growth.tier_models import OrderSpend, Tier, UserSpend
from smmpanel.growth.tiers import standing_of
from smmpanel.kernel.db import Database
from smmpanel.kernel.facts import FactRow
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.models import Notification
from smmpanel.orders.dripping import start_runs
from smmpanel.orders.finishing_drips import finish_drips, recheck_drips
from smmpanel.orders.models import Order, OrderStatus
from smmpanel.orders.settling import Change, OrderFinished, settle

S = OrderStatus
TIERS = (("Level 1", "0", "0"), ("Level 2", "0.5", "5"), ("Level 3", "1.2", "10"), ("Top", "2.5", "15"))
patient = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# By user: what was earned in the books. Runs are orders of their own there, and a drip-feed itself earns nothing.
EARNED = text(
    "SELECT o.user_id, sum(CASE t.reason WHEN 'order_earned' THEN t.amount WHEN 'order_correction' THEN -t.amount ELSE 0 END)"
    " FROM orders o JOIN ledger_transfers t ON t.subject = 'order:' || o.id GROUP BY 1"
)


async def make_tiers(session: Any) -> None:
    session.add_all(
        Tier(name=name, min_spent=Decimal(least), discount=Decimal(off), benefits=[]) for name, least, off in TIERS
    )
    await session.flush()


async def facts_of(db: Database, kind: Any) -> list[Any]:
    async with db.transaction() as session:
        bodies = await session.scalars(select(FactRow.body).where(FactRow.name == kind.fact).order_by(FactRow.id))
        return [kind.model_validate(body) for body in bodies]


@dataclass
class World:
    """One example: two customers with plain orders, a drip-feed and a subscription, and the time."""

    panel: Panel
    users: tuple[int, int]
    ids: list[int]
    drip: int
    now: datetime = NOW
    heard: list[OrderFinished] = field(default_factory=list)

    async def settle(self, which: int, status: OrderStatus, remains: int) -> None:
        """Have a plain order, or a run of the drip-feed, come to some result, or from one to another."""
        async with self.panel.db.transaction() as session:
            runs = await session.scalars(select(Order.id).where(Order.parent_id == self.drip).order_by(Order.id))
            ids = [*self.ids, *runs]
            change = Change(ids[which % len(ids)], status, remains=remains)
            await settle(session, [change], now=self.now, watch=WATCH, strict=False)

    async def deliver_posts(self, earned: int) -> None:
        """Have the subscription, which is the last of the orders, earn so many hundredths of its charge."""
        async with self.panel.db.transaction() as session:
            charge = (await session.get_one(Order, self.ids[-1])).charge
            total = (charge * earned / 100).quantize(Decimal("0.000001"))
            status = S.PARTIAL if earned else S.CANCELED
            change = Change(self.ids[-1], status, remains=0, earned_total=total)
            await settle(session, [change], now=self.now, watch=WATCH, strict=False)

    async def drip_on(self) -> None:
        """Start the next run, and finish the drip-feed if it is over."""
        async with self.panel.db.transaction() as session:
            await start_runs(session, currency="USD", now=self.now)
            await finish_drips(session, now=self.now)
            await recheck_drips(session, since=NOW, now=self.now)

    async def hear(self, seed: int) -> None:
        """Be told, at the same time, of some of what has happened so far, in any order, some of it again."""
        rng = random.Random(seed)
        told = [one for one in await facts_of(self.panel.db, OrderFinished) if rng.random() < 0.7]
        rng.shuffle(told)
        cut = rng.randint(0, len(told))
        await asyncio.gather(*(count_finished_orders(self.panel, part) for part in (told[:cut], told[cut:], told[:3])))


results = st.sampled_from([S.COMPLETED, S.PARTIAL, S.PARTIAL, S.CANCELED, S.IN_PROGRESS])
steps = st.one_of(
    st.tuples(st.just("settle"), st.integers(0, 6), results, st.integers(0, 1100)),
    st.tuples(st.just("settle"), st.integers(0, 6), results, st.integers(0, 1100)),
    st.tuples(st.just("deliver_posts"), st.integers(0, 100)),
    st.tuples(st.just("drip_on")),
    st.tuples(st.just("hear"), st.integers(0, 2**16)),
)


async def a_world(panel: Panel) -> World:
    async with panel.db.transaction() as session:
        if await session.scalar(select(Tier.id)) is None:
            await make_tiers(session)
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, rate="0.777777", cost="0", dripfeed=True)
        posts = await make_service(session, provider, rate="0.9", cost="0", type="subscriptions", max=1000)
        users = await make_user(session), await make_user(session)
        ids = [await place(session, users[place_ % 2], service) for place_ in range(3)]
        drip = await place(session, users[1], service, quantity=500, runs=3, interval=10)
        asked = {"username": "lan", "min": 100, "max": 500, "posts": 3, "delay": 0, "quantity": None, "link": None}
        ids.append(await place(session, users[1], posts, **asked))
        for order_id in ids:
            await accept(session, order_id, f"x{order_id}")
    return World(panel, users, ids, drip)


async def spends_of(db: Database) -> dict[int, Decimal]:
    async with db.transaction() as session:
        return dict((await session.execute(select(UserSpend.user_id, UserSpend.spent))).all())


@patient
@given(story=st.lists(steps, min_size=4, max_size=16))
async def test_spent_is_what_the_ledger_says_and_what_counting_anew_says(
    db: Database, panel: Panel, story: Sequence[tuple[Any, ...]]
) -> None:
    world = await a_world(panel)
    for name, *given_ in story:
        world.now += timedelta(minutes=11)
        await getattr(world, name)(*given_)
    told = await facts_of(db, OrderFinished)
    await asyncio.gather(*(count_finished_orders(panel, told[start::3][::-1]) for start in range(3)))

    spent = await spends_of(db)
    async with db.transaction() as session:
        earned: dict[int, Decimal] = {user: amount for user, amount in await session.execute(EARNED) if amount}
        assert {user: amount for user, amount in spent.items() if amount} == earned
        for user in world.users:
            standing, _ = await standing_of(session, user)
            assert standing.tier is not None
            in_force = await discount_in_force(session, user)
            assert in_force.percent == standing.tier.discount
            row = await session.get(UserSpend, user)
            assert row is None or row.tier_id in {None, standing.tier.id}
    done = await recount_spends(panel)
    assert (done.missed, done.corrected) == (0, 0)
    assert await spends_of(db) == spent
    # What was lost is found again, whatever it was.
    async with db.transaction() as session:
        await session.execute(delete(OrderSpend).where(OrderSpend.order_id.in_(world.ids[:2])))
        await session.execute(update(UserSpend).where(UserSpend.user_id == world.users[1]).values(spent=99))
    await recount_spends(panel)
    assert {user: amount for user, amount in (await spends_of(db)).items() if amount} == earned
    await assert_books(db)


async def test_users_are_told_once_that_they_rose_and_that_they_fell(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        await make_tiers(session)
        provider = await make_provider(session, panel)
        service = await make_service(session, provider)
        mai, tom = await make_user(session), await make_user(session)
        first, second = await place(session, mai, service), await place(session, mai, service, quantity=400)
        toms = await place(session, tom, service, quantity=300)
        for order_id in (first, second, toms):
            await accept(session, order_id, f"x{order_id}")
            await move(session, order_id, S.COMPLETED)

    async def told() -> list[tuple[int, str, str]]:
        await count_finished_orders(panel, await facts_of(db, OrderFinished))
        moves = await facts_of(db, TierChanged)
        await tell_of_tiers(panel, moves + moves)
        async with db.transaction() as session:
            rows = await session.scalars(
                select(Notification).where(Notification.kind.startswith("tier")).order_by(Notification.id)
            )
            return [(row.user_id, row.kind, f"{row.fields['tier']} {row.fields['percent']}") for row in rows]

    # Tom has spent 0.3 and is where everybody begins: that is no news.
    assert await told() == [(mai, "tier_up", "Level 3 10.0000")]
    assert await told() == [(mai, "tier_up", "Level 3 10.0000")]
    async with db.transaction() as session:
        await move(session, first, S.PARTIAL, remains=500)
    assert await told() == [(mai, "tier_up", "Level 3 10.0000"), (mai, "tier_down", "Level 2 5.0000")]
    async with db.transaction() as session:
        assert await discount_in_force(session, mai) == (Decimal(5), "tier")
        assert await discount_in_force(session, tom) == (Decimal(0), "")
        assert (await standing_of(session, mai))[0].spent == Decimal("0.9")


async def test_an_order_keeps_the_discount_in_force_when_it_was_placed(db: Database, panel: Panel) -> None:
    async with db.transaction() as session:
        await make_tiers(session)
        service = await make_service(session, await make_provider(session, panel), cost="0")
        mai = await make_user(session)
        before = await place(session, mai, service)
        await accept(session, before, "x1")
        await move(session, before, S.COMPLETED)
    await count_finished_orders(panel, await facts_of(db, OrderFinished))
    async with db.transaction() as session:
        after = await place(session, mai, service)
        rows = {row.id: row for row in await session.scalars(select(Order).where(Order.user_id == mai))}
    assert (rows[before].charge, rows[before].terms["discount_from"]) == (Decimal(1), "")
    assert (rows[after].charge, rows[after].terms["discount_percent"]) == (Decimal("0.95"), "5.00")
    assert rows[after].terms["discount_from"] == "tier"
