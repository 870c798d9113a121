"""Amounts as many gateways write them: whole numbers of a currency's smallest unit (cents, kobo), exactly."""

from decimal import Decimal

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.protocol import UnreadableMessageError
from smmpanel.payments.signing import amount_in

# ISO 4217, table A.1: minor unit 0, and minor unit 3.
WITHOUT_MINOR_UNIT = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)
THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
TOO_FINE = marked("is finer than the smallest unit of this currency")


def places_of(currency: str) -> int:
    """Return how many decimals a currency has by ISO 4217. Gateways that count otherwise say `places` themselves."""
    if currency in WITHOUT_MINOR_UNIT:
        return 0
    return 3 if currency in THOUSANDTHS else 2


def to_minor(amount: Decimal, currency: str, *, places: int | None = None) -> int:
    """Return an amount in minor units; raises `InvalidInputError` for one that is finer than they are.

    >>> to_minor(Decimal("5000.50"), "NGN"), to_minor(Decimal(100_000), "VND")
    (500050, 100000)
    """
    minor = amount.scaleb(places_of(currency) if places is None else places)
    if minor != minor.to_integral_value():
        raise InvalidInputError(field="amount", reason=TOO_FINE)
    return int(minor)


def from_minor(value: object, currency: str, *, places: int | None = None) -> Decimal:
    """Read an amount in minor units, written as a number or as text; raises `UnreadableMessageError` unless it is whole and not negative.

    >>> from_minor("500050", "NGN"), from_minor(100_000, "VND")
    (Decimal('5000.50'), Decimal('100000'))
    """
    minor = Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else amount_in(value)
    if minor < 0 or minor != minor.to_integral_value():
        raise UnreadableMessageError
    return minor.to_integral_value().scaleb(-(places_of(currency) if places is None else places))
