"""What changed for customers: the log of services' changes, as far as it says nothing of what they cost us or come from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged

READ_MAX = 20_000
"""So many of the latest changes are looked through for a page; most of them are of costs, which nobody is told."""
KINDS = ("price", "new", "back", "gone", "limits", "terms")


@dataclass(frozen=True, slots=True)
class Update:
    """One change that customers are told of. Rates are list rates per 1,000 (per package)."""

    id: int
    service_id: int
    name: str
    platform: str | None
    kind: str
    """One of `KINDS`."""
    field: str
    before: Any
    after: Any
    at: datetime


async def latest_updates(
    session: AsyncSession,
    user_id: int,
    *,
    kind: str = "",
    favourites_only: bool = False,
    after: str | None = None,
    size: int = PAGE_SIZE,
) -> Paged[Update]:
    """Return what changed lately, newest first, of one kind or all, of a user's favourites or all services.

    Of services that are not on sale only their going is told. A user with a rate of their own for a service is not told
    of its list rate.
    """
    statement = _OF_FAVOURITES if favourites_only else _OF_ALL
    given = {"user": user_id, "kind": kind, "after": key_from(after), "most": READ_MAX, "size": size + 1}
    rows = [Update(*row) for row in await session.execute(statement, given)]
    return paged(rows, size, [row.id for row in rows])


_KIND = """CASE WHEN n.field = 'rate' THEN 'price' WHEN n.field = 'added' THEN 'new'
    WHEN n.field = 'enabled' THEN CASE WHEN n.after = 'true' THEN 'back' ELSE 'gone' END
    WHEN n.field = 'held_reason' THEN CASE WHEN n.after = 'null' THEN 'back' ELSE 'gone' END
    WHEN n.field IN ('min', 'max') THEN 'limits'
    WHEN n.field IN ('refill', 'refill_days', 'cancel', 'dripfeed') THEN 'terms' END"""
# Why a service is held is between us and the provider.
_SAID = "CASE WHEN n.field = 'held_reason' THEN NULL ELSE n.{0} END"


def _told(changes: str) -> str:
    return f"""
SELECT n.id, n.service_id, s.name, c.platform, k.kind, n.field, {_SAID.format("before")}, {_SAID.format("after")}, n.at
  FROM ({changes}) n
 CROSS JOIN LATERAL (SELECT {_KIND} AS kind) k
  JOIN services s ON s.id = n.service_id
  JOIN categories c ON c.id = s.category_id
 WHERE k.kind IS NOT NULL AND CAST(:kind AS text) IN ('', k.kind) AND c.enabled
   AND (k.kind = 'gone' OR (s.enabled AND s.held_reason IS NULL))
   AND (k.kind <> 'price' OR NOT EXISTS (
        SELECT FROM custom_rates r WHERE r.user_id = :user AND r.service_id = n.service_id))
 ORDER BY n.id DESC LIMIT :size
"""


_SINCE = "(CAST(:after AS bigint) IS NULL OR id < CAST(:after AS bigint))"
_OF_ALL = text(_told(f"SELECT * FROM service_changes WHERE {_SINCE} ORDER BY id DESC LIMIT :most"))
_OF_FAVOURITES = text(
    _told(
        f"SELECT * FROM service_changes WHERE {_SINCE} AND service_id = ANY(ARRAY("
        "SELECT service_id FROM favourites WHERE user_id = :user)) ORDER BY id DESC LIMIT :most"
    )
)
