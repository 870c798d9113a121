"""From what a provider asks to what a customer pays, and back when something is refunded. Pure, exact, and explainable.

    base  = cost × FX, rounded up to six places           what 1,000 cost us, in the panel's currency
    list  = base × (1 + percent) + fixed, up to the step  or a rate set by hand, which no markup touches
    rate  = list × (1 − discount), up to six places       or the user's own rate, which no discount touches

A list rate, a discounted rate and a user's own rate below `base` are lifted to it unless the service allows otherwise,
and the price says that this happened. Whatever has a price never gets one of zero. Prices are rounded up and refunds
down; both in the panel's favour, once each, and by less than a millionth of its currency's unit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import NamedTuple

from smmpanel.catalog.service_types import PriceBasis
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT, UNIT, round_down, round_up

ZERO = Decimal(0)
_HUNDRED = Decimal(100)
_HUNDREDTH = Decimal("0.01")
_THOUSANDTH = Decimal("0.001")
# The product of any two stored numbers is exact in these; only divisions round, each in its named direction.
_EXACT = Context(prec=80, rounding=ROUND_FLOOR)
_EXACT_UP = Context(prec=80, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class MarkupRule:
    """What one level (service, category, provider or panel) says; `None` leaves that part to the next level."""

    percent: Decimal | None = None
    fixed: Decimal | None = None
    """Per 1,000 (per package), in the panel's currency."""
    step: Decimal | None = None
    """List rates are multiples of this; zero means six places and no more."""

    def __post_init__(self) -> None:
        for name, value in (("percent", self.percent), ("fixed", self.fixed), ("step", self.step)):
            if value is not None and not (value.is_finite() and abs(value) < LIMIT):
                raise InvalidInputError(field=f"markup_{name}", reason=marked("must be a number of reasonable size"))
        if self.percent is not None and self.percent <= -_HUNDRED:
            raise InvalidInputError(field="markup_percent", reason=marked("must be more than -100"))
        if self.fixed is not None and self.fixed < 0:
            raise InvalidInputError(field="markup_fixed", reason=marked("must not be negative"))
        if self.step is not None and self.step < 0:
            raise InvalidInputError(field="markup_step", reason=marked("must not be negative"))


@dataclass(frozen=True, slots=True)
class Markup:
    """The markup in force, and which level each part of it comes from."""

    percent: Decimal = ZERO
    fixed: Decimal = ZERO
    step: Decimal = ZERO
    percent_from: str = "none"
    fixed_from: str = "none"
    step_from: str = "none"


@dataclass(frozen=True, slots=True)
class Price:
    """A rate with all that led to it. Amounts are per 1,000 (per package), in the panel's currency unless noted."""

    cost: Decimal | None
    """In the provider's currency; `None` for own services without a cost."""
    fx: Decimal
    """Units of the panel's currency for one of the provider's."""
    base: Decimal
    markup: Markup
    fixed_rate: Decimal | None
    """The list rate set by hand, if one is."""
    list_rate: Decimal
    discount_percent: Decimal
    """What was taken off; zero where the user has an own rate."""
    custom_rate: Decimal | None
    floor_applied: bool
    """Whether the list rate or the final rate would have been below cost, or zero, and was lifted."""
    rate: Decimal


def resolve_markup(
    *,
    service: MarkupRule | None = None,
    category: MarkupRule | None = None,
    provider: MarkupRule | None = None,
    panel: MarkupRule | None = None,
) -> Markup:
    """Take each of percent, fixed part and step, independently, from the nearest level that sets it; zero if none does.

    A service with a percent of its own so keeps the fixed part and the step of its category, provider or panel.
    """
    levels = (("service", service), ("category", category), ("provider", provider), ("panel", panel))

    def nearest(part: str) -> tuple[Decimal, str]:
        for level, rule in levels:
            if rule is not None and (value := getattr(rule, part)) is not None:
                return value, level
        return ZERO, "none"

    percent, percent_from = nearest("percent")
    fixed, fixed_from = nearest("fixed")
    step, step_from = nearest("step")
    return Markup(percent, fixed, step, percent_from, fixed_from, step_from)


def base_cost(cost: Decimal | None, fx: Decimal) -> Decimal:
    """Convert a provider's rate to the panel's currency, rounded up so that we never reckon with less than it costs."""
    if cost is None:
        return ZERO
    _demand(cost, "cost", at_least=ZERO)
    _demand(fx, "fx", at_least=ZERO)
    if fx == 0:
        raise InvalidInputError(field="fx", reason=marked("must be more than zero"))
    return _fitting(_EXACT.multiply(cost, fx), "cost")


def price(
    *,
    cost: Decimal | None,
    fx: Decimal = Decimal(1),
    markup: Markup,
    fixed_rate: Decimal | None = None,
    discount_percent: Decimal = ZERO,
    custom_rate: Decimal | None = None,
    allow_below_cost: bool = False,
) -> Price:
    """Work out one price with its explanation; raises `InvalidInputError` for ingredients that make no price."""
    if cost is None and fixed_rate is None:
        raise InvalidInputError(field="rate", reason=marked("must be set by hand for a service without a cost"))
    for name, given in (("rate", fixed_rate), ("custom_rate", custom_rate), ("discount_percent", discount_percent)):
        if given is not None:
            _demand(given, name, at_least=ZERO)
    if discount_percent > _HUNDRED:
        raise InvalidInputError(field="discount_percent", reason=marked("must be at most 100"))
    base = base_cost(cost, fx)
    asked = _marked_up(base, markup) if fixed_rate is None else _fitting(fixed_rate, "rate")
    listed = _not_below(asked, asked, base, allow_below_cost=allow_below_cost)
    if listed > asked and fixed_rate is None:
        listed = _up_to_step(listed, markup.step)
    wished = _wished_rate(listed, discount_percent, custom_rate)
    rate = _not_below(wished, listed, base, allow_below_cost=allow_below_cost)
    return Price(
        cost=cost,
        fx=fx,
        base=base,
        markup=markup,
        fixed_rate=fixed_rate,
        list_rate=listed,
        discount_percent=ZERO if custom_rate is not None else discount_percent,
        custom_rate=custom_rate,
        floor_applied=listed > asked or rate > wished,
        rate=rate,
    )


