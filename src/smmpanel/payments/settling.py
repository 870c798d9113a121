"""Settling: what stored messages are worth. One at a time, under locks taken in one order: message, deposit, receipts, wallet.

A message is settled in the transaction that credits it, so a job that runs again finds it settled. What breaks is tried again
later and later, and then told to staff; nothing is dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.live import tell
from smmpanel.kernel.money import round_down
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.alerts import raise_alert
from smmpanel.notifications.models import AlertLevel
from smmpanel.payments.asking import POLL, asked_of
from smmpanel.payments.crediting import LIVE_NAME, credit_receipt
from smmpanel.payments.judging import judged, moment_of
from smmpanel.payments.matching import (
    alike,
    confirm_by,
    deposits_named,
    known_receipt,
    other_amount,
    seen_by_staff,
    tell_of_difference,
    twin_in,
    waits_for_its_message,
)
from smmpanel.payments.methods import gateway_for, method_by
from smmpanel.payments.models import Deposit, EventOutcome, GatewayEvent, Receipt, ReceiptState
from smmpanel.payments.opening import locked_deposit
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import CanBeAsked, CanList, Gateway, GatewayStatus, Message, Notice, Reading
from smmpanel.payments.question_times import may_be_asked
from smmpanel.payments.rates import rate_to
from smmpanel.payments.returned_payments import is_credited, payment_of
from smmpanel.payments.returning import EARLY, EXCEEDS, RETURNS, settle_return, take_what_went_back
from smmpanel.payments.states import DepositState, advanced

TRIES_MAX = 8
TOLD_AFTER = 3
"""Tries: some minutes, as long as somebody who has paid waits without asking."""
FIRST_PAUSE = timedelta(seconds=5)
TEXT_MAX = 500
NOTHING = "a payment of nothing"
FAILING = "payment_message_failing"
UNCLEAR = "payment_message_unclear"
TOLD_OTHERWISE = frozenset({EARLY, EXCEEDS})
E = EventOutcome
WEIGHTS: Mapping[EventOutcome, int] = {E.IGNORED: 0, E.DUPLICATE: 1, E.SETTLED: 2, E.HINT: 3, E.REVIEW: 4}
"""Of a message that tells of several things, what there is most to do about is what became of it."""
MOVES_ALONE = frozenset({GatewayStatus.PENDING, GatewayStatus.FAILED, GatewayStatus.EXPIRED})


async def put_off(panel: Panel, event_id: int) -> None:
    """Have a message that broke tried again later, and staff told when that has been in vain too often."""
    async with panel.db.transaction() as session:
        event = await session.get_one(GatewayEvent, event_id, with_for_update=True)
        event.tries += 1
        event.due_at = panel.clock() + FIRST_PAUSE * 4 ** min(event.tries, TRIES_MAX)
        if event.tries >= TOLD_AFTER:
            told = {"key": event.event_key, "tries": event.tries}
            await raise_alert(session, FAILING, f"event:{event.id}", AlertLevel.CRITICAL, **told)


async def settle_event(session: AsyncSession, panel: Panel, event: GatewayEvent) -> None:
    """Do what a message asks for, and note on it what that was. The message is locked."""
    method = await method_by(session, event.method_id)
    headers = {name: value.encode("latin-1") for name, value in event.headers.items()}
    adapter = gateway_for(panel, method)
    if event.source == POLL:
        reading = await _answer(session, adapter, event)
    else:
        reading = adapter.read(Message(headers, event.body), event.verdict)
    outcome, note = EventOutcome.IGNORED, reading.note
    for place, notice in enumerate(reading.notices):
        said = await _settle(session, panel, event, replace(notice, amount=round_down(notice.amount)))
        if not place or WEIGHTS[said[0]] > WEIGHTS[outcome]:
            outcome, note = said
    event.outcome, event.note, event.processed_at = outcome.value, note, panel.clock()


async def _answer(session: AsyncSession, adapter: Gateway, event: GatewayEvent) -> Reading:
    if event.deposit_id is None:
        assert isinstance(adapter, CanList), "only lists bring money that names no deposit"
        return adapter.read_row(event.body)
    assert isinstance(adapter, CanBeAsked), "only who can be asked answers"
    deposit = await session.get_one(Deposit, event.deposit_id)
    return adapter.read_answer(event.body, asked_of(deposit, event.received_at))


async def _settle(session: AsyncSession, panel: Panel, event: GatewayEvent, notice: Notice) -> tuple[EventOutcome, str]:
    if notice.undoes and await is_credited(session, event.gateway, notice):
        # Said to be paid, credited, and denied after all: some banks do that to a settled payment.
        notice = replace(notice, status=GatewayStatus.REVERSED, return_id=f"{notice.external_id}:{notice.status.value}")
    if notice.status == GatewayStatus.PAID:
        return await _paid(session, panel, event, notice) if notice.amount > 0 else (EventOutcome.IGNORED, NOTHING)
    settle = _returned if notice.status in RETURNS else _moved
    outcome, note = await settle(session, panel, event, notice)
    if outcome is EventOutcome.REVIEW and notice.status not in MOVES_ALONE and note not in TOLD_OTHERWISE:
        # There is no money in review that would show it.
        subject = f"event:{event.id}" if event.deposit_id is None else f"deposit:{event.deposit_id}"
        await raise_alert(session, UNCLEAR, subject, AlertLevel.WARNING, gateway=event.gateway, key=event.event_key)
    return outcome, note


async def _paid(session: AsyncSession, panel: Panel, event: GatewayEvent, notice: Notice) -> tuple[EventOutcome, str]:
    known = await known_receipt(session, event.gateway, notice)
    if known is not None:
        return await _told_again(session, event, notice, known)
    named = await deposits_named(session, event.gateway, notice)
    deposit = await locked_deposit(session, named[0]) if len(named) == 1 else None
    if deposit is not None and (known := await known_receipt(session, event.gateway, notice)) is not None:
        # Settled by somebody else while we waited for the lock.
        return await _told_again(session, event, notice, known)
    similar = await alike(session, notice)
    twin = twin_in(similar, notice)
    if twin is None and deposit is not None:
        twin = await seen_by_staff(session, deposit.id, notice)
    if twin is not None:
        return await _told_by_another(session, panel, event, notice, twin)
    if notice.unproved and deposit is not None and await _is_asked(session, panel, deposit, event):
        return EventOutcome.HINT, notice.status.value
    receipt = receipt_of(event, notice, panel.clock())
    session.add(receipt)
    if deposit is None:
        receipt.reason, is_sure = "ambiguous" if named else "unmatched", False
    else:
        event.deposit_id = receipt.deposit_id = deposit.id
        receipt.reason, is_sure = await _judged(session, panel, event, notice, deposit, similar)
    if deposit is None or not is_sure:
        await session.flush()
        return EventOutcome.REVIEW, receipt.reason
    await _credit(session, deposit, receipt, event)
    return EventOutcome.SETTLED, receipt.reason


async def _judged(  # noqa: PLR0917 - who says what of which deposit, and what looks like it
    session: AsyncSession,
    panel: Panel,
    event: GatewayEvent,
    notice: Notice,
    deposit: Deposit,
    similar: Sequence[Receipt],
) -> tuple[str, bool]:
    policy = Policy.of((await method_by(session, deposit.method_id)).policy)
    accounts = gateway_for(panel, await method_by(session, event.method_id)).accounts
    reason, is_sure = judged(deposit, notice, policy, accounts, now=event.received_at)
    if any(one.source == notice.source for one in similar) or await other_amount(session, event.gateway, notice):
        return "same_reference", False
    if is_sure and await waits_for_its_message(session, deposit.id):
        return "staff_entered", False
    return reason, is_sure


async def _told_by_another(
    session: AsyncSession, panel: Panel, event: GatewayEvent, notice: Notice, twin: Receipt
) -> tuple[EventOutcome, str]:
    """Take money that another side has told of, or staff."""
    if twin.amount != notice.amount:
        return await _told_again(session, event, notice, twin)
    confirm_by(twin, notice)
    event.deposit_id = event.deposit_id or twin.deposit_id
    if event.source == POLL:
        twin.listed_at = twin.listed_at or panel.clock()
    return EventOutcome.DUPLICATE, f"receipt {twin.id}"


async def _told_again(
    session: AsyncSession, event: GatewayEvent, notice: Notice, known: Receipt
) -> tuple[EventOutcome, str]:
    event.deposit_id = event.deposit_id or known.deposit_id
    if notice.unproved or (known.amount, known.currency) == (notice.amount, notice.currency):
        return EventOutcome.DUPLICATE, f"receipt {known.id}"
    await tell_of_difference(session, known, notice)
    return EventOutcome.REVIEW, "other_amount"


async def _is_asked(session: AsyncSession, panel: Panel, deposit: Deposit, event: GatewayEvent) -> bool:
    """Have the gateway of a deposit asked now, if it can be."""
    event.deposit_id = deposit.id
    method = await method_by(session, deposit.method_id)
    if not may_be_asked(gateway_for(panel, method)):
        return False
    deposit.ask_at = panel.clock()
    await session.flush()
    return True


async def _credit(session: AsyncSession, deposit: Deposit, receipt: Receipt, event: GatewayEvent) -> None:
    in_time = moment_of(receipt.occurred_at, event.received_at) <= deposit.expires_at
    rate = deposit.rate if in_time else (await rate_to(session, deposit.currency, deposit.wallet_currency)).value
    await session.flush()
    await credit_receipt(session, deposit, receipt, rate=rate, in_time=in_time, now=event.received_at)
    await take_what_went_back(session, deposit, receipt, now=event.received_at)


async def _returned(
    session: AsyncSession, panel: Panel, event: GatewayEvent, notice: Notice
) -> tuple[EventOutcome, str]:
    """Take a word about money that went back."""
    payment = await payment_of(session, event.gateway, notice)
    if payment.deposit is not None:
        event.deposit_id = payment.deposit.id
        if notice.unproved and await _is_asked(session, panel, payment.deposit, event):
            return EventOutcome.HINT, notice.status.value
    if notice.unproved:
        return EventOutcome.REVIEW, "unproved"
    return await settle_return(session, event, notice, payment, now=panel.clock())


async def _moved(session: AsyncSession, panel: Panel, event: GatewayEvent, notice: Notice) -> tuple[EventOutcome, str]:
    """Take a word about a payment that brings no money: it moves the deposit forward, never back."""
    named = await deposits_named(session, event.gateway, notice)
    if len(named) != 1:
        return EventOutcome.REVIEW, "unmatched"
    deposit = await locked_deposit(session, named[0])
    event.deposit_id = deposit.id
    if notice.unproved and await _is_asked(session, panel, deposit, event):
        return EventOutcome.HINT, notice.status.value
    if notice.status not in MOVES_ALONE:
        return EventOutcome.REVIEW, notice.status.value
    before, said = DepositState(deposit.state), DepositState(notice.status.value)
    after = advanced(before, said)
    if after == before:
        return EventOutcome.IGNORED, f"{said.value} after {before.value}"
    deposit.state = after.value
    if after in {DepositState.FAILED, DepositState.EXPIRED}:
        deposit.closed_at = panel.clock()
    await tell(session, LIVE_NAME, [deposit.user_id])
    return EventOutcome.SETTLED, after.value


def receipt_of(event: GatewayEvent, notice: Notice, now: datetime) -> Receipt:
    """Return the receipt of money that a message tells of, for somebody to look at as long as nothing else is said."""
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
        listed_at=now if event.source == POLL else None,
        event_id=event.id,
        state=ReceiptState.REVIEW.value,
    )
