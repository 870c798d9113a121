"""Asking gateways to pay back what has left a wallet already: each refund is sent once, and nobody guesses what became of it.

Before it is sent, that is written down and committed; so a process that dies leaves either a refund that nobody has sent, which
is sent, or one that may have been sent, which is not sent again: staff are told, its gateway is asked how the payment stands,
and what it says then counts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import Backoff, enqueue, job
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.registry import UnknownPluginError
from smmpanel.notifications.alerts import clear_alert, raise_alert
from smmpanel.notifications.models import AlertLevel
from smmpanel.payments.asking import asked_of
from smmpanel.payments.matching import STAFF
from smmpanel.payments.methods import gateway_for, method_by
from smmpanel.payments.models import Deposit, PaymentMethod, Receipt
from smmpanel.payments.opening import locked_deposit
from smmpanel.payments.protocol import CanRefund, GatewayFailedError, GatewayUnknownError, Refund, Refunded
from smmpanel.payments.question_times import may_be_asked
from smmpanel.payments.return_models import RETURN_RANKS, PaymentReturn, ReturnState
from smmpanel.payments.returned_payments import Payment, locked_payment
from smmpanel.payments.returning import REFUND_UNKNOWN, end_return, take_what_went_back

SEND_ONCE = "send_refunds"
UNMATCHED = "return_unmatched"
ANSWERS_WITHIN = timedelta(minutes=5)
"""No call takes that long: what has no answer by then was broken off."""
ASKED_EVERY = timedelta(hours=1)
EARLY_FOR = timedelta(days=1)
"""How long what went back of a payment waits for it before staff are told."""
NOTE_MAX = 500
AT_ONCE = 100
_OPEN = "SELECT {what} FROM payment_returns WHERE state IN ('pending', 'unknown') AND key IS NOT NULL AND NOT by_hand"
_UNSENT = text(_OPEN.format(what="EXISTS (SELECT 1)") + " AND sent_at IS NULL LIMIT 1")

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A refund that is about to be sent, with what its gateway has to be told."""

    row: PaymentReturn
    method: PaymentMethod
    wanted: Refund


@job(queue="payments", retry=Backoff(tries=3, first_seconds=2))
async def send_refunds(panel: Panel) -> None:
    """Send all refunds that nobody has sent yet. Idempotent: each is claimed before it is sent."""
    while not panel.stopping.is_set():
        claimed = await _claim(panel)
        if claimed is None:
            return
        await _send(panel, claimed)


