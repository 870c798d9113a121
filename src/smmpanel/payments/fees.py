"""What a payment costs: worked out on everything that arrived, so that several transfers pay the fixed part once."""

from decimal import Decimal

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT, round_down

TOO_MUCH = marked("is more than a wallet can hold")


def fee_on(received: Decimal, percent: Decimal, fixed: Decimal) -> Decimal:
    """Return the fee on all that was received, never more than that. Rounded in the customer's favour."""
    return min(received, round_down(received * percent / 100 + fixed)) if received > 0 else Decimal(0)


def in_wallet(amount: Decimal, rate: Decimal) -> Decimal:
    """Return what an amount is worth in the wallet's currency. Raises `InvalidInputError` for more than a wallet can hold."""
    if not fits(amount, rate):
        raise InvalidInputError(field="amount", reason=TOO_MUCH)
    return round_down(amount * rate)


def fits(amount: Decimal, rate: Decimal) -> bool:
    """Whether a wallet can hold what an amount is worth."""
    return amount * rate < LIMIT
