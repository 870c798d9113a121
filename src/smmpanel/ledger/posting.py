"""Posting transfers: the only way in which money moves, and the only writer of the ledger's tables.

The shape (keys compared with their content, accounts locked in one order, the balance after each movement) follows what
Formance Ledger and TigerBeetle document of theirs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import ConflictError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT, UNIT, CurrencyMismatchError, Money
from smmpanel.ledger.models import AccountKind, LedgerAccount, LedgerTransfer


class Reason(StrEnum):
    """Why money moved, in a word that statements translate."""

    ORDER_HOLD = "order_hold"
    ORDER_EARNED = "order_earned"
    ORDER_REFUND = "order_refund"
    ORDER_CORRECTION = "order_correction"
    ADJUSTMENT = "adjustment"
    DEPOSIT = "deposit"
    DEPOSIT_FEE = "deposit_fee"
    DEPOSIT_REFUND = "deposit_refund"
    """A deposit was paid back."""
    DEPOSIT_REVERSAL = "deposit_reversal"
    """The bank or the card network took a deposit back."""
    DEPOSIT_FEE_BACK = "deposit_fee_back"
    """The share of the payment fee in what went back: the panel's own, no wallet has it."""
    DEPOSIT_RETURNED = "deposit_returned"
    """What went back of a deposit is there again: a refund failed, or a dispute was won."""
    REVERSAL = "reversal"
    COMMISSION = "commission"
    COMMISSION_BACK = "commission_back"
    PAYOUT = "payout"
    VOUCHER = "voucher"
    BONUS = "bonus"
    BONUS_BACK = "bonus_back"
    PAYMENT_BY_STAFF = "payment_by_staff"
    GIFT = "gift"
    CORRECTION = "correction"


class InsufficientFundsError(PanelError):
    """An account that may not go below zero would have."""

    code, status, message = "insufficient_funds", 402, "The balance is {available}, but {needed} are needed."

    def __init__(self, *, needed: Money, available: Money) -> None:
        super().__init__(needed=needed, available=available)
        self.needed, self.available = needed, available


class BalanceBelowZeroError(ConflictError):
    """A wallet is below zero: nothing leaves its owner's accounts before it is made up for."""

    code, message = "balance_below_zero", marked("The balance is below zero. Pay in what is missing first.")


class KeyReusedError(ConflictError):
    """The key stands for another movement already."""

    code, message = "key_reused", "The key {key!r} was used for something else."


@dataclass(frozen=True, slots=True)
class Transfer:
    """A movement to post: `amount` from the debit account to the credit account, once under this key."""

    key: str
    reason: Reason
    debit: int
    credit: int
    amount: Decimal
    subject: str
    note: str | None = None
    reverses: int | None = None
    overdraws: bool = False
    """Whether it may take a wallet below zero: money that somebody else took back is gone, spent or not."""

    def __post_init__(self) -> None:
        assert self.debit != self.credit, "a transfer to oneself hides a bug in the caller"
        assert isinstance(self.amount, Decimal)
        assert 0 < self.amount < LIMIT, "amounts are positive; a movement back is a transfer the other way"
        assert self.amount == self.amount.quantize(UNIT), "amounts have six places; the caller rounds, and says how"


@dataclass(slots=True)
class LockedAccount:
    """An account as read under lock; `balance` runs along with what is posted and is `None` for the panel's own."""

    id: int
    owner_id: int | None
    kind: str
    currency: str
    balance: Decimal | None
    may_go_negative: bool
    """Of a wallet: whether it is below zero. Nothing but what `overdraws` is taken from it then."""

    def bears(self, item: Transfer) -> bool:
        """Whether so much can be taken from it."""
        if self.balance is None or self.balance >= item.amount or item.overdraws:
            return True
        return self.may_go_negative and self.kind != AccountKind.WALLET

    @property
    def has_turned(self) -> bool:
        """Whether it is a wallet that went below zero, or came back, and is not marked so yet."""
        return (
            self.balance is not None and self.kind == AccountKind.WALLET and (self.balance < 0) != self.may_go_negative
        )


_COLUMNS = (
    LedgerAccount.id,
    LedgerAccount.owner_id,
    LedgerAccount.kind,
    LedgerAccount.currency,
    LedgerAccount.balance,
    LedgerAccount.may_go_negative,
)


async def lock_accounts(session: AsyncSession, account_ids: Iterable[int]) -> dict[int, LockedAccount]:
    """Read accounts, those with a balance under lock, in id order so that two of us cannot cross."""
    ids = list(set(account_ids))
    # NO KEY UPDATE, so that inserts pointing at these rows need not wait.
    with_balance = (
        select(*_COLUMNS)
        .where(LedgerAccount.id.in_(ids), LedgerAccount.balance.is_not(None))
        .order_by(LedgerAccount.id)
        .with_for_update(key_share=True)
    )
    without = select(*_COLUMNS).where(LedgerAccount.id.in_(ids), LedgerAccount.balance.is_(None))
    found = [LockedAccount(*row) for row in (await session.execute(with_balance))]
    if len(found) < len(ids):
        found += [LockedAccount(*row) for row in (await session.execute(without))]
    assert len(found) == len(ids), "an account does not exist"
    return {account.id: account for account in found}


