"""Asking gateways how deposits stand: claimed, asked without a transaction, and the answer kept and settled like a message.

What was lost on the way (a message, our own process) is found so; and messages that prove too little only ever lead here.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert

from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.payments.methods import gateway_for, method_by
from smmpanel.payments.models import Deposit, EventOutcome, GatewayEvent, PaymentMethod
from smmpanel.payments.protocol import (
    Asked,
    CanBeAsked,
    GatewayFailedError,
    GatewayStatus,
    Reading,
    UnreadableMessageError,
)
from smmpanel.payments.question_times import next_question

POLL = "poll"
AT_ONCE = 20
DIGEST_LENGTH = 20
"""Of what an answer means, within one deposit or one list: staff read it."""
HINTED_FOR, HINTED_PAUSE = timedelta(days=3), timedelta(minutes=30)
"""How long, and how often, gateways are asked about a message that they have not confirmed, of a deposit that is over."""
QUERIED = "asked"
"""The verdict on answers: they came from where we asked."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Question:
    deposit: Deposit
    method: PaymentMethod
    lease: datetime | None
    """Of the last question of a deposit: when it is asked again unless this process lives to end it."""


def asked_of(deposit: Deposit, now: datetime) -> Asked:
    """Return what a gateway is told of a deposit that it is asked about."""
    return Asked(
        reference=deposit.reference,
        external_ref=deposit.external_ref,
        memo=deposit.memo,
        amount=deposit.amount,
        currency=deposit.currency,
        begun_at=deposit.created_at,
        now=now,
        expires_at=deposit.expires_at,
    )


async def methods_due(panel: Panel) -> list[int]:
    """Return the methods that there is something to ask about."""
    due = select(Deposit.method_id).where(Deposit.ask_at <= panel.clock()).distinct().order_by(Deposit.method_id)
    async with panel.db.transaction() as session:
        return list((await session.scalars(due)).all())


async def ask_some(panel: Panel, method_id: int) -> bool:
    """Ask about deposits of a method that are due, some at a time; whether it is worth asking about more at once.

    A question that is broken off is asked again at its next time: asking changes nothing.
    """
    questions = await _claim(panel, method_id)
    async with asyncio.TaskGroup() as work:
        asked = [work.create_task(_ask(panel, question)) for question in questions]
    # One that answers nothing is left alone for a while: its questions wait for their next look.
    return len(questions) == AT_ONCE and any(one.result() for one in asked)


async def _claim(panel: Panel, method_id: int) -> list[_Question]:
    now, row = panel.clock(), Deposit
    due = select(row).where(row.ask_at <= now, row.method_id == method_id).order_by(row.ask_at).limit(AT_ONCE)
    async with panel.db.transaction() as session:
        deposits = (await session.scalars(due.with_for_update(skip_locked=True, key_share=True))).all()
        questions = []
        for deposit in deposits:
            following = next_question(deposit, now)
            lease = now + HINTED_PAUSE if following is None else None
            deposit.asked_at, deposit.ask_at = now, following or lease
            deposit.asked += 1
            questions.append(_Question(deposit, await method_by(session, deposit.method_id), lease))
    return questions


async def _ask(panel: Panel, question: _Question) -> bool:
    """Ask, and keep what is answered; whether anything was."""
    deposit, adapter = question.deposit, gateway_for(panel, question.method)
    if not (isinstance(adapter, CanBeAsked) and adapter.can_be_asked):
        # Its method was set up otherwise since.
        await _ask_no_more(panel, deposit.id)
        return True
    payment = asked_of(deposit, panel.clock())
    answers = tells = False
    try:
        answer = await adapter.ask(payment)
        answers = True
        reading = adapter.read_answer(answer, payment)
        tells = _tells_something(reading)
    except (GatewayFailedError, UnreadableMessageError) as failure:
        log.warning("payment_not_answered", deposit=deposit.id, gateway=deposit.gateway, failure=failure.code)
    except Exception:
        # One adapter that breaks must not take the answers of others with it.
        log.exception("payment_question_broke", deposit=deposit.id, gateway=deposit.gateway)
    if tells:
        await keep_answers(panel, question.method, [(answer, reading)], deposit_id=deposit.id)
    if question.lease is not None:
        await _end(panel, deposit.id, question.lease, is_answered=tells)
    return answers


async def keep_answers(
    panel: Panel,
    method: PaymentMethod,
    answers: Sequence[tuple[bytes, Reading]],
    *,
    deposit_id: int | None = None,
) -> int:
    """Keep what a gateway answered, to be settled like messages; what it said before is not kept twice. Returns how many are new."""
    now = panel.clock()
    rows: list[dict[str, Any]] = [
        {
            "gateway": method.gateway,
            "method_id": method.id,
            "source": POLL,
            "event_key": f"{POLL}:{deposit_id or 'list'}:{_digest(reading)}",
            "headers": {},
            "body": answer,
            "digest": sha256(answer).digest(),
            "verdict": QUERIED,
            "outcome": EventOutcome.WAITING.value,
            "deposit_id": deposit_id,
            "received_at": now,
            "due_at": now,
        }
        for answer, reading in answers
    ]
    if not rows:
        return 0
    stored = insert(GatewayEvent).values(rows).on_conflict_do_nothing().returning(GatewayEvent.id)
    async with panel.db.transaction() as session:
        return len((await session.scalars(stored)).all())


def _tells_something(reading: Reading) -> bool:
    return any(notice.status != GatewayStatus.PENDING for notice in reading.notices)


def _digest(reading: Reading) -> str:
    # Of what it means: answers differ in times and balances that say nothing about the payment.
    told = sorted(
        repr((one.external_id, one.status.value, str(one.amount), one.currency, one.reference, one.return_id))
        for one in reading.notices
    )
    return sha256("\n".join(told).encode()).hexdigest()[:DIGEST_LENGTH]


async def _end(panel: Panel, deposit_id: int, lease: datetime, *, is_answered: bool) -> None:
    """Ask no more of this deposit, unless a message that has no answer may stand behind it. What was begun anew since goes on."""
    now, row = panel.clock(), GatewayEvent
    hint = exists().where(
        row.deposit_id == deposit_id, row.outcome == EventOutcome.HINT.value, row.received_at > now - HINTED_FOR
    )
    leased = update(Deposit).where(Deposit.id == deposit_id, Deposit.ask_at == lease)
    async with panel.db.transaction() as session:
        await session.execute(leased.values(ask_at=None) if is_answered else leased.where(~hint).values(ask_at=None))


async def _ask_no_more(panel: Panel, deposit_id: int) -> None:
    async with panel.db.transaction() as session:
        await session.execute(update(Deposit).where(Deposit.id == deposit_id).values(ask_at=None))
