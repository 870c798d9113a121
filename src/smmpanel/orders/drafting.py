"""Turning what somebody asks for into an order that could be placed, or into the reason why it cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from smmpanel.catalog.models import ServiceMode
from smmpanel.catalog.price_lists import SaleTerms
from smmpanel.catalog.pricing import charge
from smmpanel.catalog.routes import Route
from smmpanel.catalog.service_types import SERVICE_TYPES, OrderContent, PriceBasis, Terms, read_order
from smmpanel.kernel.errors import ConflictError, InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import plain
from smmpanel.orders.models import OrderKind

KEY_LENGTH_MAX = 200
KEY_RULE = marked("must have 1 to {most} printable characters")


class ServiceUnknownError(InvalidInputError):
    """No such service is for sale."""

    code = "service_unknown"

    def __init__(self, field: str = "service") -> None:
        super().__init__(field=field, reason=marked("is not a service of this panel"))


class ServiceUnavailableError(ConflictError):
    """The service exists and cannot be ordered now."""

    code, message = "service_unavailable", "This service cannot be ordered at the moment."


class OrderKeyError(InvalidInputError):
    """The idempotency key is not one."""

    code = "key_invalid"

    def __init__(self) -> None:
        super().__init__(field="key", reason=KEY_RULE, most=KEY_LENGTH_MAX)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as asked for. `raw` holds the fields by their API v2 names, all as text, unchecked."""

    user_id: int
    service_id: int
    raw: Mapping[str, str]
    key: str | None = None
    """Made by the caller; the same key and content is the same order."""
    api_key_id: int | None = None
    daily_cap: Decimal | None = None
    """What this API key may spend in one day (UTC)."""
    coupon: str = ""
    """The code of a coupon, as it was typed."""

    def content_hash(self) -> bytes:
        """Return what the key stands for: the service and every field that was sent."""
        parts = [str(self.service_id), *(f"{name}\x1f{text}" for name, text in sorted(self.raw.items()))]
        if self.coupon:
            parts.append(f"coupon\x1f{self.coupon}")
        return sha256("\x1e".join(parts).encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Off:
    """What a coupon took off."""

    coupon_id: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Draft:
    """An order that may be placed if its buyer can pay: checked, priced, with its terms frozen."""

    order: NewOrder
    content: OrderContent
    kind: OrderKind
    charge: Decimal
    rate: Decimal
    cost: Decimal | None
    route: Route | None
    guard_key: str | None
    terms: dict[str, Any] = field(repr=False)
    off: Off | None = None
    """Taken off the charge already."""


def check_key(order: NewOrder) -> None:
    """Raise `OrderKeyError` if the order's idempotency key cannot be one."""
    if order.key is not None and not (1 <= len(order.key) <= KEY_LENGTH_MAX and order.key.isprintable()):
        raise OrderKeyError


def draft(order: NewOrder, terms: SaleTerms | None, routes: Sequence[Route], *, currency: str, now: datetime) -> Draft:
    """Check and price one order; raises a `PanelError` that says what is wrong."""
    if terms is None:
        raise ServiceUnknownError
    if terms.refusal is not None:
        raise ServiceUnavailableError
    content = read_order(
        terms.type, order.raw, terms=Terms(terms.min, terms.max, terms.dripfeed, terms.platform), now=now
    )
    rate = terms.rate
    basis = SERVICE_TYPES[terms.type].basis
    route = best_route(routes, content.run_quantity, basis) if terms.mode == ServiceMode.PROVIDER else None
    if route is None and terms.mode == ServiceMode.PROVIDER:
        raise ServiceUnavailableError
    return Draft(
        order=order,
        content=content,
        kind=_kind(terms, content),
        charge=charge(rate, content.quantity, basis),
        rate=rate,
        cost=None if route is None else charge(route.cost, content.quantity, basis),
        route=route,
        guard_key=content.link_key if terms.link_guard else None,
        terms=_frozen(terms, route, rate, currency),
    )


def best_route(routes: Sequence[Route], quantity: int, basis: PriceBasis) -> Route | None:
    """Return the route to queue for: the first that is open and takes the quantity; if none does now, the first at all."""
    counted = basis in {PriceBasis.PER_QUANTITY, PriceBasis.PER_LINES}
    fitting = [route for route in routes if not counted or route.takes(quantity)]
    return next((route for route in fitting if not route.paused), None) or next(iter(fitting or routes), None)


def _kind(terms: SaleTerms, content: OrderContent) -> OrderKind:
    if terms.mode == ServiceMode.MANUAL:
        return OrderKind.MANUAL
    if terms.mode == ServiceMode.STOCK:
        return OrderKind.STOCK
    if content.runs is not None:
        return OrderKind.DRIP
    return OrderKind.SUBSCRIPTION if terms.type == "subscriptions" else OrderKind.NORMAL


def _frozen(terms: SaleTerms, route: Route | None, rate: Decimal, currency: str) -> dict[str, Any]:
    frozen: dict[str, Any] = {
        "type": terms.type,
        "min": terms.min,
        "max": terms.max,
        "refill": terms.refill,
        "refill_days": terms.refill_days,
        "cancel": terms.cancel,
        "dripfeed": terms.dripfeed,
        "currency": currency,
        "list_rate": plain(terms.list_rate),
        "rate": plain(rate),
        "discount_percent": plain(terms.discount_percent),
        "discount_from": terms.discount_from,
        "custom_rate": None if terms.custom_rate is None else plain(terms.custom_rate),
        "markup": terms.markup,
        "below_cost": terms.allow_below_cost,
    }
    if route is not None:
        frozen["cost"] = {
            "route": route.id,
            "rate": plain(route.rate),
            "currency": route.currency,
            "fx": plain(route.fx),
            "base": plain(route.cost),
        }
    return frozen
