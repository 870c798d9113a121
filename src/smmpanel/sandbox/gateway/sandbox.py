"""All fake gateways together: their book, clock, faults and messages."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from smmpanel.sandbox.gateway.book import Book
from smmpanel.sandbox.gateway.courier import Courier
from smmpanel.sandbox.gateway.deeds import DEEDS, Doing, other_currency
from smmpanel.sandbox.gateway.desk import Desk
from smmpanel.sandbox.gateway.faults import GatewayFaults, read_fault
from smmpanel.sandbox.gateway.payments import Event, Payment
from smmpanel.sandbox.gateway.vendor import Vendor
from smmpanel.sandbox.provider_clock import ProviderClock

CALLS_KEPT = 2_000
FORGE, SEND_AGAIN = "forge", "send_again"


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call that a vendor answered."""

    vendor: str
    action: str
    method: str
    path: str
    status: int
    fault: str | None


class GatewaySandbox:
    """The world that the panel's gateways live in."""

    def __init__(self, vendors: list[Vendor], *, notify_base: str = "") -> None:
        self.vendors = {vendor.name: vendor for vendor in vendors}
        self.clock = ProviderClock()
        self.book = Book()
        self.faults = GatewayFaults()
        self.courier = Courier(self.faults, self.now, notify_base=notify_base.rstrip("/"))
        self.calls: deque[CallRow] = deque(maxlen=CALLS_KEPT)
        self.events: dict[str, Event] = {}
        """By a payment's token: the latest of which its shop was told."""
        self.origin = ""

    def now(self) -> datetime:
        """Return the present moment."""
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def desk(self, vendor: Vendor) -> Desk:
        """Return what a vendor acts with. Payments whose time is over have expired by now."""
        self.run_out()
        return Desk(self.book, vendor.name, self.origin, self.now(), self.tell)

    def tell(self, event: Event) -> None:
        """Have a shop told of an event."""
        self.events[event.payment.token] = event
        self.courier.carry(self.vendors[event.payment.vendor], event)

    def run_out(self) -> None:
        """Let payments expire whose time is over."""
        for event in self.book.run_out(self.now()):
            self.tell(event)

    def find(self, vendor: str, name: str) -> Payment:
        """Return a payment by token, reference or number; raises `KeyError`."""
        found = self.book.payments.get(name) or self.book.find(vendor, name) or self.book.by_number(vendor, name)
        if found is None:
            raise KeyError(f"payment {name}")
        return found

    def do(
        self, payment: Payment, deed: str, *, amount: Decimal | None = None, currency: str = "", kind: str = FORGE
    ) -> None:
        """Do one of `DEEDS`, or `send_again` the latest message, or `forge` one (of a `kind` of fault). Raises `ValueError`."""
        vendor = self.vendors[payment.vendor]
        if deed == FORGE:
            self.courier.send_again(
                vendor, self.book.paid_unseen(payment, self.now()), read_fault({"kind": kind or FORGE})
            )
        elif deed == SEND_AGAIN:
            if payment.token not in self.events:
                raise ValueError("nothing was told yet")
            self.courier.send_again(vendor, self.events[payment.token])
        elif deed not in DEEDS:
            raise ValueError(f"deed is one of {', '.join((*DEEDS, FORGE, SEND_AGAIN))}")
        else:
            doing = Doing(self.book, payment, self.now(), amount, self._currency(payment, deed, currency))
            for event in DEEDS[deed](doing):
                self.tell(event)

    def reset(self) -> None:
        """Forget payments, messages, faults and calls."""
        self.courier.forget()
        self.faults.clear()
        self.book.payments.clear()
        self.calls.clear()
        self.events.clear()

    def _currency(self, payment: Payment, deed: str, wanted: str) -> str:
        fault = self.faults.strike("money", payment.vendor, payment=payment) if deed.startswith("pay") else None
        return wanted if fault is None else str(fault.params.get("currency") or other_currency(payment.currency))
