"""What a vendor's API does with payments: opens them, finds them, gives money back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from smmpanel.sandbox.gateway.book import Book
from smmpanel.sandbox.gateway.payments import Event, GivenBack, Payment


@dataclass(frozen=True, slots=True)
class Desk:
    """One vendor's view of the book. What it does is told to the shop by webhook, as far as the vendor tells of it."""

    book: Book
    vendor: str
    origin: str
    """Where the sandbox is reached: `http://127.0.0.1:8910`."""
    now: datetime
    tell: Callable[[Event], None]

    @property
    def address(self) -> str:
        """Where this vendor's API is."""
        return f"{self.origin}/{self.vendor}"

    def page(self, payment: Payment) -> str:
        """Return the address of a payment's page."""
        return f"{self.origin}/pay/{payment.token}"

    def open(self, reference: str, amount: Decimal, currency: str, **more: Any) -> Payment:
        """Begin a payment; see `Payment` for what else can be said. `number` is generated unless given."""
        return self.book.open(self.vendor, reference, amount, currency, now=self.now, **more)

    def by_reference(self, reference: str) -> Payment | None:
        """Return the newest payment under the shop's reference."""
        return self.book.find(self.vendor, reference)

    def by_number(self, number: str) -> Payment | None:
        """Return the payment of the vendor's own number."""
        return self.book.by_number(self.vendor, number)

    def by_money(self, number: str) -> Payment | None:
        """Return the payment that this money came for."""
        return self.book.by_money(self.vendor, number)

    def payments(self) -> list[Payment]:
        """Return all of this vendor's, oldest first. Those whose time is over have expired."""
        return self.book.of(self.vendor)

    def host(self) -> str:
        """Return host and port."""
        return urlsplit(self.origin).netloc

    def cancel(self, payment: Payment) -> None:
        """Close an open payment; raises `ValueError` for another."""
        self._tell(self.book.cancel(payment, self.now))

    def expire(self, payment: Payment) -> None:
        """Let an open payment run out; raises `ValueError` for another."""
        self._tell(self.book.expire(payment, self.now))

    def refund(
        self, payment: Payment, amount: Decimal | None = None, *, money: str = "", key: str = "", fails: bool = False
    ) -> GivenBack:
        """Give back all that is left of the latest money (or of the one named), or this much; once under the same key.

        Raises `ValueError` if there is not so much left.
        """
        events = self.book.refund(payment, amount, money=money, key=key, now=self.now, fails=fails)
        self._tell(events)
        given = events[-1].given_back if events else self.book.given_back_under(payment, key)
        assert given is not None, "a refund is made or was made"
        return given

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            self.tell(event)
