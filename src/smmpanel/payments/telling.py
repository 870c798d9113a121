"""Telling customers what became of their deposits."""

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from smmpanel.kernel.facts import Fact, on_many
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.telling import Notice, notify
from smmpanel.payments.crediting import DepositCredited


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
