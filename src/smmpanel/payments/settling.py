"""Settling: what stored messages are worth. One at a time, under locks taken in one order: message, deposit, receipts, wallet.

A message is settled in the transaction that credits it, so a job that runs again finds it settled. What breaks is tried again
later and later, and then told to staff; nothing is dropped.
"""

from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import Backoff, enqueue, job
from smmpanel.kernel.live import tell
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.alerts import raise_alert
from smmpanel.notifications.models import AlertLevel
from smmpanel.payments.crediting import LIVE_NAME, credit_receipt
from smmpanel.payments.judging import judged, moment_of
from smmpanel.payments.matching import alike, deposits_named, known_receipt, seen_by_staff, twin_in
from smmpanel.payments.methods import gateway_for, method_by
from smmpanel.payments.models import Deposit, EventOutcome, GatewayEvent, Receipt, ReceiptState
from smmpanel.payments.opening import locked_deposit
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import GatewayStatus, Message, Notice
from smmpanel.payments.rates import rate_to
from smmpanel.payments.states import DepositState, advanced

TRIES_MAX = 8
FIRST_PAUSE = timedelta(seconds=5)
TEXT_MAX = 500
FAILING = "payment_message_failing"

log = get_logger()
_NEXT = (
    select(GatewayEvent)
    .where(GatewayEvent.outcome == EventOutcome.WAITING.value)
    .order_by(GatewayEvent.due_at, GatewayEvent.id)
    .limit(1)
    .with_for_update(skip_locked=True)
    .execution_options(populate_existing=True)
)
_DUE = text("SELECT EXISTS (SELECT FROM gateway_events WHERE outcome = 'waiting' AND due_at <= :now)")


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
        except Exception:
            if found is None:
                raise
            log.exception("payment_not_settled", event_id=found)
            await _put_off(panel, found)


@job(queue="chores", cron="* * * * * */5")
async def settle_whatever_is_due(panel: Panel) -> None:
    """Find messages that nobody was woken for: after a crash, or put off. Idempotent."""
    async with panel.db.transaction() as session:
        if await session.scalar(_DUE, {"now": panel.clock()}):
            await enqueue(session, settle_waiting.call(once="settle_payments"))


async def _put_off(panel: Panel, event_id: int) -> None:
    async with panel.db.transaction() as session:
        event = await session.get_one(GatewayEvent, event_id, with_for_update=True)
        event.tries += 1
        event.due_at = panel.clock() + FIRST_PAUSE * 4 ** min(event.tries, TRIES_MAX)
        if event.tries >= TRIES_MAX:
            told = {"key": event.event_key, "tries": event.tries}
            await raise_alert(session, FAILING, f"event:{event.id}", AlertLevel.CRITICAL, **told)


async def settle_event(session: AsyncSession, panel: Panel, event: GatewayEvent) -> None:
    """Do what a message asks for, and note on it what that was. The message is locked."""
    method = await method_by(session, event.method_id)
    headers = {name: value.encode("latin-1") for name, value in event.headers.items()}
    reading = gateway_for(panel, method).read(Message(headers, event.body), event.verdict)
    outcome, note = EventOutcome.IGNORED, reading.note
    for notice in reading.notices:
        outcome, note = await _settle(session, panel, event, notice)
    event.outcome, event.note, event.processed_at = outcome.value, note, panel.clock()


async def _settle(session: AsyncSession, panel: Panel, event: GatewayEvent, notice: Notice) -> tuple[EventOutcome, str]:
    if notice.status != GatewayStatus.PAID:
        return await _moved(session, event, notice, panel.clock())
    known = await known_receipt(session, event.gateway, notice)
    if known is not None:
        event.deposit_id = event.deposit_id or known.deposit_id
        return EventOutcome.DUPLICATE, f"receipt {known.id}"
    named = await deposits_named(session, notice)
    deposit = await locked_deposit(session, named[0]) if len(named) == 1 else None
    similar = await alike(session, notice)
    twin = twin_in(similar, notice)
    if twin is None and deposit is not None:
        twin = await seen_by_staff(session, deposit.id, notice)
    if twin is not None:
        twin.also = [*twin.also, notice.external_id]
        event.deposit_id = event.deposit_id or twin.deposit_id
        return EventOutcome.DUPLICATE, f"receipt {twin.id}"
    receipt = _receipt(event, notice, panel.clock())
    session.add(receipt)
    receipt.reason, is_sure = "", True
    if not named or deposit is None:
        receipt.reason, is_sure = "ambiguous" if named else "unmatched", False
    else:
        event.deposit_id = receipt.deposit_id = deposit.id
        policy = Policy.of((await method_by(session, deposit.method_id)).policy)
        accounts = gateway_for(panel, await method_by(session, event.method_id)).accounts
        receipt.reason, is_sure = judged(deposit, notice, policy, accounts, now=event.received_at)
        if any(one.source == notice.source for one in similar):
            receipt.reason, is_sure = "same_reference", False
    if deposit is None or not is_sure:
        await session.flush()
        return EventOutcome.REVIEW, receipt.reason
    await _credit(session, deposit, receipt, event)
    return EventOutcome.SETTLED, receipt.reason


async def _credit(session: AsyncSession, deposit: Deposit, receipt: Receipt, event: GatewayEvent) -> None:
    in_time = moment_of(receipt.occurred_at, event.received_at) <= deposit.expires_at
    rate = deposit.rate if in_time else (await rate_to(session, deposit.currency, deposit.wallet_currency)).value
    await session.flush()
    await credit_receipt(session, deposit, receipt, rate=rate, in_time=in_time, now=event.received_at)


async def _moved(session: AsyncSession, event: GatewayEvent, notice: Notice, now: datetime) -> tuple[EventOutcome, str]:
    """Take a word about a payment that brings no money: it moves the deposit forward, never back."""
    named = await deposits_named(session, notice)
    if len(named) != 1:
        return EventOutcome.REVIEW, "unmatched"
    deposit = await locked_deposit(session, named[0])
    event.deposit_id = deposit.id
    before, said = DepositState(deposit.state), DepositState(notice.status.value)
    if said in {DepositState.REFUNDED, DepositState.PARTIALLY_REFUNDED, DepositState.REVERSED}:
        return EventOutcome.REVIEW, said.value
    after = advanced(before, said)
    if after == before:
        return EventOutcome.IGNORED, f"{said.value} after {before.value}"
    deposit.state = after.value
    if after in {DepositState.FAILED, DepositState.EXPIRED}:
        deposit.closed_at = now
    await tell(session, LIVE_NAME, [deposit.user_id])
    return EventOutcome.SETTLED, after.value


def _receipt(event: GatewayEvent, notice: Notice, now: datetime) -> Receipt:
    return Receipt(
        gateway=event.gateway,
        method_id=event.method_id,
        source=notice.source,
        external_id=notice.external_id,
        natural_key=notice.natural_key,
        also=[],
        amount=notice.amount,
        currency=notice.currency,
        account=notice.account,
        payer=notice.payer,
        memo=" / ".join(dict.fromkeys(text for text in notice.texts if text))[:TEXT_MAX],
        bank_ref=notice.bank_ref,
        occurred_at=notice.occurred_at,
        arrived_at=event.received_at or now,
        event_id=event.id,
        state=ReceiptState.REVIEW.value,
    )
