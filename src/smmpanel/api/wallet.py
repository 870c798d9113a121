"""`/api/user`: the own balance, and everything that moved it."""

import csv
from collections.abc import AsyncIterator
from datetime import datetime
from io import StringIO
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.lists import AFTER, After, Limit
from smmpanel.catalog.csv_cells import guarded
from smmpanel.kernel.money import plain
from smmpanel.kernel.paging import PAGE_SIZE, PAGE_SIZE_MAX
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of, held_of, statement
from smmpanel.ledger.statements import StatementLine
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/user", tags=["Wallet"])

CSV_COLUMNS = ("id", "date", "type", "amount", "balance_before", "balance_after", "currency", "order", "description")
_ORDER = "order:"


class Balance(BaseModel):
    """What is in the wallet, and what is held for open orders."""

    success: Literal[True] = True
    balance: Amount
    held: Amount = Field(description="Paid for orders that are not finished; comes back if they are canceled.")
    currency: str


class Transaction(BaseModel):
    """One movement of the wallet."""

    id: int
    type: str = Field(examples=["order_hold", "order_refund", "deposit", "adjustment"])
    amount: Amount = Field(description="Negative where money was taken.", examples=[-2.5])
    balance_before: Amount
    balance_after: Amount
    currency: str
    order_id: int | None
    description: str | None
    created_at: datetime


class Transactions(BaseModel):
    """A page of movements, newest first."""

    success: Literal[True] = True
    data: list[Transaction]
    after: str | None = Field(description=AFTER)


@router.get("/balance", summary="The own balance", responses=errors(401, 403))
async def balance(panel: CurrentPanel, session: Session, viewer: CurrentCaller) -> Balance:
    """Return what can be spent now."""
    free = await balance_of(session, viewer.user_id, panel.currency)
    held = await held_of(session, viewer.user_id, panel.currency)
    return Balance(balance=free.amount, held=held.amount, currency=panel.currency)


@router.get("/transactions", summary="List transactions", responses=errors(401, 403, 422))
async def transactions(
    panel: CurrentPanel, session: Session, viewer: CurrentCaller, after: After = None, limit: Limit = PAGE_SIZE
) -> Transactions:
    """Return what moved the wallet, newest first."""
    found = await statement(session, viewer.user_id, panel.currency, after=after, size=limit)
    return Transactions(data=[_transaction(line) for line in found.rows], after=found.after)


@router.get(
    "/transactions.csv",
    summary="All transactions as CSV",
    response_class=StreamingResponse,
    responses={**errors(401, 403), 200: {"content": {"text/csv": {"example": ",".join(CSV_COLUMNS)}}}},
)
async def transactions_csv(panel: CurrentPanel, viewer: CurrentCaller) -> StreamingResponse:
    """Return the whole history of the wallet, newest first, as a file for spreadsheets."""
    headers = {"Content-Disposition": 'attachment; filename="transactions.csv"'}
    return StreamingResponse(_csv(panel, viewer.user_id), media_type="text/csv; charset=utf-8", headers=headers)


async def _csv(panel: Panel, user_id: int) -> AsyncIterator[str]:
    # Page by page, each in a short transaction of its own: no connection is held while a slow client reads.
    yield "\ufeff" + _csv_line(CSV_COLUMNS)  # the mark tells spreadsheets that it is UTF-8
    after = None
    while True:
        async with panel.db.transaction() as session:
            found = await statement(session, user_id, panel.currency, after=after, size=PAGE_SIZE_MAX)
        yield "".join(_csv_line(_cells(_transaction(line))) for line in found.rows)
        if (after := found.after) is None:
            return


def _cells(one: Transaction) -> tuple[str, ...]:
    amounts = (plain(one.amount), plain(one.balance_before), plain(one.balance_after))
    order = "" if one.order_id is None else str(one.order_id)
    date = one.created_at.isoformat(timespec="seconds")
    return (str(one.id), date, one.type, *amounts, one.currency, order, guarded(one.description or ""))


def _csv_line(cells: tuple[str, ...]) -> str:
    written = StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()


def _transaction(line: StatementLine) -> Transaction:
    order_id = int(line.subject.removeprefix(_ORDER)) if line.subject.startswith(_ORDER) else None
    return Transaction(
        id=line.id,
        type=line.reason,
        amount=line.amount.amount,
        balance_before=line.balance_before.amount,
        balance_after=line.balance_after.amount,
        currency=line.amount.currency,
        order_id=order_id,
        description=line.note,
        created_at=line.at,
    )
