"""Minor units: whole numbers there and back, and nothing that is not one."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.payments.minor_units import from_minor, places_of, to_minor
from smmpanel.payments.protocol import UnreadableMessageError
from smmpanel.payments.signing import read_json


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("5000", "NGN", 500_000), ("25.17", "USD", 2517), ("100000", "VND", 100_000), ("500", "JPY", 500), ("1.250", "KWD", 1250)],
)  # fmt: skip
def test_known_amounts(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency) == minor
    assert from_minor(minor, currency) == Decimal(amount)
    assert from_minor(str(minor), currency) == Decimal(amount)


@given(minor=st.integers(0, 10**17), currency=st.sampled_from(["VND", "NGN", "USD", "KWD", "XOF"]))
def test_there_and_back(minor: int, currency: str) -> None:
    amount = from_minor(minor, currency)
    assert to_minor(amount, currency) == minor
    assert amount == Decimal(minor) / 10 ** places_of(currency)


def test_a_gateway_may_count_otherwise() -> None:
    assert to_minor(Decimal(5), "UGX", places=2) == 500
    assert from_minor(500, "UGX", places=2) == 5


@pytest.mark.parametrize(("amount", "currency"), [("0.001", "USD"), ("100000.5", "VND"), ("0.0001", "KWD")])
def test_nothing_is_rounded(amount: str, currency: str) -> None:
    with pytest.raises(InvalidInputError):
        to_minor(Decimal(amount), currency)


@pytest.mark.parametrize(
    "written", ["", "-1", "1.5", "1e3", "0x10", "NaN", " 5", "٣", None, True, 2.5, -1, "9" * 25, ["1"]]
)
def test_what_is_no_whole_amount_is_not_read(written: object) -> None:
    with pytest.raises(UnreadableMessageError):
        from_minor(written, "NGN")


def test_numbers_of_messages_are_read_from_what_was_written() -> None:
    read = read_json(b'{"a": 500000, "b": 500000.0, "c": 500000.5, "d": -5}')
    assert from_minor(read["a"], "NGN") == from_minor(read["b"], "NGN") == 5000
    for name in ("c", "d"):
        with pytest.raises(UnreadableMessageError):
            from_minor(read[name], "NGN")
