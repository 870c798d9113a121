"""Money is exact, of one currency, and rounded in two named directions."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.money import (
    UNIT,
    CurrencyMismatchError,
    Money,
    json_number,
    parse_amount,
    plain,
    round_down,
    round_up,
)

amounts = st.decimals(min_value=Decimal(0), max_value=Decimal(10) ** 12, places=12, allow_nan=False)


@given(amounts)
def test_charges_round_up_by_less_than_a_unit_and_never_to_zero(amount: Decimal) -> None:
    rounded = round_up(amount)
    assert amount <= rounded < amount + UNIT
    assert (rounded == 0) == (amount == 0)


@given(amounts)
def test_refunds_round_down_by_less_than_a_unit(amount: Decimal) -> None:
    assert amount - UNIT < round_down(amount) <= amount


def test_currencies_do_not_mix() -> None:
    with pytest.raises(CurrencyMismatchError):
        Money.of("1", "USD") + Money.of("1", "VND")
    with pytest.raises(CurrencyMismatchError):
        _ = Money.of("1", "USD") < Money.of("2", "VND")


def test_floats_are_refused() -> None:
    with pytest.raises(TypeError):
        Money(1.5, "USD")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Money.of(1.5, "USD")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0.9", "0.90"), ("1E+3", "1000.00"), ("0.000001", "0.000001"), ("12.345600", "12.3456"), ("-2", "-2.00")],
)
def test_amounts_are_written_as_apis_do(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity", "1e30", "0.0000001", "1,5", "--1"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_amount(text)


def test_an_amount_keeps_its_six_places() -> None:
    assert parse_amount(" 0.000001 ") == Decimal("0.000001")


@given(st.decimals(-(10**9), 10**9, places=6))
def test_json_writes_an_amount_with_its_own_decimals(amount):
    written = json.dumps(json_number(amount))

    assert Decimal(written) == amount
    assert len(written.partition(".")[2]) <= 6 or "e" in written
    assert isinstance(json_number(amount), int) == (amount % 1 == 0)


def test_a_whole_amount_of_any_size_is_written_in_full():
    assert json.dumps(json_number(Decimal("99999999999999999.000000"))) == "99999999999999999"
