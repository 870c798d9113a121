"""Staff decide about referrals: believed, its commission is credited; refused, it is none, and what was credited goes back."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.growth.commissions import reckon, waiting_of
from smmpanel.growth.referral_locks import lock_referrals_by_id, lock_referrers
from smmpanel.growth.referral_models import ReferralState
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import plain

NOTE_MAX = 500
NOTE_NEEDED = marked("Enter a reason of up to 500 characters.")


class ReferralNotFoundError(NotFoundError):
    """There is no such referral."""

    code, message = "referral_not_found", "There is no such referral."


async def clear_referral(
    session: AsyncSession, actor: Actor, referral_id: int, *, currency: str, now: datetime, note: str = ""
) -> bool:
    """Believe a referral: what its commission waited for is over. `False` if it was believed already."""
    return await _decide(session, actor, referral_id, ReferralState.CLEAR, note=note, currency=currency, now=now)


async def refuse_referral(
    session: AsyncSession, actor: Actor, referral_id: int, *, note: str, currency: str, now: datetime
) -> bool:
    """Refuse a referral: it brings nothing, and what it brought is taken back. `False` if it was refused already.

    Raises `InvalidInputError` without a reason.
    """
    if not note.strip():
        raise InvalidInputError(field="note", reason=NOTE_NEEDED)
    return await _decide(session, actor, referral_id, ReferralState.REFUSED, note=note, currency=currency, now=now)


async def _decide(
    session: AsyncSession,
    actor: Actor,
    referral_id: int,
    state: ReferralState,
    *,
    note: str,
    currency: str,
    now: datetime,
) -> bool:
    actor.require(Permission.REFERRALS_EDIT)
    if len(note) > NOTE_MAX:
        raise InvalidInputError(field="note", reason=NOTE_NEEDED)
    referrals = await lock_referrals_by_id(session, [referral_id])
    if not referrals:
        raise ReferralNotFoundError
    [referral] = referrals
    actor.require_other(referral.referrer_id)
    if referral.state == state:
        return False
    referrer = (await lock_referrers(session, referrals))[referral.referrer_id]
    referrer.waiting -= waiting_of(referral)
    before = {"state": referral.state, "credited": plain(referral.credited)}
    referral.state, referral.note = state.value, note.strip() or None
    referral.decided_by, referral.decided_at = actor.user_id, now
    await reckon(session, [referral.referred_id], (), currency=currency, now=now)
    after = {"state": referral.state, "credited": plain(referral.credited), "reason": referral.note}
    await audit(session, actor, Permission.REFERRALS_EDIT, f"user:{referral.referred_id}", before=before, after=after)
    return True
