"""Making, changing and removing tiers: by permission, on the record, and never into a table that makes no sense."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from sqlalchemy import delete, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.growth.recounting_spends import fit_tiers_soon
from smmpanel.growth.tier_models import Tier
from smmpanel.growth.tiers import TierView, all_tiers
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT, round_down

NAME_MAX, ICON_MAX = 60, 8
BENEFITS_MAX, BENEFIT_MAX = 10, 120
TIERS_MAX = 20
PERCENT_STEP = Decimal("0.0001")
PERCENT_MAX = Decimal(100)
WRONG_NAME = marked("must have 1 to {most} characters")
WRONG_ICON = marked("must have {most} characters at most")
WRONG_BENEFITS = marked("must be {lines} lines of up to {most} characters at most")
WRONG_AMOUNT = marked("must be an amount, zero or more")
WRONG_PERCENT = marked("must be between 0 and 100")
SAME_NAME = marked("is the name of another tier")
SAME_AMOUNT = marked("is what another tier takes already")
LOWEST_NOT_ZERO = marked("must be zero in the lowest tier: everybody begins there")
LOWEST_GIVES = marked("must be zero in the lowest tier: what everybody gets belongs into the prices")
NOT_RISING = marked("must not be less than in a lower tier, nor more than in a higher one")
TOO_MANY = marked("would be one more than the {most} tiers that there may be")
_EDITING = text("SELECT pg_advisory_xact_lock(hashtextextended('growth.tiers', 0))")


@dataclass(frozen=True, slots=True)
class TierTerms:
    """A tier as it is wanted. Raises `InvalidInputError` for what no tier can be."""

    name: str
    min_spent: Decimal
    discount: Decimal = Decimal(0)
    icon: str = ""
    benefits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (1 <= len(self.name) <= NAME_MAX and self.name.isprintable() and self.name.strip() == self.name):
            raise InvalidInputError(field="name", reason=WRONG_NAME, most=NAME_MAX)
        if len(self.icon) > ICON_MAX or any(sign.isspace() for sign in self.icon):
            raise InvalidInputError(field="icon", reason=WRONG_ICON, most=ICON_MAX)
        if not (self.min_spent.is_finite() and 0 <= self.min_spent < LIMIT):
            raise InvalidInputError(field="min_spent", reason=WRONG_AMOUNT)
        if not (self.discount.is_finite() and 0 <= self.discount <= PERCENT_MAX):
            raise InvalidInputError(field="discount", reason=WRONG_PERCENT)
        if len(self.benefits) > BENEFITS_MAX or any(
            not line.isprintable() or not line.strip() or len(line) > BENEFIT_MAX for line in self.benefits
        ):
            raise InvalidInputError(field="benefits", reason=WRONG_BENEFITS, lines=BENEFITS_MAX, most=BENEFIT_MAX)

    def columns(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            **asdict(self),
            "min_spent": round_down(self.min_spent),
            "discount": self.discount.quantize(PERCENT_STEP),
            "benefits": list(self.benefits),
        }


async def make_tiers(session: AsyncSession, wanted: Sequence[TierTerms]) -> None:
    """Give a panel that has no tiers yet its first ones."""
    check_table(wanted)
    if wanted:
        await session.execute(insert(Tier), [one.columns() for one in wanted])


async def add_tier(session: AsyncSession, wanted: TierTerms, *, actor: Actor) -> int:
    """Add a tier and return its id. Users are moved by a job, soon after this is committed."""
    actor.require(Permission.SETTINGS_EDIT)
    present = await _present(session)
    check_table([*map(terms_of, present), wanted])
    tier_id: int = (await session.scalars(insert(Tier).values(wanted.columns()).returning(Tier.id))).one()
    await audit(session, actor, Permission.SETTINGS_EDIT, f"tier:{tier_id}", after=asdict(wanted))
    await fit_tiers_soon(session)
    return tier_id


async def edit_tier(session: AsyncSession, tier_id: int, wanted: TierTerms, *, actor: Actor) -> bool:
    """Change a tier; returns whether anything is different. Users are moved by a job, soon after this is committed."""
    actor.require(Permission.SETTINGS_EDIT)
    present = await _present(session)
    before = terms_of(tier_in(present, tier_id))
    if before == wanted:
        return False
    check_table([wanted if one.id == tier_id else terms_of(one) for one in present])
    tier = await session.get_one(Tier, tier_id)
    for name, value in wanted.columns().items():
        setattr(tier, name, value)
    await session.flush()
    await audit(
        session, actor, Permission.SETTINGS_EDIT, f"tier:{tier_id}", before=asdict(before), after=asdict(wanted)
    )
    await fit_tiers_soon(session)
    return True


async def remove_tier(session: AsyncSession, tier_id: int, *, actor: Actor) -> None:
    """Remove a tier: its users fall to the one below. The lowest can only go when it is the last."""
    actor.require(Permission.SETTINGS_EDIT)
    present = await _present(session)
    before = terms_of(tier_in(present, tier_id))
    check_table([terms_of(one) for one in present if one.id != tier_id])
    await session.execute(delete(Tier).where(Tier.id == tier_id))
    await audit(session, actor, Permission.SETTINGS_EDIT, f"tier:{tier_id}", before=asdict(before))
    await fit_tiers_soon(session)


def check_table(wanted: Sequence[TierTerms]) -> None:
    """Raise `InvalidInputError` unless these tiers make a table: from zero up, and none worse than one below it."""
    rising = sorted(wanted, key=lambda one: one.min_spent)
    if len(rising) > TIERS_MAX:
        raise InvalidInputError(field="name", reason=TOO_MANY, most=TIERS_MAX)
    if len({one.name.casefold() for one in rising}) < len(rising):
        raise InvalidInputError(field="name", reason=SAME_NAME)
    if len({round_down(one.min_spent) for one in rising}) < len(rising):
        raise InvalidInputError(field="min_spent", reason=SAME_AMOUNT)
    if rising and rising[0].min_spent != 0:
        raise InvalidInputError(field="min_spent", reason=LOWEST_NOT_ZERO)
    # Whoever has spent nothing has no row that could hold a discount, and lower prices say the same.
    if rising and rising[0].discount != 0:
        raise InvalidInputError(field="discount", reason=LOWEST_GIVES)
    if any(higher.discount < lower.discount for lower, higher in pairwise(rising)):
        raise InvalidInputError(field="discount", reason=NOT_RISING)


def terms_of(tier: TierView) -> TierTerms:
    """Return a tier as it would be wanted."""
    return TierTerms(tier.name, tier.min_spent, tier.discount, tier.icon, tier.benefits)


def tier_in(tiers: Sequence[TierView], tier_id: int) -> TierView:
    """Return one tier; raises `NotFoundError`."""
    found = next((one for one in tiers if one.id == tier_id), None)
    if found is None:
        raise NotFoundError
    return found


async def _present(session: AsyncSession) -> list[TierView]:
    # One change at a time: each is checked against the table that the one before has left.
    await session.execute(_EDITING)
    return await all_tiers(session)
