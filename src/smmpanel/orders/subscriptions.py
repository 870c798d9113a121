"""What a subscription has earned: the provider makes orders of its own for new posts, and each is paid for as delivered.

When the subscription was placed the most that it could come to was held. A child's size is told from what it cost us at the
frozen rate, since providers do not say it; where they do not say that either, the least that was agreed is reckoned with,
in the customer's favour.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from smmpanel.catalog.pricing import charge
from smmpanel.catalog.service_types import PriceBasis
from smmpanel.orders.models import OrderStatus
from smmpanel.providers.protocol import UpstreamReport, UpstreamStatus

U = UpstreamStatus
CHILD_FINAL = frozenset({U.COMPLETED, U.PARTIAL, U.CANCELED})
PARENT_FINAL = frozenset({U.COMPLETED, U.EXPIRED, U.CANCELED, U.PARTIAL})
NOTHING_SAID = "the provider says that it is completed, and not what was delivered"
CHILDREN_OPEN = "it has ended, and some of its orders are still running"


@dataclass(frozen=True, slots=True)
class Child:
    """One order that the provider made, as last reported; `charge` is the most it was said to cost."""

    external_id: str
    status: UpstreamStatus | None
    charge: Decimal | None = None
    currency: str | None = None
    remains: int | None = None


@dataclass(frozen=True, slots=True)
class Bargain:
    """What was agreed with the customer and the provider, as far as it decides what children come to."""

    charge: Decimal
    rate: Decimal
    quantity: int
    least: int
    most: int
    provider_rate: Decimal | None
    """Per 1,000, in the provider's currency, at the route that the order went to."""
    provider_currency: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a subscription stands: what was delivered so far, and what it is to become, if it is over and all is known."""

    delivered: int
    earned: Decimal
    status: OrderStatus | None
    waits_for: str | None = None
    """Why it cannot be settled although the provider says that it is over."""


def bargain_of(order: Mapping[str, Any]) -> Bargain:
    """Read what was agreed from an order's row; `provider_rate` and `provider_currency` are columns of it, too."""
    fields = order["fields"]
    return Bargain(
        charge=order["charge"],
        rate=order["rate"],
        quantity=order["quantity"],
        least=int(fields["min"]),
        most=int(fields["max"]),
        provider_rate=order["provider_rate"],
        provider_currency=order["provider_currency"],
    )


def ordered_by(child: Child, bargain: Bargain) -> int:
    """Return the quantity that a child was made with."""
    rate, cost = bargain.provider_rate, child.charge
    foreign = child.currency is not None and child.currency != bargain.provider_currency
    if rate is None or cost is None or rate <= 0 or cost <= 0 or foreign:
        return bargain.least
    quantity = int((cost * 1000 / rate).to_integral_value(ROUND_HALF_UP))
    return min(max(quantity, bargain.least), bargain.most)


def delivered_by(child: Child, bargain: Bargain) -> int | None:
    """Return how much of a child was delivered; `None` while that is not known."""
    if child.status is U.COMPLETED:
        return ordered_by(child, bargain)
    if child.status is U.CANCELED and child.remains is None:
        return 0
    if child.status in {U.PARTIAL, U.CANCELED} and child.remains is not None:
        ordered = ordered_by(child, bargain)
        return ordered - min(max(child.remains, 0), ordered)
    return None


def standing_of(bargain: Bargain, parent: UpstreamReport, children: Iterable[Child]) -> Standing:
    """Work out where a subscription stands from what its provider says of it and of its children."""
    amounts = [delivered_by(child, bargain) for child in children]
    delivered = min(sum(amount for amount in amounts if amount is not None), bargain.quantity)
    earned = min(charge(bargain.rate, delivered, PriceBasis.PER_CHILD), bargain.charge)
    if parent.status not in PARENT_FINAL:
        return Standing(delivered, earned, None)
    if None in amounts:
        return Standing(delivered, earned, None, CHILDREN_OPEN)
    if parent.status is U.COMPLETED and not amounts:
        return Standing(delivered, earned, None, NOTHING_SAID)
    return Standing(delivered, earned, _final(parent.status, earned))


def _final(said: UpstreamStatus, earned: Decimal) -> OrderStatus:
    """An expired subscription did what there was to do; one that did nothing at all is canceled, whatever it is called."""
    if not earned:
        return OrderStatus.CANCELED
    return OrderStatus.PARTIAL if said in {U.CANCELED, U.PARTIAL} else OrderStatus.COMPLETED
