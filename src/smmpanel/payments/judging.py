"""Judging money that names a deposit: whether it is credited at once, and what is odd about it."""

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from smmpanel.payments.fees import fits
from smmpanel.payments.models import Deposit
from smmpanel.payments.policies import CREDIT, Policy
from smmpanel.payments.protocol import Notice
from smmpanel.payments.states import GIVEN_BACK, DepositState

CLOCKS_DIFFER = timedelta(minutes=10)
"""A bank's clock is believed this far ahead of ours."""


def judged(
    deposit: Deposit, notice: Notice, policy: Policy, accounts: AbstractSet[str], *, now: datetime
) -> tuple[str, bool]:
    """Return what is odd about it (nothing: it is as it was asked for), and whether it is credited at once.

    What makes it unsure comes before what is merely odd: another currency or account, a message that anybody could have
    changed, money that is too late; then a further transfer, too little, too much, a little late.
    """
    state, moment = DepositState(deposit.state), moment_of(notice.occurred_at, now)
    received = deposit.received + notice.amount
    findings = (
        (notice.currency != deposit.currency, "wrong_currency", False),
        (bool(accounts) and notice.account not in accounts, "wrong_account", False),
        (notice.unproved, "unproved", False),
        (not fits(received, deposit.rate), "overpaid", False),
        (moment > deposit.expires_at + timedelta(days=policy.late_days), "too_late", False),
        (state in GIVEN_BACK, "repeated", False),
        (state == DepositState.PAID, "repeated", policy.repeated == CREDIT),
        (received < deposit.amount, "underpaid", policy.underpaid == CREDIT),
        (received > deposit.amount, "overpaid", policy.overpaid == CREDIT),
        (moment > deposit.expires_at, "late", True),
    )
    return next(((reason, is_sure) for holds, reason, is_sure in findings if holds), ("", True))


def moment_of(occurred_at: datetime | None, now: datetime) -> datetime:
    """Return when money came in: by the bank's word, unless that lies in the future."""
    return now if occurred_at is None or occurred_at > now + CLOCKS_DIFFER else occurred_at
