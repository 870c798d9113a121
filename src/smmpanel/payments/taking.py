"""Taking out of a wallet what went back of a deposit, and putting it in again: ledger, receipt, deposit, and facts.

The wallet loses what it had gained of that money: its share of what was credited, at the rate at which it was credited. The
share of the payment fee is the panel's loss: whoever gets money back gets all of it. Reckoned on all that went back of a
receipt, so that parts add up to the whole, and the whole takes exactly what was credited, never more.
"""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.live import tell
from smmpanel.kernel.money import round_down
from smmpanel.ledger import (
    AccountKind,
    Reason,
    Transfer,
    lock_users,
    moved_for,
    panel_account,
    post,
    reverse_posted,
)
from smmpanel.payments.crediting import LIVE_NAME
from smmpanel.payments.models import Deposit, Receipt
from smmpanel.payments.return_models import IN_FORCE, OVER, PaymentReturn, ReturnKind, ReturnState
from smmpanel.payments.states import DepositState

ZERO = Decimal(0)
_REASONS = {ReturnKind.REFUND: Reason.DEPOSIT_REFUND, ReturnKind.CHARGEBACK: Reason.DEPOSIT_REVERSAL}


class DepositReturned(Fact):
    """Money of a deposit went back, or is on its way. Amounts are in the wallet's currency."""

    fact: ClassVar[str] = "deposit_returned"
    return_id: int
    deposit_id: int
    user_id: int
    kind: ReturnKind
    taken: Decimal
    """What the wallet lost."""
    balance: Decimal
    """What is left in it: below zero if the money was spent."""
    currency: str
    at: datetime


class DepositReinstated(Fact):
    """What went back of a deposit is in the wallet again: the refund failed, or the dispute was won."""

    fact: ClassVar[str] = "deposit_reinstated"
    return_id: int
    deposit_id: int
    user_id: int
    kind: ReturnKind
    given: Decimal
    currency: str
    at: datetime


def share(whole: Decimal, part: Decimal, of: Decimal) -> Decimal:
    """Return the share of `whole` that belongs to a part of something, rounded down; all of it for all."""
    return whole if part >= of else round_down(whole * part / of)


def share_taken(receipt: Receipt, amount: Decimal) -> Decimal:
    """Return what the wallet would lose if so much more of a receipt went back."""
    return max(share(receipt.credited, receipt.returned + amount, receipt.amount) - receipt.taken, ZERO)


async def take(
    session: AsyncSession, deposit: Deposit, receipt: Receipt, row: PaymentReturn, amount: Decimal, *, now: datetime
) -> None:
    """Take a part of a receipt out of its owner's wallet, spent or not. Deposit and receipt are locked; `row` is on record."""
    assert 0 < amount <= receipt.amount - receipt.returned, "never more goes back than came"
    row.deposit_id, row.receipt_id = deposit.id, receipt.id
    row.amount, row.taken = amount, share_taken(receipt, amount)
    row.fee = max(share(receipt.fee, receipt.returned + amount, receipt.amount) - receipt.fee_returned, ZERO)
    row.posted_as = f"reversal:{row.gateway}:{row.external_id}:{row.return_id}"
    balance = await _post(session, deposit, row)
    _count(deposit, receipt, row, 1)
    await session.flush()
    await restate(session, deposit)
    fact = DepositReturned(
        return_id=row.id,
        deposit_id=deposit.id,
        user_id=deposit.user_id,
        kind=ReturnKind(row.kind),
        taken=row.taken,
        balance=balance,
        currency=deposit.wallet_currency,
        at=now,
    )
    await record(session, fact)
    await _tell(session, deposit)


