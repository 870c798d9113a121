"""`/api/user`: the own balance, and everything that moved it."""

import csv
from collections.abc import AsyncIterator, Sequence
from io import StringIO
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import StreamingResponse

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.lists import (
    AFTER,
    LIMIT_USUAL,
    NUMBERED_MAX,
    After,
    ByAge,
    Limit,
    Page,
    Pagination,
    skipped,
)
from smmpanel.api.public import PublicId, Reader, reader_of
from smmpanel.api.times import LocalTime, local_time
from smmpanel.catalog.csv_cells import guarded
from smmpanel.kernel.money import plain
from smmpanel.kernel.paging import PAGE_SIZE_MAX
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import Reason, balance_of, held_of, statement
from smmpanel.ledger.statements import StatementLine, count_lines
from smmpanel.payments.models import Deposit
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/user", tags=["Wallet"])

CSV_COLUMNS = ("id", "date", "type", "amount", "balance_before", "balance_after", "currency", "order", "description")
_ORDER, _DEPOSIT = "order:", "deposit:"


Kind = Annotated[
    Reason | None,
    Query(description="Only of this type; of a very long history, among its next 20,000 movements."),
]


class Balance(BaseModel):
    """What is in the wallet, and what is held for open orders."""

    success: Literal[True] = True
    balance: Amount = Field(examples=[7625])
    held: Amount = Field(description="Paid for orders that are not finished; comes back if they are canceled.")
    currency: str = Field(examples=["VND"])


class Transaction(BaseModel):
    """One movement of the wallet."""

    id: int
    type: str = Field(examples=["deposit", "order_hold", "order_refund", "adjustment"])
    amount: Amount = Field(description="Negative where money was taken.", examples=[-2.5])
    balance_before: Amount
    balance_after: Amount
    currency: str = Field(examples=["VND"])
    method: str | None = Field(description="Of a deposit: the way it came.", examples=["sepay"])
    status: Literal["completed"] = Field("completed", description="What is listed here has moved the wallet.")
    transaction_code: str | None = Field(description="Of a deposit: what its transfer was recognised by.")
    order_id: PublicId | None = Field(description="The order that it was for.")
    description: str | None
    created_at: LocalTime


class Transactions(BaseModel):
    """A page of movements."""

    success: Literal[True] = True
    data: list[Transaction]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


@router.get("/balance", summary="The own balance", responses=errors(401, 403, 429))
async def balance(panel: CurrentPanel, session: Session, viewer: CurrentCaller) -> Balance:
    """Return what can be spent now."""
    free = await balance_of(session, viewer.user_id, panel.currency)
    held = await held_of(session, viewer.user_id, panel.currency)
    return Balance(balance=free.amount, held=held.amount, currency=panel.currency)


@router.get("/transactions", summary="List transactions", responses=errors(401, 403, 422, 429))
async def transactions(
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    *,
    type: Kind = None,  # noqa: A002 - its name in the specification
    sort: ByAge = "-created_at",
    page: Page = 1,
    after: After = None,
    limit: Limit = LIMIT_USUAL,
) -> Transactions:
    """Return what moved the wallet, the newest first unless sorted otherwise."""
    before, oldest_first = 0 if after else skipped(page, limit), sort == "created_at"
    reason = None if type is None else type.value
    found = await statement(
        session,
        viewer.user_id,
        panel.currency,
        after=after,
        size=limit,
        skip=before,
        oldest_first=oldest_first,
        reason=reason,
    )
    total = await count_lines(session, viewer.user_id, panel.currency, most=NUMBERED_MAX, reason=reason)
    return Transactions(
        data=await _transactions(session, reader_of(panel, viewer), found.rows),
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.get(
    "/transactions.csv",
    summary="All transactions as CSV",
    response_class=StreamingResponse,
    responses={**errors(401, 403, 429), 200: {"content": {"text/csv": {"example": ",".join(CSV_COLUMNS)}}}},
)
async def transactions_csv(panel: CurrentPanel, viewer: CurrentCaller) -> StreamingResponse:
    """Return the whole history of the wallet, newest first, as a file for spreadsheets."""
    headers = {"Content-Disposition": 'attachment; filename="transactions.csv"'}
    return StreamingResponse(_csv(panel, viewer), media_type="text/csv; charset=utf-8", headers=headers)


async def _csv(panel: Panel, viewer: Viewer) -> AsyncIterator[str]:
    # Page by page, each in a short transaction of its own: no connection is held while a slow client reads.
    yield "\ufeff" + _csv_line(CSV_COLUMNS)  # the mark tells spreadsheets that it is UTF-8
    after = None
    while True:
        async with panel.db.transaction() as session:
            found = await statement(session, viewer.user_id, panel.currency, after=after, size=PAGE_SIZE_MAX)
        yield "".join(_csv_line(_cells(line, viewer.time_zone)) for line in found.rows)
        if (after := found.after) is None:
            return


def _cells(line: StatementLine, time_zone: str) -> tuple[str, ...]:
    amounts = (plain(line.amount.amount), plain(line.balance_before.amount), plain(line.balance_after.amount))
    order = _number_of(line, _ORDER)
    return (
        str(line.id),
        local_time(line.at, time_zone),
        line.reason,
        *amounts,
        line.amount.currency,
        "" if order is None else str(order),
        guarded(line.note or ""),
    )


def _csv_line(cells: tuple[str, ...]) -> str:
    written = StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()


async def _transactions(session: AsyncSession, reader: Reader, lines: Sequence[StatementLine]) -> list[Transaction]:
    wanted = {number for line in lines if (number := _number_of(line, _DEPOSIT)) is not None}
    found = select(Deposit.id, Deposit.gateway, Deposit.memo_code, Deposit.reference).where(Deposit.id.in_(wanted))
    deposits = {row.id: row for row in await session.execute(found)} if wanted else {}
    return [_transaction(line, reader, deposits.get(_number_of(line, _DEPOSIT))) for line in lines]


def _transaction(line: StatementLine, reader: Reader, deposit: Any) -> Transaction:
    return Transaction(
        id=line.id,
        type=line.reason,
        amount=line.amount.amount,
        balance_before=line.balance_before.amount,
        balance_after=line.balance_after.amount,
        currency=line.amount.currency,
        method=None if deposit is None else deposit.gateway,
        transaction_code=None if deposit is None else deposit.memo_code or deposit.reference,
        order_id=reader.maybe_order(_number_of(line, _ORDER)),
        description=line.note,
        created_at=reader.time(line.at),
    )


def _number_of(line: StatementLine, kind: str) -> int | None:
    return int(line.subject.removeprefix(kind)) if line.subject.startswith(kind) else None
