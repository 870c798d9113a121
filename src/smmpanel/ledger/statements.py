"""Reading the ledger: balances and statements."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, Subquery, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from smmpanel.kernel.money import Money
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged
from smmpanel.ledger.models import AccountKind, LedgerAccount, LedgerTransfer
from smmpanel.ledger.posting import Reason

LOOKED_THROUGH = 20_000


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement on a wallet; `amount` is signed, balances are before and after it."""

    id: int
    at: datetime
    reason: str
    subject: str
    note: str | None
    amount: Money
    balance_before: Money
    balance_after: Money


async def balance_of(session: AsyncSession, user_id: int, currency: str) -> Money:
    """Return what is in a user's wallet."""
    return await _balance(session, user_id, AccountKind.WALLET, currency)


async def balances_of(session: AsyncSession, user_ids: Collection[int], currency: str) -> dict[int, Decimal]:
    """Return what is in the wallets of several users."""
    found = select(LedgerAccount.owner_id, LedgerAccount.balance).where(
        LedgerAccount.owner_id.in_(user_ids),
        LedgerAccount.kind == AccountKind.WALLET.value,
        LedgerAccount.currency == currency,
    )
    known = {row.owner_id: row.balance for row in await session.execute(found)}
    return {user_id: known.get(user_id) or Decimal(0) for user_id in user_ids}


async def owners_below_zero(session: AsyncSession, user_ids: Collection[int], currency: str) -> set[int]:
    """Return those of these users whose wallets are below zero."""
    found = select(LedgerAccount.owner_id).where(
        LedgerAccount.owner_id.in_(user_ids),
        LedgerAccount.kind == AccountKind.WALLET.value,
        LedgerAccount.currency == currency,
        LedgerAccount.balance < 0,
    )
    return {owner for owner in await session.scalars(found) if owner is not None}


async def held_of(session: AsyncSession, user_id: int, currency: str) -> Money:
    """Return what is held for a user's open orders."""
    return await _balance(session, user_id, AccountKind.HELD, currency)


async def held_of_users(session: AsyncSession, user_ids: Collection[int], currency: str) -> dict[int, Decimal]:
    """Return what is held for the open orders of those of these users who have any."""
    found = select(LedgerAccount.owner_id, LedgerAccount.balance).where(
        LedgerAccount.owner_id.in_(user_ids),
        LedgerAccount.kind == AccountKind.HELD.value,
        LedgerAccount.currency == currency,
        LedgerAccount.balance > 0,
    )
    return {row.owner_id: row.balance for row in await session.execute(found)}


async def earnings_of(session: AsyncSession, user_id: int, currency: str) -> Money:
    """Return a user's commission that is not in the wallet yet; below zero if commission that was spent is owed back."""
    return await _balance(session, user_id, AccountKind.EARNINGS, currency)


async def earnings_of_users(session: AsyncSession, user_ids: Collection[int], currency: str) -> dict[int, Decimal]:
    """Return the same for several users; who never had any is missing."""
    found = select(LedgerAccount.owner_id, LedgerAccount.balance).where(
        LedgerAccount.owner_id.in_(user_ids),
        LedgerAccount.kind == AccountKind.EARNINGS.value,
        LedgerAccount.currency == currency,
    )
    return {row.owner_id: row.balance for row in await session.execute(found)}


async def _balance(session: AsyncSession, user_id: int, kind: AccountKind, currency: str) -> Money:
    found = await session.scalar(_own(user_id, kind, currency).with_only_columns(LedgerAccount.balance))
    return Money(found or Decimal(0), currency)


def _own(user_id: int, kind: AccountKind, currency: str) -> Select[int]:
    return select(LedgerAccount.id).where(
        LedgerAccount.owner_id == user_id, LedgerAccount.kind == kind.value, LedgerAccount.currency == currency
    )


