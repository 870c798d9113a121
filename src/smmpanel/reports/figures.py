"""Figures of a period and of the one before, read from what was counted by day, and kept until it is counted again."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.options import read_option
from smmpanel.reports.counting import BY_DAY_OPTION, COUNTED_OPTION, Counted

ZERO = Decimal(0)
PERIODS = ("today", "7d", "30d", "month")
RANKS = ("revenue", "orders", "margin")
TOP = 6
KEPT = 32


@dataclass(frozen=True, slots=True)
class Period:
    """Some days up to today, and as many before them."""

    name: str
    first: date
    last: date

    @classmethod
    def named(cls, name: str, today: date) -> "Period":
        """Return the period of this name that ends today."""
        starts = {"today": today, "7d": today - timedelta(days=6), "month": today.replace(day=1)}
        return cls(name, starts.get(name, today - timedelta(days=29)), today)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Period":
        """As many days right before it."""
        return Period(self.name, self.first - timedelta(days=self.days), self.first - timedelta(days=1))

    @property
    def drawn(self) -> "Period":
        """What a chart shows: a week, if the period itself is shorter than three days."""
        return self if self.days > 2 else Period("7d", self.last - timedelta(days=6), self.last)

    def __iter__(self) -> Any:
        return iter([self.first + timedelta(days=place) for place in range(self.days)])


@dataclass(frozen=True, slots=True)
class Totals:
    """What some days came to."""

    orders: int = 0
    completed: int = 0
    partial: int = 0
    canceled: int = 0
    revenue: Decimal = ZERO
    """What was charged, less what was paid back."""
    cost: Decimal = ZERO
    users: int = 0

    @property
    def profit(self) -> Decimal:
        """What is left of the revenue."""
        return self.revenue - self.cost

    @property
    def margin(self) -> Decimal | None:
        """How many percent of the revenue that is; `None` without revenue."""
        return self.profit * 100 / self.revenue if self.revenue > 0 else None

    @property
    def success(self) -> Decimal | None:
        """How many percent of the finished orders were delivered in full; `None` if none is finished."""
        finished = self.completed + self.partial + self.canceled
        return Decimal(self.completed) * 100 / finished if finished else None

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.orders + other.orders,
            self.completed + other.completed,
            self.partial + other.partial,
            self.canceled + other.canceled,
            self.revenue + other.revenue,
            self.cost + other.cost,
            self.users + other.users,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """A period's figures. Days on which nothing happened have none."""

    counted: Counted
    by_day: Mapping[date, Totals]
    statuses: Mapping[str, int]
    """Of the orders placed in the period: how many stand where."""
    services: Mapping[str, Sequence[tuple[int, Totals]]]
    """By what they are ranked by: the first few services."""
    providers: Mapping[int, Totals]

    def total(self, period: Period) -> Totals:
        """Add up some days."""
        return sum((self.by_day.get(day, Totals()) for day in period), Totals())

    def series(self, period: Period) -> list[Totals]:
        """Return each day of a period."""
        return [self.by_day.get(day, Totals()) for day in period]


_SUMS = (
    "sum(orders) AS orders, sum(completed) AS completed, sum(partial) AS partial, sum(canceled) AS canceled,"
    " sum(charged - refunded) AS revenue, sum(cost) AS cost"
)
_BY_DAY = text(f"SELECT day, {_SUMS} FROM daily_sales WHERE day >= :first AND day <= :last GROUP BY day")
_BY_SERVICE = text(
    f"SELECT service_id, {_SUMS} FROM daily_sales WHERE day >= :first AND day <= :last GROUP BY service_id"
)
_BY_PROVIDER = text(
    f"SELECT provider_id, {_SUMS} FROM daily_sales WHERE day >= :first AND day <= :last GROUP BY provider_id"
)


@dataclass(slots=True)
class KeptFigures:
    """The figures that this process has read lately. They are true until the next count, which is looked up each time."""

    kept: "OrderedDict[tuple[date, date], Figures]" = field(default_factory=OrderedDict)

    async def of(self, session: AsyncSession, period: Period) -> Figures | None:
        """Return a period's figures, and those of the days before it; `None` if nothing was ever counted."""
        counted = Counted.read(await read_option(session, COUNTED_OPTION))
        if counted is None:
            return None
        name = (period.first, period.last)
        known = self.kept.get(name)
        if known is None or known.counted != counted:
            known = self.kept[name] = await read_figures(session, period, counted)
        self.kept.move_to_end(name)
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return known


async def read_figures(session: AsyncSession, period: Period, counted: Counted) -> Figures:
    """Read a period's figures, and those of the days before it that it is compared with."""
    since = min(period.before.first, period.drawn.before.first)
    asked = {"first": period.first, "last": period.last}
    by_day = {row.day: _totals(row) for row in await session.execute(_BY_DAY, {"first": since, "last": period.last})}
    more: Mapping[str, Any] = await read_option(session, BY_DAY_OPTION, {})
    statuses: dict[str, int] = {}
    for name, day in more.items():
        when = date.fromisoformat(name)
        if since <= when <= period.last:
            by_day[when] = by_day.get(when, Totals()) + Totals(users=day["users"])
        if period.first <= when <= period.last:
            for status, number in day["statuses"].items():
                statuses[status] = statuses.get(status, 0) + number
    services = [(row.service_id, _totals(row)) for row in await session.execute(_BY_SERVICE, asked)]
    providers = {row.provider_id: _totals(row) for row in await session.execute(_BY_PROVIDER, asked)}
    return Figures(counted, by_day, statuses, {rank: _ranked(services, rank) for rank in RANKS}, providers)


def _totals(row: Any) -> Totals:
    return Totals(row.orders, row.completed, row.partial, row.canceled, row.revenue, row.cost)


def worth(totals: Totals, rank: str) -> Decimal:
    """Return what a ranking compares. By margin: what is earned, not what share of little is kept."""
    return {"revenue": totals.revenue, "orders": Decimal(totals.orders), "margin": totals.profit}[rank]


def _ranked(services: Sequence[tuple[int, Totals]], rank: str) -> list[tuple[int, Totals]]:
    return sorted(services, key=lambda pair: (-worth(pair[1], rank), pair[0]))[:TOP]
