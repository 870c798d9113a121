"""The book of the fake gateways, in memory: payments, and the deeds that move them. Each deed returns what it tells."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from itertools import count
from typing import Any, Literal

from smmpanel.sandbox.gateway.payments import Event, EventKind, GivenBack, Money, Payment, PaymentState

LATE_BY = timedelta(minutes=1)
WITHOUT_DECIMALS = frozenset({"VND", "IDR", "JPY", "KRW"})


def part_of(amount: Decimal, share: Decimal, currency: str) -> Decimal:
    """Return so much of an amount as its currency can write."""
    return (amount * share).quantize(Decimal(1) if currency in WITHOUT_DECIMALS else Decimal("0.01"), ROUND_DOWN)


@dataclass(slots=True)
class Book:
    """All payments of all vendors."""

    payments: dict[str, Payment] = field(default_factory=dict)
    """By the token of their page, oldest first."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(4_100_000_001))

    def number(self) -> str:
        """Return a number that nothing else has."""
        return str(next(self._numbers))

    def open(
        self, vendor: str, reference: str, amount: Decimal, currency: str, *, now: datetime, **more: Any
    ) -> Payment:
        """Begin a payment."""
        number = str(more.pop("number", "") or self.number())
        token = secrets.token_urlsafe(12)
        payment = Payment(vendor, number, reference, token, amount, currency, created_at=now, **more)
        self.payments[token] = payment
        return payment

    def of(self, vendor: str) -> list[Payment]:
        """Return a vendor's payments, oldest first."""
        return [one for one in self.payments.values() if one.vendor == vendor]

    def find(self, vendor: str, reference: str) -> Payment | None:
        """Return the newest payment with this reference."""
        return next((one for one in reversed(self.of(vendor)) if one.reference == reference), None)

    def by_number(self, vendor: str, number: str) -> Payment | None:
        """Return the payment of a vendor's own number."""
        return next((one for one in reversed(self.of(vendor)) if one.number == number), None)

    def by_money(self, vendor: str, number: str) -> Payment | None:
        """Return the payment that money of this number came for."""
        found = (one for one in self.of(vendor) if any(money.number == number for money in one.moneys))
        return next(found, None)

    def run_out(self, now: datetime) -> list[Event]:
        """Let all open payments expire whose time is over."""
        over = [
            one
            for one in self.payments.values()
            if one.state == PaymentState.OPEN and one.expires_at is not None and one.expires_at <= now
        ]
        return [event for one in over for event in self.expire(one, now)]

    def begin(self, payment: Payment, now: datetime) -> list[Event]:
        """Somebody has begun to pay."""
        return [self._event(EventKind.PENDING, payment, now)]

    def pay(
        self, payment: Payment, amount: Decimal, currency: str, now: datetime, *, at: datetime | None = None
    ) -> list[Event]:
        """Money arrives. Raises `ValueError` for a payment that was canceled, or no amount."""
        if payment.state == PaymentState.CANCELED:
            raise ValueError("it was canceled")
        if amount <= 0:
            raise ValueError("the amount is more than zero")
        money = Money(self.number(), amount, currency, at or now)
        payment.moneys.append(money)
        payment.state = PaymentState.PAID
        return [self._event(EventKind.PAID, payment, now, money)]

    def pay_late(self, payment: Payment, now: datetime) -> list[Event]:
        """The payment runs out, and then its money arrives."""
        events = self.expire(payment, now) if payment.state == PaymentState.OPEN else []
        at = now if payment.expires_at is None else max(now, payment.expires_at + LATE_BY)
        return [*events, *self.pay(payment, payment.amount, payment.currency, now, at=at)]

    def cancel(self, payment: Payment, now: datetime) -> list[Event]:
        """The customer, or the shop, does not want it any more."""
        self._must_be_open(payment)
        payment.state = PaymentState.CANCELED
        return [self._event(EventKind.CANCELED, payment, now)]

    def expire(self, payment: Payment, now: datetime) -> list[Event]:
        """Nobody paid in time."""
        self._must_be_open(payment)
        payment.state = PaymentState.EXPIRED
        return [self._event(EventKind.EXPIRED, payment, now)]

    def refund(
        self,
        payment: Payment,
        amount: Decimal | None,
        *,
        now: datetime,
        money: str = "",
        key: str = "",
        fails: bool = False,
    ) -> list[Event]:
        """Give money back: all that is left, or this much. Nothing happens twice under one key."""
        if key and self.given_back_under(payment, key) is not None:
            return []
        return self._give_back(payment, amount, "refund", now, money=money, key=key, fails=fails)

    def charge_back(self, payment: Payment, amount: Decimal | None, now: datetime) -> list[Event]:
        """The customer's bank takes money back."""
        return self._give_back(payment, amount, "chargeback", now)

    def win(self, payment: Payment, now: datetime) -> list[Event]:
        """The shop wins the latest dispute, and has its money again."""
        lost = [
            (money, one)
            for money in payment.moneys
            for one in money.given_back
            if one.kind == "chargeback" and one.status == "done"
        ]
        if not lost:
            raise ValueError("there is no dispute")
        money, given = lost[-1]
        given.status = "won"
        return [self._event(EventKind.DISPUTE_WON, payment, now, money, given)]

    def given_back_under(self, payment: Payment, key: str) -> GivenBack | None:
        """Return the refund that was made under a key."""
        made = (one for money in payment.moneys for one in money.given_back if key and one.key == key)
        return next(made, None)

    def paid_unseen(self, payment: Payment, now: datetime) -> Event:
        """Return the news of money that never came, as a forger would tell it."""
        money = Money(self.number(), payment.amount, payment.currency, now)
        return self._event(EventKind.PAID, payment, now, money)

    def _give_back(
        self,
        payment: Payment,
        amount: Decimal | None,
        kind: Literal["refund", "chargeback"],
        now: datetime,
        *,
        money: str = "",
        key: str = "",
        fails: bool = False,
    ) -> list[Event]:
        chosen = next((one for one in reversed(payment.moneys) if not money or one.number == money), None)
        if chosen is None:
            raise ValueError("nothing was paid")
        left = chosen.amount - chosen.returned
        wanted = left if amount is None else amount
        if not 0 < wanted <= left:
            raise ValueError(f"only {left:f} {chosen.currency} are left")
        given = GivenBack(self.number(), kind, wanted, now, "failed" if fails else "done", key)
        chosen.given_back.append(given)
        told = EventKind.CHARGED_BACK if kind == "chargeback" else EventKind.REFUNDED
        return [self._event(EventKind.REFUND_FAILED if fails else told, payment, now, chosen, given)]

    def _must_be_open(self, payment: Payment) -> None:
        if payment.state != PaymentState.OPEN:
            raise ValueError(f"it is {payment.state.value}")

    def _event(
        self,
        kind: EventKind,
        payment: Payment,
        now: datetime,
        money: Money | None = None,
        given: GivenBack | None = None,
    ) -> Event:
        returned = money.returned if money else Decimal(0)
        return Event(kind, payment, self.number(), now, money, given, returned)
