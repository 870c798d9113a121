"""Reading the books as a whole, for staff: the trial balance as it is kept, and all transfers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged
from smmpanel.ledger.proving import TrialLine

# Users' accounts by their kept balances; the panel's own by their roll-ups and what came after. One statement sees one
# moment, so the sums are zero whenever the books are right.
_KEPT = text(
    """
SELECT kind, currency, count(*) AS accounts, coalesce(sum(balance), 0) AS balance
  FROM ledger_accounts WHERE owner_id IS NOT NULL GROUP BY kind, currency
UNION ALL
SELECT a.kind, a.currency, 1, coalesce(r.balance, 0)
       + coalesce((SELECT sum(amount) FROM ledger_transfers WHERE credit_id = a.id AND id > coalesce(r.up_to, 0)), 0)
       - coalesce((SELECT sum(amount) FROM ledger_transfers WHERE debit_id = a.id AND id > coalesce(r.up_to, 0)), 0)
  FROM ledger_accounts a LEFT JOIN ledger_rollups r ON r.account_id = a.id WHERE a.owner_id IS NULL
 ORDER BY currency, kind
"""
)
_COLUMNS = """
SELECT t.id, t.created_at AS at, t.key, t.reason, t.subject, t.note, t.amount, t.reverses, d.currency,
       d.kind AS debit_kind, d.owner_id AS debit_owner, du.username AS debit_name, t.debit_balance,
       c.kind AS credit_kind, c.owner_id AS credit_owner, cu.username AS credit_name, t.credit_balance
"""
_SIDES = """
  JOIN ledger_accounts d ON d.id = t.debit_id LEFT JOIN users du ON du.id = d.owner_id
  JOIN ledger_accounts c ON c.id = t.credit_id LEFT JOIN users cu ON cu.id = c.owner_id
"""
_NEWEST = text(
    f"{_COLUMNS} FROM (SELECT * FROM ledger_transfers WHERE id < :before ORDER BY id DESC LIMIT :size) t {_SIDES}"
    " ORDER BY t.id DESC"
)
_OF_SUBJECT = text(
    f"{_COLUMNS} FROM (SELECT * FROM ledger_transfers WHERE subject = :subject AND id < :before"
    f" ORDER BY id DESC LIMIT :size) t {_SIDES} ORDER BY t.id DESC"
)
_ONE = text(f"{_COLUMNS} FROM ledger_transfers t {_SIDES} WHERE t.id = :id")
_REVERSED_BY = text("SELECT id FROM ledger_transfers WHERE reverses = :id")
_ID_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a transfer: whose account of which kind, and its balance after if it keeps one."""

    kind: str
    owner_id: int | None
    username: str | None
    balance: Decimal | None


@dataclass(frozen=True, slots=True)
class BookedTransfer:
    """One transfer with everything that is known of it."""

    id: int
    at: datetime
    key: str
    reason: str
    subject: str
    note: str | None
    amount: Decimal
    currency: str
    reverses: int | None
    debit: Side
    credit: Side


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The sums of all accounts by kind, and their sum in each currency: zero, or something is wrong."""

    lines: Sequence[TrialLine]
    totals: Mapping[str, Decimal]

    @property
    def balanced(self) -> bool:
        """Whether every currency comes to zero."""
        return not any(self.totals.values())


async def kept_trial_balance(session: AsyncSession) -> TrialBalance:
    """Return the trial balance from what accounts keep, without going through the transfers: `verify` proves it."""
    lines = [TrialLine(*row) for row in await session.execute(_KEPT)]
    totals: dict[str, Decimal] = {}
    for line in lines:
        totals[line.currency] = totals.get(line.currency, Decimal(0)) + line.balance
    return TrialBalance(lines, totals)


async def booked_transfers(
    session: AsyncSession, *, subject: str = "", after: str | None = None, size: int = PAGE_SIZE
) -> Paged[BookedTransfer]:
    """Return a page of transfers, newest first, of one subject or of all. The caller holds `ledger.view`."""
    before = key_from(after)
    asked = {"before": _ID_MAX if before is None else before, "size": size + 1, "subject": subject}
    found = await session.execute(_OF_SUBJECT if subject else _NEWEST, asked)
    rows = [_booked(row) for row in found]
    return paged(rows, size, [row.id for row in rows])


async def booked_transfer(session: AsyncSession, transfer_id: int) -> tuple[BookedTransfer, int | None]:
    """Return one transfer, and the id of the one that reverses it. Raises `NotFoundError`."""
    row = (await session.execute(_ONE, {"id": transfer_id})).one_or_none()
    if row is None:
        raise NotFoundError
    return _booked(row), await session.scalar(_REVERSED_BY, {"id": transfer_id})


def _booked(row: Row[Any]) -> BookedTransfer:
    return BookedTransfer(
        id=row.id,
        at=row.at,
        key=row.key,
        reason=row.reason,
        subject=row.subject,
        note=row.note,
        amount=row.amount,
        currency=row.currency,
        reverses=row.reverses,
        debit=Side(row.debit_kind, row.debit_owner, row.debit_name, row.debit_balance),
        credit=Side(row.credit_kind, row.credit_owner, row.credit_name, row.credit_balance),
    )
