"""Paying deposits back: the money leaves the wallet first, then its gateway is asked, then it is written down what it said.

A refund is limited to what its customer has not spent; who holds `deposits.refund_over` may pay back more, and leave the
wallet below zero. Where the gateway cannot pay back, staff do it themselves and enter the bank's reference.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.jobs import wake
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of, lock_users
from smmpanel.notifications.alerts import clear_alert
from smmpanel.payments.deciding import NOTE_MAX, AlreadyDecidedError, OwnDepositError
from smmpanel.payments.fees import in_wallet
from smmpanel.payments.matching import STAFF
from smmpanel.payments.methods import gateway_for, method_by
from smmpanel.payments.models import Deposit, Receipt, ReceiptState
from smmpanel.payments.opening import locked_deposit
from smmpanel.payments.protocol import gives_back
from smmpanel.payments.return_models import (
    IN_FORCE,
    Confirmation,
    Deed,
    PaymentReturn,
    ReturnKind,
    ReturnState,
)
from smmpanel.payments.returning import REFUND_UNKNOWN, end_return
from smmpanel.payments.second_looks import Decided, persons_in, put_before_another, takes_two
from smmpanel.payments.sending_refunds import SEND_ONCE, send_refunds
from smmpanel.payments.taking import bonus_of, share_taken, take
from smmpanel.web.formats import WITHOUT_DECIMALS

KEY_MAX = 100
ZERO = Decimal(0)
OVER_UNSPENT = marked("is more than the customer has not spent")
OVER_LEFT = marked("is more than is left of any one transfer")
NOT_POSITIVE = marked("must be more than zero")
TOO_FINE = marked("has more decimals than this currency")
REFERENCE_NEEDED = marked("is needed: the reference of the transfer by which it was paid back")
REASON_NEEDED = marked("is needed, at most 500 characters")
LONG_KEY = marked("must be up to 100 characters")


class NothingToRefundError(ConflictError):
    """No money of the deposit is here."""

    code, message = "nothing_to_refund", marked("There is nothing of this deposit that could be paid back.")


class NotByGatewayError(ConflictError):
    """The gateway does not pay back."""

    code, message = (
        "not_by_gateway",
        marked("This payment method cannot pay back. Pay it back yourself, then enter the bank's reference."),
    )


class OtherRefundError(ConflictError):
    """The key stands for another refund already."""

    code, message = "key_reused", marked("This was sent before with another amount.")


@dataclass(frozen=True, slots=True)
class Refundable:
    """What of a deposit can be paid back, in its currency."""

    unspent: Decimal
    """What its customer has not spent, the deposit's bonus not counted."""
    left: Decimal
    """What is left of its largest transfer, spent or not."""
    worth: Decimal
    """What the wallet can lose without going below zero, in its own currency."""
    by_gateway: bool
    """Whether its gateway pays back when it is asked."""


@dataclass(frozen=True, slots=True)
class WantedRefund:
    """What is to be paid back, once under this key. Without an amount: all that is not spent."""

    deposit_id: int
    key: str
    reason: str
    amount: Decimal | None = None
    by_hand: bool = False
    bank_ref: str = ""


async def refundable(session: AsyncSession, panel: Panel, deposit: Deposit) -> Refundable:
    """Return what of a deposit can be paid back now."""
    row = Receipt
    credited = (row.deposit_id == deposit.id, row.state == ReceiptState.CREDITED.value)
    left = Decimal(await session.scalar(select(func.max(row.amount - row.returned)).where(*credited)) or 0)
    adapter = gateway_for(panel, await method_by(session, deposit.method_id))
    balance = max((await balance_of(session, deposit.user_id, deposit.wallet_currency)).amount, ZERO)
    remaining, cash = deposit.received - deposit.returned, deposit.credited - deposit.taken
    if remaining <= 0 or cash <= 0:
        return Refundable(ZERO, left, ZERO, gives_back(adapter))
    # With the money goes its share of the bonus: that has to be there, too.
    bonus = await bonus_of(session, deposit.id)
    worth = min(cash, balance * cash / (cash + bonus))
    unspent = remaining if worth == cash else remaining * worth / cash
    places = Decimal(1) if deposit.currency in WITHOUT_DECIMALS else Decimal("0.01")
    if unspent < remaining:
        unspent = unspent.quantize(places, ROUND_DOWN)
    return Refundable(min(unspent, left), left, worth, gives_back(adapter))


