"""Money of a referred user that came from whom the referrer's came from: another sign that both are one person."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.growth.referral_locks import lock_referrals_by_id, lock_referrers
from smmpanel.growth.referral_models import ReferralState
from smmpanel.growth.referral_signals import Signal

DEPOSITS_LOOKED_AT = 200
"""So many of the referrer's latest deposits are compared."""

# Payers are compared within one gateway: each writes them in its own way.
_SHARED = text(
    """
SELECT DISTINCT r.id FROM payment_receipts p JOIN deposits d ON d.id = p.deposit_id
  JOIN referrals r ON r.referred_id = d.user_id
 WHERE p.id = ANY(CAST(:receipts AS bigint[])) AND trim(p.payer) <> '' AND r.state = 'clear' AND r.decided_at IS NULL
   AND EXISTS (SELECT FROM (SELECT id FROM deposits WHERE user_id = r.referrer_id ORDER BY id DESC LIMIT :most) own
                 JOIN payment_receipts q ON q.deposit_id = own.id
                WHERE q.gateway = p.gateway AND lower(trim(q.payer)) = lower(trim(p.payer)))
 ORDER BY r.id
"""
)


async def flag_shared_payers(session: AsyncSession, receipt_ids: Collection[int]) -> int:
    """Flag referrals of users who paid in, if their money came from the referrer's payer; returns how many.

    What staff have decided about stays as they decided.
    """
    asked = {"receipts": list(receipt_ids), "most": DEPOSITS_LOOKED_AT}
    shared = (await session.scalars(_SHARED, asked)).all()
    if not shared:
        return 0
    referrals = await lock_referrals_by_id(session, shared)
    referrers = await lock_referrers(session, referrals)
    flagged = 0
    for referral in referrals:
        if referral.state != ReferralState.CLEAR or referral.decided_at is not None:
            continue
        referral.state = ReferralState.FLAGGED.value
        referral.signals = [*referral.signals, Signal.SAME_PAYER.value]
        referrers[referral.referrer_id].waiting += referral.due - referral.credited
        flagged += 1
    return flagged
