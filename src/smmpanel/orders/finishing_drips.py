"""Ending drip-feeds: a parent is over when no run is left to start and none is running, and is what its runs came to."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.logging import get_logger
from smmpanel.orders.models import DripState, OrderStatus
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.writing import OrderRow

FINISHED_AT_ONCE = 500

log = get_logger()

_IS_OVER = (
    "d.state = 'finishing' AND (CAST(:ids AS bigint[]) IS NULL OR d.order_id = ANY(CAST(:ids AS bigint[])))"
    " AND NOT EXISTS (SELECT FROM orders c WHERE c.parent_id = d.order_id"
    " AND c.status NOT IN ('completed', 'partial', 'canceled'))"
)
_LOCK_OVER = text(
    f"SELECT o.id FROM drip_feeds d JOIN orders o ON o.id = d.order_id WHERE {_IS_OVER}"
    " ORDER BY o.id LIMIT :number FOR NO KEY UPDATE OF o SKIP LOCKED"
)
# Read again under the locks: another worker may have finished them since.
_STILL_OVER = text(f"SELECT d.order_id FROM drip_feeds d WHERE {_IS_OVER}")
# A run's remains are not what its provider makes of them: nothing of a completed one, all of a canceled one that says none.
_RESULTS = """
SELECT d.order_id, o.status, d.runs - d.runs_started AS unstarted, d.quantity_per_run,
       count(c.id) AS runs, count(c.id) FILTER (WHERE c.status = 'completed') AS completed,
       count(c.id) FILTER (WHERE c.status = 'canceled') AS canceled,
       coalesce(sum(CASE WHEN c.status = 'completed' THEN 0
                         ELSE least(greatest(coalesce(c.remains, c.quantity), 0), c.quantity) END), 0) AS remains
  FROM drip_feeds d JOIN orders o ON o.id = d.order_id LEFT JOIN orders c ON c.parent_id = d.order_id
"""
_RESULTS_OF = text(
    f"{_RESULTS} WHERE d.order_id = ANY(CAST(:ids AS bigint[])) GROUP BY d.order_id, o.status ORDER BY d.order_id"
)
_RECENT_RESULTS = text(
    f"{_RESULTS} WHERE d.state IN ('completed', 'canceled') AND o.finished_at >= :since"
    " GROUP BY d.order_id, o.status ORDER BY d.order_id"
)
_CLOSE = text(
    "UPDATE drip_feeds SET state = CASE WHEN runs_started < runs THEN :canceled ELSE :completed END"
    " WHERE order_id = ANY(CAST(:ids AS bigint[]))"
)


async def finish_drips(session: AsyncSession, *, now: datetime, order_ids: Sequence[int] | None = None) -> set[int]:
    """Finish those drip-feeds, of some or of all, that are over; returns which. What was never started is paid back."""
    ids = None if order_ids is None else list(order_ids)
    locked = (await session.scalars(_LOCK_OVER, {"ids": ids, "number": FINISHED_AT_ONCE})).all()
    over = (await session.scalars(_STILL_OVER, {"ids": list(locked)})).all() if locked else []
    if not over:
        return set()
    results: list[OrderRow] = [
        dict(row) for row in (await session.execute(_RESULTS_OF, {"ids": list(over)})).mappings()
    ]
    # What runs got is theirs; nothing of the rest was earned.
    changes = [_change(row, result_of_runs(row), "all runs have ended") for row in results]
    await settle(session, changes, now=now, watch=timedelta(0), strict=False)
    closed = {"ids": list(over), "completed": DripState.COMPLETED.value, "canceled": DripState.CANCELED.value}
    await session.execute(_CLOSE, closed)
    return set(over)


async def recheck_drips(session: AsyncSession, *, since: datetime, now: datetime) -> int:
    """Bring parents that finished since then in line with runs that changed afterwards; returns how many moved.

    No money of the parent moves: it was passed on to the runs, which settle theirs themselves.
    """
    found = (await session.execute(_RECENT_RESULTS, {"since": since})).mappings()
    changes = [
        _change(dict(row), status, "a run was changed by its provider afterwards")
        for row in found
        if (status := result_of_runs(dict(row))) != row["status"]
    ]
    moved = await settle(session, changes, now=now, watch=timedelta(0), strict=False)
    return sum(moved.values())


def result_of_runs(row: OrderRow) -> OrderStatus:
    """Return what a drip-feed came to: Completed if all of it was, Canceled if nothing ran to any end, else Partial."""
    if row["unstarted"] == 0 and row["completed"] == row["runs"]:
        return OrderStatus.COMPLETED
    if row["canceled"] == row["runs"]:
        return OrderStatus.CANCELED
    return OrderStatus.PARTIAL


def _change(row: OrderRow, status: OrderStatus, note: str) -> Change:
    remains = int(row["remains"]) + row["unstarted"] * row["quantity_per_run"]
    return Change(row["order_id"], status, note=note, remains=remains, earned_total=Decimal(0))
