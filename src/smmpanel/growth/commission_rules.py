"""The rule of commission, as plain reckoning.

**Never on bonuses.** Money in a wallet has no colour: nobody can say which cent of it was a bonus. So the rule is
cumulative: commission is paid on at most the real money that a referred user paid in so far, and on at most what their
orders have earned so far. Bonuses, vouchers and commissions count as spent last. The result does not depend on the order in
which anything happened: money paid in later makes up for orders that were paid with a bonus, and a deposit that is
reversed takes its part away again.

What counts is laid upon single orders, the oldest first, so that every cent of commission belongs to one order, and is that
order's rate on its base, rounded down to six places.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from smmpanel.growth.referral_models import Commission, ReferralState
from smmpanel.kernel.money import round_down
from smmpanel.ledger import Purse, Reason, Transfer

ZERO = Decimal(0)
HUNDRED = Decimal(100)


def commissionable(earned: Decimal, paid_in: Decimal) -> Decimal:
    """Return how much of what a user's orders earned brings commission."""
    return min(earned, max(paid_in, ZERO))


def commission_on(base: Decimal, percent: Decimal) -> Decimal:
    """Return the commission on an amount."""
    return round_down(base * percent / HUNDRED)


def cover(rows: Iterable[Commission], more: Decimal) -> Decimal:
    """Lay so much more upon orders that are not covered yet, in turn; returns what was left over."""
    for row in rows:
        part = min(more, row.earned - row.base)
        row.base += part
        more -= part
    return more


def uncover(rows: Iterable[Commission], less: Decimal) -> Decimal:
    """Take so much away from orders, in turn; returns what none of them had."""
    for row in rows:
        part = min(less, row.base)
        row.base -= part
        less -= part
    return less


def target_of(state: str, row: Commission) -> Decimal:
    """Return what is to be credited for an order: nothing more while staff look at it, nothing at all if they refused."""
    if state == ReferralState.REFUSED:
        return ZERO
    return min(row.due, row.credited) if state == ReferralState.FLAGGED else row.due


@dataclass(frozen=True, slots=True)
class Move:
    """A change of what is credited for an order, up or down, under a name that no other change has."""

    order_id: int
    change: Decimal
    name: str


def moves_into(moves: Sequence[Move], purse: Purse, costs: int, *, approval: bool) -> list[Transfer]:
    """Return the transfers that credit commission to its owner, or take it back, order by order.

    With approval all of it goes into the earnings. Without, it goes into the wallet, but for what is owed from before. What
    is taken back comes out of the earnings, then out of the wallet; what is in neither is owed: the earnings fall below zero,
    and the next commissions meet it.
    """
    wallet, earnings = max(purse.wallet.balance or ZERO, ZERO), purse.earnings.balance or ZERO
    transfers = []
    for move in moves:
        amount = abs(move.change)
        if move.change > 0:
            in_earnings = amount if approval else min(amount, max(-earnings, ZERO))
        else:
            from_wallet = ZERO if approval else min(wallet, amount - min(amount, max(earnings, ZERO)))
            in_earnings = amount - from_wallet
        sign = 1 if move.change > 0 else -1
        parts = ((purse.earnings.id, in_earnings, "earnings"), (purse.wallet.id, amount - in_earnings, "wallet"))
        for side, part, place in parts:
            if part > 0:
                transfers.append(_transfer(move, side, part, place, costs))
        earnings += sign * in_earnings
        wallet += sign * (amount - in_earnings)
    return transfers


def _transfer(move: Move, side: int, amount: Decimal, place: str, costs: int) -> Transfer:
    is_credit = move.change > 0
    return Transfer(
        key=f"{move.name}:{place}",
        reason=Reason.COMMISSION if is_credit else Reason.COMMISSION_BACK,
        debit=costs if is_credit else side,
        credit=side if is_credit else costs,
        amount=amount,
        subject=f"order:{move.order_id}",
    )
