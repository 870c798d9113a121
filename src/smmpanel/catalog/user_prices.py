"""What single users pay: a discount on everything, their own or their tier's, or a rate of their own for one service."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.accounts.models import User
from smmpanel.catalog.change_log import begin_change, bump_version
from smmpanel.catalog.models import CustomRate, Service, UserDiscount
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT, round_up

PERCENT_STEP = Decimal("0.0001")
PERCENT_MAX = Decimal(100)
DISCOUNT = "COALESCE(GREATEST(d.percent, d.tier_percent), 0)"
"""SQL for the discount in force, where `d` is the user's row of `user_discounts` or none."""
DISCOUNT_FROM = (
    "CASE WHEN d.percent > 0 AND d.percent >= d.tier_percent THEN 'own' WHEN d.tier_percent > 0 THEN 'tier' ELSE '' END"
)
"""SQL for whose discount that is."""


async def set_discount(session: AsyncSession, user_id: int, percent: Decimal, *, actor: Actor) -> None:
    """Give a user a discount on all list rates in place of the one before; zero takes it away."""
    actor.require(Permission.USERS_EDIT)
    actor.require_other(user_id)
    if not (percent.is_finite() and 0 <= percent <= PERCENT_MAX):
        raise InvalidInputError(field="percent", reason=marked("must be between 0 and 100"))
    percent = percent.quantize(PERCENT_STEP)
    await begin_change(session)
    await _known_user(session, user_id)
    before = await discount_of(session, user_id)
    if percent == before:
        return
    written = insert(UserDiscount).values(user_id=user_id, percent=percent)
    await session.execute(
        written.on_conflict_do_update(index_elements=[UserDiscount.user_id], set_={"percent": percent})
    )
    await bump_version(session)
    change = {"before": {"discount_percent": before}, "after": {"discount_percent": percent}}
    await audit(session, actor, Permission.USERS_EDIT, f"user:{user_id}", **change)


async def remove_discount(session: AsyncSession, user_id: int, *, actor: Actor) -> None:
    """Have a user pay list rates again."""
    await set_discount(session, user_id, Decimal(0), actor=actor)


async def set_custom_rate(session: AsyncSession, user_id: int, service_id: int, rate: Decimal, *, actor: Actor) -> None:
    """Give a user a rate of their own for one service, per 1,000 (per package), in the panel's currency.

    It is never charged below cost unless the service allows that.
    """
    actor.require(Permission.USERS_EDIT)
    actor.require_other(user_id)
    if not (rate.is_finite() and 0 <= rate < LIMIT):
        raise InvalidInputError(field="rate", reason=marked("must be a number of reasonable size, and not negative"))
    rate = round_up(rate)
    await begin_change(session)
    await _known_user(session, user_id)
    if await session.scalar(select(Service.id).where(Service.id == service_id)) is None:
        raise NotFoundError
    before = (await custom_rates_of(session, user_id)).get(service_id)
    if rate == before:
        return
    written = insert(CustomRate).values(user_id=user_id, service_id=service_id, rate=rate)
    await session.execute(
        written.on_conflict_do_update(index_elements=[CustomRate.user_id, CustomRate.service_id], set_={"rate": rate})
    )
    await _note(session, user_id, service_id, before, rate, actor=actor)


async def remove_custom_rate(session: AsyncSession, user_id: int, service_id: int, *, actor: Actor) -> None:
    """Have a user pay for this service what their discount makes of the list rate; without an own rate nothing happens."""
    actor.require(Permission.USERS_EDIT)
    await begin_change(session)
    own = delete(CustomRate).where(CustomRate.user_id == user_id, CustomRate.service_id == service_id)
    before = await session.scalar(own.returning(CustomRate.rate))
    if before is not None:
        await _note(session, user_id, service_id, before, None, actor=actor)


async def set_tier_discounts(session: AsyncSession, percents: Mapping[int, Decimal]) -> None:
    """Give users the discounts of their tiers, in one statement. Prices of everybody else stay kept as they are.

    The caller has these users' money spent under lock, and nobody asks for it by hand: there is no permission to it.
    """
    if percents:
        users = sorted(percents)
        await session.execute(_SET_TIERS, {"users": users, "percents": [percents[one] for one in users]})


class Discount(NamedTuple):
    """A discount in percent, and whose it is: the user's `own`, their `tier`'s, or nothing's."""

    percent: Decimal
    source: str


async def discount_in_force(session: AsyncSession, user_id: int) -> Discount:
    """Return the discount that a user's prices have now."""
    row = (await session.execute(_IN_FORCE, {"user": user_id})).one()
    return Discount(row.percent, row.source)


async def discount_of(session: AsyncSession, user_id: int) -> Decimal:
    """Return a user's own discount in percent; zero where there is none."""
    found = await session.scalar(select(UserDiscount.percent).where(UserDiscount.user_id == user_id))
    return Decimal(0) if found is None else found


async def custom_rates_of(session: AsyncSession, user_id: int) -> dict[int, Decimal]:
    """Return a user's own rates by service id."""
    rows = await session.execute(
        select(CustomRate.service_id, CustomRate.rate)
        .where(CustomRate.user_id == user_id)
        .order_by(CustomRate.service_id)
    )
    return dict(rows.all())


async def _known_user(session: AsyncSession, user_id: int) -> None:
    if await session.scalar(select(User.id).where(User.id == user_id)) is None:
        raise NotFoundError


async def _note(
    session: AsyncSession,
    user_id: int,
    service_id: int,
    before: Decimal | None,
    after: Decimal | None,
    *,
    actor: Actor,
) -> None:
    await bump_version(session)
    await audit(
        session,
        actor,
        Permission.USERS_EDIT,
        f"user:{user_id}",
        before={"service": service_id, "custom_rate": before},
        after={"service": service_id, "custom_rate": after},
    )


_SET_TIERS = text(
    "INSERT INTO user_discounts AS d (user_id, percent, tier_percent)"
    " SELECT v.user_id, 0, v.percent FROM unnest(CAST(:users AS bigint[]), CAST(:percents AS numeric[])) AS v(user_id, percent)"
    " ORDER BY v.user_id"
    " ON CONFLICT (user_id) DO UPDATE SET tier_percent = excluded.tier_percent WHERE d.tier_percent <> excluded.tier_percent"
)
_IN_FORCE = text(
    f"SELECT {DISCOUNT} AS percent, {DISCOUNT_FROM} AS source"
    " FROM (SELECT CAST(:user AS bigint) AS user_id) u LEFT JOIN user_discounts d ON d.user_id = u.user_id"
)
