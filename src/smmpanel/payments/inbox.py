"""The jobs that work off what gateways told, and ask them what they have not told."""

import asyncio
from collections import Counter

from sqlalchemy import select, text

from smmpanel.kernel.jobs import Backoff, enqueue, job, wake
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.payments.asking import ask_some, methods_due
from smmpanel.payments.models import EventOutcome, GatewayEvent
from smmpanel.payments.settling import put_off, settle_event
from smmpanel.payments.settling_many import settle_plain

SETTLE_ONCE, ASK_ONCE = "settle_payments", "ask_gateways"

log = get_logger()
AT_ONCE = 100
LANES_MAX = 3
"""Jobs of one process that ask about the same method at a time: one that hangs must not have all of them wait for it."""
_lanes: Counter[tuple[int, int]] = Counter()
_WAITING = (
    select(GatewayEvent)
    .where(GatewayEvent.outcome == EventOutcome.WAITING.value)
    .with_for_update(skip_locked=True)
    .execution_options(populate_existing=True)
)
_NEXT = _WAITING.order_by(GatewayEvent.due_at, GatewayEvent.id).limit(AT_ONCE)
_DUE = text(
    "SELECT EXISTS (SELECT FROM gateway_events WHERE outcome = 'waiting' AND due_at <= :now),"
    " EXISTS (SELECT FROM deposits WHERE ask_at <= :now)"
)


@job(queue="payments", retry=Backoff(tries=3, first_seconds=2))
async def settle_waiting(panel: Panel) -> None:
    """Settle all messages that are due. Idempotent: what is settled is not due any more."""
    while not panel.stopping.is_set():
        found, odd = await _settle_together(panel)
        for event_id in odd:
            await _settle_alone(panel, event_id)
        if not found:
            return


async def _settle_together(panel: Panel) -> tuple[int, list[int]]:
    """Settle what is plain among the messages that are next; returns how many there were, and those that are left."""
    ids: list[int] = []
    try:
        async with panel.db.transaction() as session:
            events = (await session.scalars(_NEXT.where(GatewayEvent.due_at <= panel.clock()))).all()
            ids = [event.id for event in events]
            if events:
                await settle_plain(session, panel, events)
            odd = [event.id for event in events if event.outcome == EventOutcome.WAITING]
    except Exception:
        if not ids:
            raise
        # One of them spoils it for all: by itself, each shows what it is.
        log.exception("payments_not_settled_together", events=len(ids))
        odd = ids
    return len(ids), odd


async def _settle_alone(panel: Panel, event_id: int) -> None:
    try:
        async with panel.db.transaction() as session:
            event = await session.scalar(_WAITING.where(GatewayEvent.id == event_id))
            if event is None:
                return
            await settle_event(session, panel, event)
            if event.outcome == EventOutcome.HINT:
                wake(session, ask_gateways.call(once=ASK_ONCE))
    except Exception:
        log.exception("payment_not_settled", event_id=event_id)
        await put_off(panel, event_id)


@job(queue="payments", retry=Backoff(tries=3, first_seconds=2))
async def ask_gateways(panel: Panel) -> None:
    """Ask about all deposits that are due, and settle the answers. Idempotent: each is claimed until its next time.

    Each method is asked by itself, so that nobody waits for a gateway that does not answer but its own customers.
    """
    due = await methods_due(panel)
    async with asyncio.TaskGroup() as lanes:
        for method_id in due:
            lanes.create_task(_ask_one(panel, method_id))


async def _ask_one(panel: Panel, method_id: int) -> None:
    place = id(asyncio.get_running_loop()), method_id
    if _lanes[place] >= LANES_MAX:
        return  # what is due now is found again in a moment
    _lanes[place] += 1
    try:
        there_may_be_more = True
        while there_may_be_more and not panel.stopping.is_set():
            there_may_be_more = await ask_some(panel, method_id)
            await settle_waiting.function(panel)
    finally:
        _lanes[place] -= 1
        if not _lanes[place]:
            del _lanes[place]


@job(queue="chores", cron="* * * * * */5")
async def find_payments_due(panel: Panel) -> None:
    """Find messages and questions that nobody was woken for: after a crash, put off, or at their time. Idempotent."""
    async with panel.db.transaction() as session:
        settle, ask = (await session.execute(_DUE, {"now": panel.clock()})).one()
        if settle:
            await enqueue(session, settle_waiting.call(once=SETTLE_ONCE))
        if ask:
            await enqueue(session, ask_gateways.call(once=ASK_ONCE))
