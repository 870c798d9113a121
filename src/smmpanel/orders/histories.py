"""One order's history: being placed, every move, every attempt to hand it in, every movement of its money, in time order."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.kernel.money import plain
from smmpanel.ledger import transfers_for
from smmpanel.orders.models import OrderAttempt, OrderEvent
from smmpanel.orders.noting import NOTE
from smmpanel.orders.queries import OrderView, order_for
from smmpanel.orders.words import cancel_word, refill_word, status_word

OPEN_NOTES = frozenset({"rest_canceled", "run", "link", NOTE})
"""Events whose notes a customer may read; others can name providers."""
CUSTOMER_EVENTS = OPEN_NOTES | {"status", "refill", "cancel", "drip_paused", "drip_resumed"}
CUSTOMER_MONEY = frozenset({"order_hold", "order_refund", "order_correction"})


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One thing that happened to an order. `before` and `after` are states, in words for customers."""

    at: datetime
    kind: str
    """`placed`, `attempt`, `money`, or the kind of an event: `status`, `refill`, `cancel`, `run`, …"""
    before: str | None = None
    after: str | None = None
    note: str = ""
    actor_id: int | None = None
    took_ms: int | None = None
    request: dict[str, str] | None = None
    """Of an attempt: what was sent, without the key."""
    answer: str | None = None
    """Of an attempt: what came back, redacted."""


async def timeline_of(session: AsyncSession, viewer: Actor, order_id: int) -> list[HistoryLine]:
    """Return an order's history to its owner, or with all details to staff; raises `NotFoundError` for others.

    Customers are told moves in their own words, and nothing of providers.
    """
    order = await order_for(session, viewer, order_id)
    staff = viewer.may(Permission.ORDERS_VIEW)
    lines = [HistoryLine(order.created_at, "placed", note=f"{plain(order.charge)} {order.currency}")]
    lines += await _events(session, order, staff=staff)
    if staff:
        lines += await _attempts(session, order_id)
    lines += await _money(session, order_id, staff=staff)
    return sorted(lines, key=lambda line: line.at)  # stable: within one moment in the order above


async def _events(session: AsyncSession, order: OrderView, *, staff: bool) -> list[HistoryLine]:
    wanted = select(OrderEvent).where(OrderEvent.order_id == order.id).order_by(OrderEvent.id)
    lines = []
    for event in await session.scalars(wanted):
        line = HistoryLine(event.at, event.kind, event.before, event.after, event.note, event.actor_id)
        told = line if staff else _for_customer(line, order)
        if told is not None:
            lines.append(told)
    return lines


def _for_customer(line: HistoryLine, order: OrderView) -> HistoryLine | None:
    """Put a line into the customer's words; `None` for what only staff are told, and for moves that change no word."""
    if line.kind not in CUSTOMER_EVENTS:
        return None
    before, after = (_word(line.kind, state, order.kind) for state in (line.before, line.after))
    if before == after and after is not None:
        return None
    return HistoryLine(line.at, line.kind, before, after, line.note if line.kind in OPEN_NOTES else "")


def _word(kind: str, state: str | None, order_kind: str) -> str | None:
    if state is None:
        return None
    match kind:
        case "status":
            return status_word(state, order_kind)
        case "refill":
            return refill_word(state)
        case "cancel":
            return cancel_word(state)
        case _:
            return state


async def _attempts(session: AsyncSession, order_id: int) -> list[HistoryLine]:
    wanted = select(OrderAttempt).where(OrderAttempt.order_id == order_id).order_by(OrderAttempt.id)
    return [
        HistoryLine(
            one.started_at,
            "attempt",
            after=one.outcome,
            note=f"provider {one.provider_id}" + (f", external id {one.external_id}" if one.external_id else ""),
            took_ms=one.took_ms,
            request=one.request,
            answer=one.answer,
        )
        for one in await session.scalars(wanted)
    ]


async def _money(session: AsyncSession, order_id: int, *, staff: bool) -> list[HistoryLine]:
    return [
        HistoryLine(
            line.at,
            "money",
            before=line.debit if staff else None,
            after=line.credit if staff else None,
            note=f"{line.reason} {plain(line.amount.amount)} {line.amount.currency}",
        )
        for line in await transfers_for(session, f"order:{order_id}")
        if staff or line.reason in CUSTOMER_MONEY
    ]
