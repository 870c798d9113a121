"""What somebody who recommends the panel sees of it: figures, the people they brought, what each order earned, payouts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import User
from smmpanel.accounts.referral_codes import code_of
from smmpanel.growth.commission_rules import ZERO, commission_on, commissionable
from smmpanel.growth.referral_models import Commission, Payout, PayoutState, Referral, ReferralState, Referrer
from smmpanel.growth.referral_terms import ReferralTerms, referral_terms
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged
from smmpanel.ledger import earnings_of, held_of_users, paid_in

EXPECTED_FROM = 2_000
"""Open orders of so many of the latest referrals are looked at."""
MASK = "•••"

_WITH_OPEN_ORDERS = text(
    "SELECT id, referred_id FROM referrals WHERE referrer_id = :user AND state <> 'refused' ORDER BY id DESC LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class ReferralFigures:
    """The figures of one user, in the panel's currency."""

    code: str
    percent: Decimal
    terms: ReferralTerms
    referrals: int
    credited: Decimal
    """All commission so far, less what was taken back."""
    gathered: Decimal
    """What of it is not in the wallet yet; below zero: what is owed back."""
    waiting: Decimal
    """Commission of finished orders that staff have to look at first."""
    expected: Decimal
    """What open orders will bring if they are delivered in full."""
    payout: Payout | None
    """The one that waits for staff."""

    @property
    def received(self) -> Decimal:
        """What has reached the wallet."""
        return max(self.credited - max(self.gathered, ZERO), ZERO)

    @property
    def pending(self) -> Decimal:
        """What has not reached the wallet: of open orders, of orders that staff look at, and what waits to be paid out."""
        return self.expected + self.waiting + max(self.gathered, ZERO)

    @property
    def can_ask(self) -> bool:
        """Whether there is enough to be paid out, and no payout waits."""
        least = self.terms.minimum if self.terms.approval else ZERO
        return self.gathered > 0 and self.gathered >= least and self.payout is None


@dataclass(frozen=True, slots=True)
class EarningLine:
    """Commission of one order."""

    id: int
    order_id: int
    username: str
    percent: Decimal
    base: Decimal
    amount: Decimal
    at: datetime

    @property
    def masked(self) -> str:
        """The name as others may see it."""
        return masked(self.username)


@dataclass(frozen=True, slots=True)
class ReferredLine:
    """Somebody who was brought, and what came of it."""

    id: int
    username: str
    state: str
    spent: Decimal
    amount: Decimal
    at: datetime

    @property
    def masked(self) -> str:
        """The name as others may see it."""
        return masked(self.username)


async def figures_of(session: AsyncSession, user_id: int, currency: str) -> ReferralFigures:
    """Return the figures of one user; whoever has no code yet is given one."""
    code = await code_of(session, user_id)
    terms = await referral_terms(session)
    row = await session.scalar(
        select(Referrer).where(Referrer.user_id == user_id).execution_options(populate_existing=True)
    )
    percent = terms.percent if row is None or row.percent is None else row.percent
    waiting = select(Payout).where(Payout.user_id == user_id, Payout.state == PayoutState.WAITING)
    has_any = row is not None and row.referrals > 0
    return ReferralFigures(
        code=code,
        percent=percent,
        terms=terms,
        referrals=row.referrals if row else 0,
        credited=row.credited if row else ZERO,
        waiting=row.waiting if row else ZERO,
        gathered=(await earnings_of(session, user_id, currency)).amount,
        expected=await _expected(session, user_id, percent, currency) if has_any else ZERO,
        payout=await session.scalar(waiting) if has_any else None,
    )


async def _expected(session: AsyncSession, user_id: int, percent: Decimal, currency: str) -> Decimal:
    brought = (await session.execute(_WITH_OPEN_ORDERS, {"user": user_id, "most": EXPECTED_FROM})).all()
    held = await held_of_users(session, [row.referred_id for row in brought], currency)
    if not held:
        return ZERO
    rows = (await session.scalars(select(Referral).where(Referral.referred_id.in_(held)))).all()
    more = await paid_in(session, {row.referred_id: row.paid_in_up_to for row in rows}, currency)
    expected = ZERO
    for row in rows:
        open_orders, paid = held[row.referred_id], row.paid_in + more[row.referred_id].amount
        base = commissionable(row.earned + open_orders, paid) - row.base
        expected += commission_on(max(base, ZERO), percent)
    return expected


async def earnings_page(
    session: AsyncSession, user_id: int, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[EarningLine]:
    """Return the orders that brought commission, newest first."""
    wanted = (
        select(Commission, User.username)
        .join(Referral, Referral.id == Commission.referral_id)
        .join(User, User.id == Referral.referred_id)
        .where(Commission.referrer_id == user_id, Commission.credited > 0)
        .order_by(Commission.id.desc())
        .limit(size + 1)
    )
    if (key := key_from(after)) is not None:
        wanted = wanted.where(Commission.id < key)
    lines = [
        EarningLine(row.id, row.order_id, name, row.percent, row.base, row.credited, row.changed_at)
        for row, name in await session.execute(wanted)
    ]
    return paged(lines, size, [line.id for line in lines])


async def referred_page(
    session: AsyncSession,
    user_id: int,
    *,
    state: ReferralState | None = None,
    after: str | None = None,
    skip: int = 0,
    size: int = PAGE_SIZE,
    oldest_first: bool = False,
) -> Paged[ReferredLine]:
    """Return the people whom a user brought, or those in one state, newest first unless asked otherwise."""
    wanted = (
        select(Referral, User.username)
        .join(User, User.id == Referral.referred_id)
        .where(Referral.referrer_id == user_id, *_in_state(state))
        .order_by(Referral.id.asc() if oldest_first else Referral.id.desc())
        .limit(size + 1)
    )
    if (key := key_from(after)) is not None:
        wanted = wanted.where(Referral.id > key if oldest_first else Referral.id < key)
    elif skip:
        wanted = wanted.offset(skip)
    lines = [
        ReferredLine(row.id, name, row.state, row.earned, _shown_amount(row), row.created_at)
        for row, name in await session.execute(wanted)
    ]
    return paged(lines, size, [line.id for line in lines])


async def count_referred(session: AsyncSession, user_id: int, *, state: ReferralState | None = None, most: int) -> int:
    """Return how many people a user brought, or how many of them are in one state, counted up to `most`."""
    wanted = select(Referral.id).where(Referral.referrer_id == user_id, *_in_state(state))
    return int(await session.scalar(select(func.count()).select_from(wanted.limit(most).subquery())) or 0)


def _in_state(state: ReferralState | None) -> tuple[ColumnElement[bool], ...]:
    return () if state is None else (Referral.state == state.value,)


async def payouts_page(
    session: AsyncSession, user_id: int, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[Payout]:
    """Return a user's payouts, newest first."""
    wanted = select(Payout).where(Payout.user_id == user_id).order_by(Payout.id.desc()).limit(size + 1)
    if (key := key_from(after)) is not None:
        wanted = wanted.where(Payout.id < key)
    rows: Sequence[Payout] = (await session.scalars(wanted)).all()
    return paged(rows, size, [row.id for row in rows])


def masked(username: str) -> str:
    """Return a name that its owner recognises and others hardly.

    >>> masked("nguyenvana")
    'ng•••a'
    """
    return f"{username[:2]}{MASK}{username[-1:]}" if len(username) > 3 else f"{username[:1]}{MASK}"


def _shown_amount(row: Any) -> Decimal:
    amount: Decimal = row.due if row.state == ReferralState.FLAGGED else row.credited
    return amount
