"""An order as a row of a list: with what may be done, said in the reader's language, and its link in short."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from smmpanel.kernel.i18n import marked
from smmpanel.orders.cancels import NoCancel
from smmpanel.orders.models import CancelState
from smmpanel.orders.possibilities import Possible, possibilities
from smmpanel.orders.queries import OrderView
from smmpanel.orders.refill_rules import Eligible, NoRefill, NotEligible
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of
from smmpanel.web.transactions import panel_of

PAGE_ROWS = 25
SIZES = (25, 50, 100)
LINK_SHOWN_MAX = 46
_HEAD, _TAIL = 29, 14

NO_REFILL = {
    NoRefill.NOT_OFFERED: marked("This service has no refill"),
    NoRefill.ASK_ITS_RUNS: marked("Ask for the refill of its runs"),
    NoRefill.NOT_COMPLETED: marked("Refill opens when the order is completed"),
    NoRefill.ALREADY_OPEN: marked("A refill is under way"),
    NoRefill.BEING_CLEARED: marked("We are looking into the last refill"),
    NoRefill.NOT_POSSIBLE: marked("This order cannot be refilled"),
}
ONLY_COMPLETED = marked("Only completed orders have a refill")
REFILL_OVER = marked("The refill period ended on {date}")
REFILL_UNTIL = marked("Refill possible until {date}")
REFILL_FOREVER = marked("Refill possible without time limit")
NO_CANCEL = {
    NoCancel.FINISHED: marked("This order has ended"),
    NoCancel.UNCONFIRMED: marked("We are finding out whether this order was taken"),
    NoCancel.WITH_STAFF: marked("We are looking into this order"),
    NoCancel.NOT_OFFERED: marked("This service cannot be canceled once it is sent"),
}
CANCEL_ASKED = marked("Cancellation requested")
CANCEL_TAKEN = marked("Cancellation accepted; it ends soon")


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One row."""

    order: OrderView
    possible: Possible
    refill_said: str
    """Why there is no refill, or until when there is."""
    cancel_said: str
    """Why it cannot be canceled; empty if it can."""

    @property
    def href(self) -> str:
        """Where the link leads, if it is one into the web; subscriptions name a user instead."""
        return web_link(self.order.link)

    @property
    def link_short(self) -> str:
        """The link as it fits into a row."""
        return short_link(self.order.link)

    @property
    def percent(self) -> int:
        """How much has been delivered, as far as is known."""
        return self.order.delivered * 100 // self.order.quantity


async def lines_of(request: Request, session: AsyncSession, orders: Sequence[OrderView]) -> list[OrderLine]:
    """Make rows of orders; the number of statements does not grow with them."""
    known = await possibilities(session, orders, panel_of(request).clock())
    return [
        OrderLine(order, known[order.id], refill_said(request, known[order.id]), cancel_said(request, known[order.id]))
        for order in orders
    ]


def refill_said(request: Request, possible: Possible) -> str:
    """Say why an order has no refill, or until when it has."""
    refill = possible.refill
    until = formats_of(request).date(refill.until) if refill.until is not None else ""
    if isinstance(refill, Eligible):
        return say(request, REFILL_UNTIL, date=until) if until else say(request, REFILL_FOREVER)
    ended = possible.no_cancel is NoCancel.FINISHED
    if refill.code is NoRefill.NOT_COMPLETED and ended:
        return say(request, ONLY_COMPLETED)
    return no_refill_said(request, refill)


def no_refill_said(request: Request, refusal: NotEligible) -> str:
    """Say why an order has no refill."""
    if refusal.code is NoRefill.WINDOW_OVER:
        assert refusal.until is not None
        return say(request, REFILL_OVER, date=formats_of(request).date(refusal.until))
    return say(request, NO_REFILL[refusal.code])


def cancel_said(request: Request, possible: Possible) -> str:
    """Say why an order cannot be canceled; nothing if it can."""
    if possible.no_cancel is not None:
        return say(request, NO_CANCEL[possible.no_cancel])
    if possible.canceling:
        return say(request, CANCEL_TAKEN if possible.cancel_state is CancelState.ACCEPTED else CANCEL_ASKED)
    return ""


def web_link(link: str) -> str:
    """Return a link if a browser may follow it, else nothing."""
    return link if link.startswith(("https://", "http://")) else ""


def host_of_link(link: str) -> str:
    """Return the host that a link leads to, without `www.`."""
    try:
        return (urlsplit(link).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def short_link(link: str) -> str:
    """Shorten a link in its middle: where it leads and how it ends tell most."""
    bare = link.partition("://")[2] or link
    bare = bare.removeprefix("www.")
    return bare if len(bare) <= LINK_SHOWN_MAX else f"{bare[:_HEAD]}…{bare[-_TAIL:]}"
