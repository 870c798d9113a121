"""Payouts: commission that was gathered goes into its owner's wallet, once, when staff approve it.

A panel that approves nothing credits wallets at once; what was gathered before that is paid out without anybody's help.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission, Viewer
from smmpanel.accounts.audit import audit
from smmpanel.growth.referral_models import Payout, PayoutState
from smmpanel.growth.referral_terms import referral_terms
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.live import tell
from smmpanel.kernel.money import LIMIT, Money, plain, round_down
from smmpanel.ledger import BalanceBelowZeroError, KeyReusedError, Purse, Reason, Transfer, lock_purses, post
from smmpanel.notifications.telling import Notice, notify

REASON_MAX = 500
AFFILIATES_PATH = "/affiliates"
NO_AMOUNT = marked("Enter an amount above zero, with six decimals at most.")
NO_REASON = marked("Enter a reason of up to 500 characters.")


class PayoutNotFoundError(NotFoundError):
    """There is no such payout."""

    code, message = "payout_not_found", "There is no such payout."


class PayoutTooSmallError(ConflictError):
    """Less than the panel pays out at once."""

    code, message = "payout_too_small", "At least {minimum} are paid out at once."


class EarningsTooLowError(ConflictError):
    """There are not so many earnings."""

    code, message = "earnings_too_low", "There are {available} to be paid out."


class PayoutWaitingError(ConflictError):
    """The one before is not decided yet."""

    code, message = "payout_waiting", "A payout is waiting already."


class PayoutDecidedError(ConflictError):
    """Somebody was quicker."""

    code, message = "payout_decided", "This payout was decided before."


async def request_payout(
    session: AsyncSession,
    viewer: Viewer,
    asked: Decimal | None,
    *,
    currency: str,
    now: datetime,
    key: str | None = None,
) -> Payout:
    """Ask for so much of the own earnings, or for all of them, to go into the wallet; where nobody approves that, they go at once.

    With a key a repeat finds the payout that was asked for with it, as it stands now. Raises `InvalidInputError`,
    `KeyReusedError`, `EarningsTooLowError`, `PayoutTooSmallError`, `PayoutWaitingError`, or `BalanceBelowZeroError` while
    the wallet is below zero.
    """
    viewer.require_own_sign_in()
    if asked is not None and not (0 < asked < LIMIT and asked == round_down(asked)):
        raise InvalidInputError(field="amount", reason=NO_AMOUNT)
    terms = await referral_terms(session)
    # Whoever asks waits here for themselves: of two calls with one key the second finds what the first made.
    purse = (await lock_purses(session, [viewer.user_id], currency))[viewer.user_id]
    if key is not None and (known := await _known(session, viewer.user_id, key)) is not None:
        if known.asked != asked:
            raise KeyReusedError(key=key)
        return known
    _refuse_below_zero(purse)
    gathered = purse.earnings.balance or Decimal(0)
    amount = gathered if asked is None else asked
    if amount <= 0 or amount > gathered:
        raise EarningsTooLowError(field="amount", available=Money(max(gathered, Decimal(0)), currency))
    if terms.approval and amount < terms.minimum:
        raise PayoutTooSmallError(field="amount", minimum=Money(terms.minimum, currency))
    row = insert(Payout).values(
        user_id=viewer.user_id,
        amount=amount,
        state=PayoutState.WAITING.value,
        created_at=now,
        key=key,
        asked=asked if key is not None else None,
    )
    payout: Payout | None = await session.scalar(row.on_conflict_do_nothing().returning(Payout))
    if payout is None:
        raise PayoutWaitingError
    if not terms.approval:
        await _pay(session, payout, currency=currency, now=now)
    return payout


async def _known(session: AsyncSession, user_id: int, key: str) -> Payout | None:
    wanted = select(Payout).where(Payout.user_id == user_id, Payout.key == key)
    found: Payout | None = await session.scalar(wanted.execution_options(populate_existing=True))
    return found


async def approve_payout(session: AsyncSession, actor: Actor, payout_id: int, *, currency: str, now: datetime) -> None:
    """Move a payout into its owner's wallet, and tell them.

    Raises `OwnAccountError`, `PayoutDecidedError`, or `EarningsTooLowError` if commission was taken back since it was asked for.
    """
    actor.require(Permission.REFERRALS_PAY)
    payout = await _waiting(session, payout_id)
    actor.require_other(payout.user_id)
    await _pay(session, payout, currency=currency, now=now)
    payout.decided_by = actor.user_id
    await _audit(session, actor, payout, currency)
    await _tell(session, payout, "payout_paid", currency, now)


async def refuse_payout(
    session: AsyncSession, actor: Actor, payout_id: int, *, reason: str, currency: str, now: datetime
) -> None:
    """Leave a payout's money where it is, and tell its owner why. Raises `PayoutDecidedError` or `InvalidInputError`."""
    actor.require(Permission.REFERRALS_PAY)
    if not reason.strip() or len(reason) > REASON_MAX:
        raise InvalidInputError(field="reason", reason=NO_REASON)
    payout = await _waiting(session, payout_id)
    payout.state, payout.note = PayoutState.REFUSED.value, reason.strip()
    payout.decided_at, payout.decided_by = now, actor.user_id
    await _audit(session, actor, payout, currency)
    await _tell(session, payout, "payout_refused", currency, now)


async def _waiting(session: AsyncSession, payout_id: int) -> Payout:
    wanted = select(Payout).where(Payout.id == payout_id).with_for_update(key_share=True)
    payout = await session.scalar(wanted.execution_options(populate_existing=True))
    if payout is None:
        raise PayoutNotFoundError
    if payout.state != PayoutState.WAITING:
        raise PayoutDecidedError
    return payout


def _refuse_below_zero(purse: Purse) -> None:
    if (purse.wallet.balance or Decimal(0)) < 0:
        raise BalanceBelowZeroError


async def _pay(session: AsyncSession, payout: Payout, *, currency: str, now: datetime) -> None:
    purse = (await lock_purses(session, [payout.user_id], currency))[payout.user_id]
    _refuse_below_zero(purse)
    gathered = purse.earnings.balance or Decimal(0)
    if gathered < payout.amount:
        raise EarningsTooLowError(available=Money(max(gathered, Decimal(0)), currency))
    transfer = Transfer(
        key=f"payout:{payout.id}",
        reason=Reason.PAYOUT,
        debit=purse.earnings.id,
        credit=purse.wallet.id,
        amount=payout.amount,
        subject=f"payout:{payout.id}",
    )
    await post(session, [transfer])
    payout.state, payout.decided_at = PayoutState.PAID.value, now
    await tell(session, "balance", [payout.user_id])


async def _audit(session: AsyncSession, actor: Actor, payout: Payout, currency: str) -> None:
    after = {"payout": payout.id, "state": payout.state, "amount": plain(payout.amount), "currency": currency}
    before = {"state": PayoutState.WAITING.value}
    if payout.note:
        after["reason"] = payout.note
    await audit(session, actor, Permission.REFERRALS_PAY, f"user:{payout.user_id}", before=before, after=after)


async def _tell(session: AsyncSession, payout: Payout, kind: str, currency: str, now: datetime) -> None:
    fields = {"amount": payout.amount, "currency": currency, "reason": payout.note or ""}
    await notify(session, [Notice(payout.user_id, f"payout:{payout.id}", kind, fields, AFFILIATES_PATH)], now=now)
