"""What the JSON API tells of an order: to its owner nothing of providers, external ids and cost."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from smmpanel.api.amounts import Amount
from smmpanel.api.lists import AFTER
from smmpanel.orders.histories import HistoryLine
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.queries import OrderView

STATUSES = ("pending", "processing", "in_progress", "active", "paused", "completed", "partial", "canceled")


class Drip(BaseModel):
    """The schedule of a drip-feed."""

    state: str = Field(examples=["active", "paused", "finishing", "completed", "canceled"])
    runs: int
    runs_started: int
    interval_minutes: int
    next_run_at: datetime | None


class OrderRow(BaseModel):
    """One order, as its owner sees it."""

    id: int
    service_id: int
    service_name: str
    link: str
    quantity: int
    price: Amount = Field(description="What it has cost, after refunds.")
    charge: Amount = Field(description="What was taken when it was placed.")
    refunded: Amount
    currency: str
    status: str = Field(
        description="One of " + ", ".join(f"`{status}`" for status in STATUSES) + ".", examples=["pending"]
    )
    status_text: str = Field(description="The status in the words of the reseller API.", examples=["In progress"])
    progress: int = Field(description="Percent delivered, as far as is known.")
    start_count: int | None
    remains: int
    parent_id: int | None = Field(description="Of a run: the drip-feed that it belongs to.")
    drip: Drip | None
    created_at: datetime
    finished_at: datetime | None


class Orders(BaseModel):
    """A page of orders, newest first."""

    success: Literal[True] = True
    data: list[OrderRow]
    after: str | None = Field(description=AFTER)


class Pagination(BaseModel):
    """Where in the list this page is."""

    total: int
    page: int
    limit: int
    total_pages: int


class OrderHistory(BaseModel):
    """A page of orders by number, newest first."""

    success: Literal[True] = True
    data: list[OrderRow]
    pagination: Pagination


class TimelineEntry(BaseModel):
    """One thing that happened to an order."""

    at: datetime
    kind: str = Field(examples=["placed", "status", "refill", "cancel", "run", "link", "money"])
    before: str | None
    after: str | None
    note: str


class OrderDetail(OrderRow):
    """One order, what it consists of, and what happened to it."""

    success: Literal[True] = True
    fields: dict[str, str]
    timeline: list[TimelineEntry]


class StaffOrderRow(OrderRow):
    """One order, as staff see it."""

    user_id: int
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
    due_at: datetime
    submitted_at: datetime | None


class StaffOrders(BaseModel):
    """A page of orders, newest first."""

    success: Literal[True] = True
    data: list[StaffOrderRow]
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
    at: datetime
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
    fields: dict[str, str]
    terms: dict[str, object] = Field(description="What it was placed under.")
    timeline: list[StaffTimelineEntry]
    ledger: list[LedgerLine]


def order_row(order: OrderView) -> OrderRow:
    """Show an order to its owner."""
    return OrderRow(**_row(order))


def order_detail(order: OrderView, timeline: list[HistoryLine]) -> OrderDetail:
    """Show an order and its history to its owner."""
    entries = [
        TimelineEntry(at=line.at, kind=line.kind, before=line.before, after=line.after, note=line.note)
        for line in timeline
    ]
    return OrderDetail(**_row(order), fields=order.fields, timeline=entries)


def staff_row(order: OrderView) -> StaffOrderRow:
    """Show an order to staff."""
    return StaffOrderRow(**_row(order), **_staff(order))


def staff_detail(order: OrderView, timeline: list[HistoryLine], ledger: list[LedgerLine]) -> StaffOrderDetail:
    """Show an order to staff with all that is known of it."""
    entries = [
        StaffTimelineEntry(
            at=line.at,
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
        **_row(order), **_staff(order), fields=order.fields, terms=order.terms, timeline=entries, ledger=ledger
    )


def _row(order: OrderView) -> dict[str, object]:
    same = (
        "id",
        "service_id",
        "link",
        "quantity",
        "charge",
        "refunded",
        "currency",
        "start_count",
        "remains",
        "parent_id",
    )
    return {
        **{name: getattr(order, name) for name in (*same, "created_at", "finished_at")},
        "service_name": order.service,
        "price": order.net_charge,
        "status": order.word.lower().replace(" ", "_"),
        "status_text": order.word,
        "progress": order.delivered * 100 // order.quantity,
        "drip": _drip(order),
    }


def _staff(order: OrderView) -> dict[str, object]:
    same = (
        "user_id",
        "username",
        "kind",
        "unconfirmed",
        "provider_id",
        "provider",
        "provider_alias",
        "external_id",
        "cost",
    )
    more = ("earned", "rate", "reason", "attempts", "due_at", "submitted_at")
    return {**{name: getattr(order, name) for name in same + more}, "state": OrderStatus(order.status)}


def _drip(order: OrderView) -> Drip | None:
    if order.drip_state is None or order.runs is None:
        return None
    return Drip(
        state=order.drip_state,
        runs=order.runs,
        runs_started=order.runs_started or 0,
        interval_minutes=order.interval_minutes or 0,
        next_run_at=order.next_run_at if order.drip_state == "active" else None,
    )
