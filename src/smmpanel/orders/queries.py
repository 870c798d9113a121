"""Reading orders, for pages, the APIs and the command line. Fetching is checking: customers find their own and no others."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.paging import PAGE_SIZE, PAGE_SIZE_MAX, Paged, key_from, paged
from smmpanel.orders.models import OrderKind, OrderStatus
from smmpanel.orders.on_links import orders_on
from smmpanel.orders.owning import is_order_id
from smmpanel.orders.words import net_charge, refill_word, shown_remains, status_word

# Of a drip-feed's runs: what was paid back and what is left to deliver. The first condition keeps other orders out of it.
_RUNS = """
LEFT JOIN drip_feeds d ON d.order_id = o.id
LEFT JOIN LATERAL (
    SELECT sum(c.refunded) AS refunded, sum(c.earned) AS earned,
           sum(CASE WHEN c.status = 'completed' THEN 0
                    ELSE least(greatest(coalesce(c.remains, c.quantity), 0), c.quantity) END) AS remains
      FROM orders c WHERE o.kind = 'drip' AND c.parent_id = o.id
) r ON true
"""
_REMAINS = """CASE WHEN o.kind = 'drip' THEN (d.runs - d.runs_started) * d.quantity_per_run + coalesce(r.remains, 0)
                   ELSE o.remains END"""


@dataclass(frozen=True, slots=True)
class OrderForApi:
    """One order as API v2 tells of it."""

    id: int
    status: str
    """The word on the wire."""
    charge: Decimal
    """What it has cost, after refunds."""
    start_count: int | None
    remains: int
    currency: str


_FOR_API = text(
    f"SELECT o.id, o.kind, o.status, o.quantity, o.charge, o.refunded, o.start_count, o.currency, d.state AS drip_state,"
    f" r.refunded AS runs_refunded, {_REMAINS} AS remains FROM orders o {_RUNS}"
    " WHERE o.id = ANY(CAST(:ids AS bigint[])) AND o.user_id = :user"
)


async def orders_for_api(session: AsyncSession, user_id: int, order_ids: Iterable[int]) -> dict[int, OrderForApi]:
    """Return those of the orders that are this user's, in one statement."""
    ids = [one for one in order_ids if is_order_id(one)]
    if not ids:
        return {}
    rows = await session.execute(_FOR_API, {"ids": ids, "user": user_id})
    return {
        row.id: OrderForApi(
            id=row.id,
            status=status_word(row.status, row.kind, row.drip_state),
            charge=net_charge(row.charge, row.refunded, row.runs_refunded),
            start_count=row.start_count,
            remains=shown_remains(row.status, row.quantity, None if row.remains is None else int(row.remains)),
            currency=row.currency,
        )
        for row in rows
    }


_REFILLS = text("SELECT id, state FROM refills WHERE id = ANY(CAST(:ids AS bigint[])) AND user_id = :user")


async def refills_for_api(session: AsyncSession, user_id: int, refill_ids: Iterable[int]) -> dict[int, str]:
    """Return how those of the refills stand that are this user's, in the words of API v2."""
    asked = {"ids": [one for one in refill_ids if is_order_id(one)], "user": user_id}
    return {row.id: refill_word(row.state) for row in await session.execute(_REFILLS, asked)}


@dataclass(frozen=True, slots=True)
class OrderView:
    """One order with all that pages say of it. What is about providers and cost is for staff alone."""

    id: int
    user_id: int
    username: str
    service_id: int
    service: str
    parent_id: int | None
    kind: str
    status: str
    unconfirmed: bool
    link: str
    quantity: int
    fields: dict[str, str]
    currency: str
    charge: Decimal
    refunded: Decimal
    """With what its runs were paid back, for a drip-feed."""
    earned: Decimal
    rate: Decimal
    cost: Decimal | None
    terms: dict[str, Any]
    provider_id: int | None
    provider: str | None
    provider_alias: str | None
    external_id: str | None
    start_count: int | None
    remains: int
    reason: str | None
    attempts: int
    due_at: datetime
    created_at: datetime
    submitted_at: datetime | None
    finished_at: datetime | None
    drip_state: str | None
    runs: int | None
    runs_started: int | None
    interval_minutes: int | None
    next_run_at: datetime | None

    @property
    def word(self) -> str:
        """The status in the customer's words."""
        return status_word(self.status, self.kind, self.drip_state)

    @property
    def net_charge(self) -> Decimal:
        """What it has cost its customer, after refunds."""
        return net_charge(self.charge, self.refunded)

    @property
    def delivered(self) -> int:
        """How much of the quantity has been delivered, as far as is known."""
        return self.quantity - self.remains


