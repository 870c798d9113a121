"""The sandbox's orders: taken, moved through their states by the passing of time, refilled, canceled, paid back."""

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from smmpanel.kernel.money import plain
from smmpanel.sandbox.provider_errors import Refusal
from smmpanel.sandbox.provider_fields import NewOrder, price
from smmpanel.sandbox.provider_outcomes import Step, steps_named
from smmpanel.sandbox.provider_settings import ProviderSettings

_PENDING_SHARE = 0.1
_DEFAULT_POSTS = 3
_OVER = frozenset({"completed", "partial", "canceled", "cancelled", "refunded", "expired", "fail"})


class Order:
    """One order that was taken. `ref` is its id as text, as the client was told."""

    __slots__ = (
        "accepted_at", "born", "cancel_asked", "charge", "charge_text", "children", "fields", "id", "life", "link",
        "paid_back", "parent", "polled", "quantity", "ref", "service", "start_count", "step", "steps", "type",
    )  # fmt: skip

    def __init__(self, number: int, new: NewOrder, *, born: float, at: float, life: float, start_count: int) -> None:
        self.id = number
        self.ref = str(number)
        self.service = new.service.id
        self.type = new.service.type
        self.link = new.link
        self.quantity = new.quantity
        self.charge = new.charge
        self.charge_text = plain(new.charge)
        self.fields = new.fields
        self.accepted_at = at
        self.born = born
        self.life = life
        self.start_count = str(start_count)
        self.steps: Sequence[Step] = ()
        self.step = 0
        self.polled = 0
        self.paid_back = Decimal(0)
        self.cancel_asked = False
        self.children: list[str] = []
        self.parent: str | None = None

    def natural(self, now: float) -> tuple[str, str, int]:
        """Status, start count and remains by age alone."""
        progress = (now - self.born) / self.life if self.life > 0 else 0.0
        if self.type == "Subscriptions":
            return ("Completed" if progress >= 1 else "Active"), "0", 0
        if progress >= 1:
            return "Completed", self.start_count, 0
        if progress < _PENDING_SHARE:
            return "Pending", "0", self.quantity
        done = (progress - _PENDING_SHARE) / (1 - _PENDING_SHARE)
        return "In progress", self.start_count, self.quantity - int(self.quantity * done)


@dataclass(slots=True)
class Refill:
    """One refill that was registered."""

    id: int
    order: str
    born: float
    life: float
    forced: str | None = None

    def status(self, now: float) -> str:
        """Its state by age, unless it was told otherwise."""
        if self.forced is not None:
            return self.forced
        progress = (now - self.born) / self.life if self.life > 0 else 0.0
        return "Completed" if progress >= 1 else "In progress" if progress >= _PENDING_SHARE else "Pending"


