"""Sending cancel requests to providers, many in one call: claim, call, record.

Asking twice does no harm (the provider says that it knows), so a request whose answer was lost is sent again. Whoever
writes a request holds its order's lock.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.jobs import Backoff, enqueue, job, wake
from smmpanel.kernel.live import tell
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.orders.models import FINISHED, CancelState, OrderStatus
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.timeline import Event, add_events
from smmpanel.orders.writing import OrderRow, lock_orders
from smmpanel.providers.asking import asking
from smmpanel.providers.connecting import adapter_for, provider_by
from smmpanel.providers.protocol import ProviderFailure, RefusedOrder, Rejected

BATCH_MAX = 100
SLICE_SECONDS = 20.0
CLAIM = timedelta(minutes=5)
RETRY = timedelta(minutes=1)
GIVE_UP = timedelta(days=1)
REASON_LENGTH_MAX = 500
NO_ANSWER = "the provider did not answer for a day"

log = get_logger()
C = CancelState


class CancelAnswered(Fact):
    """A provider took note of a cancel request, or turned it down. Taken note of is not canceled."""

    fact = "cancel_answered"
    order_id: int
    user_id: int
    state: str


@dataclass(frozen=True, slots=True)
class _Request:
    """An open request with the order that it is about."""

    id: int
    order_id: int
    external_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class _Move:
    """What becomes of one request."""

    request_id: int
    order_id: int
    state: CancelState
    due_at: datetime
    reason: str | None = None


def wake_cancels(session: AsyncSession, provider_id: int) -> None:
    """Have a provider's due cancel requests sent soon after this transaction."""
    wake(session, send_cancels.call(once=f"cancels:{provider_id}", provider_id=provider_id))


_DUE = "c.state IN ('requested', 'sending') AND c.due_at <= :now AND o.kind <> 'manual'"
_DUE_PROVIDERS = text(
    "SELECT DISTINCT o.provider_id FROM cancel_requests c JOIN orders o ON o.id = c.order_id"
    f" WHERE {_DUE} AND o.provider_id IS NOT NULL"
)


@job(queue="chores", cron="* * * * * */15")
async def cancel_whatever_is_due(panel: Panel) -> None:
    """Start sending at every provider that has cancel requests waiting. Idempotent."""
    async with panel.db.transaction() as session:
        due = (await session.scalars(_DUE_PROVIDERS, {"now": panel.clock()})).all()
        await enqueue(session, *(send_cancels.call(once=f"cancels:{one}", provider_id=one) for one in due))


@job(queue="tracking", retry=Backoff(tries=3))
async def send_cancels(panel: Panel, *, provider_id: int) -> None:
    """Send a provider's due cancel requests, for one slice of time. Idempotent: asking again does no harm."""
    until = time.monotonic() + SLICE_SECONDS
    while not panel.stopping.is_set() and time.monotonic() < until:
        if not await _send_some(panel, provider_id):
            break


async def _send_some(panel: Panel, provider_id: int) -> bool:
    """Send the next due requests in one call; `False` if none is due or the provider did not answer."""
    async with panel.db.transaction() as session:
        number = min(adapter_for(panel, await provider_by(session, provider_id)).status_batch_max, BATCH_MAX)
        taken, requests = await _claim(session, provider_id, number, panel.clock())
    if not requests:
        return taken
    answered = True
    answers: Mapping[str, Rejected | None] = {}
    reason: str | None = None
    try:
        async with asking(panel, provider_id, "cancel") as adapter:
            answers = await adapter.cancel([request.external_id for request in requests])
    except RefusedOrder as failure:
        answers = {request.external_id: Rejected(failure.text) for request in requests}
    except (ProviderFailure, PanelError) as failure:
        answered, reason = False, str(failure)
        log.info("cancels_not_sent", provider_id=provider_id, why=reason)
    now = panel.clock()
    moves = [_answered(request, answers, reason, now) for request in requests]
    async with panel.db.transaction() as session:
        await lock_orders(session, [move.order_id for move in moves])
        await _record(session, moves, now)
    return answered


def _answered(request: _Request, answers: Mapping[str, Rejected | None], reason: str | None, now: datetime) -> _Move:
    if request.external_id not in answers:
        if now - request.created_at > GIVE_UP:
            return _Move(request.id, request.order_id, C.REJECTED, now, NO_ANSWER)
        later = now + max(RETRY, (now - request.created_at) / 4)
        return _Move(request.id, request.order_id, C.REQUESTED, later, reason)
    said = answers[request.external_id]
    if said is None:
        return _Move(request.id, request.order_id, C.ACCEPTED, now)
    return _Move(request.id, request.order_id, C.REJECTED, now, said.text)


