"""Finding orders for staff: by anything, newest first, at a cost that does not grow with the number of orders.

What has no index of its own (a piece of a link, a provider, a kind) is looked for among the newest `LOOKED_AT` orders
below the place in the list; the page says so and leads on to those before them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.paging import cursor_for, key_from
from smmpanel.orders.models import OrderKind, OrderStatus
from smmpanel.orders.on_links import orders_on
from smmpanel.orders.owning import is_order_id

S = OrderStatus
LOOKED_AT = 50_000
LINKED_MAX = 1_000
COUNTED_MAX = 100
EXTERNAL_ID_MAX = 100
CLOCKS_APART = timedelta(hours=1)
"""Ids and moments of orders rise together, but for a moment in which two transactions overlap."""

TABS: Mapping[str, tuple[OrderStatus, ...]] = {
    "pending": (S.PENDING, S.SUBMITTING),
    "processing": (S.PROCESSING,),
    "in_progress": (S.IN_PROGRESS,),
    "completed": (S.COMPLETED,),
    "partial": (S.PARTIAL,),
    "canceled": (S.CANCELED,),
    "failed": (S.FAILED,),
}
UNCONFIRMED = "unconfirmed"
COUNTED_TABS = ("pending", "processing", "in_progress", "failed")
KINDS = tuple(kind.value for kind in OrderKind)
WAITING = ("refill", "cancel")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders staff want to see; what is empty or `None` means all."""

    tab: str = ""
    user_id: int | None = None
    service_id: int | None = None
    provider_id: int | None = None
    kind: str = ""
    parent_id: int | None = None
    since: date | None = None
    until: date | None = None
    waiting: str = ""
    """`refill` or `cancel`: those of which a request waits."""
    search: str = ""
    """An order's id, a provider's id of it, a link, a name behind an @, or a piece of a link."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the tab is asked for."""
        return self == Wanted(tab=self.tab)


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """A row of the list."""

    id: int
    user_id: int
    username: str
    service_id: int
    service: str
    platform: str | None
    parent_id: int | None
    kind: str
    status: str
    unconfirmed: bool
    drip_state: str | None
    link: str
    quantity: int
    remains: int | None
    start_count: int | None
    charge: Decimal
    refunded: Decimal
    cost: Decimal | None
    provider_id: int | None
    provider: str | None
    external_id: str | None
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FoundOrders:
    """A page of the list. `cut_short` tells that it was looked for among the newest ones only, and `after` leads on."""

    rows: Sequence[FoundOrder]
    after: str | None
    cut_short: bool = False


_CONDITIONS = {
    "statuses": "o.status = ANY(CAST(:statuses AS text[]))",
    "user_id": "o.user_id = :user_id",
    "service_id": "o.service_id = :service_id",
    "provider_id": "o.provider_id = :provider_id",
    "kind": "o.kind = :kind",
    "parent_id": "o.parent_id = :parent_id",
    "since": "o.created_at >= :since",
    "until": "o.created_at < :until",
    "ids": "o.id = ANY(CAST(:ids AS bigint[]))",
    "link": "strpos(lower(o.link), :link) > 0",
    "before": "o.id < :before",
    "floor": "o.id >= :floor",
    "ceiling": "o.id < :ceiling",
}
_FLAGS = {
    UNCONFIRMED: "o.unconfirmed",
    "refill": "o.id IN (SELECT order_id FROM refills WHERE state = 'pending' AND provider_id IS NULL)",
    "cancel": "o.id IN (SELECT order_id FROM cancel_requests WHERE state IN ('requested', 'sending'))",
}
_UNINDEXED = ("provider_id", "kind", "link")
_NARROW = ("user_id", "service_id", "parent_id", "ids")

_PAGE = """
SELECT o.id, o.user_id, u.username, o.service_id, s.name AS service, c.platform, o.parent_id, o.kind, o.status,
       o.unconfirmed, d.state AS drip_state, o.link, o.quantity, o.remains, o.start_count, o.charge,
       o.refunded + coalesce(r.refunded, 0) AS refunded, o.cost, o.provider_id, p.name AS provider, o.external_id,
       o.reason, o.created_at
  FROM (SELECT o.* FROM orders o WHERE {where} ORDER BY o.id DESC LIMIT :size) o
  JOIN users u ON u.id = o.user_id
  JOIN services s ON s.id = o.service_id
  JOIN categories c ON c.id = s.category_id
  LEFT JOIN providers p ON p.id = o.provider_id
  LEFT JOIN drip_feeds d ON d.order_id = o.id
  LEFT JOIN LATERAL (SELECT sum(x.refunded) AS refunded FROM orders x WHERE o.kind = 'drip' AND x.parent_id = o.id) r ON true
 ORDER BY o.id DESC
"""
_BY_NAME = text(
    "SELECT id FROM orders WHERE id = :number"
    " UNION SELECT o.id FROM providers p JOIN orders o ON o.provider_id = p.id AND o.external_id = :name"
)
_FLOOR = text(
    "SELECT id FROM orders WHERE CAST(:before AS bigint) IS NULL OR id < :before ORDER BY id DESC OFFSET :number LIMIT 1"
)
# The first order that is not before a moment, found by halving: some twenty looks by primary key, however many there are.
_ID_AT = text(
    """
WITH RECURSIVE search (low, high) AS (
    SELECT CAST(0 AS bigint), (SELECT coalesce(max(id), 0) + 1 FROM orders)
    UNION ALL
    SELECT CASE WHEN early THEN middle ELSE low END, CASE WHEN early THEN high ELSE middle END
      FROM (SELECT low, high, (low + high) / 2 AS middle,
                   coalesce((SELECT created_at < :moment FROM orders WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1),
                            false) AS early
              FROM search WHERE high - low > 1) halved
)
SELECT high FROM search ORDER BY high - low LIMIT 1
"""
)


