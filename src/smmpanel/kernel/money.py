"""Money: a `Decimal` with a currency, to six places, and the two ways it may be rounded."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked

PLACES = 6
UNIT = Decimal(1).scaleb(-PLACES)
LIMIT = Decimal(10) ** 17
"""Amounts stay below this, so that they fit NUMERIC(24,6) with room for sums."""


class CurrencyMismatchError(TypeError):
    """Two currencies met in one sum: a mistake of ours, never of a client."""


def round_up(amount: Decimal) -> Decimal:
    """Round to six places away from our loss: what a customer is charged. A positive amount never becomes zero."""
    return amount.quantize(UNIT, rounding=ROUND_CEILING)


def round_down(amount: Decimal) -> Decimal:
    """Round to six places towards zero gain for the payee: what is paid back or paid out."""
    return amount.quantize(UNIT, rounding=ROUND_FLOOR)


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount in one currency. Sums and comparisons across currencies raise `CurrencyMismatchError`."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError("money is made of Decimal, never of float or int")

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: str) -> "Money":
        """Make money from an exact literal; a float is refused by type."""
        if isinstance(amount, float):
            raise TypeError("money is made of Decimal, never of float")
        return cls(Decimal(amount), currency)

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatchError(f"{self.currency} and {other.currency}")

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: "Money") -> bool:
        self._same(other)
        return self.amount <= other.amount

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency}"


def json_number(amount: Decimal) -> int | float:
    """Return what JSON writes as this amount: whole amounts as integers, others with their own decimals and no more.

    Up to fifteen significant digits (a billion with all six decimals) every decimal is as it was. Beyond them a fraction
    is the nearest one that a double holds, which is what most readers of JSON make of a number in any case. Nothing may
    be reckoned with it here.

    >>> json_number(Decimal("2375.000000")), json_number(Decimal("0.100000"))
    (2375, 0.1)
    """
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def plain(amount: Decimal) -> str:
    """Write an amount as APIs do: no exponent, no separators, at least two decimals, no other trailing zeros.

    >>> plain(Decimal("0.900000"))
    '0.90'
    """
    text = f"{amount:f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def parse_amount(text: str, *, field: str = "amount") -> Decimal:
    """Read an amount typed by a person or sent by a client; raises `InvalidInputError` for anything but a plain number."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise InvalidInputError(field=field, reason=marked("must be a number")) from None
    if not amount.is_finite() or abs(amount) >= LIMIT:
        raise InvalidInputError(field=field, reason=marked("must be a number of reasonable size"))
    if amount != amount.quantize(UNIT, rounding=ROUND_FLOOR):
        raise InvalidInputError(field=field, reason=marked("has more than six decimals"))
    return amount
