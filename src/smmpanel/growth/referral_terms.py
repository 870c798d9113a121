"""The terms of referrals: the rate of commission, how long a link is remembered, and whether staff approve payouts."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.accounts.finding import locked_user
from smmpanel.growth.referral_models import Referrer
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT, plain, round_down
from smmpanel.kernel.options import PanelOption, read_option, write_option

TERMS_OPTION = "referrals"
TERMS_LOCK = 0x5A11_0007
PERCENT_MAX = Decimal(100)
PERCENT_STEP = Decimal("0.0001")
COOKIE_DAYS_MAX = 365
WRONG_PERCENT = marked("Enter a percentage from 0 to 100.")
WRONG_DAYS = marked("Enter a number of days from 1 to 365.")
WRONG_MINIMUM = marked("Enter an amount, zero or more, with six decimals at most.")


@dataclass(frozen=True, slots=True)
class ReferralTerms:
    """What holds for everybody. `approval`: commission is gathered until its owner asks for it and staff approve."""

    percent: Decimal = Decimal(5)
    approval: bool = False
    minimum: Decimal = Decimal(0)
    cookie_days: int = 30


async def referral_terms(session: AsyncSession) -> ReferralTerms:
    """Return the terms of this panel."""
    return _read(await read_option(session, TERMS_OPTION))


async def set_referral_terms(session: AsyncSession, actor: Actor, terms: ReferralTerms) -> bool:
    """Change the terms, on the record; `False` if they were the same. A rate holds for orders that end from now on.

    Raises `InvalidInputError`.
    """
    actor.require(Permission.REFERRALS_EDIT)
    check_percent(terms.percent)
    if not 0 <= terms.minimum < LIMIT or terms.minimum != round_down(terms.minimum):
        raise InvalidInputError(field="minimum", reason=WRONG_MINIMUM)
    if not 1 <= terms.cookie_days <= COOKIE_DAYS_MAX:
        raise InvalidInputError(field="cookie_days", reason=WRONG_DAYS)
    # One at a time, so that each line of the audit log begins where the one before ended.
    await session.execute(select(func.pg_advisory_xact_lock(TERMS_LOCK)))
    before = await referral_terms(session)
    if before == terms:
        return False
    await write_option(session, TERMS_OPTION, _written(terms))
    await audit(
        session,
        actor,
        Permission.REFERRALS_EDIT,
        "settings:referrals",
        before=_written(before),
        after=_written(terms),
    )
    return True


async def begin_terms(session: AsyncSession, terms: ReferralTerms) -> None:
    """Give a new panel its first terms; a panel that has some keeps them."""
    values = {"name": TERMS_OPTION, "value": _written(terms)}
    await session.execute(insert(PanelOption).values(values).on_conflict_do_nothing())


async def percents_of(session: AsyncSession, user_ids: Iterable[int]) -> dict[int, Decimal]:
    """Return the rates of those who have one of their own."""
    wanted = select(Referrer.user_id, Referrer.percent).where(
        Referrer.user_id.in_(set(user_ids)), Referrer.percent.is_not(None)
    )
    return {row.user_id: row.percent for row in await session.execute(wanted) if row.percent is not None}


async def set_own_percent(session: AsyncSession, actor: Actor, user_id: int, percent: Decimal | None) -> bool:
    """Give a user a rate of their own, or with `None` the panel's again; `False` if it was so already.

    Raises `OwnAccountError`, `InvalidInputError` or `UserNotFoundError`.
    """
    actor.require(Permission.REFERRALS_EDIT)
    actor.require_other(user_id)
    if percent is not None:
        check_percent(percent)
    await locked_user(session, user_id)
    before = (await percents_of(session, [user_id])).get(user_id)
    if before == percent:
        return False
    made = insert(Referrer).values(user_id=user_id, percent=percent)
    await session.execute(
        made.on_conflict_do_update(index_elements=[Referrer.user_id], set_={"percent": made.excluded.percent})
    )
    was, now = ({"commission_percent": None if one is None else plain(one)} for one in (before, percent))
    await audit(session, actor, Permission.REFERRALS_EDIT, f"user:{user_id}", before=was, after=now)
    return True


def check_percent(percent: Decimal) -> None:
    """Raise `InvalidInputError` for a rate that is none."""
    if not 0 <= percent <= PERCENT_MAX or percent != percent.quantize(PERCENT_STEP):
        raise InvalidInputError(field="percent", reason=WRONG_PERCENT)


def _read(kept: dict[str, Any] | None) -> ReferralTerms:
    if not kept:
        return ReferralTerms()
    return ReferralTerms(
        percent=Decimal(kept["percent"]),
        approval=bool(kept["approval"]),
        minimum=Decimal(kept["minimum"]),
        cookie_days=int(kept["cookie_days"]),
    )


def _written(terms: ReferralTerms) -> dict[str, Any]:
    return {**asdict(terms), "percent": plain(terms.percent), "minimum": plain(terms.minimum)}
