"""Telling customers what became of their deposits, and of money that goes back."""

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from smmpanel.kernel.facts import Fact, on_many
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.telling import Notice, notify
from smmpanel.payments.crediting import DepositCredited
from smmpanel.payments.return_models import ReturnKind
from smmpanel.payments.taking import DepositReinstated, DepositReturned


class DepositRejected(Fact):
    """Staff have turned a deposit down."""

    fact: ClassVar[str] = "deposit_rejected"
    deposit_id: int
    user_id: int
    amount: Decimal
    currency: str
    reason: str


@on_many(DepositCredited)
async def tell_of_deposits(panel: Panel, facts: Sequence[DepositCredited]) -> None:
    """Tell of money that has arrived. Told twice, it is one notification each."""
    notices = [
        Notice(
            fact.user_id,
            f"deposit:{fact.receipt_id}",
            "deposit_credited",
            {"amount": fact.amount, "credited": fact.credited, "currency": fact.currency},
            f"/deposits/{fact.deposit_id}",
        )
        for fact in facts
    ]
    async with panel.db.transaction() as session:
        await notify(session, notices, now=panel.clock())


@on_many(DepositRejected)
async def tell_of_rejections(panel: Panel, facts: Sequence[DepositRejected]) -> None:
    """Tell of deposits that were turned down. Told twice, it is one notification each."""
    notices = [
        Notice(
            fact.user_id,
            f"deposit_rejected:{fact.deposit_id}",
            "deposit_rejected",
            {"amount": fact.amount, "currency": fact.currency, "reason": fact.reason},
            f"/deposits/{fact.deposit_id}",
        )
        for fact in facts
    ]
    async with panel.db.transaction() as session:
        await notify(session, notices, now=panel.clock())


@on_many(DepositReturned)
async def tell_of_returns(panel: Panel, facts: Sequence[DepositReturned]) -> None:
    """Tell of money that went back. Told twice, it is one notification each."""
    notices = [
        Notice(
            fact.user_id,
            f"deposit_returned:{fact.return_id}",
            _kind_of(fact),
            {"amount": fact.taken, "balance": fact.balance, "currency": fact.currency},
            f"/deposits/{fact.deposit_id}",
        )
        for fact in facts
        if fact.taken > 0
    ]
    async with panel.db.transaction() as session:
        await notify(session, notices, now=panel.clock())


def _kind_of(fact: DepositReturned) -> str:
    kind = "deposit_charged_back" if fact.kind is ReturnKind.CHARGEBACK else "deposit_refunded"
    return f"{kind}_below" if fact.balance < 0 else kind


@on_many(DepositReinstated)
async def tell_of_money_that_is_there_again(panel: Panel, facts: Sequence[DepositReinstated]) -> None:
    """Tell of money that is in the wallet again. Told twice, it is one notification each."""
    notices = [
        Notice(
            fact.user_id,
            f"deposit_reinstated:{fact.return_id}",
            "deposit_reinstated",
            {"amount": fact.given, "currency": fact.currency},
            f"/deposits/{fact.deposit_id}",
        )
        for fact in facts
        if fact.given > 0
    ]
    async with panel.db.transaction() as session:
        await notify(session, notices, now=panel.clock())
