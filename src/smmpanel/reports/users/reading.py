"""Everything that staff see of one user, in a number of queries that does not grow with what there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.api_keys import list_keys
from smmpanel.accounts.audit_search import AuditFilter, AuditLine, find_audit_lines
from smmpanel.accounts.entering import has_second_factor
from smmpanel.accounts.finding import UserNotFoundError
from smmpanel.accounts.login_history import login_history
from smmpanel.accounts.models import ApiKey, LoginHistory, LoginSession, User
from smmpanel.accounts.passkeys import list_passkeys
from smmpanel.accounts.sessions import list_sessions
from smmpanel.catalog.models import CustomRate, Service
from smmpanel.catalog.user_prices import discount_of
from smmpanel.growth.referral_desk import ReferralCase, case_of
from smmpanel.growth.referral_terms import percents_of
from smmpanel.growth.tiers import Standing, standing_of
from smmpanel.kernel.money import Money
from smmpanel.ledger.statements import StatementLine, balance_of, held_of, statement
from smmpanel.reports.users.finding import SEEN, WORTH

ORDERS_LOOKED_AT = 20_000
LATEST = 10
SESSIONS_SHOWN = 20
TRIES_SHOWN = 5
RATES_SHOWN = 200

_FIGURES = text(
    f"SELECT worth.*, seen.last_seen_at FROM ({WORTH.format(user=':user')}) worth CROSS JOIN ({SEEN.format(user=':user')}) seen"
)


class OwnRate(NamedTuple):
    """What a user pays for one service in place of its list rate."""

    service_id: int
    name: str
    list_rate: Decimal | None
    rate: Decimal


@dataclass(frozen=True, slots=True)
class UserFacts:
    """One user as staff see them."""

    user: User
    balance: Money
    held: Money
    orders: int
    spent: Decimal
    has_more: bool
    """Whether there are more orders than were looked at."""
    last_seen_at: datetime | None
    discount: Decimal
    """Their own."""
    commission: Decimal | None
    """The rate of commission that is theirs alone."""
    brought: ReferralCase | None
    """Who recommended the panel to them."""
    standing: Standing
    rates: Sequence[OwnRate]
    lines: Sequence[StatementLine]
    sessions: Sequence[LoginSession]
    """The latest of those that are alive."""
    keys: Sequence[ApiKey]
    activity: Sequence[AuditLine]
    """The latest deeds that were done to this account."""
    has_factor: bool
    passkeys: int
    tries: Sequence[LoginHistory]
    """The latest tries to sign in."""


async def facts_of(session: AsyncSession, user_id: int, *, currency: str, now: datetime) -> UserFacts:
    """Read one user. The caller holds `users.view`; raises `UserNotFoundError`."""
    user = await session.scalar(select(User).where(User.id == user_id).execution_options(populate_existing=True))
    if user is None:
        raise UserNotFoundError
    figures = (await session.execute(_FIGURES, {"user": user_id, "looked_at": ORDERS_LOOKED_AT})).one()
    return UserFacts(
        user=user,
        balance=await balance_of(session, user_id, currency),
        held=await held_of(session, user_id, currency),
        orders=figures.orders,
        spent=figures.spent,
        has_more=figures.has_more,
        last_seen_at=figures.last_seen_at,
        discount=await discount_of(session, user_id),
        commission=(await percents_of(session, [user_id])).get(user_id),
        brought=await case_of(session, user_id),
        standing=(await standing_of(session, user_id))[0],
        rates=await _rates(session, user_id),
        lines=(await statement(session, user_id, currency, size=LATEST)).rows,
        sessions=(await list_sessions(session, user_id, now=now))[:SESSIONS_SHOWN],
        keys=await list_keys(session, user_id),
        activity=(await find_audit_lines(session, AuditFilter(subject=f"user:{user_id}"), size=LATEST)).rows,
        has_factor=await has_second_factor(session, user_id),
        passkeys=len(await list_passkeys(session, user_id)),
        tries=(await login_history(session, user_id, size=TRIES_SHOWN)).rows,
    )


async def _rates(session: AsyncSession, user_id: int) -> list[OwnRate]:
    wanted = (
        select(Service.id, Service.name, Service.rate, CustomRate.rate)
        .join(CustomRate, CustomRate.service_id == Service.id)
        .where(CustomRate.user_id == user_id)
        .order_by(Service.id)
        .limit(RATES_SHOWN)
    )
    return [OwnRate(*row) for row in await session.execute(wanted)]
