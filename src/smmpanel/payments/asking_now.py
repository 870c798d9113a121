"""Having a gateway asked at once because somebody looks: a customer who comes back or says that they have paid, or staff."""

from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.jobs import wake
from smmpanel.kernel.panel import Panel
from smmpanel.payments.inbox import ASK_ONCE, ask_gateways
from smmpanel.payments.methods import gateway_for, method_by
from smmpanel.payments.models import Deposit
from smmpanel.payments.opening import locked_deposit
from smmpanel.payments.question_times import asked_just_now, may_be_asked
from smmpanel.payments.states import RANKS, DepositState


class Question(StrEnum):
    """What became of the wish to have a gateway asked."""

    ASKED = "asked"
    JUST_NOW = "just_now"
    """It was asked a moment ago: what it said then counts."""
    NEVER = "never"
    """There is nobody to ask, or nothing left to ask about."""


async def can_be_asked(session: AsyncSession, panel: Panel, deposit: Deposit) -> bool:
    """Whether the gateway of a deposit says how payments stand."""
    return may_be_asked(gateway_for(panel, await method_by(session, deposit.method_id)))


def awaits_money(deposit: Deposit) -> bool:
    """Whether something may still come in for a deposit, in time or late."""
    return RANKS[DepositState(deposit.state)] < RANKS[DepositState.PAID]


async def ask_now(session: AsyncSession, panel: Panel, deposit_id: int) -> Question:
    """Have a gateway asked about a deposit that is not wholly paid, unless it was asked a moment ago. Credits nothing."""
    deposit = await locked_deposit(session, deposit_id)
    return await _ask(session, panel, deposit) if awaits_money(deposit) else Question.NEVER


async def ask_again(session: AsyncSession, panel: Panel, deposit_id: int, *, actor: Actor) -> Question:
    """Have a gateway asked about any deposit, on the record: staff want to know. Raises `NotFoundError`."""
    actor.require(Permission.DEPOSITS_SETTLE)
    if await session.scalar(select(Deposit.id).where(Deposit.id == deposit_id)) is None:
        raise NotFoundError
    asked = await _ask(session, panel, await locked_deposit(session, deposit_id))
    if asked is Question.ASKED:
        await audit(session, actor, Permission.DEPOSITS_SETTLE, f"deposit:{deposit_id}", after={"asked": "gateway"})
    return asked


async def _ask(session: AsyncSession, panel: Panel, deposit: Deposit) -> Question:
    now = panel.clock()
    if not await can_be_asked(session, panel, deposit):
        return Question.NEVER
    if asked_just_now(deposit, now):
        return Question.JUST_NOW
    deposit.ask_at = now
    await session.flush()
    wake(session, ask_gateways.call(once=ASK_ONCE))
    return Question.ASKED
