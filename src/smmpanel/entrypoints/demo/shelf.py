"""What customers of a demonstration order: a choice of the imported services, with quantities that suit a purse."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text

from smmpanel.entrypoints.demo.people import COMMENTS, link_for
from smmpanel.kernel.db import Database

ROUND_TO = 50
QUANTITY_MAX = 50_000

# Rates are per 1,000; the dearest tail of the catalogue is nobody's daily bread.
_FOUND = text(
    "SELECT s.id, s.name, s.type, s.rate, s.min, s.max, s.refill, s.cancel, s.dripfeed, c.platform, ps.external_id,"
    " ps.rate AS cost FROM services s JOIN categories c ON c.id = s.category_id"
    " JOIN service_routes r ON r.service_id = s.id JOIN provider_services ps ON ps.id = r.provider_service_id"
    " WHERE c.platform = ANY(CAST(:platforms AS text[])) AND s.type IN ('default', 'custom_comments', 'subscriptions')"
    " AND s.rate < :dearest ORDER BY s.id"
)


@dataclass(frozen=True, slots=True)
class Article:
    """One service that is ordered."""

    id: int
    name: str
    type: str
    rate: Decimal
    min: int
    max: int
    refill: bool
    cancel: bool
    dripfeed: bool
    platform: str
    external_id: str
    cost: Decimal
    """The provider's rate at the beginning, in its currency."""

    def fields(self, rng: random.Random, spend: Decimal) -> dict[str, str]:
        """Return an order's fields for about so much money, in the panel's currency."""
        if self.type == "custom_comments":
            lines = [rng.choice(COMMENTS) for _ in range(max(self.min, 6))]
            return {"link": link_for(rng, self.platform, self.name), "comments": "\n".join(lines)}
        return {"link": link_for(rng, self.platform, self.name), "quantity": str(self.quantity(spend))}

    def quantity(self, spend: Decimal) -> int:
        """Return how many about so much money buys, in round numbers and within bounds."""
        wanted = int(spend * 1000 / self.rate) // ROUND_TO * ROUND_TO
        return max(self.min, min(wanted, self.max, QUANTITY_MAX))


@dataclass(frozen=True, slots=True)
class Shelf:
    """All that may be ordered, and what one customer keeps coming back for."""

    articles: Sequence[Article]

    @classmethod
    async def read(cls, db: Database, *, platforms: Sequence[str], dearest: Decimal) -> "Shelf":
        """Read what is on sale for these platforms; `dearest` is a rate in the panel's currency."""
        async with db.transaction() as session:
            rows = await session.execute(_FOUND, {"platforms": list(platforms), "dearest": dearest})
            return cls([Article(*row) for row in rows])

    def plain(self) -> list[Article]:
        """Return what is ordered by link and quantity."""
        return [one for one in self.articles if one.type == "default" and one.max >= 1_000]

    def favourites(self, rng: random.Random, number: int) -> list[Article]:
        """Choose so many that are ordered by link and quantity; some can be refilled, some canceled."""
        plain = self.plain()
        refilled = rng.sample([one for one in plain if one.refill], number // 3)
        canceled = rng.sample([one for one in plain if one.cancel], number // 4)
        rest = rng.sample(plain, number - len(refilled) - len(canceled))
        return [*refilled, *canceled, *rest]
