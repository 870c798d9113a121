"""What staff decide: that money has arrived, that it has not, whose it is. Never about their own deposits."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from smmpanel.kernel.facts import record
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.live import tell
from smmpanel.kernel.money import LIMIT
from smmpanel.kernel.panel import Panel
from smmpanel.payments.crediting import LIVE_NAME, credit_receipt
from smmpanel.payments.fees import in_wallet
from smmpanel.payments.judging import moment_of
from smmpanel.payments.matching import STAFF, seen_by_staff
from smmpanel.payments.methods import method_by
from smmpanel.payments.models import Deposit, EventOutcome, GatewayEvent, Receipt, ReceiptState
from smmpanel.payments.opening import insert_deposit, locked_deposit
from smmpanel.payments.rates import rate_to
from smmpanel.payments.return_models import Confirmation, Deed
from smmpanel.payments.returning import take_what_went_back
from smmpanel.payments.second_looks import (
    AwaitsSecondError,
    Decided,
    deposits_waiting,
    put_before_another,
    receipts_waiting,
    takes_two,
)
from smmpanel.payments.states import DepositState, check_move
from smmpanel.payments.telling import DepositRejected

NOTE_MAX = 500
ONCE = "approved"
"""The key of an approval that brings none of its own."""
AMOUNT_WRONG = marked("must be more than zero")
REASON_NEEDED = marked("is needed, at most 500 characters")


class OwnDepositError(ForbiddenError):
    """Nobody says of their own money that it has arrived."""

    code, message = "own_deposit", marked("Somebody else has to decide about your own deposit.")


class AlreadyPaidError(ConflictError):
    """The deposit has its money."""

    code, message = "already_paid", marked("This deposit is paid already.")


class AlreadyDecidedError(ConflictError):
    """Somebody was faster."""

    code, message = "already_decided", marked("Somebody has decided about this already.")


class DepositChangedError(ConflictError):
    """What was decided on is not what there is any more."""

    code, message = (
        "deposit_changed",
        marked("More has arrived for this deposit meanwhile. Look at it again, then decide."),
    )


class SameMoneyError(ConflictError):
    """Staff have entered this money for the deposit before the message about it was assigned."""

    code, message = (
        "same_money",
        marked(
            "This deposit was approved by hand with the same amount. If it is the same money, dismiss the transfer."
        ),
    )


async def approve_deposit(
    session: AsyncSession,
    deposit_id: int,
    *,
    actor: Actor,
    now: datetime,
    amount: Decimal | None = None,
    note: str = "",
    key: str = ONCE,
    seen: Decimal | None = None,
    confirmed: Confirmation | None = None,
) -> Deposit | Confirmation:
    """Credit what has arrived for a deposit on a person's word: what was asked for, unless another amount is given.

    The same key credits once. `seen` is how much had arrived when they looked: if it is not so any more, somebody else may
    have entered the same money. A message about the same money that comes later finds it entered. Above the panel's limit a
    second person has to confirm it first, and what they are asked is returned. Raises `OwnDepositError`,
    `AlreadyPaidError`, `DepositChangedError`, `AwaitsSecondError`, `InvalidInputError` or `NotFoundError`.
    """
    actor.require(Permission.DEPOSITS_SETTLE)
    deposit = await _deposit(session, deposit_id)
    _require_other(actor, deposit.user_id)
    external_id = f"{STAFF}:{deposit.reference}:{key}"
    row = Receipt
    before = await session.scalar(select(row).where(row.gateway == deposit.gateway, row.external_id == external_id))
    if before is not None:
        return deposit
    state = DepositState(deposit.state)
    if state == DepositState.PAID:
        raise AlreadyPaidError
    check_move(state, DepositState.PAID)
    if seen is not None and seen != deposit.received:
        raise DepositChangedError
    arrived = deposit.amount - deposit.received if amount is None else amount
    if not 0 < arrived < LIMIT:
        raise InvalidInputError(field="amount", reason=AMOUNT_WRONG)
    # Staff look after hours or days: what counts is that the customer asked in time, or said that they have paid.
    in_time = state != DepositState.EXPIRED
    rate = await _rate_of(session, deposit, in_time=in_time)
    worth = in_wallet(arrived + await _entered_by_staff(session, deposit.id), max(rate, deposit.rate))
    if confirmed is None and await takes_two(session, actor, worth):
        details = {"note": note.strip()[:NOTE_MAX], "key": key, "received": deposit.received}
        decided = Decided(Deed.APPROVE, arrived, deposit.currency, deposit_id=deposit.id, details=details)
        return await put_before_another(session, actor, decided, now=now)
    receipt = Receipt(
        gateway=deposit.gateway,
        method_id=deposit.method_id,
        source=STAFF,
        external_id=external_id,
        also=[],
        amount=arrived,
        currency=deposit.currency,
        memo=deposit.memo or "",
        arrived_at=now,
        state=ReceiptState.REVIEW.value,
        reason="",
        staff_id=actor.user_id if confirmed is None else confirmed.first_by,
        note=note.strip()[:NOTE_MAX] or None,
    )
    session.add(receipt)
    await session.flush()
    was = _told(deposit)
    await credit_receipt(session, deposit, receipt, rate=rate, in_time=in_time, now=now)
    await take_what_went_back(session, deposit, receipt, now=now)
    deposit.decided_by = actor.user_id
    after = {**_told(deposit), "amount": arrived, "note": receipt.note}
    await audit(session, actor, Permission.DEPOSITS_SETTLE, f"deposit:{deposit.id}", before=was, after=after)
    return deposit


async def reject_deposit(
    session: AsyncSession, deposit_id: int, *, actor: Actor, reason: str, now: datetime
) -> Deposit:
    """Say that the money of a deposit has not arrived.

    Raises `AlreadyPaidError`, `AwaitsSecondError` while somebody's approval waits, or `IllegalMoveError` if it is over.
    """
    actor.require(Permission.DEPOSITS_SETTLE)
    deposit = await _deposit(session, deposit_id)
    _require_other(actor, deposit.user_id)
    why = _reason(reason)
    state = DepositState(deposit.state)
    if state == DepositState.PAID:
        raise AlreadyPaidError
    check_move(state, DepositState.FAILED)
    if await deposits_waiting(session, [deposit.id], deeds=[Deed.APPROVE]):
        raise AwaitsSecondError
    deposit.state, deposit.note, deposit.closed_at = DepositState.FAILED.value, why, now
    deposit.decided_by = actor.user_id
    await session.flush()
    before, after = {"state": state.value}, {"state": deposit.state, "reason": why}
    await audit(session, actor, Permission.DEPOSITS_SETTLE, f"deposit:{deposit.id}", before=before, after=after)
    fact = DepositRejected(
        deposit_id=deposit.id, user_id=deposit.user_id, amount=deposit.amount, currency=deposit.currency, reason=why
    )
    await record(session, fact)
    await tell(session, LIVE_NAME, [deposit.user_id])
    return deposit


async def assign_to_deposit(
    session: AsyncSession,
    receipt_id: int,
    deposit_id: int,
    *,
    actor: Actor,
    now: datetime,
    confirmed: Confirmation | None = None,
) -> Deposit | Confirmation:
    """Say that money in review is a deposit's, and credit it under the key that it would have had by itself.

    Above the panel's limit a second person has to confirm it first, and what they are asked is returned.
    """
    actor.require(Permission.DEPOSITS_SETTLE)
    deposit = await _deposit(session, deposit_id)
    _require_other(actor, deposit.user_id)
    receipt = await _in_review(session, receipt_id)
    if receipt.currency != deposit.currency:
        raise InvalidInputError(field="deposit", reason=marked("is in another currency"))
    if await seen_by_staff(session, deposit.id, receipt) is not None:
        raise SameMoneyError
    _, rate = await _terms(session, receipt, deposit)
    worth = in_wallet(receipt.amount, max(rate, deposit.rate))
    if confirmed is None and await takes_two(session, actor, worth):
        decided = Decided(Deed.ASSIGN, receipt.amount, receipt.currency, deposit_id=deposit.id, receipt_id=receipt.id)
        return await put_before_another(session, actor, decided, now=now)
    await _assign(session, receipt, deposit, actor, now)
    return deposit


async def assign_to_user(
    session: AsyncSession,
    panel: Panel,
    receipt_id: int,
    user_id: int,
    *,
    actor: Actor,
    now: datetime,
    confirmed: Confirmation | None = None,
) -> Deposit | Confirmation:
    """Say that money in review is a customer's who began no deposit for it: one is made that fits.

    Above the panel's limit a second person has to confirm it first, and what they are asked is returned.
    """
    actor.require(Permission.DEPOSITS_SETTLE)
    _require_other(actor, user_id)
    receipt = await _in_review(session, receipt_id)
    method = await method_by(session, receipt.method_id)
    rate = await rate_to(session, receipt.currency, panel.currency)
    if confirmed is None and await takes_two(session, actor, in_wallet(receipt.amount, rate.value)):
        decided = Decided(Deed.ASSIGN, receipt.amount, receipt.currency, receipt_id=receipt.id, user_id=user_id)
        return await put_before_another(session, actor, decided, now=now)
    row = {
        "user_id": user_id,
        "method_id": method.id,
        "gateway": method.gateway,
        "amount": receipt.amount,
        "currency": receipt.currency,
        "fee_percent": method.fee_percent,
        "fee_fixed": method.fee_fixed,
        "wallet_currency": panel.currency,
        "rate": rate.value,
        "rate_source": rate.source,
        "rate_at": now,
        "state": DepositState.PENDING.value,
        "expires_at": now,
        "created_at": now,
    }
    deposit = await insert_deposit(session, panel, method, row)
    await _assign(session, receipt, deposit, actor, now)
    return deposit


async def dismiss_receipt(
    session: AsyncSession, receipt_id: int, *, actor: Actor, reason: str, now: datetime
) -> Receipt:
    """Say that money in review is no customer's: it was sent back, or it is told twice.

    Raises `AlreadyDecidedError`, or `AwaitsSecondError` while somebody's word whose it is waits for a second person.
    """
    actor.require(Permission.DEPOSITS_SETTLE)
    receipt, why = await _in_review(session, receipt_id), _reason(reason)
    if await receipts_waiting(session, [receipt.id]):
        raise AwaitsSecondError
    receipt.state, receipt.note = ReceiptState.DISMISSED.value, why
    receipt.staff_id, receipt.decided_at = actor.user_id, now
    await session.flush()
    after = {"state": receipt.state, "reason": why}
    await audit(session, actor, Permission.DEPOSITS_SETTLE, f"receipt:{receipt.id}", after=after)
    return receipt


async def _assign(session: AsyncSession, receipt: Receipt, deposit: Deposit, actor: Actor, now: datetime) -> None:
    in_time, rate = await _terms(session, receipt, deposit)
    was = {"state": receipt.state, "reason": receipt.reason}
    receipt.staff_id = actor.user_id
    await credit_receipt(session, deposit, receipt, rate=rate, in_time=in_time, now=now)
    await take_what_went_back(session, deposit, receipt, now=now)
    if receipt.event_id is not None:
        event = await session.get_one(GatewayEvent, receipt.event_id)
        event.deposit_id, event.outcome = deposit.id, EventOutcome.SETTLED.value
    after = {"state": receipt.state, "deposit": deposit.id, "amount": receipt.amount}
    await audit(session, actor, Permission.DEPOSITS_SETTLE, f"receipt:{receipt.id}", before=was, after=after)


async def _terms(session: AsyncSession, receipt: Receipt, deposit: Deposit) -> tuple[bool, Decimal]:
    """Return whether money came in time for a deposit, and the rate that it is credited at."""
    in_time = moment_of(receipt.occurred_at, receipt.arrived_at) <= deposit.expires_at
    return in_time, await _rate_of(session, deposit, in_time=in_time)


async def _rate_of(session: AsyncSession, deposit: Deposit, *, in_time: bool) -> Decimal:
    return deposit.rate if in_time else (await rate_to(session, deposit.currency, deposit.wallet_currency)).value


async def _deposit(session: AsyncSession, deposit_id: int) -> Deposit:
    if await session.get(Deposit, deposit_id) is None:
        raise NotFoundError
    return await locked_deposit(session, deposit_id)


async def _entered_by_staff(session: AsyncSession, deposit_id: int) -> Decimal:
    row = Receipt
    wanted = select(func.coalesce(func.sum(row.amount), 0)).where(row.deposit_id == deposit_id, row.source == STAFF)
    return Decimal(await session.scalar(wanted) or 0)


async def _in_review(session: AsyncSession, receipt_id: int) -> Receipt:
    wanted = select(Receipt).where(Receipt.id == receipt_id).with_for_update()
    receipt = await session.scalar(wanted.execution_options(populate_existing=True))
    if receipt is None:
        raise NotFoundError
    if receipt.state != ReceiptState.REVIEW:
        raise AlreadyDecidedError
    return receipt


def _require_other(actor: Actor, owner_id: int) -> None:
    if owner_id in {actor.user_id, actor.acted_by}:
        raise OwnDepositError


def _reason(typed: str) -> str:
    why = typed.strip()
    if not 0 < len(why) <= NOTE_MAX:
        raise InvalidInputError(field="reason", reason=REASON_NEEDED)
    return why


def _told(deposit: Deposit) -> dict[str, object]:
    return {"state": deposit.state, "received": deposit.received, "credited": deposit.credited}
