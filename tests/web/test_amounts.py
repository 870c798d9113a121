"""What people type as an amount is read as they mean it, or refused."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.web.amounts import amount_typed, amount_written
from smmpanel.web.formats import Formats


def formats(language, currency):
    return Formats(language, "UTC", currency, datetime(2026, 5, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("language", "currency", "typed", "meant"),
    [
        ("en", "USD", "1500", "1500"),
        ("en", "USD", "1,500", "1500"),
        ("en", "USD", "1.500", "1.5"),
        ("en", "USD", "$1,284.50", "1284.50"),
        ("en", "USD", "-12,5", "-12.5"),
        ("en", "USD", "\N{MINUS SIGN}0.75", "-0.75"),
        ("en", "USD", "1.234.567,89", "1234567.89"),
        ("en", "USD", "0.125", "0.125"),
        ("en", "USD", "0,125", "0.125"),
        ("vi", "USD", "1.500", "1500"),
        ("vi", "USD", "1,500", "1.5"),
        ("vi", "USD", "1.5", "1.5"),
        ("vi", "USD", "1.284,50 $", "1284.50"),
        ("vi", "VND", "100.000", "100000"),
        ("vi", "VND", "1.284.500 ₫", "1284500"),
        ("en", "VND", "100.000", "100000"),
        ("en", "VND", "100,000", "100000"),
        ("en", "VND", "0.5", "0.5"),
        ("id", "IDR", "Rp1.284.500", "1284500"),
        ("id", "IDR", "+50.000", "50000"),
        ("en", "VND", "100 000", "100000"),
    ],
)
def test_an_amount_is_read_as_it_is_meant(language, currency, typed, meant):
    assert amount_typed(formats(language, currency), typed) == Decimal(meant)


@pytest.mark.parametrize("language", ["en", "vi", "id"])
@pytest.mark.parametrize(("currency", "amount"), [("USDT", "10.125000"), ("USD", "-1234.5"), ("VND", "150000.000000")])
def test_what_is_written_is_read_again(language, currency, amount):
    here = formats(language, "VND")
    written = amount_written(here, Decimal(amount))
    assert amount_typed(here, written, currency=currency) == Decimal(amount)


@pytest.mark.parametrize("typed", ["", "  ", "$"])
def test_nothing_is_no_amount(typed):
    assert amount_typed(formats("en", "USD"), typed) is None


@pytest.mark.parametrize(
    "typed", ["much", "1,2,3", "1.2,3.4", "12,34,567.8", "1e400", "NaN", "--1", "1.0000001", "1-2"]
)
def test_what_is_no_amount_is_refused(typed):
    with pytest.raises(InvalidInputError):
        amount_typed(formats("en", "USD"), typed)
