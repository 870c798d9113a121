"""Some weeks in the life of a panel: customers come and order, the engine does its work, the provider delivers.

Everything that is in the database afterwards was put there by the verbs that pages call and by the jobs that workers run.
What is made up is who comes when, and what they want.
"""

import heapq
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from smmpanel.accounts.access import Actor
from smmpanel.entrypoints.demo.engine import do_chores, make_figures
from smmpanel.entrypoints.demo.engine import turn as turn_engine
from smmpanel.entrypoints.demo.episodes import plan_episodes
from smmpanel.entrypoints.demo.growing import Growth, plan_growth
from smmpanel.entrypoints.demo.paying import Bank
from smmpanel.entrypoints.demo.people import Customer
from smmpanel.entrypoints.demo.shelf import Article, Shelf
from smmpanel.entrypoints.demo.time_machine import TimeMachine
from smmpanel.entrypoints.demo.upstream import Upstream
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of
from smmpanel.orders.placing import NewOrder, Placed, place_orders
from smmpanel.providers.balances import check_balances

HOURS_OF_VISITS = (2, 5, 8, 12, 14)
"""In UTC: mornings and evenings in Asia."""
LIVES_HOURS = (0.5, 1.0, 1.5, 3.0, 6.0)
SENT_AFTER = timedelta(seconds=4)
LOOKS = (0.2, 0.75, 1.01)
"""When orders are looked at, as shares of the longest life: they finish between half of it and all of it."""
PURSE_DOLLARS = Decimal(12)
TOP_UP_DOLLARS = (25, 50, 100)

Deed = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Story:
    """What happens in one panel, moment by moment."""

    panel: Panel
    """Its clock is the machine's."""
    machine: TimeMachine
    upstream: Upstream
    provider_id: int
    staff: Actor
    shelf: Shelf
    bank: Bank
    growth: Growth
    unit: Decimal
    """A dollar's worth in the panel's currency."""
    demo: Customer
    demo_key_id: int
    others: Sequence[Customer]
    rng: random.Random
    begins: datetime
    ends: datetime
    days: int
    placed: list[tuple[int, Article]] = field(default_factory=list)
    """The demo customer's orders so far."""
    agenda: list[tuple[datetime, int, Deed | None]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    favourites: dict[int, list[Article]] = field(default_factory=dict)

    def at(self, moment: datetime, deed: Deed | None = None) -> None:
        """Put something on the agenda, or just a turn of the engine; what is not within the story does not happen."""
        if self.begins <= moment < self.ends:
            heapq.heappush(self.agenda, (moment, next(self.numbers), deed))

    async def live(self) -> None:
        """Let it all happen."""
        self.favourites = {
            one.user_id: self.shelf.favourites(self.rng, 16 if one is self.demo else 9)
            for one in (self.demo, *self.others)
        }
        for day in range(self.days + 1):
            self._plan_day(self.begins + timedelta(days=day), day)
        plan_episodes(self)
        plan_growth(self)
        # The last hour: something is always under way.
        self.plan_visits(self.ends - timedelta(minutes=50), timedelta(hours=4), 4)
        self.at(self.ends - timedelta(minutes=2), lambda: self.order(self.demo, 2))
        self.at(self.ends - timedelta(minutes=2) + SENT_AFTER)
        while self.agenda:
            moment, _, deed = heapq.heappop(self.agenda)
            await self.machine.go_to(max(moment, self.machine.now()))
            if deed is not None:
                await deed()
            else:
                await self.turn()
        await self.machine.go_to(self.ends)
        await self.turn(subscriptions=True)
        await self.bank.leave_something_to_do(self.demo.user_id, self.others[0].user_id, self.unit)
        await self.growth.tell()
        await self.growth.ask_payout(self.demo)
        await do_chores(self.panel)

    async def turn(self, *, subscriptions: bool = False) -> None:
        """Let the engine do what is due, at a provider that lives in the same moment."""
        await self.machine.bring_provider()
        await turn_engine(self.panel, self.provider_id, subscriptions=subscriptions)

    # Planning ---------------------------------------------------------------------------------------------------

    def _plan_day(self, midnight: datetime, day: int) -> None:
        self.at(midnight, self._night)
        # A panel that is liked grows.
        share = day / self.days
        hours = sorted(self.rng.sample(HOURS_OF_VISITS, 1 + round(1.4 * share)))
        for hour in hours:
            opens = midnight + timedelta(hours=hour, minutes=self.rng.randrange(50))
            self.plan_visits(opens, timedelta(hours=self.rng.choice(LIVES_HOURS)), 1 + int(4 * share))

    def plan_visits(self, opens: datetime, life: timedelta, others: int) -> None:
        """Have some customers come, one after the other; what they order then takes up to so long."""
        self.at(opens, lambda: self.upstream.configure(finish_after=life.total_seconds()))
        visitors = self.rng.sample(list(self.others), min(others, len(self.others)))
        if self.rng.random() < 0.95:
            visitors.append(self.demo)
        moment = opens
        for visitor in visitors:
            moment += timedelta(seconds=self.rng.randrange(20, 400))
            self.at(moment, lambda who=visitor: self._visit(who))  # type: ignore[misc]
        self.at(moment + SENT_AFTER)
        for share in LOOKS:
            self.at(moment + life * share)

    # Happening --------------------------------------------------------------------------------------------------

    async def _visit(self, who: Customer) -> None:
        await self.order(who, self.rng.randrange(1, 5))

    async def order(self, who: Customer, number: int) -> None:
        """Order so many of a customer's favourites."""
        await self.fill_purse(who)
        chosen = self.rng.choices(self.favourites[who.user_id], k=number)
        if self.rng.random() < 0.06:
            chosen.append(self.rng.choice([one for one in self.shelf.articles if one.type == "custom_comments"]))
        by_key = who is self.demo and self.rng.random() < 0.3
        spend = who.dollars_a_visit * self.unit
        orders = [
            NewOrder(
                who.user_id,
                article.id,
                article.fields(self.rng, spend * self.rng.randrange(10, 100) / 100),
                api_key_id=self.demo_key_id if by_key else None,
            )
            for article in chosen
        ]
        await self.place(who, orders, chosen)

    async def place(self, who: Customer, orders: Sequence[NewOrder], articles: Sequence[Article]) -> list[int]:
        """Place orders as pages do; what the purse does not cover is refused, as it would be."""
        async with self.panel.db.transaction() as session:
            answers = await place_orders(session, orders, currency=self.panel.currency, now=self.machine.now())
        placed = [
            (answer.order_id, article)
            for answer, article in zip(answers, articles, strict=True)
            if isinstance(answer, Placed)
        ]
        if who is self.demo:
            self.placed += placed
        return [order_id for order_id, _ in placed]

    async def fill_purse(self, who: Customer) -> None:
        """Have a customer pay in, if there is little left to spend."""
        async with self.panel.db.transaction() as session:
            balance = await balance_of(session, who.user_id, self.panel.currency)
        if balance.amount < PURSE_DOLLARS * self.unit:
            await self.bank.pay_in(who.user_id, self.rng.choice(TOP_UP_DOLLARS) * self.unit)
            await self.growth.tell()

    async def _night(self) -> None:
        await self.turn(subscriptions=True)
        await check_balances(self.panel)
        await self.growth.tell()
        await make_figures(self.panel)
