"""What a change of the table of tiers would do to users: counted before it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.growth.tier_editing import TierTerms
from smmpanel.growth.tiers import TierView, standing_among

LOOKED_AT = 100_000
"""So many users who have spent anything are looked at; where there are more, what is said is the least."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """How many users a change moves up, how many down, and how many stay and pay other prices."""

    up: int
    down: int
    repriced: int
    is_more: bool
    """Whether there are more users than were looked at."""

    @property
    def total(self) -> int:
        """How many users notice anything."""
        return self.up + self.down + self.repriced


async def consequences_of(session: AsyncSession, before: Sequence[TierView], after: Sequence[TierView]) -> Consequences:
    """Say what would happen to the users of one table if it were the other. The ids of what stays are the same."""
    bounds = sorted({one.min_spent for one in (*before, *after)} | {Decimal(0)})
    rows = await session.execute(_COUNT, {"bounds": bounds, "most": LOOKED_AT + 1})
    counted = {row.place: row.users for row in rows}
    up = down = repriced = 0
    for place, bound in enumerate(bounds, 1):
        users = counted.get(place, 0)
        was, now = standing_among(before, bound).tier, standing_among(after, bound).tier
        was_off = Decimal(0) if was is None else was.discount
        off = Decimal(0) if now is None else now.discount
        if was is not None and now is not None and was.id == now.id:
            repriced += users if was_off != off else 0
        elif (off, 0 if now is None else now.min_spent) > (was_off, 0 if was is None else was.min_spent):
            up += users
        elif bound > 0 or was is not None:
            down += users
    return Consequences(up, down, repriced, sum(counted.values()) > LOOKED_AT)


def with_tier(tiers: Sequence[TierView], tier_id: int, wanted: TierTerms | None) -> list[TierView]:
    """Return the table as it would be with a tier as it is wanted: a new one has the id 0, one to be removed no terms."""
    rest = [one for one in tiers if one.id != tier_id]
    if wanted is not None:
        rest.append(TierView(tier_id, 0, wanted.name, wanted.icon, wanted.min_spent, wanted.discount, wanted.benefits))
    rising = sorted(rest, key=lambda one: one.min_spent)
    return [one._replace(level=level) for level, one in enumerate(rising)]


# Only whoever has spent something can move: the others stand in the lowest tier before and after.
_COUNT = text(
    "SELECT width_bucket(few.spent, CAST(:bounds AS numeric[])) AS place, count(*) AS users"
    " FROM (SELECT spent FROM user_spends WHERE spent > 0 LIMIT :most) few GROUP BY 1"
)