async def find_orders(
    session: AsyncSession, wanted: Wanted, *, zone: ZoneInfo, after: str | None = None, size: int
) -> FoundOrders:
    """Return a page of orders, newest first. The caller holds `orders.view`."""
    given = await _given(session, wanted, zone)
    before = key_from(after)
    if before is not None:
        given["before"] = before
    floor = await _floor(session, given, before)
    if floor is not None:
        given["floor"] = max(floor, given.get("floor", 0))
    conditions = [_CONDITIONS[name] for name in given]
    conditions += [_FLAGS[flag] for flag in (wanted.tab, wanted.waiting) if flag in _FLAGS]
    if not given.keys() & {"kind", "parent_id", "ids", "link"} and wanted.tab != UNCONFIRMED:
        conditions.append("o.kind <> 'run'")
    statement = text(_PAGE.format(where=" AND ".join(conditions) or "true"))
    found = (await session.execute(statement, {**given, "size": size + 1})).mappings().all()
    rows = [FoundOrder(**row) for row in found[:size]]
    if len(found) > size:
        return FoundOrders(rows, cursor_for(rows[-1].id))
    # There may be more below the place down to which was looked.
    more = floor is not None and floor >= given["floor"]
    return FoundOrders(rows, cursor_for(given["floor"]) if more else None, cut_short=more)


async def _given(session: AsyncSession, wanted: Wanted, zone: ZoneInfo) -> dict[str, Any]:
    given: dict[str, Any] = {
        "statuses": [status.value for status in TABS.get(wanted.tab, ())] or None,
        "user_id": wanted.user_id,
        "service_id": wanted.service_id,
        "provider_id": wanted.provider_id,
        "kind": wanted.kind or None,
        "parent_id": wanted.parent_id,
        **await _searched(session, wanted.search),
    }
    if wanted.since is not None:
        given["since"] = _midnight(wanted.since, zone)
        given["floor"] = await session.scalar(_ID_AT, {"moment": given["since"] - CLOCKS_APART})
    if wanted.until is not None:
        given["until"] = _midnight(wanted.until + timedelta(days=1), zone)
        given["ceiling"] = await session.scalar(_ID_AT, {"moment": given["until"] + CLOCKS_APART})
    return {name: value for name, value in given.items() if value is not None}


async def _floor(session: AsyncSession, given: Mapping[str, Any], before: int | None) -> int | None:
    """Return the id down to which is looked; `None` if an index finds everything, or that many are not left."""
    if not any(name in given for name in _UNINDEXED) or any(name in given for name in _NARROW):
        return None
    below = (
        min(one for one in (before, given.get("ceiling")) if one is not None) if before or "ceiling" in given else None
    )
    floor: int | None = await session.scalar(_FLOOR, {"before": below, "number": LOOKED_AT - 1})
    return floor


async def _searched(session: AsyncSession, search: str) -> dict[str, Any]:
    name = search.strip().removeprefix("#")
    if not name:
        return {}
    number = int(name) if name.isascii() and name.isdigit() and len(name) < 20 else 0
    if len(name) <= EXTERNAL_ID_MAX:
        asked = {"number": number if is_order_id(number) else 0, "name": name}
        ids = list((await session.scalars(_BY_NAME, asked)).all())
        if ids or number:
            return {"ids": ids}
    if "/" in name or name.startswith("@"):
        # A link, or somebody's name: found however long ago it was, unless there are too many to be listed in one.
        linked = await orders_on(session, name, most=LINKED_MAX)
        if 0 < len(linked) < LINKED_MAX:
            return {"ids": linked}
    return {"link": name.lower()}


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


_COUNTS = text(
    "SELECT tab, (SELECT count(*) FROM (SELECT FROM orders o WHERE o.status = asked.status AND o.kind <> 'run'"
    " LIMIT :most) few) AS number FROM unnest(CAST(:tabs AS text[]), CAST(:statuses AS text[])) AS asked(tab, status)"
    " UNION ALL SELECT 'unconfirmed', (SELECT count(*) FROM (SELECT FROM orders WHERE unconfirmed LIMIT :most) few)"
)


async def tab_counts(session: AsyncSession) -> dict[str, int]:
    """Return how many orders are behind those tabs that want work, each up to `COUNTED_MAX`."""
    pairs = [(tab, status.value) for tab in COUNTED_TABS for status in TABS[tab]]
    asked = {"tabs": [tab for tab, _ in pairs], "statuses": [status for _, status in pairs], "most": COUNTED_MAX}
    counts: dict[str, int] = {}
    for row in await session.execute(_COUNTS, asked):
        counts[row.tab] = min(counts.get(row.tab, 0) + row.number, COUNTED_MAX)
    return counts