def list_rate(
    *,
    cost: Decimal | None,
    fx: Decimal = Decimal(1),
    markup: Markup,
    fixed_rate: Decimal | None = None,
    allow_below_cost: bool = False,
) -> Decimal:
    """Return the rate that everybody without a discount pays: what a sync stores on the service."""
    return price(cost=cost, fx=fx, markup=markup, fixed_rate=fixed_rate, allow_below_cost=allow_below_cost).list_rate


def final_rate(
    listed: Decimal,
    base: Decimal | None,
    *,
    discount_percent: Decimal = ZERO,
    custom_rate: Decimal | None = None,
    allow_below_cost: bool = False,
) -> Decimal:
    """Return what one user pays, given a stored list rate and cost in the panel's currency; equal to `price(…).rate`."""
    wished = _wished_rate(listed, discount_percent, custom_rate)
    return _not_below(wished, listed, base or ZERO, allow_below_cost=allow_below_cost)


class Listed(NamedTuple):
    """A stored service as far as its price goes."""

    service_id: int
    rate: Decimal
    cost: Decimal | None
    allow_below_cost: bool = False


def user_rates(
    services: Iterable[Listed], *, discount_percent: Decimal = ZERO, custom_rates: Mapping[int, Decimal] | None = None
) -> dict[int, Decimal]:
    """Price a whole catalogue for one user; for each service the same as `final_rate`."""
    own = custom_rates or {}
    return {
        service_id: _not_below(
            _wished_rate(rate, discount_percent, own.get(service_id)), rate, cost or ZERO, allow_below_cost=allowed
        )
        for service_id, rate, cost, allowed in services
    }


def charge(rate: Decimal, quantity: int, basis: PriceBasis) -> Decimal:
    """Return what a billed quantity costs: exact, rounded up to six places, so never zero where there is a rate.

    Children of a subscription and runs of a drip-feed are rounded one by one and can together exceed the charge of the
    whole by less than a millionth each: charge the last ones no more than what is still held.
    """
    if quantity < 0 or rate < 0:
        raise ValueError("neither a rate nor a quantity is ever negative")
    amount = _EXACT.multiply(rate, Decimal(quantity))
    if basis is not PriceBasis.PER_PACKAGE:
        amount = _EXACT.multiply(amount, _THOUSANDTH)
    return _fitting(amount, "charge")


class Split(NamedTuple):
    """A charge divided into what was delivered and what was not; the two always add up to the charge."""

    earned: Decimal
    refunded: Decimal


def refund_part(charged: Decimal, remains: int, quantity: int) -> Decimal:
    """Return the part of a charge that `remains` of `quantity` stand for, rounded down and never more than the charge.

    Providers report negative remains when they delivered too much, and remains above the quantity when a counter fell.
    """
    if quantity <= 0:
        raise ValueError("an order has a quantity")
    undelivered = min(max(remains, 0), quantity)
    return round_down(_EXACT.divide(_EXACT.multiply(charged, Decimal(undelivered)), Decimal(quantity)))


def split_charge(charged: Decimal, remains: int, quantity: int) -> Split:
    """Divide a charge into earned and refunded; what rounding leaves over is earned."""
    refunded = refund_part(charged, remains, quantity)
    return Split(_EXACT.subtract(charged, refunded), refunded)


def _demand(value: Decimal, name: str, *, at_least: Decimal) -> None:
    if not value.is_finite() or value < at_least or value >= LIMIT:
        raise InvalidInputError(field=name, reason=marked("must be a number of reasonable size, and not negative"))


def _fitting(amount: Decimal, name: str) -> Decimal:
    if amount >= LIMIT:
        raise InvalidInputError(field=name, reason=marked("is too large"))
    return round_up(amount)


def _marked_up(base: Decimal, markup: Markup) -> Decimal:
    factor = _EXACT.divide(_EXACT.add(_HUNDRED, markup.percent), _HUNDRED)
    return _up_to_step(_EXACT.add(_EXACT.multiply(base, factor), markup.fixed), markup.step)


def _up_to_step(amount: Decimal, step: Decimal) -> Decimal:
    if step > 0:
        steps = _EXACT_UP.divide(amount, step).to_integral_value(ROUND_CEILING)
        amount = _EXACT.multiply(steps, step)
    return _fitting(amount, "rate")


def _wished_rate(listed: Decimal, discount_percent: Decimal, custom_rate: Decimal | None) -> Decimal:
    if custom_rate is not None:
        return round_up(custom_rate)
    if not discount_percent:
        return listed
    return round_up(_EXACT.multiply(listed, _EXACT.multiply(_EXACT.subtract(_HUNDRED, discount_percent), _HUNDREDTH)))


def _not_below(wished: Decimal, listed: Decimal, base: Decimal, *, allow_below_cost: bool) -> Decimal:
    # A discount of 100 or an own rate of zero would make free, endlessly repeatable orders: one unit is the least.
    least = UNIT if listed > 0 or base > 0 else ZERO
    return max(wished, least) if allow_below_cost else max(wished, least, base)