_LOCK = text(
    "SELECT o.id FROM cancel_requests c JOIN orders o ON o.id = c.order_id"
    f" WHERE {_DUE} AND o.provider_id = :provider"
    " ORDER BY c.due_at, c.id LIMIT :number FOR NO KEY UPDATE OF o SKIP LOCKED"
)
# Read under the orders' locks: only now is it certain where they stand.
_READ = text(
    "SELECT c.id, c.order_id, c.created_at, o.status, o.unconfirmed, o.external_id, o.quantity FROM cancel_requests c"
    f" JOIN orders o ON o.id = c.order_id WHERE {_DUE} AND o.id = ANY(CAST(:ids AS bigint[])) ORDER BY c.id"
)


async def _claim(session: AsyncSession, provider_id: int, number: int, now: datetime) -> tuple[bool, list[_Request]]:
    """Take due requests: those that can be sent are claimed and returned, the others are dealt with here."""
    asked = {"provider": provider_id, "now": now, "number": number}
    locked = (await session.scalars(_LOCK, asked)).all()
    if not locked:
        return False, []
    found = (await session.execute(_READ, {"ids": list(locked), "now": now})).mappings()
    rows: list[OrderRow] = [dict(row) for row in found]
    moves = [_before_sending(row, now) for row in rows]
    # An order that came back unsent is canceled like any other that was not sent yet.
    unsent = [
        Change(row["order_id"], OrderStatus.CANCELED, note="canceled before it was sent", remains=row["quantity"])
        for row in rows
        if row["status"] == OrderStatus.PENDING
    ]
    await settle(session, unsent, now=now, watch=timedelta(0))
    await _record(session, moves, now)
    sending = {move.request_id for move in moves if move.state is C.SENDING}
    requests = [
        _Request(row["id"], row["order_id"], row["external_id"], row["created_at"])
        for row in rows
        if row["id"] in sending
    ]
    return True, requests


def _before_sending(row: OrderRow, now: datetime) -> _Move:
    status = OrderStatus(row["status"])
    if status is OrderStatus.COMPLETED:
        return _Move(row["id"], row["order_id"], C.REJECTED, now, "it was completed first")
    if status in FINISHED or status is OrderStatus.PENDING:
        return _Move(row["id"], row["order_id"], C.ACCEPTED, now)
    if row["external_id"] is None or row["unconfirmed"] or status is OrderStatus.FAILED:
        return _Move(row["id"], row["order_id"], C.REQUESTED, now + RETRY)
    return _Move(row["id"], row["order_id"], C.SENDING, now + CLAIM)


_WRITE = text(
    "UPDATE cancel_requests c SET state = v.state, due_at = v.due_at, reason = v.reason,"
    " finished_at = CASE WHEN v.state IN ('accepted', 'rejected') THEN CAST(:now AS timestamptz) END"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:dues AS timestamptz[]), CAST(:reasons AS text[]))"
    " AS v(id, state, due_at, reason) WHERE c.id = v.id AND c.state IN ('requested', 'sending')"
    " RETURNING c.id, c.user_id"
)


async def _record(session: AsyncSession, moves: Sequence[_Move], now: datetime) -> None:
    """Write what became of requests whose orders are locked; what staff have closed in the meantime stays closed."""
    columns = {
        "ids": [move.request_id for move in moves],
        "states": [move.state.value for move in moves],
        "dues": [move.due_at for move in moves],
        "reasons": [None if move.reason is None else _storable(move.reason) for move in moves],
    }
    written = {row.id: row.user_id for row in await session.execute(_WRITE, {**columns, "now": now})}
    closed = [move for move in moves if move.request_id in written and move.state in {C.ACCEPTED, C.REJECTED}]
    before = C.REQUESTED.value
    events = [Event(one.order_id, "cancel", before, one.state.value, _storable(one.reason or "")) for one in closed]
    await add_events(session, events)
    await tell(session, "orders", {written[one.request_id] for one in closed})
    facts = [
        CancelAnswered(order_id=one.order_id, user_id=written[one.request_id], state=one.state.value) for one in closed
    ]
    await record(session, *facts)


def _storable(said: str) -> str:
    return said.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:REASON_LENGTH_MAX]
