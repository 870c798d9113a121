"""What a payment's currency is worth in the wallet's."""

from decimal import Decimal
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.fx import rate_between


class Rate(NamedTuple):
    """A rate, and who says so: `same` currency, or the panel's `table`."""

    value: Decimal
    source: str


async def rate_to(session: AsyncSession, currency: str, wallet: str) -> Rate:
    """Return what one unit of a currency is worth in the wallet's now; raises `FxRateMissingError`."""
    if currency == wallet:
        return Rate(Decimal(1), "same")
    return Rate(await rate_between(session, currency, wallet), "table")
