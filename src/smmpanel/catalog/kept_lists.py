"""Price lists kept in memory for choosing from: searched by every key that is pressed, read anew when something changes."""

import unicodedata
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.price_lists import LIST_PRICES, Prices, ServiceRow, price_list, price_list_stamp

KEPT_LISTS_MAX = 12


class ShelfRow(NamedTuple):
    """A category with something on sale, and how many services there are in it."""

    id: int
    name: str
    platform: str | None
    services: int


class KeptList:
    """All services on sale at some prices, in the order of the shelves."""

    def __init__(self, rows: Sequence[ServiceRow], prices: Prices = LIST_PRICES) -> None:
        self.rows = rows
        self.prices = prices
        self.by_id = {row.id: row for row in rows}
        self.platforms = {row.platform for row in rows}
        self.types = {row.type for row in rows}
        self.mark = object()
        """Stands for this very list in the keys of what was made from it: what is read anew is another list."""

    @cached_property
    def shelves(self) -> list[ShelfRow]:
        """The categories, in order."""
        counts: dict[int, ShelfRow] = {}
        for row in self.rows:
            known = counts.get(row.category_id)
            number = 1 if known is None else known.services + 1
            counts[row.category_id] = ShelfRow(row.category_id, row.category, row.platform, number)
        return list(counts.values())

    @cached_property
    def places(self) -> dict[int, int]:
        """Where each service stands in the list."""
        return {row.id: place for place, row in enumerate(self.rows)}

    @cached_property
    def _folded(self) -> list[str]:
        return [folded(f"{row.name} {row.category}") for row in self.rows]

    def of(self, *, platform: str | None = None, category_id: int | None = None) -> list[ServiceRow]:
        """Return the services of one platform or category."""
        rows = self.rows if category_id is None else self._by_category.get(category_id, [])
        return [row for row in rows if platform is None or row.platform == platform]

    @cached_property
    def _by_category(self) -> dict[int, list[ServiceRow]]:
        found: dict[int, list[ServiceRow]] = {}
        for row in self.rows:
            found.setdefault(row.category_id, []).append(row)
        return found

    def found(self, search: str, *, platform: str | None = None) -> Iterator[ServiceRow]:
        """Yield what has all these words in its name or its category's, and first of all the service of that number."""
        words = folded(search).split()
        number = int(words[0]) if len(words) == 1 and words[0].isascii() and words[0].isdigit() else None
        exact = None if number is None else self.by_id.get(number)
        if exact is not None:
            yield exact
        for row, text in zip(self.rows, self._folded, strict=True):
            fits = platform is None or row.platform == platform
            if fits and row is not exact and all(word in text for word in words):
                yield row


class KeptLists:
    """The price lists that were asked for last: one for each discount, and one each for users who have own rates."""

    def __init__(self, currency: str) -> None:
        self._currency = currency
        self._kept: OrderedDict[Prices, tuple[str, KeptList]] = OrderedDict()

    async def list_for(self, session: AsyncSession, user_id: int) -> KeptList:
        """Return a user's price list as it is now; one short query if it has not changed."""
        stamp, whose = await price_list_stamp(session, user_id)
        kept = self._kept.get(whose)
        if kept is None or kept[0] != stamp:
            kept = (stamp, KeptList(await price_list(session, whose, self._currency), whose))
            self._kept[whose] = kept
        self._kept.move_to_end(whose)
        while len(self._kept) > KEPT_LISTS_MAX:
            self._kept.popitem(last=False)
        return kept[1]


def folded(text: str) -> str:
    """Return a text as it is compared in searches: without case and diacritics.

    >>> folded("Đặt Hàng")
    'dat hang'
    """
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(sign))
    return bare.replace("đ", "d").replace("ı", "i")
