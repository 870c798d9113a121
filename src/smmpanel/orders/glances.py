"""What a customer's pages say at a glance, each from a few rows at most: figures, the last choice, an order on the same link."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Viewer
from smmpanel.kernel.errors import NotFoundError
from smmpanel.orders.mass import MASS_LINES_MAX
from smmpanel.orders.models import FINISHED, OPEN
from smmpanel.orders.owning import as_owner
from smmpanel.orders.queries import OrderView, orders_by_id
from smmpanel.orders.words import status_word

PERIOD = timedelta(days=30)
COUNTED_MAX = 3000
"""So many of a customer's latest orders are looked at; who places more is told "more than"."""
OPEN_SEARCHED_MAX = 1000
SHOWN_OF_BATCH = 200
BATCH_LINES_MAX = 2 * MASS_LINES_MAX
"""Lines are counted with the blank ones between them."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A customer's figures. `capped` tells that there is more than was counted."""

    in_progress: int
    completed: int
    spent: Decimal
    capped: bool

    @property
    def in_progress_capped(self) -> bool:
        """Whether more orders are open than were counted."""
        return self.in_progress >= COUNTED_MAX


_GLANCE = text(
    """
WITH latest AS (
    SELECT kind, status, created_at, charge, refunded FROM orders
     WHERE user_id = :user ORDER BY id DESC LIMIT :most)
SELECT (SELECT count(*) FROM (SELECT FROM orders WHERE user_id = :user AND status = ANY(CAST(:open AS text[]))
                                 AND status <> 'completed' AND kind <> 'run' LIMIT :most) o) AS in_progress,
       count(*) FILTER (WHERE status = 'completed' AND kind <> 'run') AS completed,
       coalesce(sum(charge) FILTER (WHERE kind <> 'run'), 0) - coalesce(sum(refunded), 0) AS spent,
       count(*) >= :most AS capped
  FROM latest WHERE created_at >= :since
"""
)


async def glance(session: AsyncSession, user_id: int, *, now: datetime) -> Glance:
    """Return a customer's figures of the last thirty days."""
    given = {"user": user_id, "most": COUNTED_MAX, "open": list(OPEN), "since": now - PERIOD}
    row = (await session.execute(_GLANCE, given)).one()
    return Glance(row.in_progress, row.completed, row.spent, row.capped)


_SAME_LINK = text(
    """
SELECT id FROM (SELECT id, link FROM orders WHERE user_id = :user AND status = ANY(CAST(:open AS text[]))
                   AND status <> 'completed' ORDER BY id DESC LIMIT :most) o
 WHERE link = ANY(CAST(:links AS text[])) ORDER BY id DESC LIMIT 1
"""
)


async def running_on(session: AsyncSession, user_id: int, *links: str) -> int | None:
    """Return the customer's latest open order on this link, in any of these spellings."""
    wanted = [link for link in links if link]
    if not wanted:
        return None
    given = {"user": user_id, "open": list(OPEN), "most": OPEN_SEARCHED_MAX, "links": wanted}
    found: int | None = await session.scalar(_SAME_LINK, given)
    return found


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How the orders of a mass order get on."""

    orders: int
    charged: Decimal
    finished: int
    words: dict[str, int]
    """How many orders there are for each word for a status."""
    rows: Sequence[OrderView]
    """The first of them."""


_BATCH = text(
    "SELECT id, status, kind, charge FROM orders WHERE user_id = :user AND key = ANY(CAST(:keys AS text[])) ORDER BY id"
)


async def batch_progress(session: AsyncSession, viewer: Viewer, key: str, *, lines: int) -> BatchProgress:
    """Return how the orders that were placed under a mass order's key get on; raises `NotFoundError` if there are none.

    `lines` is how many lines it had: each order's key ends in the number of its line.
    """
    keys = [f"{key}:{number}" for number in range(1, min(lines, BATCH_LINES_MAX) + 1)]
    found = (await session.execute(_BATCH, {"user": viewer.user_id, "keys": keys})).all()
    if not found:
        raise NotFoundError
    words: dict[str, int] = {}
    for row in found:
        word = status_word(row.status, row.kind)
        words[word] = words.get(word, 0) + 1
    shown = await orders_by_id(session, as_owner(viewer), [row.id for row in found[:SHOWN_OF_BATCH]])
    return BatchProgress(
        orders=len(found),
        charged=sum((row.charge for row in found), Decimal(0)),
        finished=sum(row.status in FINISHED for row in found),
        words=words,
        rows=shown[::-1],
    )
