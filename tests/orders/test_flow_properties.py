"""The order flow under anything that can happen in any order: the parts of a charge always make the whole."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from making import NOW, WATCH, assert_books, make_provider, make_service, make_user, place, staff
from smmpanel.accounts.access import Permission
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of, held_of
from smmpanel.orders.claiming import claim_orders
from smmpanel.orders.models import FINISHED, Order, OrderStatus
from smmpanel.orders.reconciling import mark_lapsed
from smmpanel.orders.recording import ACCEPTED, Outcome, record_outcomes
from smmpanel.orders.reporting import record_reports
from smmpanel.orders.resolving import (
    NotFailedError,
    NotUnconfirmedError,
    resend_order,
    resolve_not_taken,
    resolve_taken,
)
from smmpanel.orders.settling import Change, settle
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import UpstreamReport, UpstreamStatus

S = OrderStatus
SETTLER = staff(None, Permission.ORDERS_SETTLE, Permission.ORDERS_RESEND)
TOO_LATE = (NotFailedError, NotUnconfirmedError)
FUNDS = Decimal(1_000_000)
_external_ids = count(1)
patient = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class World:
    """One example: a provider, a customer, two orders, and the time."""

    panel: Panel
    provider: Provider
    user: int
    ids: list[int]
    now: datetime = NOW

    async def hand_in(self, session: AsyncSession, outcomes: Sequence[str]) -> None:
        """Claim what is due and record these outcomes."""
        claims, _ = await claim_orders(
            session, self.provider.id, currency="USD", number=9, timeout_seconds=30, now=self.now
        )
        answered = [
            Outcome(claim, outcome, "said", external_id=str(next(_external_ids)) if outcome == ACCEPTED else None)
            for claim, outcome in zip(claims, outcomes, strict=False)
        ]
        # Claims without an outcome are those of a worker that died.
        await record_outcomes(session, self.provider.id, answered, currency="USD", now=self.now, watch=WATCH)

    async def report(
        self, session: AsyncSession, which: int, status: UpstreamStatus | None, remains: int | None
    ) -> None:
        said = UpstreamReport(status, raw_status=status or "Strange", remains=remains)
        reports = {self.ids[which]: said}
        await record_reports(session, self.provider.id, reports, now=self.now, watch=WATCH)

    async def cancel(self, session: AsyncSession, which: int) -> None:
        await settle(session, [Change(self.ids[which], S.CANCELED)], now=self.now, watch=WATCH, strict=False)

    async def correct(self, session: AsyncSession, which: int, status: OrderStatus, remains: int) -> None:
        change = Change(self.ids[which], status, remains=remains)
        await settle(session, [change], now=self.now, watch=WATCH, strict=False)

    async def lapse(self, session: AsyncSession) -> None:
        await mark_lapsed(session, self.now + timedelta(minutes=5))

    async def resolve(self, session: AsyncSession, which: int, taken: bool) -> None:
        if taken:
            ref = str(next(_external_ids))
            await resolve_taken(session, self.panel, SETTLER, self.ids[which], ref, now=self.now)
        else:
            await resolve_not_taken(session, self.panel, SETTLER, self.ids[which], now=self.now)

    async def resend(self, session: AsyncSession, which: int) -> None:
        await resend_order(session, self.panel, SETTLER, self.ids[which], now=self.now)


Step = Callable[[World, AsyncSession], Awaitable[None]]
which = st.integers(0, 1)
remains = st.one_of(st.none(), st.integers(-5, 1500))
steps: st.SearchStrategy[Step] = st.one_of(
    st.lists(
        st.sampled_from([ACCEPTED, ACCEPTED, "unknown", "refused_order", "refused_account", "not_sent", "try_later"]),
        max_size=2,
    ).map(lambda outcomes: lambda world, session: world.hand_in(session, outcomes)),
    st.tuples(which, st.sampled_from([None, *UpstreamStatus]), remains).map(
        lambda said: lambda world, session: world.report(session, *said)
    ),
    which.map(lambda one: lambda world, session: world.cancel(session, one)),
    st.tuples(which, st.sampled_from([S.COMPLETED, S.PARTIAL, S.IN_PROGRESS]), st.integers(0, 1200)).map(
        lambda given_: lambda world, session: world.correct(session, *given_)
    ),
    st.just(lambda world, session: world.lapse(session)),
    st.tuples(which, st.booleans()).map(lambda given_: lambda world, session: world.resolve(session, *given_)),
    which.map(lambda one: lambda world, session: world.resend(session, one)),
)
rates = st.integers(1, 5_000_000).map(lambda millionths: str(Decimal(millionths) / 1_000_000))


async def a_world(db: Database, panel: Panel, rate: str, quantities: tuple[int, int]) -> World:
    async with db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(session, provider, rate=rate, cost="0")
        user = await make_user(session, funds=str(FUNDS))
        ids = [await place(session, user, service, quantity=quantity) for quantity in quantities]
    return World(panel, provider, user, ids)


async def orders_of(db: Database, world: World) -> list[Order]:
    async with db.transaction() as session:
        return [await session.get_one(Order, order_id) for order_id in world.ids]


async def demand_that_the_parts_make_the_whole(db: Database, world: World, before: Sequence[Order]) -> list[Order]:
    orders = await orders_of(db, world)
    async with db.transaction() as session:
        held = (await held_of(session, world.user, "USD")).amount
        wallet = (await balance_of(session, world.user, "USD")).amount
    own = [order.charge - order.refunded - order.earned - order.allocated for order in orders]
    assert held == sum(own)
    assert wallet == FUNDS - sum(order.charge for order in orders) + sum(order.refunded for order in orders)
    for order, was, left in zip(orders, before, own, strict=True):
        assert order.charge == was.charge
        assert was.refunded <= order.refunded <= order.charge
        assert order.earned >= 0
        assert (left == 0) == (OrderStatus(order.status) in FINISHED or was.earned + was.refunded == was.charge)
        assert order.status != S.CANCELED or order.refunded == order.charge
        assert was.status != S.CANCELED or order.status == S.CANCELED
        assert not order.unconfirmed or (order.status == S.SUBMITTING and order.refunded == 0)
        assert order.status not in {S.PROCESSING, S.IN_PROGRESS} or order.external_id or order.status == S.IN_PROGRESS
    return orders


@patient
@given(rate=rates, quantities=st.tuples(*[st.integers(1, 3000)] * 2), story=st.lists(steps, min_size=3, max_size=14))
async def test_in_whatever_order_things_happen_the_parts_of_a_charge_make_the_whole(
    db: Database, panel: Panel, rate: str, quantities: tuple[int, int], story: list[Step]
) -> None:
    world = await a_world(db, panel, rate, quantities)
    orders = await orders_of(db, world)
    for step in story:
        world.now += timedelta(minutes=20)
        try:
            async with db.transaction() as session:
                await step(world, session)
        except TOO_LATE:
            pass  # staff came too late, or too early: that is said, and changes nothing
        orders = await demand_that_the_parts_make_the_whole(db, world, orders)
    await assert_books(db)


@patient
@given(rate=rates, quantities=st.tuples(*[st.integers(1, 3000)] * 2), story=st.lists(steps, min_size=4, max_size=10))
async def test_what_happens_at_the_same_time_leaves_the_books_right(
    db: Database, panel: Panel, rate: str, quantities: tuple[int, int], story: list[Step]
) -> None:
    world = await a_world(db, panel, rate, quantities)
    before = await orders_of(db, world)
    async with db.transaction() as session:
        await world.hand_in(session, [ACCEPTED, "unknown"])
    world.now += timedelta(minutes=20)

    async def happen(step: Step) -> None:
        async with db.transaction() as session:
            await step(world, session)

    results = await asyncio.gather(*(happen(step) for step in story), return_exceptions=True)

    assert [one for one in results if one is not None and not isinstance(one, TOO_LATE)] == []
    orders = await orders_of(db, world)
    for order, was in zip(orders, before, strict=True):
        assert order.charge == was.charge
        assert order.refunded + order.earned <= order.charge
    await assert_books(db)


async def test_reports_of_many_trackers_at_once_pay_back_once(db: Database, panel: Panel) -> None:
    """The same Partial from eight sides, and some that say more: what is paid back is the most of it."""
    world = await a_world(db, panel, "1", (1000, 1000))
    async with db.transaction() as session:
        await world.hand_in(session, [ACCEPTED, ACCEPTED])
    said = [(0, UpstreamStatus.PARTIAL, 300)] * 8 + [(0, UpstreamStatus.COMPLETED, 0)] * 4

    async def report(one: tuple[int, UpstreamStatus, int]) -> None:
        async with db.transaction() as session:
            await world.report(session, *one)

    await asyncio.gather(*(report(one) for one in said))

    first, second = await orders_of(db, world)
    assert (first.refunded, first.earned) == (Decimal("0.3"), Decimal("0.7"))
    assert first.status in {"partial", "completed"}
    assert (second.refunded, second.earned) == (0, 0)
    async with db.transaction() as session:
        moved = text(
            "SELECT reason, sum(amount) FROM ledger_transfers WHERE subject = :order AND reason LIKE 'order_%' GROUP BY 1"
        )
        sums = dict((await session.execute(moved, {"order": f"order:{first.id}"})).all())
    back = sums.get("order_refund", Decimal(0)) + sums.get("order_correction", Decimal(0))
    assert back == Decimal("0.3")
    await assert_books(db)
