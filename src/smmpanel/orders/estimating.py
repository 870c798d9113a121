"""What an order would cost while its form is still being filled in, and everything that is wrong with it so far.

The verdict on a complete order is that of a dry run of placing; the price of an incomplete one comes from the same
drafting, with stand-ins for what is missing, wherever the price does not depend on that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.order_faults import OrderFieldError
from smmpanel.catalog.order_fields import Field, FieldKind
from smmpanel.catalog.platforms import PLATFORMS
from smmpanel.catalog.price_lists import SaleTerms, sale_terms
from smmpanel.catalog.pricing import charge
from smmpanel.catalog.routes import routes_for
from smmpanel.catalog.service_types import SERVICE_TYPES, PriceBasis, Terms, read_order
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.money import Money
from smmpanel.ledger import InsufficientFundsError, balance_of
from smmpanel.orders.drafting import Draft, NewOrder, ServiceUnknownError, draft
from smmpanel.orders.placing import Placed, place_orders

STAND_IN_LINES_MAX = 10_000
_PRICE_FIELDS = frozenset({"quantity", "max", "posts", "old_posts", "runs"})


@dataclass(frozen=True, slots=True)
class Estimate:
    """An order as it would be placed now. Without a charge its quantity is not known yet."""

    terms: SaleTerms
    basis: PriceBasis
    balance: Decimal
    quantity: int | None
    runs: int | None
    undiscounted: Decimal | None
    """What the quantity would cost at the list's rate."""
    charge: Decimal | None
    coupon_off: Decimal | None
    """What its coupon takes off, which is not in the charge any more; `None` without one that counts."""
    faults: Mapping[str, OrderFieldError]
    """What is wrong, by field, in the order of the form."""
    refusal: PanelError | None
    """Why the order could not be placed though its fields are right."""

    @property
    def after(self) -> Decimal | None:
        """What would be left in the wallet; negative if it does not suffice."""
        return None if self.charge is None else self.balance - self.charge


async def estimate(session: AsyncSession, order: NewOrder, *, currency: str, now: datetime) -> Estimate:
    """Say what an order would cost and what is wrong with it. Writes nothing; raises `ServiceUnknownError`."""
    pair = (order.user_id, order.service_id)
    terms = (await sale_terms(session, [pair])).get(pair)
    if terms is None:
        raise ServiceUnknownError
    routes = (await routes_for(session, [order.service_id], currency)).get(order.service_id, ())
    completed, faults = completed_order(terms, order.raw, now)
    one: Draft | None = None
    refusal: PanelError | None = None
    try:
        one = draft(replace(order, raw=completed), terms, routes, currency=currency, now=now)
    except OrderFieldError as error:
        faults.setdefault(error.field, error)
    except PanelError as error:
        refusal = error
    counted = SERVICE_TYPES[terms.type].counted
    if one is not None and faults.keys() & (_PRICE_FIELDS | {counted}):
        one = None
    basis = SERVICE_TYPES[terms.type].basis
    balance = (await balance_of(session, order.user_id, currency)).amount
    due = None if one is None else one.charge
    if one is not None and not faults:
        answer = (await place_orders(session, [order], currency=currency, now=now, dry_run=True))[0]
        refusal = answer if isinstance(answer, PanelError) else None
        due = _due(answer, one.charge)
    elif one is not None and (one.charge > balance or balance < 0):
        refusal = InsufficientFundsError(needed=Money(one.charge, currency), available=Money(balance, currency))
    return Estimate(
        terms=terms,
        basis=basis,
        balance=balance,
        quantity=None if one is None else one.content.quantity,
        runs=None if one is None else one.content.runs,
        undiscounted=None if one is None else charge(terms.list_rate, one.content.quantity, basis),
        charge=due,
        coupon_off=one.charge - due if one is not None and due is not None and due < one.charge else None,
        faults=faults,
        refusal=refusal,
    )


def _due(answer: Placed | PanelError, otherwise: Decimal) -> Decimal:
    if isinstance(answer, Placed):
        return answer.charge.amount
    return answer.needed.amount if isinstance(answer, InsufficientFundsError) else otherwise


def completed_order(
    terms: SaleTerms, raw: Mapping[str, str], now: datetime
) -> tuple[dict[str, str], dict[str, OrderFieldError]]:
    """Return an order's fields with stand-ins for those that are missing or wrong, and what was wrong with each."""
    service_type = SERVICE_TYPES[terms.type]
    asked = Terms(terms.min, terms.max, terms.dripfeed, terms.platform)
    completed = dict(raw)
    faults: dict[str, OrderFieldError] = {}
    for _ in range(len(service_type.fields) + 3):
        try:
            read_order(terms.type, completed, terms=asked, now=now)
        except OrderFieldError as error:
            if error.field in faults:
                break
            faults[error.field] = error
            field = next((each for each in service_type.fields if each.name == error.field), None)
            completed[error.field] = _stand_in(field, error.field, terms, now)
        else:
            break
    places = {each.name: place for place, each in enumerate(service_type.fields)}
    return completed, dict(sorted(faults.items(), key=lambda fault: places.get(fault[0], len(places))))


def _stand_in(field: Field | None, name: str, terms: SaleTerms, now: datetime) -> str:
    """Return a value that a field takes: never sent or stored, only there so that what follows can be judged."""
    least = str(max(1, terms.min))
    if field is None:
        return "1" if name == "interval" else ""
    platform = PLATFORMS.get(terms.platform or "")
    host = platform.hosts[0] if platform is not None and platform.hosts else "example.com"
    by_kind = {
        FieldKind.LINK: f"https://{host}/x",
        FieldKind.URL: "https://example.com/x",
        FieldKind.QUANTITY: least,
        FieldKind.LINES: "\n".join("x" for _ in range(min(int(least), STAND_IN_LINES_MAX))),
        FieldKind.INTEGER: least if name in {"min", "max"} else str(field.minimum),
        FieldKind.CHOICE: next(iter(field.choices), ""),
        FieldKind.DATE: f"{now.date() + timedelta(days=2):%d/%m/%Y}",
    }
    return by_kind.get(field.kind, "x")
