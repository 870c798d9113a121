"""Taking in what a provider reports of its orders: numbers are stored, moves are settled, oddities are told to staff."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.notifications import AlertLevel, raise_alert
from smmpanel.orders.models import FINISHED, ORDER_FLOW, OrderStatus
from smmpanel.orders.pacing import next_check_at
from smmpanel.orders.settling import Change, settle
from smmpanel.providers.protocol import Rejected, UpstreamReport, UpstreamStatus

OURS = {
    UpstreamStatus.PENDING: OrderStatus.PROCESSING,
    UpstreamStatus.PROCESSING: OrderStatus.PROCESSING,
    UpstreamStatus.IN_PROGRESS: OrderStatus.IN_PROGRESS,
    UpstreamStatus.ACTIVE: OrderStatus.IN_PROGRESS,
    UpstreamStatus.COMPLETED: OrderStatus.COMPLETED,
    UpstreamStatus.PARTIAL: OrderStatus.PARTIAL,
    UpstreamStatus.CANCELED: OrderStatus.CANCELED,
}
"""What a provider's word means for an ordinary order. Any other word is no news; nothing is ever assumed from it."""

COUNT_MAX = 2**62


ODD_REPORTS = "odd_order_reports"


_LOCK = text(
    "SELECT id, status, remains, start_count, provider_charge, submitted_at, finished_at, created_at FROM orders"
    " WHERE id = ANY(CAST(:ids AS bigint[])) AND check_at IS NOT NULL AND NOT unconfirmed ORDER BY id FOR NO KEY UPDATE"
)
# Arrays travel as one piece of text each: the driver would go over them item by item.
_STORE = text(
    "UPDATE orders o SET remains = COALESCE(v.remains, o.remains), start_count = COALESCE(v.start_count, o.start_count),"
    " provider_charge = COALESCE(v.charge, o.provider_charge), check_at = v.check_at"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:remains AS bigint[]), CAST(:starts AS bigint[]), CAST(:charges AS numeric[]),"
    " CAST(:checks AS timestamptz[])) AS v(id, remains, start_count, charge, check_at) WHERE o.id = v.id"
)


async def record_reports(
    session: AsyncSession,
    provider_id: int,
    reports: Mapping[int, UpstreamReport | Rejected | None],
    *,
    now: datetime,
    watch: timedelta,
) -> int:
    """Record reports by our order ids; `None` is no news. Returns how many orders moved."""
    rows = (await session.execute(_LOCK, {"ids": list(reports)})).mappings().all()
    changes: list[Change] = []
    odd: dict[int, str] = {}
    still: list[tuple[RowMapping, UpstreamReport | None]] = []
    for row in rows:
        report = reports[row["id"]]
        if isinstance(report, Rejected):
            odd[row["id"]] = report.text
            report = None
        change = _change(row, report)
        if change is not None:
            changes.append(change)
            continue
        if report is not None and _is_odd(row, report):
            odd[row["id"]] = report.raw_status
        still.append((row, report))
    await settle(session, changes, now=now, watch=watch)
    await _store(session, still, now=now, watch=watch)
    await _tell_staff(session, provider_id, odd)
    return len(changes)


def _change(row: RowMapping, report: UpstreamReport | None) -> Change | None:
    """Return the move that a report asks for, if the flow has it and the report says enough to make it."""
    status = OURS.get(report.status) if report is not None and report.status is not None else None
    if report is None or status is None or status == row["status"]:
        return None
    if not ORDER_FLOW.allows(OrderStatus(row["status"]), status):
        return None
    remains = count_or_none(report.remains)
    if status is OrderStatus.PARTIAL and remains is None:
        return None  # nothing is paid back on a guess; it is asked again
    return Change(
        row["id"],
        status,
        note=f"the provider says {report.raw_status or status.value}",
        remains=remains,
        start_count=count_or_none(report.start_count),
        provider_charge=report.charge,
    )


def _is_odd(row: RowMapping, report: UpstreamReport) -> bool:
    status = OURS.get(report.status) if report.status is not None else None
    if status is None:
        return bool(report.raw_status)
    return status is OrderStatus.PARTIAL and row["status"] != status and report.remains is None


def count_or_none(number: int | None) -> int | None:
    """Return a count as it can be stored: providers report negative remains for what they delivered on top."""
    return None if number is None else min(max(number, 0), COUNT_MAX)


async def _tell_staff(session: AsyncSession, provider_id: int, odd: Mapping[int, str]) -> None:
    """Raise one alert per provider about statuses that nothing could be done with."""
    for order_id, word in list(odd.items())[:1]:
        said = word.replace("\x00", "")[:200]
        await raise_alert(
            session,
            ODD_REPORTS,
            f"provider:{provider_id}",
            AlertLevel.WARNING,
            order=order_id,
            word=said,
            orders=len(odd),
        )


async def _store(
    session: AsyncSession, still: list[tuple[RowMapping, UpstreamReport | None]], *, now: datetime, watch: timedelta
) -> None:
    if not still:
        return
    columns: dict[str, list[Any]] = {"ids": [], "remains": [], "starts": [], "charges": [], "checks": []}
    ids, remains, starts, charges, checks = columns.values()
    for row, report in still:
        status = OrderStatus(row["status"])
        ids.append(row["id"])
        remains.append(None if report is None or status in FINISHED else count_or_none(report.remains))
        starts.append(None if report is None else count_or_none(report.start_count))
        charges.append(None if report is None else report.charge)
        check_at = next_check_at(
            status,
            submitted_at=row["submitted_at"] or row["created_at"],
            finished_at=row["finished_at"],
            now=now,
            watch=watch,
        )
        checks.append(None if check_at is None else check_at.isoformat())
    await session.execute(_STORE, {name: array_of(values) for name, values in columns.items()})


def array_of(values: Iterable[object]) -> str:
    """Write numbers, moments and single words, which need no quotes, as PostgreSQL reads an array."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
