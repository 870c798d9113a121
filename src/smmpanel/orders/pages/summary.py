"""The order summary beside the form: the charge line by line, what is left afterwards, and what stands in the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from smmpanel.catalog.price_lists import ServiceRow
from smmpanel.catalog.service_types import SERVICE_TYPES, PriceBasis
from smmpanel.kernel.errors import PanelError
from smmpanel.ledger import InsufficientFundsError
from smmpanel.orders.drafting import NewOrder, ServiceUnknownError
from smmpanel.orders.estimating import Estimate, estimate
from smmpanel.orders.glances import running_on
from smmpanel.orders.guarding import LinkInUseError
from smmpanel.orders.pages.order_form import raw_order
from smmpanel.orders.pages.wording import fault_text, refusal_text
from smmpanel.web.transactions import panel_of


@dataclass(frozen=True, slots=True)
class Summary:
    """What the summary says. Amounts that depend on what is still missing are `None`."""

    per_package: bool
    rate: Decimal
    """What the list says; the user's own rate if there is one."""
    own_rate: bool
    quantity: int | None
    per_run: int | None
    runs: int | None
    discount_percent: Decimal
    discount_from: str
    """Whose it is: the customer's `own`, or their `tier`'s."""
    discount: Decimal | None
    coupon_off: Decimal | None
    """What the coupon takes off."""
    charge: Decimal | None
    after: Decimal | None
    problem: str
    """Why it cannot be placed, beside what is wrong with fields."""
    short: bool
    """Whether the balance does not suffice."""
    running: int | None
    """An order of the same customer on the same link that is still under way."""
    faults: Mapping[str, str]
    """What is wrong, by field."""

    @property
    def first_fault(self) -> str:
        """The first wrong field, which gets the focus."""
        return next(iter(self.faults), "")


async def summary_of(
    request: Request,
    session: AsyncSession,
    user_id: int,
    service: ServiceRow,
    typed: Mapping[str, str],
    *,
    error: PanelError | None = None,
    gone: str = "",
    complete: bool = False,
    coupon: str = "",
) -> Summary | None:
    """Reckon an order. What is merely not filled in yet is no fault unless the form is `complete`.

    `error` is what placing said, `gone` what else stands in the way. `None` if the service has just ceased to exist.
    """
    panel = panel_of(request)
    raw = raw_order(service, typed)
    try:
        order = NewOrder(user_id, service.id, raw, coupon=coupon)
        found = await estimate(session, order, currency=panel.currency, now=panel.clock())
    except ServiceUnknownError:
        return None
    refusal = error if error is not None and not found.faults else found.refusal
    faults = {
        name: fault_text(request, fault, platform=found.terms.platform, type_slug=found.terms.type)
        for name, fault in found.faults.items()
        if complete or raw.get(name, "")
    }
    link = raw.get("link", "").strip()
    running = await running_on(session, user_id, link, f"https://{link}") if link else None
    return _said(
        found,
        problem=gone or ("" if refusal is None else refusal_text(request, refusal, platform=found.terms.platform)),
        short=isinstance(refusal, InsufficientFundsError),
        running=None if isinstance(refusal, LinkInUseError) else running,
        faults=faults,
    )


def _said(found: Estimate, *, problem: str, short: bool, running: int | None, faults: Mapping[str, str]) -> Summary:
    terms = found.terms
    own = terms.custom_rate is not None
    discount = None
    charge = None if found.charge is None else found.charge + (found.coupon_off or 0)
    if not own and found.undiscounted is not None and charge is not None and charge < found.undiscounted:
        discount = found.undiscounted - charge
    return Summary(
        per_package=SERVICE_TYPES[terms.type].basis is PriceBasis.PER_PACKAGE,
        rate=terms.rate if own else terms.list_rate,
        own_rate=own,
        quantity=found.quantity,
        per_run=None if found.runs is None or found.quantity is None else found.quantity // found.runs,
        runs=found.runs,
        discount_percent=Decimal(0) if own else terms.discount_percent,
        discount_from=terms.discount_from,
        discount=discount,
        coupon_off=found.coupon_off,
        charge=found.charge,
        after=found.after,
        problem=problem,
        short=short,
        running=running,
        faults=faults,
    )
