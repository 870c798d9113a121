"""Taking in reports that move nothing, which most are: one statement for all of them.

Whether a report moves an order is decided by the status that the order had when it was asked for. The statement takes only
orders that still have it; for the others, as for all that needs thought, there is `orders.reporting`, which locks first.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.live import tell
from smmpanel.orders.models import FINISHED
from smmpanel.orders.pacing import NEXT_CHECK, next_check_values
from smmpanel.orders.reporting import OURS, array_of, count_or_none
from smmpanel.providers.protocol import Rejected, UpstreamReport


class DueOrder(NamedTuple):
    """An order that is to be asked for, with the status that it had then."""

    id: int
    external_id: str
    status: str


Report = UpstreamReport | Rejected | None
"""What a provider says of one order; `None` is no news."""


def moves_nothing(order: DueOrder, report: Report) -> bool:
    """Whether a report says no more than how far the order is. What is odd or refused is for `orders.reporting`."""
    if report is None:
        return True
    return not isinstance(report, Rejected) and report.status is not None and OURS.get(report.status) == order.status


# Locked in the order of their ids, as all do who lock several orders; what is to be stored comes through the same rows, since
# a join with it afterwards would compare each with each. Arrays travel as one piece of text each: the driver would go over
# them item by item.
_STORE = text(
    "WITH known AS ("
    " SELECT o.id, o.remains AS remained, v.remains, v.start_count, v.charge FROM unnest(CAST(:ids AS bigint[]), CAST(:statuses AS text[]),"
    " CAST(:remains AS bigint[]), CAST(:starts AS bigint[]), CAST(:charges AS numeric[]))"
    " AS v(id, status, remains, start_count, charge) JOIN orders o ON o.id = v.id AND o.status = v.status"
    " WHERE o.check_at IS NOT NULL AND NOT o.unconfirmed ORDER BY o.id FOR NO KEY UPDATE OF o)"
    ", stored AS ("
    " UPDATE orders o SET remains = COALESCE(known.remains, o.remains), start_count = COALESCE(known.start_count, o.start_count),"
    f" provider_charge = COALESCE(known.charge, o.provider_charge), check_at = {NEXT_CHECK} FROM known WHERE o.id = known.id"
    " RETURNING o.user_id, o.remains IS DISTINCT FROM known.remained AS seen)"
    " SELECT count(*), array_agg(DISTINCT user_id) FILTER (WHERE seen) FROM stored"
)


async def store_progress(
    session: AsyncSession, reports: Mapping[DueOrder, Report], *, now: datetime, watch: timedelta
) -> bool:
    """Store reports that move nothing. `False` if some orders were left out, because others have changed them meanwhile.

    The open pages of those for whom more has been delivered look again.
    """
    rows = [_columns(order, report) for order, report in reports.items()]
    if not rows:
        return True
    names = ("ids", "statuses", "remains", "starts", "charges")
    columns = {name: array_of(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    stored = await session.execute(_STORE, {**columns, **next_check_values(now=now, watch=watch)})
    number, seen_by = stored.one()
    await tell(session, "orders", seen_by or ())
    return bool(number == len(rows))


def _columns(order: DueOrder, report: Report) -> Iterable[object]:
    if not isinstance(report, UpstreamReport):
        return order.id, order.status, None, None, None
    remains = None if order.status in FINISHED else count_or_none(report.remains)
    return order.id, order.status, remains, count_or_none(report.start_count), report.charge
