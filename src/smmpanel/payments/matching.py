"""Finding out what money is for: the deposit that it names, or the same money told by another side of its gateway."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, any_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.money import plain
from smmpanel.notifications.alerts import raise_alert
from smmpanel.notifications.models import AlertLevel
from smmpanel.payments.judging import CLOCKS_DIFFER
from smmpanel.payments.methods import known_prefixes
from smmpanel.payments.models import Deposit, Receipt, ReceiptState
from smmpanel.payments.protocol import Notice
from smmpanel.payments.references import codes_in

DIFFERENT = "payment_amount_differs"
STAFF = "staff"
"""Source of money that a person has seen arrive."""


async def deposits_named(session: AsyncSession, gateway: str, notice: Notice) -> list[int]:
    """Return the deposits that a notice names, by our reference or by memo codes in its texts: usually one."""
    if notice.reference is not None:
        # A gateway speaks of what it was asked for, and of nothing that another one was.
        wanted = select(Deposit.id).where(Deposit.reference == notice.reference, Deposit.gateway == gateway)
        return list((await session.scalars(wanted)).all())
    codes = codes_in(notice.texts, await known_prefixes(session))
    if not codes:
        return []
    # Not only this gateway's: a transfer by hand can be seen by whoever watches the same account.
    found = await session.scalars(select(Deposit.id).where(Deposit.memo_code.in_(codes)).order_by(Deposit.id))
    return list(found.all())


async def known_receipt(session: AsyncSession, gateway: str, notice: Notice) -> Receipt | None:
    """Return the receipt of this very money, if it was told before under this number."""
    row = Receipt
    return await session.scalar(select(row).where(row.gateway == gateway, row.external_id == notice.external_id))


async def alike(session: AsyncSession, notice: Notice) -> Sequence[Receipt]:
    """Return receipts of what looks like the same money, oldest first. Whoever asks next waits until we are done."""
    if notice.natural_key is None:
        return ()
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(notice.natural_key, 0))))
    row = Receipt
    wanted = select(row).where(row.natural_key == notice.natural_key).order_by(row.id).with_for_update()
    return (await session.scalars(wanted.execution_options(populate_existing=True))).all()


async def other_amount(session: AsyncSession, gateway: str, notice: Notice) -> bool:
    """Whether the bank's reference of this money is on record with another amount: then one of the two is wrong."""
    if not notice.bank_ref:
        return False
    row = Receipt
    wanted = select(row.id).where(
        row.gateway == gateway,
        row.bank_ref == notice.bank_ref,
        row.account == notice.account,
        row.amount != notice.amount,
        row.state != ReceiptState.DISMISSED.value,
    )
    return await session.scalar(wanted.limit(1)) is not None


async def tell_of_difference(session: AsyncSession, receipt: Receipt, notice: Notice) -> None:
    """Tell staff that money which is on record is told of with another amount. What is on record stands."""
    told = {
        "bank_ref": notice.bank_ref or notice.external_id,
        "here": plain(receipt.amount),
        "there": plain(notice.amount),
    }
    await raise_alert(session, DIFFERENT, f"receipt:{receipt.id}", AlertLevel.CRITICAL, **told)


def twin_in(receipts: Sequence[Receipt], notice: Notice) -> Receipt | None:
    """Return the receipt of the same money from another side, which has been paired with this very number, or not yet
    with any of this side: a comparison with the bank's list pairs a row before its deposit is asked about."""
    for receipt in receipts:
        if notice.external_id in receipt.also:
            return receipt
    for receipt in receipts:
        paired = any(other.startswith(f"{notice.source}:") for other in receipt.also)
        if receipt.source != notice.source and not paired:
            return receipt
    return None


async def seen_by_staff(session: AsyncSession, deposit_id: int, notice: Notice | Receipt) -> Receipt | None:
    """Return what staff entered for a deposit, if this very money confirmed it; or if none has, and it is this much and no later."""
    row = Receipt
    is_this = literal(notice.external_id) == any_(row.also)
    may_be = [row.also == [], row.amount == notice.amount]
    if notice.occurred_at is not None:
        # What moved after somebody had seen theirs is another transfer.
        may_be.append(row.arrived_at >= notice.occurred_at - CLOCKS_DIFFER)
    wanted = (
        select(row)
        .where(*_entered_for(deposit_id), or_(is_this, and_(*may_be)))
        .order_by(is_this.desc(), row.id)
        .limit(1)
        .with_for_update()
    )
    return await session.scalar(wanted.execution_options(populate_existing=True))


async def waits_for_its_message(session: AsyncSession, deposit_id: int) -> bool:
    """Whether staff entered money for a deposit that no message has confirmed: what comes now may be it, misread."""
    wanted = select(Receipt.id).where(*_entered_for(deposit_id), Receipt.also == []).limit(1)
    return await session.scalar(wanted) is not None


def _entered_for(deposit_id: int) -> tuple[ColumnElement[bool], ...]:
    row = Receipt
    return row.deposit_id == deposit_id, row.source == STAFF, row.state == ReceiptState.CREDITED.value


def confirm_by(receipt: Receipt, notice: Notice) -> None:
    """Note that a notice tells of this receipt's money. What staff entered gets the looks by which every side knows it."""
    receipt.also = sorted({*receipt.also, notice.external_id})
    if receipt.source == STAFF and receipt.natural_key is None:
        receipt.natural_key, receipt.bank_ref = notice.natural_key, receipt.bank_ref or notice.bank_ref
        receipt.account, receipt.occurred_at = notice.account, notice.occurred_at
