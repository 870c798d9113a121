"""What the JSON API tells of an order: to its owner nothing of providers, external ids and cost."""

from typing import Literal

from pydantic import BaseModel, Field

from smmpanel.api.amounts import Amount
from smmpanel.api.lists import AFTER, Pagination
from smmpanel.api.public import Number, PublicId, Reader, Reference
from smmpanel.api.times import LocalTime
from smmpanel.orders.histories import HistoryLine
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.noting import NOTE
from smmpanel.orders.queries import OrderView

STATUSES = ("pending", "processing", "in_progress", "active", "paused", "completed", "partial", "canceled")


class Drip(BaseModel):
    """The schedule of a drip-feed."""

    state: str = Field(examples=["active", "paused", "finishing", "completed", "canceled"])
    runs: int
    runs_started: int
    interval_minutes: int
    next_run_at: LocalTime | None


class OrderRow(BaseModel):
    """One order, as its owner sees it."""

    id: PublicId
    number: Number
    reference: Reference
    service_id: int = Field(examples=[1])
    service_name: str = Field(examples=["Tăng Like Facebook"])
    link: str = Field(examples=["https://facebook.com/post/123"])
    quantity: int = Field(examples=[1000])
    price: Amount = Field(description="What it has cost, after refunds.")
    charge: Amount = Field(description="What was taken when it was placed.")
    refunded: Amount
    currency: str = Field(examples=["VND"])
    status: str = Field(
        description="One of " + ", ".join(f"`{status}`" for status in STATUSES) + ".", examples=["pending"]
    )
    status_text: str = Field(description="The status in the words of the reseller API.", examples=["In progress"])
    progress: int = Field(description="Percent delivered, as far as is known.", ge=0, le=100, examples=[40])
    start_count: int | None
    remains: int
    parent_id: PublicId | None = Field(description="Of a run: the drip-feed that it belongs to.")
    drip: Drip | None
    created_at: LocalTime
    finished_at: LocalTime | None


class Orders(BaseModel):
    """A page of orders."""

    success: Literal[True] = True
    data: list[OrderRow]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


class TimelineEntry(BaseModel):
    """One thing that happened to an order."""

    at: LocalTime
    kind: str = Field(examples=["placed", "note", "status", "refill", "cancel", "run", "link", "money"])
    before: str | None
    after: str | None
    note: str


class OrderDetail(OrderRow):
    """One order, what it consists of, and what happened to it."""

    success: Literal[True] = True
    note: str | None = Field(description="What its owner wrote down with it.", examples=["Optional note"])
    fields: dict[str, str]
    timeline: list[TimelineEntry]


class StaffOrderRow(OrderRow):
    """One order, as staff see it."""

    user_id: PublicId
    user_number: Number
    username: str
    kind: str
    state: OrderStatus = Field(description="The status without customers' words.")
    unconfirmed: bool
    provider_id: int | None
    provider: str | None
    provider_alias: str | None
    external_id: str | None
    cost: Amount | None
    earned: Amount
    rate: Amount
    reason: str | None
    attempts: int
    due_at: LocalTime
    submitted_at: LocalTime | None


class StaffOrders(BaseModel):
    """A page of orders."""

    success: Literal[True] = True
    data: list[StaffOrderRow]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


class StaffTimelineEntry(TimelineEntry):
    """One thing that happened to an order, with who did it and what was sent and answered."""

    actor_id: int | None
    took_ms: int | None
    request: dict[str, str] | None
    answer: str | None


class LedgerLine(BaseModel):
    """One transfer between two accounts."""

    id: int
    at: LocalTime
    key: str
    reason: str
    debit: str = Field(description="Where it came from.", examples=["wallet"])
    credit: str = Field(description="Where it went.", examples=["held"])
    amount: Amount
    currency: str
    note: str | None


class StaffOrderDetail(StaffOrderRow):
    """One order with everything that is known of it."""

    success: Literal[True] = True
    note: str | None = Field(description="What its customer wrote down with it.")
    fields: dict[str, str]
    terms: dict[str, object] = Field(description="What it was placed under.")
    timeline: list[StaffTimelineEntry]
    ledger: list[LedgerLine]


def order_row(order: OrderView, reader: Reader) -> OrderRow:
    """Show an order to its owner."""
    return OrderRow(**_row(order, reader))


def order_detail(order: OrderView, timeline: list[HistoryLine], reader: Reader) -> OrderDetail:
    """Show an order and its history to its owner."""
    entries = [
        TimelineEntry(at=reader.time(line.at), kind=line.kind, before=line.before, after=line.after, note=line.note)
        for line in timeline
    ]
    return OrderDetail(**_row(order, reader), note=_note(timeline), fields=order.fields, timeline=entries)


def staff_row(order: OrderView, reader: Reader) -> StaffOrderRow:
    """Show an order to staff."""
    return StaffOrderRow(**_row(order, reader), **_staff(order, reader))


def staff_detail(
    order: OrderView, timeline: list[HistoryLine], ledger: list[LedgerLine], reader: Reader
) -> StaffOrderDetail:
    """Show an order to staff with all that is known of it."""
    entries = [
        StaffTimelineEntry(
            at=reader.time(line.at),
            kind=line.kind,
            before=line.before,
            after=line.after,
            note=line.note,
            actor_id=line.actor_id,
            took_ms=line.took_ms,
            request=line.request,
            answer=line.answer,
        )
        for line in timeline
    ]
    return StaffOrderDetail(
        **_row(order, reader),
        **_staff(order, reader),
        note=_note(timeline),
        fields=order.fields,
        terms=order.terms,
        timeline=entries,
        ledger=ledger,
    )


def status_slug(order: OrderView) -> str:
    """Return the customer's word for an order's status as programs compare it."""
    return order.word.lower().replace(" ", "_")


def progress_of(order: OrderView) -> int:
    """Return how much of an order has been delivered, in whole percent."""
    return order.delivered * 100 // order.quantity


def _row(order: OrderView, reader: Reader) -> dict[str, object]:
    same = ("service_id", "link", "quantity", "charge", "refunded", "currency", "start_count", "remains")
    return {
        **{name: getattr(order, name) for name in same},
        "id": reader.order(order.id),
        "number": order.id,
        "reference": reader.reference(order.id),
        "service_name": order.service,
        "price": order.net_charge,
        "status": status_slug(order),
        "status_text": order.word,
        "progress": progress_of(order),
        "parent_id": reader.maybe_order(order.parent_id),
        "drip": _drip(order, reader),
        "created_at": reader.time(order.created_at),
        "finished_at": reader.maybe_time(order.finished_at),
    }


def _note(timeline: list[HistoryLine]) -> str | None:
    return next((line.note for line in timeline if line.kind == NOTE), None)


def _staff(order: OrderView, reader: Reader) -> dict[str, object]:
    same = ("username", "kind", "unconfirmed", "provider_id", "provider", "provider_alias", "external_id", "cost")
    more = ("earned", "rate", "reason", "attempts")
    return {
        **{name: getattr(order, name) for name in same + more},
        "user_id": reader.user(order.user_id),
        "user_number": order.user_id,
        "state": OrderStatus(order.status),
        "due_at": reader.time(order.due_at),
        "submitted_at": reader.maybe_time(order.submitted_at),
    }


def _drip(order: OrderView, reader: Reader) -> Drip | None:
    if order.drip_state is None or order.runs is None:
        return None
    return Drip(
        state=order.drip_state,
        runs=order.runs,
        runs_started=order.runs_started or 0,
        interval_minutes=order.interval_minutes or 0,
        next_run_at=reader.maybe_time(order.next_run_at) if order.drip_state == "active" else None,
    )
