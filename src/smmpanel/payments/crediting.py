"""Crediting money that arrived: ledger, deposit, receipt, fact and hint to open pages, in one transaction."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.live import tell
from smmpanel.ledger import AccountKind, Reason, Transfer, lock_users, panel_account, post
from smmpanel.payments.fees import fee_on, in_wallet
from smmpanel.payments.models import Deposit, Receipt, ReceiptState
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


async def credit_receipt(
    session: AsyncSession, deposit: Deposit, receipt: Receipt, *, rate: Decimal, in_time: bool, now: datetime
) -> None:
    """Put a receipt's money into the wallet of a deposit's owner. The deposit is locked; the receipt is not credited yet.

    The ledger's key is made of the money's own number, so whatever goes wrong above it is there once.
    """
    gross = in_wallet(receipt.amount, rate)
    received = deposit.received + receipt.amount
    fee = min(gross, in_wallet(fee_on(received, deposit.fee_percent, deposit.fee_fixed), rate) - deposit.fees)
    fee = max(fee, Decimal(0))
    await _post(session, deposit, receipt, gross, fee)
    receipt.deposit_id = deposit.id
    receipt.state = ReceiptState.CREDITED.value
    receipt.rate, receipt.fee, receipt.credited = rate, fee, gross - fee
    receipt.decided_at = now
    deposit.received = received
    deposit.fees += fee
    deposit.credited += gross - fee
    deposit.late = deposit.late or not in_time
    reached = DepositState.PAID if received >= deposit.amount else DepositState.PARTIAL
    deposit.state = advanced(DepositState(deposit.state), reached).value
    if deposit.state == DepositState.PAID and deposit.paid_at is None:
        deposit.paid_at = now
    await session.flush()
    fact = DepositCredited(
        deposit_id=deposit.id,
        receipt_id=receipt.id,
        user_id=deposit.user_id,
        method_id=deposit.method_id,
        gateway=deposit.gateway,
        amount=gross,
        fee=fee,
        credited=gross - fee,
        received=in_wallet(received, rate),
        currency=deposit.wallet_currency,
        in_time=in_time,
        at=now,
    )
    await record(session, fact)
    await tell(session, "balance", [deposit.user_id])
    await tell(session, LIVE_NAME, [deposit.user_id])


async def _post(session: AsyncSession, deposit: Deposit, receipt: Receipt, gross: Decimal, fee: Decimal) -> None:
    currency, subject = deposit.wallet_currency, f"deposit:{deposit.id}"
    money = f"{receipt.gateway}:{receipt.external_id}"
    source = (await panel_account(session, AccountKind.DEPOSITS, currency)).id
    fees = (await panel_account(session, AccountKind.FEES, currency)).id
    wallet = (await lock_users(session, [deposit.user_id], currency))[deposit.user_id].wallet.id
    lines = [
        (f"deposit:{money}", Reason.DEPOSIT, source, wallet, gross),
        (f"deposit_fee:{money}", Reason.DEPOSIT_FEE, wallet, fees, fee),
    ]
    transfers = [
        Transfer(
            key=key,
            reason=reason,
            debit=debit,
            credit=credit,
            amount=amount,
            subject=subject,
            note=deposit.memo or deposit.reference,
            # Of a wallet below zero too: what arrived has just been added to it.
            overdraws=reason is Reason.DEPOSIT_FEE,
        )
        for key, reason, debit, credit, amount in lines
        if amount > 0
    ]
    posted = await post(session, transfers)
    assert all(posted), "this money has been credited before"
