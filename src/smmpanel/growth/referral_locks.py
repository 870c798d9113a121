"""Locking referrals and referrers: always by id, referrals first, so that two of us cannot cross."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.growth.referral_models import Referral, Referrer


async def lock_referrals(session: AsyncSession, user_ids: Iterable[int]) -> list[Referral]:
    """Read the referrals of referred users afresh and under lock."""
    return await _locked(session, Referral.referred_id.in_(set(user_ids)))


async def lock_referrals_by_id(session: AsyncSession, referral_ids: Iterable[int]) -> list[Referral]:
    """Read referrals afresh and under lock."""
    return await _locked(session, Referral.id.in_(set(referral_ids)))


async def lock_referrers(session: AsyncSession, referrals: Sequence[Referral]) -> dict[int, Referrer]:
    """Read the sums of those who brought locked referrals, afresh and under lock, by user."""
    wanted = (
        select(Referrer)
        .where(Referrer.user_id.in_({one.referrer_id for one in referrals}))
        .order_by(Referrer.user_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {row.user_id: row for row in await session.scalars(wanted)}


async def _locked(session: AsyncSession, which: ColumnElement[bool]) -> list[Referral]:
    # NO KEY UPDATE, so that inserts pointing at these rows need not wait.
    wanted = (
        select(Referral)
        .where(which)
        .order_by(Referral.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return list((await session.scalars(wanted)).all())
