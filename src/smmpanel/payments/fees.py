"""What a payment costs: worked out on everything that arrived, so that several transfers pay the fixed part once."""

from decimal import Decimal

from smmpanel.kernel.money import round_down


def fee_on(received: Decimal, percent: Decimal, fixed: Decimal) -> Decimal:
    """Return the fee on all that was received, never more than that. Rounded in the customer's favour."""
    return min(received, round_down(received * percent / 100 + fixed)) if received > 0 else Decimal(0)


def in_wallet(amount: Decimal, rate: Decimal) -> Decimal:
    """Return what an amount is worth in the wallet's currency."""
    return round_down(amount * rate)