async def put_back(
    session: AsyncSession,
    deposit: Deposit,
    receipt: Receipt,
    row: PaymentReturn,
    *,
    became: ReturnState,
    now: datetime,
) -> None:
    """Put what a return took into the wallet again, once. Deposit, receipt and return are locked; it is in force."""
    assert row.is_in_force, "only what was taken is put back"
    assert became in OVER, "it is over then"
    await _reverse(session, deposit, row)
    _count(deposit, receipt, row, -1)
    row.state, row.settled_at = became.value, now
    await session.flush()
    await restate(session, deposit)
    fact = DepositReinstated(
        return_id=row.id,
        deposit_id=deposit.id,
        user_id=deposit.user_id,
        kind=ReturnKind(row.kind),
        given=row.taken,
        currency=deposit.wallet_currency,
        at=now,
    )
    await record(session, fact)
    await _tell(session, deposit)


async def restate(session: AsyncSession, deposit: Deposit) -> None:
    """Set a deposit's state to what its sums say. Money that goes back and comes again moves it both ways."""
    disputed = select(
        exists().where(
            PaymentReturn.deposit_id == deposit.id,
            PaymentReturn.receipt_id.is_not(None),
            PaymentReturn.kind == ReturnKind.CHARGEBACK.value,
            PaymentReturn.state.in_([state.value for state in IN_FORCE]),
        )
    )
    if deposit.returned == 0:
        state = DepositState.PAID if deposit.received >= deposit.amount else DepositState.PARTIAL
    elif deposit.returned < deposit.received:
        state = DepositState.PARTIALLY_REFUNDED
    else:
        state = DepositState.REVERSED if await session.scalar(disputed) else DepositState.REFUNDED
    deposit.state = state.value
    await session.flush()


async def bonus_of(session: AsyncSession, deposit_id: int) -> Decimal:
    """Return what a deposit has brought on top and not given back."""
    sums = await moved_for(session, f"deposit:{deposit_id}")
    return sums.get(Reason.BONUS, ZERO) - sums.get(Reason.BONUS_BACK, ZERO)


def _count(deposit: Deposit, receipt: Receipt, row: PaymentReturn, sign: int) -> None:
    receipt.returned += sign * row.amount
    receipt.taken += sign * row.taken
    receipt.fee_returned += sign * row.fee
    deposit.returned += sign * row.amount
    deposit.taken += sign * row.taken


async def _post(session: AsyncSession, deposit: Deposit, row: PaymentReturn) -> Decimal:
    currency = deposit.wallet_currency
    deposits = (await panel_account(session, AccountKind.DEPOSITS, currency)).id
    fees = (await panel_account(session, AccountKind.FEES, currency)).id
    wallet = (await lock_users(session, [deposit.user_id], currency))[deposit.user_id].wallet
    lines = (
        (row.posted_as, _REASONS[ReturnKind(row.kind)], wallet.id, row.taken),
        (f"{row.posted_as}:fee", Reason.DEPOSIT_FEE_BACK, fees, row.fee),
    )
    transfers = [
        Transfer(
            key=key or "",
            reason=reason,
            debit=debit,
            credit=deposits,
            amount=amount,
            subject=f"deposit:{deposit.id}",
            note=row.note or deposit.memo or deposit.reference,
            overdraws=debit == wallet.id,
        )
        for key, reason, debit, amount in lines
        if amount > 0
    ]
    posted = await post(session, transfers)
    assert all(posted), "this money has been taken before"
    return (wallet.balance or ZERO) - row.taken


async def _reverse(session: AsyncSession, deposit: Deposit, row: PaymentReturn) -> None:
    await lock_users(session, [deposit.user_id], deposit.wallet_currency)
    keys = [row.posted_as or "", f"{row.posted_as}:fee"]
    note = deposit.memo or deposit.reference
    put_back = await reverse_posted(session, keys, reason=Reason.DEPOSIT_RETURNED, note=note)
    assert put_back == (row.taken > 0) + (row.fee > 0), "this money has been put back before"


async def _tell(session: AsyncSession, deposit: Deposit) -> None:
    await tell(session, "balance", [deposit.user_id])
    await tell(session, LIVE_NAME, [deposit.user_id])
