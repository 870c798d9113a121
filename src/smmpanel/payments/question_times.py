"""When gateways are asked how a deposit stands: often while its customer waits, rarely later, and not for ever."""

from datetime import datetime, timedelta

from smmpanel.payments.models import Deposit
from smmpanel.payments.protocol import CanBeAsked, Gateway
from smmpanel.payments.states import OPEN, DepositState

PAUSES_MINUTES = (1, 2, 5, 10, 30)
"""The last one again and again."""
GRACE = timedelta(days=1)
"""How long after its end a deposit is still asked about: gateways tell late of money that came in time."""
PAID_PAUSE = timedelta(days=1)
PAID_FOR = timedelta(days=14)
"""How long after payment it is looked whether the money is still there."""
SOON = timedelta(seconds=15)
"""Customers who look at the page again and again make no more questions than this."""


def first_question(adapter: Gateway, now: datetime) -> datetime | None:
    """Return when a deposit that was begun just now is asked about; never, if its gateway cannot be asked."""
    return now + timedelta(minutes=PAUSES_MINUTES[0]) if may_be_asked(adapter) else None


def next_question(deposit: Deposit, now: datetime) -> datetime | None:
    """Return when a deposit is asked about again that is asked about just now, for the `asked + 1`st time."""
    state = DepositState(deposit.state)
    if deposit.paid_at is not None:
        return now + PAID_PAUSE if now < deposit.paid_at + PAID_FOR else None
    # A failed one too: on many gateways' pages a customer whose first try was denied tries again.
    if state in OPEN or state in {DepositState.PARTIAL, DepositState.EXPIRED, DepositState.FAILED}:
        pause = timedelta(minutes=PAUSES_MINUTES[min(deposit.asked + 1, len(PAUSES_MINUTES) - 1)])
        return now + pause if now < deposit.expires_at + GRACE else None
    return None


def may_be_asked(adapter: Gateway) -> bool:
    """Whether the gateway of an account says how payments stand."""
    return isinstance(adapter, CanBeAsked) and adapter.can_be_asked


def asked_just_now(deposit: Deposit, now: datetime) -> bool:
    """Whether its gateway was asked a moment ago."""
    return deposit.asked_at is not None and now - deposit.asked_at < SOON