async def ask_refund(
    session: AsyncSession,
    panel: Panel,
    wanted: WantedRefund,
    *,
    actor: Actor,
    confirmed: Confirmation | None = None,
) -> PaymentReturn | Confirmation:
    """Take money out of the wallet and have it paid back; or note that it was paid back by hand.

    The same key pays back once. Above the panel's limit a second person has to confirm it first, and what they are asked is
    returned. Raises `NothingToRefundError`, `NotByGatewayError`, `OwnDepositError`, `OtherRefundError`,
    `AwaitsSecondError`, `InvalidInputError` or `NotFoundError`.
    """
    actor.require(Permission.DEPOSITS_REFUND)
    if await session.get(Deposit, wanted.deposit_id) is None:
        raise NotFoundError
    deposit, now = await locked_deposit(session, wanted.deposit_id), panel.clock()
    if deposit.user_id in persons_in(actor):
        raise OwnDepositError
    _check(wanted)
    if (before := await _same(session, wanted)) is not None:
        return before
    await _receipts(session, deposit.id)
    await lock_users(session, [deposit.user_id], deposit.wallet_currency)
    # Under the locks it stays true.
    limits = await refundable(session, panel, deposit)
    if limits.left <= 0:
        raise NothingToRefundError
    amount = limits.unspent if wanted.amount is None else wanted.amount
    _check_amount(deposit, amount)
    receipt = await _receipt_with(session, deposit.id, amount)
    is_over = amount > limits.unspent or share_taken(receipt, amount) > limits.worth
    if is_over and not actor.may(Permission.DEPOSITS_REFUND_OVER):
        raise InvalidInputError(field="amount", reason=OVER_UNSPENT)
    if not wanted.by_hand and not (limits.by_gateway and _number_of(receipt)):
        raise NotByGatewayError
    worth = in_wallet(amount + await _paid_back_by_staff(session, deposit.id), receipt.rate)
    if confirmed is None and await takes_two(session, actor, worth):
        details = {"key": wanted.key, "reason": wanted.reason, "by_hand": wanted.by_hand, "bank_ref": wanted.bank_ref}
        decided = Decided(Deed.REFUND, amount, deposit.currency, deposit_id=deposit.id, details=details)
        return await put_before_another(session, actor, decided, now=now)
    row = await _claim(session, deposit, receipt, wanted, amount=amount, actor=actor, confirmed=confirmed, now=now)
    if not wanted.by_hand:
        wake(session, send_refunds.call(once=SEND_ONCE))
    return row


async def resolve_refund(
    session: AsyncSession, return_id: int, *, paid_back: bool, actor: Actor, note: str, now: datetime
) -> PaymentReturn:
    """Say what became of a refund whose gateway did not answer, or has not confirmed it: paid back, or not.

    Raises `AlreadyDecidedError`, `OwnDepositError`, `InvalidInputError` or `NotFoundError`.
    """
    actor.require(Permission.DEPOSITS_REFUND)
    found = await session.get(PaymentReturn, return_id)
    if found is None or found.deposit_id is None or found.receipt_id is None:
        raise NotFoundError
    deposit = await locked_deposit(session, found.deposit_id)
    if deposit.user_id in persons_in(actor):
        raise OwnDepositError
    row = await session.get_one(PaymentReturn, return_id, with_for_update=True, populate_existing=True)
    # What is about to be sent is not decided on: it would be sent all the same.
    if row.state not in {ReturnState.PENDING, ReturnState.UNKNOWN} or row.sent_at is None:
        raise AlreadyDecidedError
    if row.state == ReturnState.PENDING and row.answered_at is None:
        raise AlreadyDecidedError
    why = _reason(note, "note")
    was = row.state
    row.resolved_by = actor.acted_by or actor.user_id
    row.said_by_gateway = why
    if paid_back:
        row.state, row.settled_at = ReturnState.DONE.value, now
        await session.flush()
    else:
        await end_return(session, row, ReturnState.FAILED, now=now)
    await clear_alert(session, REFUND_UNKNOWN, f"deposit:{deposit.id}")
    before, after = {"refund": row.id, "state": was}, {"refund": row.id, "state": row.state, "note": why}
    await audit(session, actor, Permission.DEPOSITS_REFUND, f"deposit:{deposit.id}", before=before, after=after)
    return row


async def returns_of(session: AsyncSession, deposit_id: int, *, most: int = 100) -> list[PaymentReturn]:
    """Return all that went back of a deposit, or was meant to, oldest first."""
    wanted = select(PaymentReturn).where(PaymentReturn.deposit_id == deposit_id).order_by(PaymentReturn.id).limit(most)
    return list((await session.scalars(wanted.execution_options(populate_existing=True))).all())


