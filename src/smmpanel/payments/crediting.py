"""Crediting money that arrived: ledger, deposit, receipt, fact and hint to open pages, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.live import tell
from smmpanel.ledger import AccountKind, Reason, Transfer, lock_users, panel_account, post
from smmpanel.payments.fees import fee_on, in_wallet
from smmpanel.payments.models import Deposit, Receipt, ReceiptState
from smmpanel.payments.receipt_rows import insert_receipts
from smmpanel.payments.states import DepositState, advanced

LIVE_NAME = "deposits"
"""What pages listen for that show how a deposit stands."""


class DepositCredited(Fact):
    """Money of a deposit is in the wallet. Told once for each receipt; amounts are in the wallet's currency."""

    fact: ClassVar[str] = "deposit_credited"
    deposit_id: int
    receipt_id: int
    user_id: int
    method_id: int
    gateway: str
    amount: Decimal
    """What arrived."""
    fee: Decimal
    credited: Decimal
    """What the wallet gained: the cash that a bonus or a commission may be reckoned from."""
    received: Decimal
    """All that has arrived for the deposit so far."""
    currency: str
    in_time: bool
    """Whether it arrived before the deposit expired."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Credit:
    """A receipt to put into the wallet of its deposit's owner. The deposit is locked; the receipt is not credited yet.

    A receipt that is not in the session is new, and inserted with all others of its kind.
    """

    deposit: Deposit
    receipt: Receipt
    rate: Decimal
    in_time: bool


async def credit_receipt(
    session: AsyncSession, deposit: Deposit, receipt: Receipt, *, rate: Decimal, in_time: bool, now: datetime
) -> None:
    """Credit one receipt: see `credit_receipts`."""
    await credit_receipts(session, [Credit(deposit, receipt, rate, in_time)], now=now)


async def credit_receipts(session: AsyncSession, due: Sequence[Credit], *, now: datetime) -> None:
    """Put the money of receipts into wallets, in as many statements for a hundred as for one.

    The ledger's key is made of the money's own number, so whatever goes wrong above it is there once.
    """
    gained = [_gain(one, now) for one in due]
    await insert_receipts(session, [one.receipt for one in due if one.receipt not in session])
    await session.flush()
    await _post(session, due, gained)
    facts = [_fact(one, gross, fee, now) for one, (gross, fee) in zip(due, gained, strict=True)]
    await record(session, *facts)
    owners = {one.deposit.user_id for one in due}
    await tell(session, "balance", owners)
    await tell(session, LIVE_NAME, owners)


def _gain(one: Credit, now: datetime) -> tuple[Decimal, Decimal]:
    """Note on deposit and receipt what the wallet gains; returns the money before its fee, and the fee."""
    deposit, receipt = one.deposit, one.receipt
    gross = in_wallet(receipt.amount, one.rate)
    received = deposit.received + receipt.amount
    # What was taken of the money before stays as it was, whatever the rate is now.
    terms = deposit.fee_percent, deposit.fee_fixed
    fee = min(gross, in_wallet(fee_on(received, *terms) - fee_on(deposit.received, *terms), one.rate))
    receipt.deposit_id = deposit.id
    receipt.state = ReceiptState.CREDITED.value
    receipt.rate, receipt.fee, receipt.credited = one.rate, fee, gross - fee
    receipt.decided_at = now
    deposit.received = received
    deposit.fees += fee
    deposit.credited += gross - fee
    deposit.late = deposit.late or not one.in_time
    reached = DepositState.PAID if received >= deposit.amount else DepositState.PARTIAL
    deposit.state = advanced(DepositState(deposit.state), reached).value
    if deposit.state == DepositState.PAID and deposit.paid_at is None:
        deposit.paid_at = now
    return gross, fee


def _fact(one: Credit, gross: Decimal, fee: Decimal, now: datetime) -> DepositCredited:
    deposit = one.deposit
    return DepositCredited(
        deposit_id=deposit.id,
        receipt_id=one.receipt.id,
        user_id=deposit.user_id,
        method_id=deposit.method_id,
        gateway=deposit.gateway,
        amount=gross,
        fee=fee,
        credited=gross - fee,
        received=in_wallet(deposit.received, one.rate),
        currency=deposit.wallet_currency,
        in_time=one.in_time,
        at=now,
    )


async def _post(session: AsyncSession, due: Sequence[Credit], gained: Sequence[tuple[Decimal, Decimal]]) -> None:
    currency = due[0].deposit.wallet_currency
    assert all(one.deposit.wallet_currency == currency for one in due), "a panel's wallets have one currency"
    source = (await panel_account(session, AccountKind.DEPOSITS, currency)).id
    fees = (await panel_account(session, AccountKind.FEES, currency)).id
    users = await lock_users(session, {one.deposit.user_id for one in due}, currency)
    transfers: list[Transfer] = []
    for one, (gross, fee) in zip(due, gained, strict=True):
        money = f"{one.receipt.gateway}:{one.receipt.external_id}"
        wallet = users[one.deposit.user_id].wallet.id
        lines = [
            (f"deposit:{money}", Reason.DEPOSIT, source, wallet, gross),
            (f"deposit_fee:{money}", Reason.DEPOSIT_FEE, wallet, fees, fee),
        ]
        transfers += [
            Transfer(
                key=key,
                reason=reason,
                debit=debit,
                credit=credit,
                amount=amount,
                subject=f"deposit:{one.deposit.id}",
                note=one.deposit.memo or one.deposit.reference,
            )
            for key, reason, debit, credit, amount in lines
            if amount > 0
        ]
    posted = await post(session, transfers)
    assert all(posted), "this money has been credited before"