async def _claim(panel: Panel) -> _Claimed | None:
    row, now = PaymentReturn, panel.clock()
    wanted = (
        select(row)
        .where(
            row.state == ReturnState.PENDING.value,
            row.key.is_not(None),
            row.by_hand.is_(False),
            row.sent_at.is_(None),
        )
        .order_by(row.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    async with panel.db.transaction() as session:
        found = await session.scalar(wanted)
        if found is None:
            return None
        found.sent_at = now
        deposit = await session.get_one(Deposit, found.deposit_id)
        receipt = await session.get_one(Receipt, found.receipt_id)
        method = await method_by(session, receipt.method_id)
        number = receipt.external_id if receipt.source != STAFF else receipt.also[0]
        key = f"refund-{panel.public_ids.reference_of('deposit', deposit.id)}-{found.id}"
        return _Claimed(found, method, Refund(asked_of(deposit, now), number, found.amount, key, found.note))


async def _send(panel: Panel, claimed: _Claimed) -> None:
    answer: Refunded | None = None
    try:
        answer = await _asked_back(panel, claimed)
    except GatewayUnknownError:
        pass
    except (GatewayFailedError, UnknownPluginError) as failure:
        # Provably not taken: whoever wants it again asks again.
        answer = Refunded("", "failed", failure.code)
    except Exception:
        log.exception("refund_broke", refund=claimed.row.id)
    await _write_down(panel, claimed.row.id, answer)


async def _asked_back(panel: Panel, claimed: _Claimed) -> Refunded:
    adapter = gateway_for(panel, claimed.method)
    if not isinstance(adapter, CanRefund):
        raise GatewayFailedError
    return await adapter.refund(claimed.wanted)


async def _write_down(panel: Panel, row_id: int, answer: Refunded | None) -> None:
    """Note what the gateway said; nothing: nobody knows. What it has said since by other ways is further, and stays."""
    now = panel.clock()
    async with panel.db.transaction() as session:
        row = await _locked(session, row_id)
        if answer is not None:
            row.answered_at, row.said_by_gateway = now, answer.note[:NOTE_MAX]
            if answer.return_id and answer.return_id != row.return_id:
                await _name(session, row, answer.return_id, now=now)
        state = ReturnState.UNKNOWN if answer is None else ReturnState(answer.status)
        if RETURN_RANKS[ReturnState(row.state)] < RETURN_RANKS[state]:
            await _move(session, row, state, now=now)
        if row.state in {ReturnState.PENDING, ReturnState.UNKNOWN}:
            await _have_asked(session, panel, row, now=now)


async def _move(session: AsyncSession, row: PaymentReturn, state: ReturnState, *, now: datetime) -> None:
    if state is ReturnState.FAILED:
        await end_return(session, row, state, now=now)
        return
    row.state = state.value
    if state is ReturnState.DONE:
        row.settled_at = now
    else:
        told = {"deposit": row.deposit_id, "amount": row.amount, "currency": row.currency}
        await raise_alert(session, REFUND_UNKNOWN, f"deposit:{row.deposit_id}", AlertLevel.CRITICAL, **told)
    await session.flush()


async def _name(session: AsyncSession, row: PaymentReturn, return_id: str, *, now: datetime) -> None:
    """Take the gateway's number over. A message that came first and could not be told to be this one gives way."""
    other = await session.scalar(
        select(PaymentReturn)
        .where(PaymentReturn.gateway == row.gateway, PaymentReturn.return_id == return_id)
        .with_for_update()
    )
    if other is not None:
        state = ReturnState(other.state)
        other.return_id = f"{return_id}:{row.id}"
        await session.flush()
        await end_return(session, other, ReturnState.RELEASED, now=now)
        if RETURN_RANKS[ReturnState(row.state)] < RETURN_RANKS[state] and state is ReturnState.DONE:
            row.state, row.settled_at = state.value, now
    row.return_id, row.is_named = return_id, True
    await session.flush()


async def _locked(session: AsyncSession, row_id: int) -> PaymentReturn:
    """Lock a return and, before it, its payment."""
    await locked_payment(session, await session.get_one(PaymentReturn, row_id))
    return await session.get_one(PaymentReturn, row_id, with_for_update=True, populate_existing=True)


async def _have_asked(session: AsyncSession, panel: Panel, row: PaymentReturn, *, now: datetime) -> None:
    """Have the gateway asked how the payment stands."""
    deposit = await session.get_one(Deposit, row.deposit_id)
    method = await method_by(session, deposit.method_id)
    if may_be_asked(gateway_for(panel, method)) and (deposit.asked_at is None or now - deposit.asked_at >= ASKED_EVERY):
        deposit.ask_at = min(deposit.ask_at or now, now)
        await session.flush()


@job(queue="chores", cron="* * * * *")
async def look_after_refunds(panel: Panel) -> None:
    """Find refunds that nobody sent, or whose answer was lost, and what waits for its payment. Idempotent."""
    async with panel.db.transaction() as session:
        if await session.scalar(_UNSENT):
            await enqueue(session, send_refunds.call(once=SEND_ONCE))
    for row_id in await _ids(panel, _OPEN.format(what="id") + " AND sent_at IS NOT NULL ORDER BY id LIMIT :most"):
        await _look_after(panel, row_id)
    waiting = "SELECT id FROM payment_returns WHERE state = 'pending' AND receipt_id IS NULL ORDER BY id LIMIT :most"
    for row_id in await _ids(panel, waiting):
        await _retry(panel, row_id)


async def _ids(panel: Panel, query: str) -> list[int]:
    async with panel.db.transaction() as session:
        return list((await session.scalars(text(query), {"most": AT_ONCE})).all())


async def _look_after(panel: Panel, row_id: int) -> None:
    now = panel.clock()
    async with panel.db.transaction() as session:
        row = await _locked(session, row_id)
        if row.state not in {ReturnState.PENDING, ReturnState.UNKNOWN} or row.sent_at is None:
            return
        if row.state == ReturnState.PENDING and row.answered_at is None and now - row.sent_at >= ANSWERS_WITHIN:
            await _move(session, row, ReturnState.UNKNOWN, now=now)
        if row.state == ReturnState.UNKNOWN or row.answered_at is not None:
            await _have_asked(session, panel, row, now=now)


async def _retry(panel: Panel, row_id: int) -> None:
    """Take what went back early, if its payment is credited by now."""
    now = panel.clock()
    async with panel.db.transaction() as session:
        row = await session.get_one(PaymentReturn, row_id)
        payment = await _credited(session, row)
        if payment is not None:
            await take_what_went_back(session, *payment, now=now)
            await clear_alert(session, UNMATCHED, f"event:{row.event_id}")
        elif now - row.created_at >= EARLY_FOR and now - row.created_at < EARLY_FOR + timedelta(minutes=2):
            told = {"gateway": row.gateway, "payment": row.external_id}
            await raise_alert(session, UNMATCHED, f"event:{row.event_id}", AlertLevel.WARNING, **told)


async def _credited(session: AsyncSession, row: PaymentReturn) -> tuple[Deposit, Receipt] | None:
    wanted = select(Receipt).where(Receipt.gateway == row.gateway, Receipt.external_id == row.external_id)
    found = await session.scalar(wanted)
    if found is None or found.deposit_id is None:
        return None
    deposit = await locked_deposit(session, found.deposit_id)
    receipt = await session.get_one(Receipt, found.id, with_for_update=True, populate_existing=True)
    return Payment(deposit, receipt).credited
