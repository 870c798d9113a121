"""Daily spend caps of API keys: counted per key and day (UTC), under the row's lock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import PanelError
from smmpanel.orders.drafting import NewOrder


class SpendCapError(PanelError):
    """The API key has spent what it may spend today."""

    code, status, message = "spend_cap_reached", 402, "The daily spend cap of this API key is {cap}."


_READ = text(
    "INSERT INTO key_spends (api_key_id, day, spent) SELECT id, :day, 0 FROM unnest(CAST(:ids AS bigint[])) AS keys(id) ORDER BY id"
    # The update that changes nothing locks the row, so that parallel spends of one key count one after the other.
    " ON CONFLICT (api_key_id, day) DO UPDATE SET spent = key_spends.spent RETURNING api_key_id, spent"
)
_WRITE = text(
    "UPDATE key_spends k SET spent = v.spent FROM unnest(CAST(:ids AS bigint[]), CAST(:spent AS numeric[])) AS v(id, spent)"
    " WHERE k.api_key_id = v.id AND k.day = :day"
)


@dataclass(slots=True)
class DailySpends:
    """What the capped keys of a batch have spent today, running along with what is accepted."""

    day: str
    spent: dict[int, Decimal] = field(default_factory=dict)

    @classmethod
    async def read(cls, session: AsyncSession, orders: Sequence[NewOrder], now: datetime) -> "DailySpends":
        """Lock and read the counters of all capped keys among the orders."""
        spends = cls(now.astimezone(UTC).date().isoformat())
        capped = {order.api_key_id for order in orders if order.daily_cap is not None and order.api_key_id is not None}
        if capped:
            rows = await session.execute(_READ, {"ids": sorted(capped), "day": spends.day})
            spends.spent = {row.api_key_id: row.spent for row in rows}
        return spends

    def allows(self, order: NewOrder, charge: Decimal) -> bool:
        """Whether the order's key may still spend this much today."""
        if order.daily_cap is None or order.api_key_id is None:
            return True
        return self.spent[order.api_key_id] + charge <= order.daily_cap

    def add(self, order: NewOrder, charge: Decimal) -> None:
        """Count a spend."""
        if order.daily_cap is not None and order.api_key_id is not None:
            self.spent[order.api_key_id] += charge

    async def write(self, session: AsyncSession) -> None:
        """Store the counters."""
        if self.spent:
            rows = {"ids": list(self.spent), "spent": list(self.spent.values()), "day": self.day}
            await session.execute(_WRITE, rows)