class OrderBook:
    """Every order and refill, and the money of the one account that ordered them."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        self.balance = Decimal(settings.balance)
        self.rows: list[Order] = []
        self.by_ref: dict[str, Order] = {}
        self.refills: dict[str, Refill] = {}
        self._by_link: dict[str, Order] = {}
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._due_number = 0
        self._rng = random.Random(settings.seed)  # noqa: S311 - decides start counts and endings, not secrets

    # Taking orders.

    def accept(self, new: NewOrder, *, now: float, at: float) -> Order:
        """Take an order and charge for it; raises `Refusal` if there is no money or the link is busy."""
        if new.charge > self.balance:
            raise Refusal("no_funds")
        if self.settings.unique_links and self._busy(new.link, now):
            raise Refusal("link_duplicate")
        order = self._make(new, now=now, at=at)
        if self.settings.unique_links:
            self._by_link[order.link] = order
        if new.service.type == "Subscriptions":
            self._plan_posts(order, new, now)
        else:
            self._plan_ending(order, self._rng.random(), self._rng.randrange(1, 100))
        return order

    def _make(self, new: NewOrder, *, now: float, at: float) -> Order:
        life = self.settings.finish_after * (0.5 + self._rng.random() / 2)
        number = self.settings.first_order_id + len(self.rows)
        order = Order(number, new, born=now, at=at, life=life, start_count=self._rng.randrange(20, 50_000))
        self.balance -= new.charge
        self.rows.append(order)
        self.by_ref[order.ref] = order
        return order

    def rename(self, order: Order, ref: str) -> None:
        """Let an order be known by another id than its number."""
        del self.by_ref[order.ref]
        order.ref = ref
        self.by_ref[ref] = order

    def _busy(self, link: str, now: float) -> bool:
        other = self._by_link.get(link)
        return other is not None and not self.is_over(other, now)

    def _plan_ending(self, order: Order, chance: float, percent: int) -> None:
        if chance < self.settings.cancel_share:
            self.end_with(order, "canceled")
        elif chance < self.settings.cancel_share + self.settings.partial_share:
            self.end_with(order, "partial", remains=str(max(1, order.quantity * percent // 100)))

    def _plan_posts(self, parent: Order, new: NewOrder, now: float) -> None:
        """A subscription produces an order per post, spread over its life; each is charged for when it appears."""
        posts = new.posts or _DEFAULT_POSTS
        for number in range(1, posts + 1):
            if parent.life > 0:
                self._later(
                    now + parent.life * number / (posts + 1),
                    lambda when, number=number: self._take_post(parent, new, number, when),  # type: ignore[misc]
                )

    def _take_post(self, parent: Order, new: NewOrder, number: int, now: float) -> None:
        quantity = self._rng.randint(new.quantity, new.longest)
        charge = price(new.service, quantity)
        if charge > self.balance or (parent.steps and self.is_over(parent, now)):
            return
        link = f"https://www.instagram.com/p/{parent.id}-{number}/"
        single = NewOrder(new.service, link, quantity, charge, {"username": new.link})
        child = self._make(single, now=now, at=parent.accepted_at + now - parent.born)
        child.type, child.parent = "Default", parent.ref
        parent.children.append(child.ref)

    # The passing of time.

    def _later(self, at: float, act: Callable[[float], None]) -> None:
        self._due_number += 1
        heapq.heappush(self._due, (at, self._due_number, act))

    def settle(self, now: float) -> None:
        """Let everything happen that is due by now."""
        while self._due and self._due[0][0] <= now:
            at, _, act = heapq.heappop(self._due)
            act(at)

    def end_with(self, order: Order, outcome: str, *, remains: str | None = None) -> None:
        """Let an order live its natural life and then end so instead of Completed."""
        steps = steps_named(outcome, quantity=order.quantity, remains=remains)
        if order.life > 0:
            self._later(order.born + order.life, lambda now: None if order.steps else self.become(order, steps, now))

    def become(self, order: Order, steps: Sequence[Step], now: float) -> None:
        """Replace an order's course by these steps, from now on. No steps: back to its natural course."""
        order.steps, order.step = steps, 0
        self._enter(order, now)

    def _enter(self, order: Order, now: float) -> None:
        order.polled = 0
        step = order.steps[order.step] if order.steps else Step()
        back = step.paid_back(order.charge, order.quantity)
        self.balance += back - order.paid_back
        order.paid_back = back
        order.charge_text = plain(order.charge - back)
        if step.seconds is not None:
            steps, number = order.steps, order.step
            self._later(now + step.seconds, lambda when: self._leave(order, steps, number, when))

    def _leave(self, order: Order, steps: Sequence[Step], number: int, now: float) -> None:
        if order.steps is steps and order.step == number and number + 1 < len(steps):
            order.step += 1
            self._enter(order, now)

    # Looking.

    def report(self, order: Order, now: float, *, polled: bool = True) -> dict[str, Any]:
        """One order as `action=status` shows it. A call of a client counts towards steps that last some polls."""
        status, start_count, remains = order.natural(now)
        answer: dict[str, Any] = {
            "charge": order.charge_text,
            "start_count": start_count,
            "status": status,
            "remains": str(remains),
            "currency": self.settings.currency,
        }
        if not order.steps:
            return answer
        step = order.steps[order.step]
        if polled and step.polls is not None:
            if order.polled >= step.polls:
                self._leave(order, order.steps, order.step, now)
                step = order.steps[order.step]
            order.polled += 1
        if step.error is not None:
            return {"error": step.error}
        answer["charge"] = order.charge_text
        if status == "Pending" and "start_count" not in step.shown:
            answer["start_count"] = order.start_count
        answer.update(step.shown)
        for name in step.omit:
            answer.pop(name, None)
        return answer

    def is_over(self, order: Order, now: float) -> bool:
        """Whether nothing more is going to be delivered."""
        return str(self.report(order, now, polled=False).get("status", "")).casefold() in _OVER

    def find(self, ref: str) -> Order:
        """An order by the id that the client was told; raises `Refusal`."""
        order = self.by_ref.get(ref)
        if order is None:
            raise Refusal("bad_order")
        return order

    # Refills and cancels.

    def refill(self, ref: str, *, refillable: bool, now: float) -> Refill:
        """Register a refill of a completed order; raises `Refusal`."""
        order = self.find(ref)
        if not refillable or self.report(order, now, polled=False).get("status") != "Completed":
            raise Refusal("refill_refused")
        refill = Refill(len(self.refills) + 1, order.ref, now, self.settings.finish_after)
        self.refills[str(refill.id)] = refill
        return refill

    def cancel(self, ref: str, *, cancelable: bool, now: float) -> Order:
        """Register a wish to cancel; what was not delivered is paid back a little later. Raises `Refusal`."""
        order = self.find(ref)
        if not cancelable or order.cancel_asked or self.is_over(order, now):
            raise Refusal("cancel_refused")
        order.cancel_asked = True
        if order.life > 0:
            self._later(now + self.settings.finish_after * _PENDING_SHARE, lambda when: self._canceled(order, when))
        return order

    def _canceled(self, order: Order, now: float) -> None:
        if self.is_over(order, now):
            return
        remains = order.natural(now)[2]
        whole = remains >= order.quantity or order.type == "Subscriptions"
        self.become(
            order, steps_named("canceled" if whole else "partial", quantity=order.quantity, remains=str(remains)), now
        )


def order_row(book: OrderBook, order: Order, now: float) -> Mapping[str, Any]:
    """Everything known of one order, for the control interface."""
    return {
        "order": order.ref,
        "number": order.id,
        "service": order.service,
        "type": order.type,
        "link": order.link,
        "quantity": order.quantity,
        "full_charge": plain(order.charge),
        "paid_back": plain(order.paid_back),
        "accepted_at": order.accepted_at,
        "cancel_asked": order.cancel_asked,
        "parent": order.parent,
        "children": order.children,
        "fields": order.fields,
        "report": book.report(order, now, polled=False),
    }
