"""What was charged for an order, and why: from the list's rate to what it has cost after refunds."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from smmpanel.catalog.pricing import charge
from smmpanel.catalog.service_types import SERVICE_TYPES, PriceBasis
from smmpanel.orders.models import OrderKind
from smmpanel.orders.queries import OrderView


@dataclass(frozen=True, slots=True)
class Charges:
    """The lines of an order's bill. What is `None` is not part of it."""

    rate: Decimal
    """The list's rate, per 1,000, or for a package."""
    per_package: bool
    quantity: int
    listed: Decimal | None
    """At the list's rate; a run of a drip-feed has none, it takes its share of the whole."""
    discount: Decimal
    discount_percent: Decimal
    """Zero where the customer has an own rate."""
    discount_from: str
    """Whose discount was frozen on the order: the customer's `own`, their `tier`'s, the `rate` agreed with them, or nobody's."""
    coupon: str
    coupon_off: Decimal
    charge: Decimal
    refunded: Decimal
    net: Decimal
    held: Decimal
    """What of it can still come back: neither earned nor paid back yet."""


def charges_of(order: OrderView) -> Charges:
    """Work out the bill of an order from the terms that were frozen when it was placed."""
    basis = SERVICE_TYPES[order.terms["type"]].basis
    rate = Decimal(order.terms["list_rate"])
    listed = charge(rate, order.quantity, basis)
    # An own rate may lie above the list's: that is no negative discount, but the rate that was agreed.
    coupon = order.terms.get("coupon") or {}
    off = Decimal(coupon.get("off") or 0)
    if listed < order.charge + off:
        rate, listed = order.rate, order.charge + off
    own = order.kind == OrderKind.RUN
    agreed = order.terms.get("custom_rate") is not None  # no discount touches that
    return Charges(
        rate=rate,
        per_package=basis is PriceBasis.PER_PACKAGE,
        quantity=order.quantity,
        listed=None if own else listed,
        discount=Decimal(0) if own else listed - order.charge - off,
        discount_percent=Decimal(0 if agreed else order.terms.get("discount_percent") or 0),
        discount_from="rate" if agreed else str(order.terms.get("discount_from") or ""),
        coupon=str(coupon.get("code") or ""),
        coupon_off=off,
        charge=order.charge,
        refunded=order.refunded,
        net=order.net_charge,
        held=max(order.charge - order.refunded - order.earned, Decimal(0)),
    )


FIELDS_SHOWN = (
    "comments", "usernames", "hashtags", "hashtag", "username", "media", "answer_number", "groups", "keywords",
    "country", "device", "type_of_traffic", "google_keyword", "referring_url", "min", "max", "posts", "old_posts",
    "delay", "expiry",
)  # fmt: skip


def fields_of(order: OrderView) -> Sequence[tuple[str, str]]:
    """Return what was asked for beside link and quantity, in the order in which forms ask for it."""
    return [(name, order.fields[name]) for name in FIELDS_SHOWN if order.fields.get(name)]
