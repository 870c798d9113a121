"""What customers' pages list and count beside orders themselves: tabs, refills, posts of subscriptions, measured times."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.paging import Paged, key_from, paged
from smmpanel.orders.models import OrderStatus, RefillState
from smmpanel.orders.words import TABS, refill_word

COUNTED_MAX = 100
"""Tabs count up to this; more is "100+"."""
COUNTED_TABS = tuple(tab for tab in TABS if OrderStatus.COMPLETED not in TABS[tab])
REFILL_TABS: dict[str, tuple[RefillState, ...]] = {
    # An error is not over for the customer: staff find out what became of it.
    "open": (RefillState.PENDING, RefillState.REQUESTING, RefillState.IN_PROGRESS, RefillState.ERROR),
    "completed": (RefillState.COMPLETED,),
    "rejected": (RefillState.REJECTED,),
}


def _count_of(tab: str) -> str:
    # Written out, so that the planner sees that the index of what is not completed fits.
    statuses = ", ".join(f"'{status.value}'" for status in TABS[tab])
    return (
        f"(SELECT count(*) FROM (SELECT FROM orders WHERE user_id = :user AND status IN ({statuses})"
        f" AND kind <> 'run' LIMIT {COUNTED_MAX}) AS few) AS {tab}"
    )


_TAB_COUNTS = text(f"SELECT {', '.join(_count_of(tab) for tab in COUNTED_TABS)}")


async def tab_counts(session: AsyncSession, user_id: int) -> dict[str, int]:
    """Return how many orders are behind each tab, up to `COUNTED_MAX`. The completed ones are too many to count."""
    row = (await session.execute(_TAB_COUNTS, {"user": user_id})).mappings().one()
    return {tab: row[tab] for tab in COUNTED_TABS}


@dataclass(frozen=True, slots=True)
class RefillLine:
    """A refill with the order that it is for, as its customer sees it."""

    id: int
    order_id: int
    state: str
    created_at: datetime
    finished_at: datetime | None
    service_id: int
    service: str
    link: str
    quantity: int

    @property
    def word(self) -> str:
        """Its state in the customer's words."""
        return refill_word(self.state)


_REFILLS = (
    "SELECT r.id, r.order_id, r.state, r.created_at, r.finished_at, o.service_id, s.name AS service, o.link, o.quantity"
    " FROM {refills} r JOIN orders o ON o.id = r.order_id JOIN services s ON s.id = o.service_id ORDER BY r.id DESC"
)
_PAGE = text(
    _REFILLS.format(
        refills="(SELECT * FROM refills WHERE user_id = :user AND (CAST(:before AS bigint) IS NULL OR id < :before)"
        " AND (cardinality(CAST(:states AS text[])) = 0 OR state = ANY(CAST(:states AS text[])))"
        " ORDER BY id DESC LIMIT :number)"
    )
)
_OF_ORDER = text(_REFILLS.format(refills="(SELECT * FROM refills WHERE order_id = :order)"))


async def refills_page(
    session: AsyncSession, user_id: int, *, tab: str = "", after: str | None = None, size: int
) -> Paged[RefillLine]:
    """Return a page of a user's refills, newest first."""
    states = [state.value for state in REFILL_TABS.get(tab, ())]
    asked = {"user": user_id, "states": states, "before": key_from(after), "number": size + 1}
    rows = [RefillLine(**row) for row in (await session.execute(_PAGE, asked)).mappings()]
    return paged(rows, size, [row.id for row in rows])


async def refills_of(session: AsyncSession, order_id: int) -> list[RefillLine]:
    """Return the refills of an order, newest first. Whose order it is has been checked by whoever fetched it."""
    return [RefillLine(**row) for row in (await session.execute(_OF_ORDER, {"order": order_id})).mappings()]


@dataclass(frozen=True, slots=True)
class Posts:
    """For how many posts of a subscription something was made, and how many of that have ended."""

    made: int = 0
    ended: int = 0


_POSTS = text(
    "SELECT order_id, count(*) AS made, count(*) FILTER (WHERE status IN ('completed', 'partial', 'canceled')) AS ended"
    " FROM subscription_children WHERE order_id = ANY(CAST(:ids AS bigint[])) GROUP BY order_id"
)


async def posts_of(session: AsyncSession, order_ids: Iterable[int]) -> dict[int, Posts]:
    """Return how far subscriptions are; those without posts are left out."""
    found = await session.execute(_POSTS, {"ids": list(order_ids)})
    return {row.order_id: Posts(row.made, row.ended) for row in found}


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a service has taken lately: the median of so many orders."""

    sample: int
    median_seconds: int


_TIMING = text("SELECT sample, median_seconds FROM service_timings WHERE service_id = :service AND sample > 0")


async def timing_of(session: AsyncSession, service_id: int) -> Timing | None:
    """Return how long a service has taken lately, if that has been measured."""
    row = (await session.execute(_TIMING, {"service": service_id})).one_or_none()
    return None if row is None else Timing(row.sample, row.median_seconds)
