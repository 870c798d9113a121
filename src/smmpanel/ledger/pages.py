"""A customer's own money: the statement and its file for spreadsheets. How to pay in is told by `payments.pages`."""

import csv
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import Money, plain
from smmpanel.kernel.paging import PAGE_SIZE_MAX
from smmpanel.kernel.panel import Panel
from smmpanel.ledger.posting import Reason
from smmpanel.ledger.statements import StatementLine, statement
from smmpanel.web.inputs import CleanText
from smmpanel.web.pages import page
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

ROWS = 25
CSV_COLUMNS = ("id", "date", "reason", "order", "amount", "balance_after", "currency", "note")
REASONS = {
    Reason.ORDER_HOLD.value: marked("Order placed"),
    Reason.ORDER_EARNED.value: marked("Order delivered"),
    Reason.ORDER_REFUND.value: marked("Refund"),
    Reason.ORDER_CORRECTION.value: marked("Correction of an order"),
    Reason.ADJUSTMENT.value: marked("Changed by staff"),
    Reason.DEPOSIT.value: marked("Deposit"),
    Reason.DEPOSIT_FEE.value: marked("Payment fee"),
    Reason.DEPOSIT_REFUND.value: marked("Deposit paid back"),
    Reason.DEPOSIT_REVERSAL.value: marked("Deposit taken back by the bank"),
    Reason.DEPOSIT_FEE_BACK.value: marked("Payment fee given up"),
    Reason.DEPOSIT_RETURNED.value: marked("Deposit credited again"),
    Reason.REVERSAL.value: marked("Reversal"),
    Reason.COMMISSION.value: marked("Commission"),
    Reason.COMMISSION_BACK.value: marked("Commission taken back"),
    Reason.PAYOUT.value: marked("Commission paid out"),
    Reason.VOUCHER.value: marked("Voucher"),
    Reason.BONUS.value: marked("Bonus on a deposit"),
    Reason.BONUS_BACK.value: marked("Bonus taken back"),
    Reason.PAYMENT_BY_STAFF.value: marked("Payment recorded by staff"),
    Reason.GIFT.value: marked("Gift"),
    Reason.CORRECTION.value: marked("Correction by staff"),
}
OF_OTHERS = frozenset({Reason.COMMISSION.value, Reason.COMMISSION_BACK.value})
"""What belongs to an order of somebody else: its owner alone may look at it."""
_ORDER, _DEPOSIT = "order:", "deposit:"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Movement:
    """A line as a page shows it: its reason in English, and the order that it belongs to."""

    at: datetime
    what: str
    order_id: int | None
    deposit_id: int | None
    note: str
    amount: Money
    balance_after: Money


@dataclass(frozen=True, slots=True)
class StatementPage:
    """What ledger/statement.html receives."""

    lines: Sequence[Movement]
    after: str | None


@router.get("/statement")
async def show_statement(
    request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session, after: CleanText = ""
) -> Response:
    """Show what moved the wallet, newest first."""
    found = await statement(session, viewer.user_id, panel.currency, after=after, size=ROWS)
    return page(request, "ledger/statement.html", StatementPage([_movement(one) for one in found.rows], found.after))


@router.get("/statement.csv")
async def send_statement(panel: CurrentPanel, viewer: CurrentViewer) -> Response:
    """Send the whole statement as a file, with exact amounts."""
    headers = {"Content-Disposition": 'attachment; filename="statement.csv"'}
    return StreamingResponse(_csv(panel, viewer.user_id), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/parts/balance")
async def show_balance(request: Request) -> Response:
    """Show the balance in the top bar anew; the frame has just been read."""
    return page(request, "ledger/balance.html")


def _movement(line: StatementLine) -> Movement:
    return Movement(
        at=line.at,
        what=REASONS.get(line.reason, line.reason),
        order_id=None if line.reason in OF_OTHERS else _order_of(line),
        deposit_id=_number_in(line, _DEPOSIT),
        note=line.note or "",
        amount=line.amount,
        balance_after=line.balance_after,
    )


def _order_of(line: StatementLine) -> int | None:
    return _number_in(line, _ORDER)


def _number_in(line: StatementLine, kind: str) -> int | None:
    number = line.subject.removeprefix(kind)
    return int(number) if line.subject.startswith(kind) and number.isdigit() else None


async def _csv(panel: Panel, user_id: int) -> AsyncIterator[str]:
    # Page by page, each in a short transaction of its own: no connection is held while a slow client reads.
    yield "\ufeff" + _csv_line(CSV_COLUMNS)  # the mark tells spreadsheets that it is UTF-8
    after = None
    while True:
        async with panel.db.transaction() as session:
            found = await statement(session, user_id, panel.currency, after=after, size=PAGE_SIZE_MAX)
        yield "".join(_csv_line(_cells(line)) for line in found.rows)
        if (after := found.after) is None:
            return


def _cells(line: StatementLine) -> tuple[str, ...]:
    amount, balance, order = line.amount, line.balance_after, _order_of(line)
    note = line.note or ""
    # A spreadsheet would run a note that begins like a formula.
    guarded = f"'{note}" if note.lstrip("'").startswith(_FORMULA) else note
    date, number = line.at.isoformat(timespec="seconds"), "" if order is None else str(order)
    return (
        str(line.id),
        date,
        line.reason,
        number,
        plain(amount.amount),
        plain(balance.amount),
        amount.currency,
        guarded,
    )


def _csv_line(cells: Sequence[str]) -> str:
    written = StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
