"""What can be done to a payment by hand or by a test: each deed moves the book and returns what is told of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from smmpanel.sandbox.gateway.book import Book, part_of
from smmpanel.sandbox.gateway.payments import Event, Payment

LESS, MORE, HALF = Decimal("0.6"), Decimal("1.5"), Decimal("0.5")
OTHER_CURRENCIES = ("USD", "EUR")


@dataclass(frozen=True, slots=True)
class Doing:
    """One deed: on what, when, and how much if that was said."""

    book: Book
    payment: Payment
    now: datetime
    amount: Decimal | None = None
    currency: str = ""

    def pay(self, share: Decimal = Decimal(1)) -> list[Event]:
        """Pay this share, or the amount that was said."""
        payment = self.payment
        amount = self.amount or part_of(payment.amount, share, payment.currency)
        return self.book.pay(payment, amount, self.currency or payment.currency, self.now)

    def pay_in_full_again(self) -> list[Event]:
        """Pay twice."""
        return [*self.pay(), *self.pay()]

    def pay_in_another(self) -> list[Event]:
        """Pay as many, of another currency."""
        currency = self.currency or other_currency(self.payment.currency)
        return self.book.pay(self.payment, self.amount or self.payment.amount, currency, self.now)

    def refund(self, share: Decimal | None = None) -> list[Event]:
        """Give back what was said, or this share of what was asked for, or all that is left."""
        amount = self.amount
        if amount is None and share is not None:
            amount = part_of(self.payment.amount, share, self.payment.currency)
        return self.book.refund(self.payment, amount, now=self.now)


DEEDS: Mapping[str, Callable[[Doing], list[Event]]] = {
    "begin": lambda deed: deed.book.begin(deed.payment, deed.now),
    "pay": Doing.pay,
    "pay_less": lambda deed: deed.pay(LESS),
    "pay_more": lambda deed: deed.pay(MORE),
    "pay_twice": Doing.pay_in_full_again,
    "pay_late": lambda deed: deed.book.pay_late(deed.payment, deed.now),
    "pay_other_currency": Doing.pay_in_another,
    "cancel": lambda deed: deed.book.cancel(deed.payment, deed.now),
    "expire": lambda deed: deed.book.expire(deed.payment, deed.now),
    "refund": Doing.refund,
    "refund_half": lambda deed: deed.refund(HALF),
    "charge_back": lambda deed: deed.book.charge_back(deed.payment, deed.amount, deed.now),
    "win_dispute": lambda deed: deed.book.win(deed.payment, deed.now),
}


def other_currency(currency: str) -> str:
    """Return a currency that is not this one."""
    return next(one for one in OTHER_CURRENCIES if one != currency)
