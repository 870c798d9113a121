"""What staff see of referrals: those by state with what speaks against them, and payouts that wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from smmpanel.accounts.models import User
from smmpanel.growth.referral_models import Payout, PayoutState, Referral, ReferralState
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged
from smmpanel.ledger import earnings_of_users

COUNTED_MAX = 100


@dataclass(frozen=True, slots=True)
class ReferralCase:
    """A referral as staff judge it."""

    id: int
    referrer_id: int
    referrer: str
    referred_id: int
    referred: str
    via: str
    state: str
    signals: Sequence[str]
    note: str | None
    earned: Decimal
    base: Decimal
    due: Decimal
    credited: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class PayoutCase:
    """A payout that waits, and what its owner has gathered by now."""

    id: int
    user_id: int
    username: str
    amount: Decimal
    gathered: Decimal
    at: datetime


async def referral_cases(
    session: AsyncSession, state: ReferralState | None, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[ReferralCase]:
    """Return a page of referrals, of one state or all, newest first. The caller holds `referrals.view`."""
    wanted = _cases().order_by(Referral.id.desc()).limit(size + 1)
    if state is not None:
        wanted = wanted.where(Referral.state == state.value)
    if (key := key_from(after)) is not None:
        wanted = wanted.where(Referral.id < key)
    cases = [_case(*found) for found in (await session.execute(wanted)).all()]
    return paged(cases, size, [case.id for case in cases])


async def case_of(session: AsyncSession, referred_id: int) -> ReferralCase | None:
    """Return how a user was brought, if somebody did. The caller holds `users.view`."""
    found = (await session.execute(_cases().where(Referral.referred_id == referred_id))).one_or_none()
    return None if found is None else _case(*found)


async def payout_cases(
    session: AsyncSession, currency: str, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[PayoutCase]:
    """Return payouts that wait, newest first. The caller holds `referrals.view`."""
    wanted = (
        select(Payout, User.username)
        .join(User, User.id == Payout.user_id)
        .where(Payout.state == PayoutState.WAITING.value)
        .order_by(Payout.id.desc())
        .limit(size + 1)
    )
    if (key := key_from(after)) is not None:
        wanted = wanted.where(Payout.id < key)
    rows = (await session.execute(wanted)).all()
    gathered = await earnings_of_users(session, [one.user_id for one, _ in rows], currency)
    cases = [
        PayoutCase(one.id, one.user_id, name, one.amount, gathered.get(one.user_id, Decimal(0)), one.created_at)
        for one, name in rows
    ]
    return paged(cases, size, [case.id for case in cases])


async def waiting_counts(session: AsyncSession) -> dict[str, int]:
    """Return how many referrals and payouts wait for staff, each up to `COUNTED_MAX`."""
    flagged = select(Referral.id).where(Referral.state == ReferralState.FLAGGED.value).limit(COUNTED_MAX).subquery()
    payouts = select(Payout.id).where(Payout.state == PayoutState.WAITING.value).limit(COUNTED_MAX).subquery()
    both = select(
        select(func.count()).select_from(flagged).scalar_subquery(),
        select(func.count()).select_from(payouts).scalar_subquery(),
    )
    of_referrals, of_payouts = (await session.execute(both)).one()
    return {"flagged": of_referrals, "payouts": of_payouts}


_REFERRER, _REFERRED = aliased(User), aliased(User)


def _cases() -> Select[Referral, str, str]:
    return (
        select(Referral, _REFERRER.username, _REFERRED.username)
        .join(_REFERRER, _REFERRER.id == Referral.referrer_id)
        .join(_REFERRED, _REFERRED.id == Referral.referred_id)
    )


def _case(row: Referral, referrer: str, referred: str) -> ReferralCase:
    return ReferralCase(
        id=row.id,
        referrer_id=row.referrer_id,
        referrer=referrer,
        referred_id=row.referred_id,
        referred=referred,
        via=row.via,
        state=row.state,
        signals=row.signals,
        note=row.note,
        earned=row.earned,
        base=row.base,
        due=row.due,
        credited=row.credited,
        at=row.created_at,
    )
