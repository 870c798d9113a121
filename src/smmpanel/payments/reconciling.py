"""Reconciling: what a gateway lists against what is on record here, page by page, so that memory stays flat.

Missing here: kept and settled like a message, under the key that the money would have had anyway. Different amount, or
missing there: staff are told. SePay gives up on a message after half an hour, so this is what finds such money.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.panel import Panel
from smmpanel.notifications.alerts import raise_alert
from smmpanel.notifications.models import AlertLevel
from smmpanel.payments.asking import keep_answers
from smmpanel.payments.matching import STAFF, tell_of_difference, twin_in
from smmpanel.payments.methods import gateway_for, method_by
from smmpanel.payments.models import PaymentMethod, Receipt
from smmpanel.payments.protocol import CanList, Notice, Reading, UnreadableMessageError
from smmpanel.payments.reconciliation_models import Reconciliation

PAUSE_SECONDS = 0.4
"""Between two pages: SePay answers three questions a second."""
MISSING = "payment_not_listed"


@dataclass(slots=True)
class _Compared:
    """One page, compared: rows that are new here, and receipts whose amount the bank tells otherwise."""

    new: list[tuple[bytes, Reading]] = field(default_factory=list)
    different: list[tuple[Notice, Receipt]] = field(default_factory=list)
    unreadable: int = 0


async def reconcile(
    panel: Panel,
    method_id: int,
    since: datetime,
    until: datetime,
    *,
    is_whole: bool,
    pause_seconds: float = PAUSE_SECONDS,
) -> Reconciliation:
    """Compare all that a method's gateway lists between two moments with what is on record here.

    Harmless to repeat and to break off: what was found so far is kept. Raises `GatewayFailedError`.
    """
    now = panel.clock()
    async with panel.db.transaction() as session:
        method = await method_by(session, method_id)
        run = Reconciliation(method_id=method_id, is_whole=is_whole, since=since, until=until, started_at=now)
        session.add(run)
        await session.flush()
    adapter, after = gateway_for(panel, method), None
    assert isinstance(adapter, CanList), "only gateways with a list are reconciled"
    while True:
        page = await adapter.list_page(since, until, after)
        await _take(panel, method, adapter, run.id, page.rows)
        after = page.after
        if after is None:
            break
        if panel.stopping.is_set():
            return run
        await asyncio.sleep(pause_seconds)
    async with panel.db.transaction() as session:
        kept = await session.get_one(Reconciliation, run.id, with_for_update=True)
        if is_whole:
            kept.missing_there = await _tell_of_missing(session, method, since, until)
        kept.finished_at = panel.clock()
    return kept


async def _take(panel: Panel, method: PaymentMethod, adapter: CanList, run_id: int, rows: Sequence[bytes]) -> None:
    async with panel.db.transaction() as session:
        compared = await _compare(session, method, adapter, rows, panel.clock())
        for notice, receipt in compared.different:
            await tell_of_difference(session, receipt, notice)
    # Kept first, counted after: a crash in between counts too little, never too much.
    added = await keep_answers(panel, method, compared.new)
    run = Reconciliation
    counted = {
        run.rows: run.rows + len(rows),
        run.missing_here: run.missing_here + added,
        run.different: run.different + len(compared.different),
        run.unreadable: run.unreadable + compared.unreadable,
    }
    async with panel.db.transaction() as session:
        await session.execute(update(run).where(run.id == run_id).values(counted))


async def _compare(
    session: AsyncSession, method: PaymentMethod, adapter: CanList, rows: Sequence[bytes], now: datetime
) -> _Compared:
    compared, told = _Compared(), list[tuple[bytes, Reading, Notice]]()
    for row in rows:
        try:
            reading = adapter.read_row(row)
        except UnreadableMessageError:
            compared.unreadable += 1
            continue
        told += [(row, reading, notice) for notice in reading.notices]
    known = await _known(session, method.gateway, [notice for _, _, notice in told])
    seen: list[int] = []
    for row, reading, notice in told:
        receipt = _same_money(known, notice)
        if receipt is not None:
            seen.append(receipt.id)
            compared.different += [(notice, receipt)] if receipt.amount != notice.amount else []
            continue
        compared.new.append((row, reading))
        compared.different += [(notice, one) for one in known.of_bank(notice) if one.amount != notice.amount]
    if seen:
        await session.execute(
            update(Receipt).where(Receipt.id.in_(seen)).values(listed_at=func.coalesce(Receipt.listed_at, now))
        )
    return compared


@dataclass(slots=True)
class _Known:
    """Receipts that one page may tell of."""

    by_number: Mapping[str, Receipt]
    by_key: Mapping[str, list[Receipt]]
    by_bank_ref: Mapping[str, list[Receipt]]

    def of_bank(self, notice: Notice) -> Sequence[Receipt]:
        """Return those with the same reference of the bank, on the same account."""
        found = self.by_bank_ref.get(notice.bank_ref, ()) if notice.bank_ref else ()
        return [receipt for receipt in found if receipt.account == notice.account]


async def _known(session: AsyncSession, gateway: str, notices: Sequence[Notice]) -> _Known:
    row = Receipt
    ways = [
        row.external_id.in_([notice.external_id for notice in notices]),
        row.natural_key.in_([notice.natural_key for notice in notices if notice.natural_key]),
        row.bank_ref.in_([notice.bank_ref for notice in notices if notice.bank_ref]),
    ]
    # One look for each index, and the rows once: alternatives in one condition would read the whole table.
    ids = [select(row.id).where(row.gateway == gateway, way) for way in ways]
    wanted = select(row).where(or_(*(row.id.in_(found) for found in ids))).order_by(row.id)
    receipts = (await session.scalars(wanted.with_for_update())).all()
    by_number: dict[str, Receipt] = {}
    by_key: dict[str, list[Receipt]] = {}
    by_bank_ref: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        for number in (receipt.external_id, *receipt.also):
            by_number[number] = receipt
        by_key.setdefault(receipt.natural_key or "", []).append(receipt)
        by_bank_ref.setdefault(receipt.bank_ref or "", []).append(receipt)
    return _Known(by_number, by_key, by_bank_ref)


def _same_money(known: _Known, notice: Notice) -> Receipt | None:
    """Return the receipt of what a row tells, and pair the two if they met for the first time."""
    if (receipt := known.by_number.get(notice.external_id)) is not None:
        return receipt
    twin = twin_in(known.by_key.get(notice.natural_key, ()), notice) if notice.natural_key else None
    if twin is not None:
        twin.also = [*twin.also, notice.external_id]
    return twin


async def _tell_of_missing(session: AsyncSession, method: PaymentMethod, since: datetime, until: datetime) -> int:
    row = Receipt
    wanted = select(func.count(), func.min(row.id)).where(
        row.method_id == method.id,
        row.listed_at.is_(None),
        row.natural_key.is_not(None),
        row.source != STAFF,
        row.occurred_at >= since,
        row.occurred_at < until,
    )
    number, first = (await session.execute(wanted)).one()
    if number:
        told = {"number": number, "receipt": first, "since": since, "until": until}
        await raise_alert(session, MISSING, f"gateway:{method.gateway}:{method.id}", AlertLevel.CRITICAL, **told)
    return int(number)
