"""Who is calling, and which price list is theirs: the one statement that every call of this API waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from smmpanel.accounts.api_keys import HOLDER_COLUMNS, KeyHolder, holder_from
from smmpanel.catalog.price_lists import PRICES_COLUMNS, Prices, prices_from


@dataclass(frozen=True, slots=True)
class Known:
    """A key's holder, and what decides which price list is theirs."""

    holder: KeyHolder
    catalog: str
    """The stamp of all price lists as it was then."""
    prices: Prices


async def find_known(driver: AsyncConnection[Any], prefixes: Sequence[str]) -> dict[str, Known]:
    """Look up keys, their accounts and their prices; prefixes that nobody has are absent from the answer."""
    size = next(size for size in _SIZES if size >= len(prefixes))
    found = await driver.execute(_FIND[size], [*prefixes, *[""] * (size - len(prefixes))])
    return {
        prefix: Known(holder_from(holder), stamp, prices_from(user_id, percent, has_rates))
        for prefix, stamp, user_id, percent, has_rates, *holder in await found.fetchall()
    }


KNOWN_TOGETHER_MAX = 500
_SIZES = (1, 8, 64, KNOWN_TOGETHER_MAX)
"""Lists of so many keys are asked for, filled up with nobody's: PostgreSQL plans each once, but an array each time anew."""
_FIND = {
    size: f"""
SELECT k.prefix, {PRICES_COLUMNS}, {HOLDER_COLUMNS}
  FROM api_keys k
  JOIN users u ON u.id = k.user_id
  LEFT JOIN user_discounts d ON d.user_id = u.id
 WHERE k.prefix IN ({", ".join(["%s"] * size)})
""".encode()
    for size in _SIZES
}
