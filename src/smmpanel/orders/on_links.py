"""Finding orders by what they are for, whatever their state and however old: by a link in any spelling, or by a name.

All orders are indexed by the last word of their links (a user name, a post's or video's code), which the database's
function `link_name` cuts out. A link is looked up by that word, and then compared as links are everywhere, by its key.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.links import check_link
from smmpanel.catalog.order_faults import OrderFieldError

TYPED_MAX = 500
LOOKED_AT = 10_000
"""So many orders with one name in their links are looked at, the newest first."""
BEGINNINGS_MAX = 500
"""So many orders whose names begin with what was typed are looked at."""
BEGINNING_LENGTH_MIN = 3

# The newest of each name first, then whose they are: a name that thousands order for costs no more than that. Each link
# comes once, however many orders it has, as it has to be compared once.
_NAMED = text(
    """
SELECT o.link, (array_agg(o.id ORDER BY o.id DESC))[1 : CAST(:most AS int)] AS ids
  FROM (SELECT DISTINCT link_name(typed) AS name FROM unnest(CAST(:typed AS text[])) AS typed) asked
 CROSS JOIN LATERAL (SELECT id, link, user_id FROM orders
                      WHERE link_name(link) = asked.name ORDER BY id DESC LIMIT :looked_at) o
 WHERE asked.name <> '' AND (CAST(:user AS bigint) IS NULL OR o.user_id = :user)
 GROUP BY o.link
"""
)
# A range instead of LIKE: nothing that is typed has a meaning of its own.
_BEGINNING = text(
    """
SELECT link, (array_agg(id ORDER BY id DESC))[1 : CAST(:most AS int)] AS ids FROM (
    SELECT id, link FROM orders
     WHERE link_name(link) ~>=~ link_name(:typed) AND link_name(link) ~<~ (link_name(:typed) || chr(1114111))
       AND link_name(:typed) <> ''
     ORDER BY link_name(link) USING ~<~ LIMIT :looked_at) few
 GROUP BY link
"""
)


@dataclass(frozen=True, slots=True)
class _Sought:
    """What was typed: a link (with its key, if it has one), or else a name."""

    typed: str
    key: str | None

    def is_target(self, link: str) -> bool:
        return self._is_name or link == self.typed or (self.key is not None and key_of(link) == self.key)

    def is_beginning(self, link: str) -> bool:
        return self._is_name or (self.key is not None and (key_of(link) or "").startswith(self.key))

    @property
    def _is_name(self) -> bool:
        return "/" not in self.typed


async def orders_on(
    session: AsyncSession, typed: str, *, most: int, user_id: int | None = None, beginnings: bool = False
) -> list[int]:
    """Return the newest orders on a link, in any spelling of it, or on whatever ends in this name, newest first.

    Of one customer, if `user_id` is given; without it the caller holds `orders.view`. With `beginnings`, if there are
    fewer than `most`, also those of which only the beginning was typed, after the others.
    """
    typed = typed.strip()
    if not typed or len(typed) > TYPED_MAX or "\x00" in typed or any(sign.isspace() for sign in typed):
        return []
    sought = _Sought(typed, key_of(typed))
    named = {"typed": [typed, sought.key or typed], "user": user_id, "looked_at": LOOKED_AT, "most": most}
    found = _newest(await session.execute(_NAMED, named), sought.is_target)
    if beginnings and len(found) < most and len(typed) >= BEGINNING_LENGTH_MIN:
        begun = {"typed": sought.key or typed, "looked_at": BEGINNINGS_MAX, "most": most}
        more = _newest(await session.execute(_BEGINNING, begun), sought.is_beginning)
        found += [one for one in more if one not in found]
    return found[:most]


def _newest(rows: Iterable[Any], is_meant: Callable[[str], bool]) -> list[int]:
    return sorted((number for row in rows if is_meant(row.link) for number in row.ids), reverse=True)


def key_of(link: str) -> str | None:
    """Return by what a link is compared; `None` if it is none that could be ordered for."""
    try:
        return check_link(link).key
    except OrderFieldError:
        return None