async def _claim(
    session: AsyncSession,
    deposit: Deposit,
    receipt: Receipt,
    wanted: WantedRefund,
    *,
    amount: Decimal,
    actor: Actor,
    confirmed: Confirmation | None,
    now: datetime,
) -> PaymentReturn:
    first = actor.acted_by or actor.user_id if confirmed is None else confirmed.first_by
    values = {
        "gateway": receipt.gateway,
        "return_id": f"{deposit.reference}:{wanted.key}",
        "is_named": False,
        "external_id": receipt.external_id,
        "deposit_id": deposit.id,
        "kind": ReturnKind.REFUND.value,
        "state": (ReturnState.DONE if wanted.by_hand else ReturnState.PENDING).value,
        "currency": deposit.currency,
        "said": amount,
        "key": wanted.key,
        "by_hand": wanted.by_hand,
        "bank_ref": wanted.bank_ref.strip() or None,
        "note": _reason(wanted.reason, "reason"),
        "requested_by": first,
        "confirmed_by": None if confirmed is None else actor.acted_by or actor.user_id,
        "created_at": now,
        "settled_at": now if wanted.by_hand else None,
    }
    row = (await session.scalars(insert(PaymentReturn).values(values).returning(PaymentReturn))).one()
    await take(session, deposit, receipt, row, amount, now=now)
    after = {"refund": row.id, "amount": amount, "taken": row.taken, "by_hand": row.by_hand, "reason": row.note}
    if row.bank_ref is not None:
        after["bank_ref"] = row.bank_ref
    await audit(session, actor, Permission.DEPOSITS_REFUND, f"deposit:{deposit.id}", after=after)
    return row


async def _same(session: AsyncSession, wanted: WantedRefund) -> PaymentReturn | None:
    row = PaymentReturn
    found = await session.scalar(select(row).where(row.deposit_id == wanted.deposit_id, row.key == wanted.key))
    if found is not None and wanted.amount not in {None, found.said}:
        raise OtherRefundError
    return found


async def _receipts(session: AsyncSession, deposit_id: int) -> list[Receipt]:
    row = Receipt
    wanted = select(row).where(row.deposit_id == deposit_id, row.state == ReceiptState.CREDITED.value).order_by(row.id)
    locked = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
    return list((await session.scalars(locked)).all())


async def _receipt_with(session: AsyncSession, deposit_id: int, amount: Decimal) -> Receipt:
    """Return the first transfer of which so much is left: gateways pay back one by one."""
    for receipt in await _receipts(session, deposit_id):
        if receipt.amount - receipt.returned >= amount:
            return receipt
    raise InvalidInputError(field="amount", reason=OVER_LEFT)


async def _paid_back_by_staff(session: AsyncSession, deposit_id: int) -> Decimal:
    row = PaymentReturn
    wanted = select(func.coalesce(func.sum(row.amount), 0)).where(
        row.deposit_id == deposit_id,
        row.key.is_not(None),
        row.state.in_([state.value for state in IN_FORCE]),
    )
    return Decimal(await session.scalar(wanted) or 0)


def _number_of(receipt: Receipt) -> str:
    return receipt.external_id if receipt.source != STAFF else next(iter(receipt.also), "")


def _check(wanted: WantedRefund) -> None:
    if not 0 < len(wanted.key) <= KEY_MAX:
        raise InvalidInputError(field="key", reason=LONG_KEY)
    _reason(wanted.reason, "reason")
    if wanted.by_hand and not 0 < len(wanted.bank_ref.strip()) <= NOTE_MAX:
        raise InvalidInputError(field="bank_ref", reason=REFERENCE_NEEDED)


def _check_amount(deposit: Deposit, amount: Decimal) -> None:
    if amount <= 0:
        raise InvalidInputError(field="amount", reason=NOT_POSITIVE)
    places = 0 if deposit.currency in WITHOUT_DECIMALS else 2
    if amount != amount.quantize(Decimal(1).scaleb(-places)) and amount != deposit.received - deposit.returned:
        raise InvalidInputError(field="amount", reason=TOO_FINE)


def _reason(typed: str, field: str) -> str:
    why = typed.strip()
    if not 0 < len(why) <= NOTE_MAX:
        raise InvalidInputError(field=field, reason=REASON_NEEDED)
    return why