async def post(session: AsyncSession, transfers: Sequence[Transfer]) -> list[bool]:
    """Post transfers in order, all or none, and say for each whether it was new.

    A key seen before with the same content is `False` and moves nothing; with other content it raises `KeyReusedError`.
    Raises `InsufficientFundsError` if an account that may not go below zero would have.
    """
    if not transfers:
        return []
    accounts = await lock_accounts(session, {side for item in transfers for side in (item.debit, item.credit)})
    known = await _known(session, [item.key for item in transfers])
    fresh: list[Transfer] = []
    answers = []
    for item in transfers:
        before = known.get(item.key)
        if before is not None and before != _content(item):
            raise KeyReusedError(key=item.key)
        answers.append(before is None)
        if before is None:
            fresh.append(item)
            known[item.key] = _content(item)
    await post_fresh(session, accounts, fresh)
    return answers


async def _known(session: AsyncSession, keys: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    row = LedgerTransfer
    found = select(row.key, row.reason, row.debit_id, row.credit_id, row.amount, row.subject, row.reverses).where(
        row.key.in_(keys)
    )
    return {key: tuple(content) for key, *content in (await session.execute(found))}


def _content(item: Transfer) -> tuple[Any, ...]:
    return (item.reason.value, item.debit, item.credit, item.amount, item.subject, item.reverses)


async def post_fresh(session: AsyncSession, accounts: dict[int, LockedAccount], transfers: Sequence[Transfer]) -> None:
    """Post transfers whose keys are certainly new, on accounts that are locked already."""
    if not transfers:
        return
    rows = [_apply(accounts, item) for item in transfers]
    touched = sorted(
        {side for item in transfers for side in (item.debit, item.credit) if accounts[side].balance is not None}
    )
    balances = [{"id": one, "balance": str(accounts[one].balance)} for one in touched]
    turned = [accounts[one] for one in touched if accounts[one].has_turned]
    await _mark(session, [side for side in turned if not side.may_go_negative], is_below=True)
    await session.execute(
        _WRITE, {"balances": orjson.dumps(balances).decode(), "transfers": orjson.dumps(rows).decode()}
    )
    await _mark(session, [side for side in turned if side.may_go_negative], is_below=False)
    for side in turned:
        side.may_go_negative = not side.may_go_negative


async def _mark(session: AsyncSession, wallets: Sequence[LockedAccount], *, is_below: bool) -> None:
    # Rare, and a statement of its own: of all other wallets the database itself sees that they stay above zero.
    if wallets:
        ids = [wallet.id for wallet in wallets]
        await session.execute(_MARK, {"ids": ids, "below": is_below})


def _apply(accounts: dict[int, LockedAccount], item: Transfer) -> dict[str, Any]:
    debit, credit = accounts[item.debit], accounts[item.credit]
    if debit.currency != credit.currency:
        raise CurrencyMismatchError(f"{debit.currency} and {credit.currency}")
    if debit.balance is not None:
        if not debit.bears(item):
            raise InsufficientFundsError(
                needed=Money(item.amount, debit.currency), available=Money(debit.balance, debit.currency)
            )
        debit.balance -= item.amount
    if credit.balance is not None:
        credit.balance += item.amount
    return {
        "key": item.key,
        "reason": item.reason.value,
        "debit_id": item.debit,
        "credit_id": item.credit,
        "amount": str(item.amount),
        "debit_balance": None if debit.balance is None else str(debit.balance),
        "credit_balance": None if credit.balance is None else str(credit.balance),
        "subject": item.subject,
        "note": item.note,
        "reverses": item.reverses,
    }


_MARK = text("UPDATE ledger_accounts SET may_go_negative = :below WHERE id = ANY(CAST(:ids AS bigint[]))")

_COLUMNS_OF_A_TRANSFER = {
    "key": "text",
    "reason": "text",
    "debit_id": "bigint",
    "credit_id": "bigint",
    "amount": "numeric",
    "debit_balance": "numeric",
    "credit_balance": "numeric",
    "subject": "text",
    "note": "text",
    "reverses": "bigint",
}

# Balances and transfers in one statement. JSON documents, which the driver need not escape item by item; numbers travel
# as text, so no float touches them.
_WRITE = text(
    "WITH written AS (UPDATE ledger_accounts a SET balance = v.balance"
    " FROM json_to_recordset(CAST(:balances AS json)) AS v(id bigint, balance numeric) WHERE a.id = v.id)"
    f" INSERT INTO ledger_transfers ({', '.join(_COLUMNS_OF_A_TRANSFER)}) SELECT * FROM json_to_recordset(CAST(:transfers AS json))"
    f" AS v({', '.join(f'{name} {kind}' for name, kind in _COLUMNS_OF_A_TRANSFER.items())})"
)


async def reverse(session: AsyncSession, transfer_id: int, *, note: str) -> bool:
    """Move a transfer's money back, once; `False` if that was done before."""
    return await _reverse(session, LedgerTransfer.id == transfer_id, Reason.REVERSAL, note) == 1


async def reverse_posted(session: AsyncSession, keys: Sequence[str], *, reason: Reason, note: str) -> int:
    """Move the money of the transfers that were posted under these keys back, once; returns of how many that is new."""
    return await _reverse(session, LedgerTransfer.key.in_(keys), reason, note)


async def _reverse(session: AsyncSession, which: ColumnElement[bool], reason: Reason, note: str) -> int:
    row = LedgerTransfer
    wanted = select(row.id, row.debit_id, row.credit_id, row.amount, row.subject).where(which).order_by(row.id)
    back = [
        Transfer(
            key=f"transfer:{found.id}:reversal",
            reason=reason,
            debit=found.credit_id,
            credit=found.debit_id,
            amount=found.amount,
            subject=found.subject,
            note=note,
            reverses=found.id,
        )
        for found in await session.execute(wanted)
    ]
    return sum(await post(session, back))
