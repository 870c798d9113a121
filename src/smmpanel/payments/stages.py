"""How a deposit stands in its customer's eyes: fewer and other words than its states."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from smmpanel.payments.models import Deposit, Receipt, ReceiptState
from smmpanel.payments.opening import is_over
from smmpanel.payments.states import OPEN, DepositState


class Stage(StrEnum):
    """What a deposit's page says first."""

    WAITING = "waiting"
    BROKEN = "broken"
    """Its gateway never took it: there is nothing to pay by."""
    PART = "part"
    REVIEW = "review"
    """Money has arrived, and somebody looks at it."""
    PAID = "paid"
    EXPIRED = "expired"
    REJECTED = "rejected"
    """Staff have turned it down."""
    FAILED = "failed"
    """Its gateway says that nothing came of it."""
    REFUNDED = "refunded"
    PARTLY_REFUNDED = "partly_refunded"
    REVERSED = "reversed"
    """The bank or the card network took it back."""


_BY_STATE = {
    DepositState.PARTIAL: Stage.PART,
    DepositState.PAID: Stage.PAID,
    DepositState.CREATED: Stage.EXPIRED,
    DepositState.PENDING: Stage.EXPIRED,
    DepositState.EXPIRED: Stage.EXPIRED,
    DepositState.PARTIALLY_REFUNDED: Stage.PARTLY_REFUNDED,
    DepositState.REFUNDED: Stage.REFUNDED,
    DepositState.REVERSED: Stage.REVERSED,
}


def stage_of(deposit: Deposit, receipts: Sequence[Receipt], now: datetime, *, is_claimed: bool = False) -> Stage:
    """Return how a deposit stands, with the money that named it. One whose customer says that it is paid does not expire."""
    state = DepositState(deposit.state)
    unsettled = state in OPEN or state in {DepositState.PARTIAL, DepositState.EXPIRED, DepositState.FAILED}
    if unsettled and any(one.state == ReceiptState.REVIEW for one in receipts):
        return Stage.REVIEW
    if state == DepositState.FAILED:
        return Stage.FAILED if deposit.decided_by is None else Stage.REJECTED
    if state in OPEN and (is_claimed or not is_over(deposit, now)):
        return Stage.WAITING if deposit.shown else Stage.BROKEN
    return _BY_STATE[state]


def is_open(stage: Stage) -> bool:
    """Whether a page at this stage may change by itself before long."""
    return stage in {Stage.WAITING, Stage.BROKEN, Stage.PART, Stage.REVIEW, Stage.EXPIRED}
