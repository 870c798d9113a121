"""How far a deposit is: one table of states with ranks, so that late and out-of-order messages never move it backwards."""

from collections.abc import Mapping
from enum import StrEnum

from smmpanel.kernel.states import IllegalMoveError


class DepositState(StrEnum):
    """Where a deposit stands. Customers see other words: see `payments.words`."""

    CREATED = "created"
    """It has its reference; the gateway has not been asked yet."""
    PENDING = "pending"
    EXPIRED = "expired"
    FAILED = "failed"
    PARTIAL = "partial"
    """Money has arrived, but less than was asked for."""
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    REVERSED = "reversed"
    """The bank or the card network took the money back."""


S = DepositState
RANKS: Mapping[DepositState, int] = {
    S.CREATED: 0,
    S.PENDING: 1,
    S.EXPIRED: 2,
    S.FAILED: 2,
    S.PARTIAL: 3,
    S.PAID: 4,
    S.PARTIALLY_REFUNDED: 5,
    S.REFUNDED: 6,
    S.REVERSED: 6,
}
"""A deposit only ever moves to a state of a higher rank: what arrives late says nothing new about what is further."""
OPEN = (S.CREATED, S.PENDING)
WITH_MONEY = frozenset({S.PARTIAL, S.PAID, S.PARTIALLY_REFUNDED})
GIVEN_BACK = frozenset({S.PARTIALLY_REFUNDED, S.REFUNDED, S.REVERSED})


def moves(before: DepositState, after: DepositState) -> bool:
    """Whether a deposit goes from one state to another: up in rank, and money is given back only where it came in."""
    if after in GIVEN_BACK and before not in WITH_MONEY:
        return False
    return RANKS[after] > RANKS[before]


def advanced(before: DepositState, after: DepositState) -> DepositState:
    """Return where a deposit stands after a message that says `after`, whenever that message was sent."""
    return after if moves(before, after) else before


def check_move(before: DepositState, after: DepositState) -> None:
    """Raise `IllegalMoveError` unless a deposit can be moved so: for people, who are told why nothing happens."""
    if not moves(before, after):
        raise IllegalMoveError(before=before.value, after=after.value)
