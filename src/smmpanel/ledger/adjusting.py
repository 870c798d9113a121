"""Staff credit or debit a wallet by hand: with a reason, on the record, and saying what kind of money it is."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.accounts.finding import locked_user
from smmpanel.kernel.errors import ForbiddenError, InvalidInputError
from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import Money, plain
from smmpanel.ledger.accounts import lock_users, panel_account
from smmpanel.ledger.models import AccountKind
from smmpanel.ledger.posting import Reason, Transfer, post

REASON_LENGTH_MAX = 500


class AdjustmentKind(StrEnum):
    """What money that staff book by hand is. Each kind can be added and taken away again."""

    PLAIN = "adjustment"
    """Nobody said; it counts as paid in."""
    PAYMENT = "payment"
    """Paid outside of every payment method, such as in cash: real money."""
    GIFT = "gift"
    """The panel's own money: nothing that was paid in."""
    CORRECTION = "correction"
    """Puts right what was booked wrongly: counts as what was paid in does."""


KIND_WORDS: Mapping[AdjustmentKind, str] = {
    AdjustmentKind.PAYMENT: marked("Payment recorded by hand"),
    AdjustmentKind.GIFT: marked("Gift"),
    AdjustmentKind.CORRECTION: marked("Correction"),
}
"""What people choose from."""
_POSTED_AS: Mapping[AdjustmentKind, tuple[Reason, AccountKind]] = {
    AdjustmentKind.PLAIN: (Reason.ADJUSTMENT, AccountKind.ADJUSTMENTS),
    AdjustmentKind.PAYMENT: (Reason.PAYMENT_BY_STAFF, AccountKind.ADJUSTMENTS),
    AdjustmentKind.GIFT: (Reason.GIFT, AccountKind.BONUSES),
    AdjustmentKind.CORRECTION: (Reason.CORRECTION, AccountKind.ADJUSTMENTS),
}


class OwnBalanceError(ForbiddenError):
    """Staff book nothing on their own wallets."""

    code, message = "own_balance", marked("Somebody else has to change your own balance.")


class BalanceAdjusted(Fact):
    """Money was added to a wallet by hand, or taken from it."""

    fact: ClassVar[str] = "balance_adjusted"
    user_id: int
    amount: Decimal
    currency: str
    reason: str
    key: str
    kind: AdjustmentKind = AdjustmentKind.PLAIN


def may_adjust(actor: Actor, user_id: int) -> bool:
    """Whether somebody may book on this wallet by hand: staff never on their own."""
    return actor.may(Permission.USERS_BALANCE) and not actor.is_own(user_id)


async def adjust_balance(
    session: AsyncSession,
    user_id: int,
    amount: Money,
    *,
    reason: str,
    key: str,
    kind: AdjustmentKind = AdjustmentKind.PLAIN,
) -> bool:
    """Add `amount` to a wallet, or take it away if negative; `False` if this key did it before.

    Raises `InsufficientFundsError` if more would be taken than is there. The caller checks the permission and audits.
    """
    if amount.amount == Decimal(0):
        raise InvalidInputError(field="amount", reason=marked("must not be zero"))
    if not reason.strip() or len(reason) > REASON_LENGTH_MAX:
        raise InvalidInputError(
            field="reason", reason=marked("is needed, at most {most} characters"), most=REASON_LENGTH_MAX
        )
    posted_as, source = _POSTED_AS[kind]
    panel_side = (await panel_account(session, source, amount.currency)).id
    wallet = (await lock_users(session, [user_id], amount.currency))[user_id].wallet.id
    debit, credit = (panel_side, wallet) if amount.amount > 0 else (wallet, panel_side)
    transfer = Transfer(
        key=f"adjustment:{key}",
        reason=posted_as,
        debit=debit,
        credit=credit,
        amount=abs(amount.amount),
        subject=f"user:{user_id}",
        note=reason.strip(),
    )
    is_new = (await post(session, [transfer]))[0]
    if is_new:
        told = BalanceAdjusted(
            user_id=user_id, amount=amount.amount, currency=amount.currency, reason=reason.strip(), key=key, kind=kind
        )
        await record(session, told)
    return is_new


async def adjust_by_staff(
    session: AsyncSession,
    actor: Actor,
    user_id: int,
    amount: Money,
    *,
    reason: str,
    key: str,
    kind: AdjustmentKind = AdjustmentKind.PLAIN,
) -> bool:
    """Credit or debit a user's wallet as a member of staff, on the record; `False` if this key did it before.

    Raises `OwnBalanceError`, `UserNotFoundError`, or what `adjust_balance` raises.
    """
    actor.require(Permission.USERS_BALANCE)
    if actor.is_own(user_id):
        raise OwnBalanceError
    user = await locked_user(session, user_id)
    is_done = await adjust_balance(session, user.id, amount, reason=reason, key=key, kind=kind)
    if is_done:
        after = {
            "amount": plain(amount.amount),
            "currency": amount.currency,
            "kind": kind.value,
            "reason": reason.strip(),
            "key": key,
        }
        await audit(session, actor, Permission.USERS_BALANCE, f"user:{user.id}", after=after)
    return is_done
