"""Amounts that customers are offered to choose from, as they are usual in a currency."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

_USUAL: Mapping[str, Sequence[int]] = {
    "VND": (50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000),
    "IDR": (20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000),
    "NGN": (1_000, 2_000, 5_000, 10_000, 20_000, 50_000),
    "INR": (200, 500, 1_000, 2_000, 5_000, 10_000),
    "NPR": (500, 1_000, 2_000, 5_000, 10_000, 20_000),
    "PHP": (200, 500, 1_000, 2_000, 5_000, 10_000),
    "THB": (100, 200, 500, 1_000, 2_000, 5_000),
}
_OTHERS: Sequence[int] = (5, 10, 25, 50, 100, 250)
SHOWN = 6


def suggested_amounts(currency: str, minimum: Decimal, maximum: Decimal | None) -> list[Decimal]:
    """Return up to six amounts within a method's limits, the smallest first."""
    usual = [Decimal(one) for one in _USUAL.get(currency, _OTHERS)]
    fitting = [one for one in usual if one >= minimum and (maximum is None or one <= maximum)]
    if not fitting:
        steps = (minimum * factor for factor in (1, 2, 5, 10, 20, 50))
        fitting = [one for one in steps if maximum is None or one <= maximum]
    return fitting[:SHOWN]