async def statement(
    session: AsyncSession,
    user_id: int,
    currency: str,
    *,
    after: str | None = None,
    size: int = PAGE_SIZE,
    skip: int = 0,
    oldest_first: bool = False,
    reason: str | None = None,
) -> Paged[StatementLine]:
    """Return a page of a wallet's movements, newest first unless asked otherwise.

    `skip` is for pages by number: so many rows are read and left out. With a `reason` only movements of that kind are
    found, among the next `LOOKED_THROUGH` on each side.
    """
    wallet = await session.scalar(_own(user_id, AccountKind.WALLET, currency))
    if wallet is None:
        return Paged([], None)
    key = key_from(after)
    # Each side has its own index; together they are merged, so a page costs two short index scans.
    row = LedgerTransfer
    part = _Part(key, skip + size + 1, oldest_first, reason)
    out = _side(row.debit_id == wallet, -row.amount, row.debit_balance, part)
    back = _side(row.credit_id == wallet, row.amount, row.credit_balance, part)
    both = union_all(select(out), select(back)).subquery()
    order = both.c.id.asc() if oldest_first else both.c.id.desc()
    rows = (await session.execute(select(both).order_by(order).offset(skip).limit(size + 1))).all()
    lines = [
        StatementLine(
            id=one.id,
            at=one.created_at,
            reason=one.reason,
            subject=one.subject,
            note=one.note,
            amount=Money(one.signed, currency),
            balance_before=Money(one.balance - one.signed, currency),
            balance_after=Money(one.balance, currency),
        )
        for one in rows
    ]
    return paged(lines, size, [line.id for line in lines])


async def count_lines(
    session: AsyncSession, user_id: int, currency: str, *, most: int, reason: str | None = None
) -> int:
    """Return how many movements `statement` finds, counted up to `most`."""
    row, wallet = LedgerTransfer, _own(user_id, AccountKind.WALLET, currency).scalar_subquery()
    part, balance = _Part(None, most, oldest_first=False, reason=reason), row.debit_balance
    sides = [_side(side == wallet, row.amount, balance, part) for side in (row.debit_id, row.credit_id)]
    both = union_all(*(select(side.c.id) for side in sides)).subquery()
    return min(most, int(await session.scalar(select(func.count()).select_from(both)) or 0))


class _Part(NamedTuple):
    """Which rows of a side are read."""

    key: int | None
    most: int
    oldest_first: bool
    reason: str | None = None


def _side(
    side: ColumnElement[bool],
    signed: SQLColumnExpression[Decimal],
    balance: SQLColumnExpression[Decimal | None],
    part: _Part,
) -> Subquery:
    row = LedgerTransfer
    columns: tuple[ColumnElement[Any], ...] = (signed.label("signed"), balance.label("balance"))
    found = select(row.id, row.created_at, row.reason, row.subject, row.note, *columns).where(side)
    if part.key is not None:
        found = found.where(row.id > part.key if part.oldest_first else row.id < part.key)
    found = found.order_by(row.id.asc() if part.oldest_first else row.id.desc())
    if part.reason is None:
        return found.limit(part.most).subquery()
    # There is no index of a wallet's reasons: what is looked through has an end.
    near = found.limit(LOOKED_THROUGH).subquery()
    order = near.c.id.asc() if part.oldest_first else near.c.id.desc()
    return select(near).where(near.c.reason == part.reason).order_by(order).limit(part.most).subquery()


@dataclass(frozen=True, slots=True)
class TransferLine:
    """One transfer with both its sides, as staff see it."""

    id: int
    at: datetime
    key: str
    reason: str
    debit: str
    credit: str
    amount: Money
    note: str | None


async def moved_for(session: AsyncSession, subject: str) -> dict[str, Decimal]:
    """Return how much moved for one subject, by reason."""
    row = LedgerTransfer
    found = select(row.reason, func.sum(row.amount)).where(row.subject == subject).group_by(row.reason)
    return dict((await session.execute(found)).all())


async def transfers_for(session: AsyncSession, subject: str, *, limit: int = 200) -> list[TransferLine]:
    """Return what moved for one subject, such as `order:123`, oldest first."""
    row, debit, credit = LedgerTransfer, aliased(LedgerAccount), aliased(LedgerAccount)
    columns = (
        row.id,
        row.created_at,
        row.key,
        row.reason,
        debit.kind,
        credit.kind,
        row.amount,
        debit.currency,
        row.note,
    )
    found = (
        select(*columns)
        .join(debit, debit.id == row.debit_id)
        .join(credit, credit.id == row.credit_id)
        .where(row.subject == subject)
        .order_by(row.id)
        .limit(limit)
    )
    return [
        TransferLine(number, at, key, reason, out, into, Money(amount, currency), note)
        for number, at, key, reason, out, into, amount, currency, note in await session.execute(found)
    ]


async def sums_for(session: AsyncSession, subjects: Collection[str], reason: Reason) -> dict[str, Decimal]:
    """Return how much moved for a reason, for those of these subjects for which something did."""
    if not subjects:
        return {}
    row = LedgerTransfer
    found = select(row.subject, func.sum(row.amount)).where(row.subject.in_(subjects), row.reason == reason.value)
    return {subject: Decimal(moved) for subject, moved in await session.execute(found.group_by(row.subject))}