_VIEW = f"""
SELECT o.id, o.user_id, u.username, o.service_id, s.name AS service, o.parent_id, o.kind, o.status, o.unconfirmed, o.link,
       o.quantity, o.fields, o.currency, o.charge, o.refunded + coalesce(r.refunded, 0) AS refunded,
       o.earned + coalesce(r.earned, 0) AS earned, o.rate, o.cost, o.terms, o.provider_id, p.slug AS provider,
       p.alias AS provider_alias, o.external_id, o.start_count, {_REMAINS} AS remains, o.reason, o.attempts, o.due_at,
       o.created_at, o.submitted_at, o.finished_at, d.state AS drip_state, d.runs, d.runs_started, d.interval_minutes,
       d.next_run_at
  FROM {{orders}} o
  JOIN users u ON u.id = o.user_id
  JOIN services s ON s.id = o.service_id
  LEFT JOIN providers p ON p.id = o.provider_id
  {_RUNS}
"""
_ONE = text(f"{_VIEW.format(orders='orders')} WHERE o.id = :id")
_SEVERAL = text(f"{_VIEW.format(orders='orders')} WHERE o.id = ANY(CAST(:ids AS bigint[])) ORDER BY o.id DESC")


async def order_for(session: AsyncSession, viewer: Actor, order_id: int) -> OrderView:
    """Return an order to its owner or to staff with `orders.view`; raises `NotFoundError` for everybody else."""
    row = (await session.execute(_ONE, {"id": order_id})).mappings().one_or_none() if is_order_id(order_id) else None
    if row is None or (row["user_id"] != viewer.user_id and not viewer.may(Permission.ORDERS_VIEW)):
        raise NotFoundError
    return _view(row)


async def orders_by_id(session: AsyncSession, viewer: Actor, order_ids: Iterable[int]) -> list[OrderView]:
    """Return those of the orders that the viewer may see, newest first."""
    ids = [one for one in order_ids if is_order_id(one)]
    rows = (await session.execute(_SEVERAL, {"ids": ids})).mappings().all() if ids else []
    return [_view(row) for row in rows if row["user_id"] == viewer.user_id or viewer.may(Permission.ORDERS_VIEW)]


def _view(row: Any) -> OrderView:
    remains = None if row["remains"] is None else int(row["remains"])
    return OrderView(**{**row, "remains": shown_remains(row["status"], row["quantity"], remains)})


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders a list is to show; `None` and the empty tuple mean all."""

    user_id: int | None = None
    statuses: tuple[OrderStatus, ...] = ()
    service_id: int | None = None
    provider_id: int | None = None
    unconfirmed: bool | None = None
    parent_id: int | None = None
    """The runs of this drip-feed."""
    kinds: tuple[str, ...] = ()
    """Runs are shown only if they are asked for, by this or by their parent."""
    search: str | None = None
    """An order's id, an external id (staff), or a link, exactly."""
    words: str | None = None
    """Of one customer's latest orders: an id of an order or a service, or a part of a link or of a service's name."""
    since: datetime | None = None
    until: datetime | None = None
    """Placed within this time; `until` itself is outside."""


_CONDITIONS = {
    "user_id": "o.user_id = :user_id",
    "service_id": "o.service_id = :service_id",
    "provider_id": "o.provider_id = :provider_id",
    "unconfirmed": "o.unconfirmed = :unconfirmed",
    "parent_id": "o.parent_id = :parent_id",
    "statuses": "o.status = ANY(CAST(:statuses AS text[]))",
    "ids": "o.id = ANY(CAST(:ids AS bigint[]))",
    "link": "(link_name(o.link) = link_name(:link) AND o.link = :link)",
    "before": "o.id < :before",
    "beyond": "o.id > :beyond",
    "since": "o.created_at >= :since",
    "until": "o.created_at < :until",
}
LOOKED_THROUGH = 20_000
"""So many of a customer's latest orders are searched for a text; before them, orders are found by their links alone."""
LINKED_MAX = 1_000
# One person's orders have no index of their words: so many of the latest are looked through, and no more.
_FLOOR = (
    "(SELECT coalesce(min(id), 0) FROM"
    " (SELECT id FROM orders WHERE user_id = :user_id ORDER BY id DESC LIMIT :looked_through) latest)"
)
_LINKED = "o.id = ANY(CAST(:linked AS bigint[]))"
_OF_LATEST = {
    "like": f"(o.link ILIKE :like OR o.service_id IN (SELECT id FROM services WHERE name ILIKE :like) OR {_LINKED})"
    f" AND o.id >= {_FLOOR}",
    "number": f"(o.id = :number OR o.service_id = :number OR {_LINKED}) AND o.id >= {_FLOOR}",
}
_OF_OLDER = f"{_LINKED} AND o.id < {_FLOOR}"
_BY_NAME = text(
    "SELECT id FROM orders WHERE id = :number"
    " UNION SELECT o.id FROM providers p JOIN orders o ON o.provider_id = p.id AND o.external_id = :name WHERE :staff"
)


