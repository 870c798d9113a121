"""Settling what gateways say of money that goes back: refunds, disputes, and what became of them.

In any order and any number of times: each refund or dispute has one row under its gateway's number, which only moves to a
state of a higher rank. What names a payment that is not credited here yet waits for it. Locks are taken in one order:
deposit, receipts, returns, wallet.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.notifications.alerts import clear_alert, raise_alert
from smmpanel.notifications.models import AlertLevel
from smmpanel.payments.models import Deposit, EventOutcome, GatewayEvent, Receipt
from smmpanel.payments.protocol import GIVES_BACK, GatewayStatus, Notice
from smmpanel.payments.return_models import (
    IN_FORCE,
    OVER,
    RETURN_RANKS,
    PaymentReturn,
    ReturnKind,
    ReturnState,
)
from smmpanel.payments.returned_payments import Payment, locked_payment
from smmpanel.payments.taking import put_back, restate, take

RETURNS = GIVES_BACK | {GatewayStatus.REINSTATED, GatewayStatus.REFUND_FAILED}
"""Words about money that went back, or came again."""
CHARGED_BACK, TOO_MUCH, REFUND_UNKNOWN = "deposit_charged_back", "return_exceeds_payment", "refund_unknown"
EARLY, EXCEEDS, UNCLEAR, WRONG_CURRENCY = (
    "returned_early",
    "returned_too_much",
    "returned_unclear",
    "wrong_currency",
)
Answer = tuple[EventOutcome, str]


async def settle_return(
    session: AsyncSession, event: GatewayEvent, notice: Notice, payment: Payment, *, now: datetime
) -> Answer:
    """Do what a notice about money that goes back asks for."""
    if payment.receipt is not None and notice.currency != payment.receipt.currency:
        return EventOutcome.REVIEW, WRONG_CURRENCY
    if notice.status == GatewayStatus.REINSTATED:
        return await _reinstate(session, event, notice, payment, now=now)
    if notice.status == GatewayStatus.REFUND_FAILED:
        return await _refund_failed(session, event, notice, payment, now=now)
    if notice.amount <= 0:
        return EventOutcome.REVIEW, notice.status.value
    if notice.is_total:
        return await _go_back_in_all(session, event, notice, payment, now=now)
    return await _go_back(session, event, notice, payment, now=now)


async def _go_back(
    session: AsyncSession, event: GatewayEvent, notice: Notice, payment: Payment, *, now: datetime
) -> Answer:
    """One refund or dispute, told by itself."""
    row = await _known(session, event, notice, payment, wanted=notice.amount)
    if row is not None:
        return await _confirm(session, row, payment, now=now)
    row = await _insert(session, event, notice, payment, return_id=_number(notice), state=_begins(payment), now=now)
    if payment.credited is None:
        return EventOutcome.REVIEW, EARLY
    return await _take(session, payment.credited, row, notice.amount, now=now)


async def _go_back_in_all(
    session: AsyncSession, event: GatewayEvent, notice: Notice, payment: Payment, *, now: datetime
) -> Answer:
    """All that went back of a payment so far: what is not accounted for yet is taken."""
    row = await _named(session, event.gateway, notice.return_id) if notice.return_id is not None else None
    answer = None if row is None else await _confirm(session, row, payment, now=now)
    if (old := await _told_before(session, event, notice, payment)) is not None:
        return answer or old
    number = notice.return_id if row is None else None
    if number is None:
        number = f"{notice.return_id or notice.external_id}:{notice.amount.normalize():f}"
    if (same := await _named(session, event.gateway, number)) is not None:
        # Told before of other money, which was taken for this one.
        return answer or (EventOutcome.DUPLICATE, f"return {same.return_id}")
    more = notice.amount - (payment.receipt.returned if payment.receipt is not None else 0)
    if payment.credited is not None and more == 0:
        # All that we took has gone back, then.
        for one in await _in_force(session, payment.credited[1]):
            if one.may_be_told:
                await _confirm(session, one, payment, now=now)
    row = await _insert(session, event, notice, payment, return_id=number, state=_begins(payment), now=now)
    if payment.credited is None:
        return EventOutcome.REVIEW, EARLY
    if more <= 0:
        row.receipt_id = payment.credited[1].id
        return answer or (EventOutcome.DUPLICATE, f"return {row.return_id}")
    return await _take(session, payment.credited, row, more, now=now)


async def _told_before(session: AsyncSession, event: GatewayEvent, notice: Notice, payment: Payment) -> Answer | None:
    """Answer a total that is no more than what was told before: old news, unless some of that came to nothing since."""
    row = PaymentReturn
    money = {notice.external_id} if payment.receipt is None else {notice.external_id, payment.receipt.external_id}
    same = (row.gateway == event.gateway, row.external_id.in_(money), row.kind == _kind(notice).value)
    told = (await session.scalars(select(row).where(*same, row.is_total, row.said >= notice.amount))).all()
    if not told:
        return None
    is_unclear = all(one.said > notice.amount for one in told) and any(one.state in OVER for one in told)
    return (EventOutcome.REVIEW, UNCLEAR) if is_unclear else (EventOutcome.DUPLICATE, f"return {told[0].return_id}")


async def _take(
    session: AsyncSession, credited: tuple[Deposit, Receipt], row: PaymentReturn, wanted: Decimal, *, now: datetime
) -> Answer:
    deposit, receipt = credited
    amount = min(wanted, receipt.amount - receipt.returned)
    row.deposit_id, row.receipt_id = deposit.id, receipt.id
    if amount > 0:
        await take(session, deposit, receipt, row, amount, now=now)
    if row.kind == ReturnKind.CHARGEBACK and amount > 0:
        told = {"deposit": deposit.id, "amount": row.amount, "currency": row.currency}
        await raise_alert(session, CHARGED_BACK, f"deposit:{deposit.id}", AlertLevel.CRITICAL, **told)
    if amount < wanted:
        told = {"deposit": deposit.id, "amount": wanted, "currency": row.currency}
        await raise_alert(session, TOO_MUCH, f"deposit:{deposit.id}", AlertLevel.CRITICAL, **told)
        return EventOutcome.REVIEW, EXCEEDS
    return EventOutcome.SETTLED, deposit.state


async def _confirm(session: AsyncSession, row: PaymentReturn, payment: Payment, *, now: datetime) -> Answer:
    """A return that is known: done, if that is news."""
    if RETURN_RANKS[ReturnState(row.state)] >= RETURN_RANKS[ReturnState.DONE]:
        return EventOutcome.DUPLICATE, f"return {row.return_id}"
    if row.receipt_id is None:
        if payment.credited is None:
            return EventOutcome.DUPLICATE, f"return {row.return_id}"
        return await _take_early(session, payment.credited, row, now=now)
    await clear_alert(session, REFUND_UNKNOWN, f"deposit:{row.deposit_id}")
    row.state, row.settled_at = ReturnState.DONE.value, now
    await session.flush()
    return EventOutcome.SETTLED, row.state


async def _take_early(
    session: AsyncSession, credited: tuple[Deposit, Receipt], row: PaymentReturn, *, now: datetime
) -> Answer:
    """What went back before its payment was credited, now that it is."""
    if row.currency != credited[1].currency:
        return EventOutcome.REVIEW, WRONG_CURRENCY
    more = row.said - credited[1].returned if row.is_total else row.said
    row.state, row.settled_at = ReturnState.DONE.value, now
    return await _take(session, credited, row, max(more, Decimal(0)), now=now)


async def _reinstate(
    session: AsyncSession, event: GatewayEvent, notice: Notice, payment: Payment, *, now: datetime
) -> Answer:
    number = notice.return_id
    found = await _in_force(session, payment.receipt) if payment.receipt is not None else []
    rows = [one for one in found if number is None or f"{one.return_id}:".startswith(f"{number}:")]
    rows = [one for one in rows if number is not None or one.kind == ReturnKind.CHARGEBACK]
    if not rows and (one := await _named(session, event.gateway, _number(notice))) is not None:
        rows = [one]
    if not rows:
        return await _over_before(session, event, notice, payment, ReturnState.RELEASED, now=now)
    return await _end(session, rows, ReturnState.RELEASED, now=now)


async def _refund_failed(
    session: AsyncSession, event: GatewayEvent, notice: Notice, payment: Payment, *, now: datetime
) -> Answer:
    row = await _known(session, event, notice, payment, wanted=notice.amount or None)
    if row is None:
        return await _over_before(session, event, notice, payment, ReturnState.FAILED, now=now)
    return await _end(session, [row], ReturnState.FAILED, now=now)


async def _over_before(
    session: AsyncSession, event: GatewayEvent, notice: Notice, payment: Payment, state: ReturnState, *, now: datetime
) -> Answer:
    """Keep the end of a return whose beginning has not been told yet, so that it takes nothing when it is."""
    number = _number(notice)
    if await _named(session, event.gateway, number) is not None:
        return EventOutcome.DUPLICATE, f"return {number}"
    await _insert(session, event, notice, payment, return_id=number, state=state, now=now)
    return EventOutcome.IGNORED, state.value


async def _end(session: AsyncSession, rows: list[PaymentReturn], state: ReturnState, *, now: datetime) -> Answer:
    answer: Answer = EventOutcome.DUPLICATE, f"return {rows[0].return_id}"
    for row in rows:
        if await end_return(session, row, state, now=now):
            answer = EventOutcome.SETTLED, state.value
    return answer


async def end_return(session: AsyncSession, row: PaymentReturn, state: ReturnState, *, now: datetime) -> bool:
    """Say that a return came to nothing, and put its money into the wallet again; whether that is news.

    The return is locked, and so is its payment.
    """
    if RETURN_RANKS[ReturnState(row.state)] >= RETURN_RANKS[state]:
        return False
    if row.amount == 0:
        row.state, row.settled_at = state.value, now
        await session.flush()
        return True
    deposit, receipt = await locked_payment(session, row)
    await put_back(session, deposit, receipt, row, became=state, now=now)
    alert = CHARGED_BACK if row.kind == ReturnKind.CHARGEBACK else REFUND_UNKNOWN
    await clear_alert(session, alert, f"deposit:{deposit.id}")
    return True


async def take_what_went_back(session: AsyncSession, deposit: Deposit, receipt: Receipt, *, now: datetime) -> None:
    """Take what went back of a receipt before it was credited. Deposit and receipt are locked; the receipt is credited."""
    if deposit.returned > 0:
        await restate(session, deposit)
    row = PaymentReturn
    wanted = (
        select(row)
        .where(
            row.gateway == receipt.gateway,
            row.external_id.in_([receipt.external_id, *receipt.also]),
            row.receipt_id.is_(None),
            row.state == ReturnState.PENDING.value,
        )
        .order_by(row.id)
        .with_for_update()
    )
    for early in (await session.scalars(wanted)).all():
        await _take_early(session, (deposit, receipt), early, now=now)


def _begins(payment: Payment) -> ReturnState:
    return ReturnState.PENDING if payment.credited is None else ReturnState.DONE


def _number(notice: Notice) -> str:
    """Return a gateway's number of a return; of one that has none, the payment's: there is one refund or dispute, then."""
    return notice.return_id or f"{notice.external_id}:{_kind(notice).value}"


def _kind(notice: Notice) -> ReturnKind:
    disputes = {GatewayStatus.REVERSED, GatewayStatus.REINSTATED}
    return ReturnKind.CHARGEBACK if notice.status in disputes else ReturnKind.REFUND


async def _named(session: AsyncSession, gateway: str, return_id: str) -> PaymentReturn | None:
    row = PaymentReturn
    wanted = select(row).where(row.gateway == gateway, row.return_id == return_id).with_for_update()
    return await session.scalar(wanted.execution_options(populate_existing=True))


async def _in_force(session: AsyncSession, receipt: Receipt) -> list[PaymentReturn]:
    row = PaymentReturn
    wanted = (
        select(row)
        .where(row.receipt_id == receipt.id, row.state.in_([state.value for state in IN_FORCE]))
        .order_by(row.id)
        .with_for_update()
    )
    return list((await session.scalars(wanted.execution_options(populate_existing=True))).all())


async def _known(
    session: AsyncSession, event: GatewayEvent, notice: Notice, payment: Payment, *, wanted: Decimal | None
) -> PaymentReturn | None:
    """Return the row of this very return: under its number, or begun by us and not numbered yet."""
    row = await _named(session, event.gateway, _number(notice))
    if row is not None or payment.receipt is None:
        return row
    for one in await _in_force(session, payment.receipt):
        if not one.is_named and one.may_be_told and one.kind == _kind(notice) and wanted in {None, one.amount}:
            one.return_id, one.is_named = _number(notice), True
            await session.flush()
            return one
    return None


async def _insert(
    session: AsyncSession,
    event: GatewayEvent,
    notice: Notice,
    payment: Payment,
    *,
    return_id: str,
    state: ReturnState,
    now: datetime,
) -> PaymentReturn:
    deposit, receipt = payment.deposit, payment.receipt
    values = {
        "gateway": event.gateway,
        "return_id": return_id,
        "is_named": return_id == notice.return_id or not notice.is_total,
        "external_id": notice.external_id if receipt is None else receipt.external_id,
        "deposit_id": None if deposit is None else deposit.id,
        "kind": _kind(notice).value,
        "state": state.value,
        "currency": notice.currency,
        "said": max(notice.amount, Decimal(0)),
        "is_total": notice.is_total,
        "event_id": event.id,
        "created_at": now,
        "settled_at": None if state is ReturnState.PENDING else now,
    }
    return (await session.scalars(insert(PaymentReturn).values(values).returning(PaymentReturn))).one()
