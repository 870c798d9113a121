"""Prices: every rounding in its named direction, never below cost unasked, never zero, and explainable."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smmpanel.catalog.pricing import (
    Listed,
    Markup,
    MarkupRule,
    base_cost,
    charge,
    final_rate,
    list_rate,
    price,
    refund_part,
    resolve_markup,
    split_charge,
    user_rates,
)
from smmpanel.catalog.service_types import PriceBasis
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.money import LIMIT

D = Decimal
UNIT = D("0.000001")


def markup(percent="0", fixed="0", step="0"):
    return Markup(D(percent), D(fixed), D(step))


def test_a_price_shows_everything_it_was_made_of():
    made = price(
        cost=D("0.27"),
        fx=D("1600"),
        markup=markup("50", "10", "5"),
        discount_percent=D("10"),
    )

    assert made.base == D("432")
    assert made.list_rate == D("660")  # 432 × 1.5 + 10 = 658, up to a multiple of 5
    assert made.rate == D("594")
    assert (made.cost, made.fx, made.markup.percent) == (D("0.27"), D("1600"), D("50"))
    assert (made.discount_percent, made.custom_rate, made.fixed_rate) == (D("10"), None, None)
    assert made.floor_applied is False


def test_each_part_of_the_markup_comes_from_the_nearest_level_that_sets_it():
    resolved = resolve_markup(
        service=MarkupRule(percent=D("0")),
        category=MarkupRule(percent=D("20"), fixed=D("1")),
        provider=MarkupRule(percent=D("30"), fixed=D("2"), step=D("0.5")),
        panel=MarkupRule(D("50"), D("3"), D("1")),
    )

    assert resolved == Markup(D("0"), D("1"), D("0.5"), "service", "category", "provider")


def test_without_any_rule_the_price_is_the_cost():
    assert resolve_markup(panel=MarkupRule()) == Markup(D(0), D(0), D(0), "none", "none", "none")
    assert list_rate(cost=D("0.123"), markup=resolve_markup()) == D("0.123")


def test_base_and_list_rate_are_rounded_up():
    assert base_cost(D("0.000000001"), D("1")) == UNIT
    assert base_cost(D("1"), D("0.333333333333")) == D("0.333334")
    assert list_rate(cost=D("0.001"), markup=markup("0.0001")) == D("0.001001")
    assert list_rate(cost=D("1.01"), markup=markup(step="0.25")) == D("1.25")
    assert list_rate(cost=D("1.25"), markup=markup(step="0.25")) == D("1.25")
    assert list_rate(cost=D("0.000001"), markup=markup(step="1000")) == D("1000")


def test_a_discount_stops_at_cost_and_says_so():
    made = price(cost=D("10"), markup=markup("10"), discount_percent=D("15"))

    assert (made.list_rate, made.rate, made.floor_applied) == (D("11"), D("10"), True)


def test_an_own_rate_replaces_list_rate_and_discount_and_stops_at_cost():
    above = price(cost=D("10"), markup=markup("50"), discount_percent=D("15"), custom_rate=D("12.5"))
    below = price(cost=D("10"), markup=markup("50"), custom_rate=D("9"))

    assert (above.rate, above.discount_percent, above.floor_applied) == (D("12.5"), D("0"), False)
    assert (below.rate, below.list_rate, below.floor_applied) == (D("10"), D("15"), True)


def test_below_cost_is_sold_only_where_it_is_allowed():
    negative = markup("-50", step="3")

    assert list_rate(cost=D("10"), markup=negative) == D("12")
    assert list_rate(cost=D("10"), markup=negative, allow_below_cost=True) == D("6")
    assert price(cost=D("10"), markup=markup(), custom_rate=D("1"), allow_below_cost=True).rate == D("1")


def test_a_rate_set_by_hand_is_untouched_by_markup_and_still_not_below_cost():
    assert list_rate(cost=D("10"), markup=markup("50", "1", "7"), fixed_rate=D("11.3")) == D("11.3")
    lifted = price(cost=D("10.5"), markup=markup(step="7"), fixed_rate=D("9"))
    assert (lifted.list_rate, lifted.floor_applied) == (D("10.5"), True)
    assert list_rate(cost=None, markup=markup("50"), fixed_rate=D("3")) == D("3")


def test_nothing_with_a_price_becomes_free():
    allowed = {"allow_below_cost": True}
    assert price(cost=D("10"), markup=markup(), discount_percent=D("100"), **allowed).rate == UNIT
    assert price(cost=D("10"), markup=markup(), custom_rate=D("0"), **allowed).rate == UNIT
    assert price(cost=D("10"), markup=markup("-99.9999"), **allowed).list_rate == D("0.00001")
    assert price(cost=None, markup=markup(), fixed_rate=D("5"), discount_percent=D("100")).rate == UNIT
    assert price(cost=D("0"), markup=markup()).rate == D("0")


@pytest.mark.parametrize(
    ("ingredients", "field"),
    [
        ({"cost": None}, "rate"),
        ({"cost": D("-1")}, "cost"),
        ({"cost": D("NaN")}, "cost"),
        ({"cost": D("1"), "fx": D("0")}, "fx"),
        ({"cost": D("1"), "fx": D("Infinity")}, "fx"),
        ({"cost": D("1e16"), "fx": D("1e16")}, "cost"),
        ({"cost": D("1e16"), "markup": markup("100000")}, "rate"),
        ({"cost": D("1"), "discount_percent": D("100.1")}, "discount_percent"),
        ({"cost": D("1"), "discount_percent": D("-1")}, "discount_percent"),
        ({"cost": D("1"), "custom_rate": D("-1")}, "custom_rate"),
    ],
)
def test_ingredients_that_make_no_price_are_refused(ingredients, field):
    with pytest.raises(InvalidInputError) as failure:
        price(**{"markup": markup(), **ingredients})
    assert failure.value.fields["field"] == field


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"percent": D("-100")}, "markup_percent"),
        ({"percent": D("NaN")}, "markup_percent"),
        ({"fixed": D("-0.1")}, "markup_fixed"),
        ({"step": D("-1")}, "markup_step"),
        ({"step": D("Infinity")}, "markup_step"),
    ],
)
def test_a_senseless_markup_is_refused(rule, field):
    with pytest.raises(InvalidInputError) as failure:
        MarkupRule(**rule)
    assert failure.value.fields["field"] == field


def test_a_charge_is_rounded_up_and_never_zero():
    assert charge(D("0.000001"), 1, PriceBasis.PER_QUANTITY) == UNIT
    assert charge(D("0.9"), 1001, PriceBasis.PER_QUANTITY) == D("0.9009")
    assert charge(D("0.333333"), 10, PriceBasis.PER_LINES) == D("0.003334")
    assert charge(D("4.5"), 1, PriceBasis.PER_PACKAGE) == D("4.5")
    assert charge(D("2"), 500, PriceBasis.PER_CHILD) == D("1")
    assert charge(D("2"), 0, PriceBasis.PER_QUANTITY) == D("0")
    with pytest.raises(ValueError, match="negative"):
        charge(D("2"), -1, PriceBasis.PER_QUANTITY)
    with pytest.raises(InvalidInputError):
        charge(D("9e16"), 10**9, PriceBasis.PER_QUANTITY)


def test_a_refund_is_rounded_down_and_clamped():
    assert refund_part(D("1"), 1, 3) == D("0.333333")
    assert refund_part(D("1"), 3, 3) == D("1")
    assert refund_part(D("1"), 4, 3) == D("1")
    assert refund_part(D("1"), -2, 3) == D("0")
    assert refund_part(D("0.000001"), 1, 2) == D("0")
    assert split_charge(D("1"), 1, 3) == (D("0.666667"), D("0.333333"))
    with pytest.raises(ValueError, match="quantity"):
        refund_part(D("1"), 0, 0)


def decimals(least, most, places):
    return st.decimals(least, most, places=places, allow_nan=False, allow_infinity=False)


RATES = decimals(0, "1e9", 6) | decimals(0, "0.01", 6)
PERCENTS = decimals(0, 100, 4)
MARKUPS = st.builds(Markup, decimals("-99.9999", 5000, 4), decimals(0, 1000, 6), st.just(D(0)) | decimals(0, 500, 6))
COSTS = decimals(0, "1e6", 9)
FXS = decimals("0.000000000001", 50_000, 12)


@st.composite
def ingredients_of_a_price(draw):
    return {
        "cost": draw(COSTS),
        "fx": draw(FXS),
        "markup": draw(MARKUPS),
        "fixed_rate": draw(st.none() | RATES),
        "discount_percent": draw(PERCENTS),
        "custom_rate": draw(st.none() | RATES),
        "allow_below_cost": draw(st.booleans()),
    }


@given(ingredients_of_a_price())
def test_the_quick_rate_is_the_explained_rate(ingredients):
    made = price(**ingredients)
    custom, discount = ingredients["custom_rate"], ingredients["discount_percent"]
    allowed = ingredients["allow_below_cost"]

    quick = {"discount_percent": discount, "custom_rate": custom, "allow_below_cost": allowed}
    assert final_rate(made.list_rate, made.base, **quick) == made.rate
    own = {} if custom is None else {7: custom}
    listed = [Listed(7, made.list_rate, made.base, allowed)]
    assert user_rates(listed, discount_percent=discount, custom_rates=own) == {7: made.rate}


@given(ingredients_of_a_price())
def test_no_price_is_below_cost_unasked_or_zero(ingredients):
    made = price(**ingredients)
    exact_cost = ingredients["cost"] * ingredients["fx"]

    assert made.rate == made.rate.quantize(UNIT)
    if not ingredients["allow_below_cost"]:
        assert made.rate >= exact_cost
        assert made.list_rate >= exact_cost
    if exact_cost > 0:
        assert made.rate > 0
        assert made.list_rate > 0


@given(RATES, st.integers(0, 10**9), st.sampled_from(PriceBasis))
def test_a_charge_is_within_one_unit_above_the_exact_amount(rate, quantity, basis):
    exact = rate * quantity if basis is PriceBasis.PER_PACKAGE else rate * quantity / 1000

    if exact > LIMIT - UNIT:
        with pytest.raises(InvalidInputError):
            charge(rate, quantity, basis)
    else:
        assert exact <= charge(rate, quantity, basis) < exact + UNIT


@given(decimals(0, "1e9", 6), st.integers(-(10**10), 10**10), st.integers(1, 10**9))
def test_earned_and_refunded_are_the_charge(charged, remains, quantity):
    earned, refunded = split_charge(charged, remains, quantity)

    assert earned + refunded == charged
    assert 0 <= refunded <= charged
    exact = charged * min(max(remains, 0), quantity) / quantity
    assert exact - UNIT < refunded <= exact


@given(decimals(0, "1e6", 6), st.integers(1, 10**6), st.data())
def test_a_larger_remainder_never_refunds_less(charged, quantity, data):
    remains = data.draw(st.integers(0, quantity - 1))
    assert refund_part(charged, remains, quantity) <= refund_part(charged, remains + 1, quantity)
