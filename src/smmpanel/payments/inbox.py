"""The jobs that work off what gateways told, and ask them what they have not told."""

from sqlalchemy import select, text

from smmpanel.kernel.jobs import Backoff, enqueue, job, wake
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.payments.asking import ask_some
from smmpanel.payments.models import EventOutcome, GatewayEvent
from smmpanel.payments.settling import put_off, settle_event

SETTLE_ONCE, ASK_ONCE = "settle_payments", "ask_gateways"

log = get_logger()
_NEXT = (
    select(GatewayEvent)
    .where(GatewayEvent.outcome == EventOutcome.WAITING.value)
    .order_by(GatewayEvent.due_at, GatewayEvent.id)
    .limit(1)
    .with_for_update(skip_locked=True)
    .execution_options(populate_existing=True)
)
_DUE = text(
    "SELECT EXISTS (SELECT FROM gateway_events WHERE outcome = 'waiting' AND due_at <= :now),"
    " EXISTS (SELECT FROM deposits WHERE ask_at <= :now)"
)


@job(queue="payments", retry=Backoff(tries=3, first_seconds=2))
async def settle_waiting(panel: Panel) -> None:
    """Settle all messages that are due. Idempotent: what is settled is not due any more."""
    while not panel.stopping.is_set():
        found: int | None = None
        try:
            async with panel.db.transaction() as session:
                event = await session.scalar(_NEXT.where(GatewayEvent.due_at <= panel.clock()))
                if event is None:
                    return
                found = event.id
                await settle_event(session, panel, event)
                if event.outcome == EventOutcome.HINT:
                    wake(session, ask_gateways.call(once=ASK_ONCE))
        except Exception:
            if found is None:
                raise
            log.exception("payment_not_settled", event_id=found)
            await put_off(panel, found)


@job(queue="payments", retry=Backoff(tries=3, first_seconds=2))
async def ask_gateways(panel: Panel) -> None:
    """Ask about all deposits that are due, and settle the answers. Idempotent: each is claimed until its next time."""
    while not panel.stopping.is_set():
        there_may_be_more = await ask_some(panel)
        await settle_waiting.function(panel)
        if not there_may_be_more:
            return


@job(queue="chores", cron="* * * * * */5")
async def find_payments_due(panel: Panel) -> None:
    """Find messages and questions that nobody was woken for: after a crash, put off, or at their time. Idempotent."""
    async with panel.db.transaction() as session:
        settle, ask = (await session.execute(_DUE, {"now": panel.clock()})).one()
        if settle:
            await enqueue(session, settle_waiting.call(once=SETTLE_ONCE))
        if ask:
            await enqueue(session, ask_gateways.call(once=ASK_ONCE))