async def orders_page(
    session: AsyncSession,
    viewer: Actor,
    wanted: OrderFilter,
    *,
    after: str | None = None,
    size: int = PAGE_SIZE,
    skip: int = 0,
    oldest_first: bool = False,
) -> Paged[OrderView]:
    """Return a page of orders, newest first unless asked otherwise. Without `orders.view` only the viewer's own are found.

    `skip` is for pages by number: so many rows are read and left out. With `words` it means nothing.
    """
    size = max(1, min(size, PAGE_SIZE_MAX))
    conditions, given = await _conditions(session, viewer, wanted)
    key = key_from(after)
    if key is not None:
        name = "beyond" if oldest_first else "before"
        conditions.append(_CONDITIONS[name])
        given[name] = key
    words = _words(wanted.words) if "user_id" in given else None
    if words is None:
        order = "ASC" if oldest_first else "DESC"
        rows = await _rows(session, conditions, {**given, "skip": skip}, size + 1, order=order)
    else:
        linked = await orders_on(session, wanted.words or "", most=LINKED_MAX, user_id=given["user_id"])
        given |= {words[0]: words[1], "linked": linked, "looked_through": LOOKED_THROUGH, "skip": 0}
        rows = await _rows(session, [*conditions, _OF_LATEST[words[0]]], given, size + 1)
        if linked and len(rows) <= size:
            rows += await _rows(session, [*conditions, _OF_OLDER], given, size + 1 - len(rows))
    return paged([_view(row) for row in rows], size, [row["id"] for row in rows])


async def count_orders(session: AsyncSession, viewer: Actor, wanted: OrderFilter, *, most: int) -> int:
    """Return how many orders `orders_page` finds, `words` aside, counted up to `most`."""
    conditions, given = await _conditions(session, viewer, wanted)
    counted = text(
        f"SELECT count(*) FROM (SELECT FROM orders o WHERE {' AND '.join(conditions) or 'true'} LIMIT :most) counted"
    )
    return int(await session.scalar(counted, {**given, "most": most}) or 0)


async def _conditions(session: AsyncSession, viewer: Actor, wanted: OrderFilter) -> tuple[list[str], dict[str, Any]]:
    staff = viewer.may(Permission.ORDERS_VIEW)
    user_id = wanted.user_id if staff else (viewer.user_id or 0)
    given: dict[str, Any] = {
        "user_id": user_id,
        "service_id": wanted.service_id,
        "provider_id": wanted.provider_id if staff else None,
        "unconfirmed": wanted.unconfirmed if staff else None,
        "parent_id": wanted.parent_id,
        "statuses": [status.value for status in wanted.statuses] or None,
        "since": wanted.since,
        "until": wanted.until,
        **await _searched(session, wanted.search, staff=staff),
    }
    given = {name: value for name, value in given.items() if value is not None}
    conditions = [_CONDITIONS[name] for name in given]
    if wanted.kinds:
        # Written out, so that the planner sees which index is meant.
        kinds = ", ".join(f"'{OrderKind(kind).value}'" for kind in wanted.kinds)
        conditions.append(f"o.kind IN ({kinds})")
    elif not given.keys() & {"parent_id", "ids", "link"}:
        conditions.append("o.kind <> 'run'")
    return conditions, given


async def _rows(
    session: AsyncSession, conditions: list[str], given: dict[str, Any], most: int, *, order: str = "DESC"
) -> list[Any]:
    # First the page, then what belongs to its orders.
    where = " AND ".join(conditions) or "true"
    offset = "OFFSET :skip" if given["skip"] else ""
    chosen = f"(SELECT o.* FROM orders o WHERE {where} ORDER BY o.id {order} LIMIT :most {offset})"
    page = text(f"{_VIEW.format(orders=chosen)} ORDER BY o.id {order}")
    return list((await session.execute(page, {**given, "most": most})).mappings())


def _words(typed: str | None) -> tuple[str, int | str] | None:
    """Turn what a customer typed into a number or a pattern."""
    name = (typed or "").strip().removeprefix("#").replace("\x00", "")
    if not name:
        return None
    if name.isascii() and name.isdigit() and len(name) < 19:
        return "number", int(name)
    escaped = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return "like", f"%{escaped}%"


async def _searched(session: AsyncSession, search: str | None, *, staff: bool) -> dict[str, Any]:
    """Turn what was typed into conditions: ids if it names orders, otherwise a link."""
    name = (search or "").strip().removeprefix("#")
    if not name or "\x00" in name:
        return {}
    number = int(name) if name.isascii() and name.isdigit() and len(name) < 20 else 0
    asked = {"number": number if is_order_id(number) else 0, "name": name, "staff": staff}
    ids = list((await session.scalars(_BY_NAME, asked)).all())
    return {"ids": ids} if ids or number else {"link": name}
