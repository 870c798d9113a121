"""The tiers of a panel, and where a user stands among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

ZERO = Decimal(0)
STAR = "*"
DISCOUNT_MARK = "{discount}"
"""Stands in a benefit for the tier's discount."""
TIERS = (
    "(SELECT jsonb_agg(jsonb_build_array(id, name, icon, CAST(min_spent AS text), CAST(discount AS text), benefits)"
    " ORDER BY min_spent) FROM tiers)"
)
"""SQL for all tiers as one value, which `read_tiers` reads: for statements that read other things as well."""
SPENT = "(SELECT spent FROM user_spends WHERE user_id = :user)"
"""SQL for what the user of the parameter `user` has spent."""
_ALL = text(f"SELECT {TIERS}")
COUNTED_MAX = 10_000
"""So many users of a tier are counted."""
_MEMBERS = text(
    "SELECT t.id, (SELECT count(*) FROM (SELECT FROM user_spends s WHERE s.tier_id = t.id LIMIT :most) few) AS users FROM tiers t"
)
_STANDING = text(f"SELECT {TIERS} AS tiers, {SPENT} AS spent")


class TierView(NamedTuple):
    """One tier, with its place among the others."""

    id: int
    level: int
    name: str
    icon: str
    min_spent: Decimal
    discount: Decimal
    benefits: tuple[str, ...]
    """As they were written: `said_benefits` are those to read."""

    @property
    def shown_icon(self) -> str:
        """The icon with stars for `*`."""
        return self.icon.replace(STAR, "★")

    @property
    def says_discount(self) -> bool:
        """Whether the benefits name the discount."""
        return any(DISCOUNT_MARK in line for line in self.benefits)

    @property
    def said_benefits(self) -> list[str]:
        """What the tier gives, in words."""
        return [line.replace(DISCOUNT_MARK, percent_text(self.discount)) for line in self.benefits]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a user has spent, the tier that gives, and the one to come. A panel without tiers has neither."""

    spent: Decimal
    tier: TierView | None
    next: TierView | None

    @property
    def remaining(self) -> Decimal:
        """What is missing to the next tier."""
        return ZERO if self.next is None else self.next.min_spent - self.spent

    @property
    def progress_percent(self) -> int:
        """How much of what the next tier takes has been spent, in whole percent; at the top all of it."""
        return 100 if self.next is None else int(self.spent * 100 // self.next.min_spent)


def percent_text(percent: Decimal) -> str:
    """Write a percentage without needless zeros.

    >>> percent_text(Decimal("5.0000")), percent_text(Decimal("2.5000"))
    ('5', '2.5')
    """
    return f"{percent.normalize():f}"


def read_tiers(found: Any) -> list[TierView]:
    """Read what the SQL of `TIERS` gave, lowest first."""
    return [
        TierView(tier_id, level, name, icon, Decimal(min_spent), Decimal(discount), tuple(benefits))
        for level, (tier_id, name, icon, min_spent, discount, benefits) in enumerate(found or ())
    ]


def standing_among(tiers: Sequence[TierView], spent: Decimal | None) -> Standing:
    """Say where somebody stands who has spent this much; `None` is nothing yet."""
    spent = spent or ZERO
    reached = [one for one in tiers if one.min_spent <= spent]
    to_come = [one for one in tiers if one.min_spent > spent]
    return Standing(spent, reached[-1] if reached else None, to_come[0] if to_come else None)


async def all_tiers(session: AsyncSession) -> list[TierView]:
    """Return the tiers, lowest first."""
    return read_tiers(await session.scalar(_ALL))


async def standing_of(session: AsyncSession, user_id: int) -> tuple[Standing, list[TierView]]:
    """Return where a user stands, and all tiers, in one statement."""
    row = (await session.execute(_STANDING, {"user": user_id})).one()
    tiers = read_tiers(row.tiers)
    return standing_among(tiers, row.spent), tiers


async def members_of_tiers(session: AsyncSession) -> dict[int, int]:
    """Return how many users are in each tier, up to `COUNTED_MAX`. Whoever has spent nothing yet is in none of them."""
    return {row.id: row.users for row in await session.execute(_MEMBERS, {"most": COUNTED_MAX})}
