"""What is on sale, at whose price: lists for pages and the API, and the terms that an order is placed under."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.change_log import STAMP
from smmpanel.catalog.live_routes import FIRST_ROUTE_OF_ANY_CURRENCY, LIVE_ROUTES, PANEL_MARKUP
from smmpanel.catalog.pricing import final_rate
from smmpanel.catalog.sorting import OWN_RATE, ServiceOrder, mark_of, places_by
from smmpanel.catalog.user_prices import DISCOUNT, DISCOUNT_FROM
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.money import plain
from smmpanel.kernel.paging import PAGE_SIZE, PAGE_SIZE_MAX, Paged, key_from, paged

ID_DIGITS = 19
"""Numbers with so many digits are no ids."""


class Prices(NamedTuple):
    """Whose prices: those of everybody with this discount, or of one user who has own rates beside it."""

    discount: Decimal = Decimal(0)
    """In percent."""
    user_id: int | None = None


LIST_PRICES = Prices()


class ServiceRow(NamedTuple):
    """One service on sale, as one user sees it. Rates are per 1,000 (per package), in the panel's currency."""

    id: int
    name: str
    category_id: int
    category: str
    platform: str | None
    type: str
    mode: str
    description: str
    average_time: str
    min: int
    max: int
    dripfeed: bool
    refill: bool
    refill_days: int | None
    cancel: bool
    rate: Decimal
    """What this user pays."""
    list_rate: Decimal
    """What everybody without a discount pays."""


async def service_rows(session: AsyncSession, user_id: int | None, currency: str) -> list[ServiceRow]:
    """Return all services on sale, at the user's rates, in the order of the shelves; `None` is a visitor.

    `currency` is the panel's.
    """
    rows = await session.execute(_LIST, {"user_id": user_id, "currency": currency})
    return [_row(row) for row in rows]


async def price_list(session: AsyncSession, prices: Prices, currency: str) -> list[ServiceRow]:
    """Return all services on sale at these prices, in the order of the shelves. `currency` is the panel's."""
    rows = await session.execute(_LIST, {"user_id": prices.user_id, "currency": currency})
    return [_row(row, prices.discount) for row in rows]


async def price_list_stamp(session: AsyncSession, user_id: int) -> tuple[str, Prices]:
    """Return the present stamp of all price lists, and whose prices a user pays, in one statement.

    A discount belongs to the prices, not to the stamp: when a user's changes, nobody's list has to be made anew.
    """
    stamp, *prices = (await session.execute(_STAMP, {"user": user_id})).one()
    return stamp, prices_from(*prices)


def prices_from(user_id: int, percent: Decimal, has_rates: bool) -> Prices:  # noqa: FBT001 - as the row has them
    """Read the `PRICES_COLUMNS` after the stamp."""
    return Prices(percent, user_id if has_rates else None)


class ServiceFilter(NamedTuple):
    """Which services a list is to show; `None` means all."""

    category_id: int | None = None
    category: str | None = None
    """The shelf's name, exactly."""
    platform: str | None = None
    search: str | None = None
    """Words of a service's or its shelf's name, or its id."""


EVERYTHING = ServiceFilter()


async def services_page(
    session: AsyncSession,
    user_id: int | None,
    currency: str,
    wanted: ServiceFilter = EVERYTHING,
    *,
    after: str | None = None,
    size: int = PAGE_SIZE,
    skip: int = 0,
    order: ServiceOrder = "position",
) -> Paged[ServiceRow]:
    """Return a page of the services on sale, in the order of the shelves unless asked otherwise; `skip` is for numbered pages."""
    size, mark = min(size, PAGE_SIZE_MAX), mark_of(order)
    given = {**_asked(user_id, currency, wanted), "after": key_from(after, mark), "size": size + 1, "skip": skip}
    rows = [_row(row) for row in await session.execute(_PAGES[order], given)]
    return paged(rows, size, [row.id for row in rows], mark)


async def count_services(
    session: AsyncSession, user_id: int | None, currency: str, wanted: ServiceFilter = EVERYTHING, *, most: int
) -> int:
    """Return how many services `services_page` finds, counted up to `most`."""
    return int(await session.scalar(_COUNT, {**_asked(user_id, currency, wanted), "most": most}) or 0)


def _asked(user_id: int | None, currency: str, wanted: ServiceFilter) -> dict[str, Any]:
    words = (wanted.search or "").split()
    number = words[0] if len(words) == 1 else ""
    return {
        "user_id": user_id,
        "currency": currency,
        "category_id": wanted.category_id,
        "category": wanted.category,
        "platform": wanted.platform,
        "patterns": [f"%{_like(word)}%" for word in words],
        "found_id": int(number) if number.isascii() and number.isdigit() and len(number) < ID_DIGITS else None,
    }


async def service_for(session: AsyncSession, user_id: int | None, service_id: int, currency: str) -> ServiceRow:
    """Return one service on sale at the user's rate; raises `NotFoundError` if it is not on sale."""
    found = await session.execute(_ONE, {"user_id": user_id, "currency": currency, "service_id": service_id})
    if (row := found.one_or_none()) is None:
        raise NotFoundError
    return _row(row)


def _like(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _row(row: Any, known_discount: Decimal | None = None) -> ServiceRow:
    *shown, listed, cost, allow_below_cost, discount, custom = row
    if known_discount is not None:
        discount = known_discount
    rate = listed
    if discount or custom is not None:
        rate = final_rate(
            listed, cost, discount_percent=discount, custom_rate=custom, allow_below_cost=allow_below_cost
        )
    return ServiceRow._make((*shown, rate, listed))


@dataclass(frozen=True, slots=True)
class SaleTerms:
    """All that is needed to check and price one user's orders of one service."""

    service_id: int
    name: str
    type: str
    mode: str
    platform: str | None
    min: int
    max: int
    dripfeed: bool
    refill: bool
    refill_days: int | None
    cancel: bool
    link_guard: bool
    list_rate: Decimal
    cost: Decimal | None
    allow_below_cost: bool
    discount_percent: Decimal
    discount_from: str
    """Whose discount it is: the user's `own`, their `tier`'s, or nothing's."""
    custom_rate: Decimal | None
    markup: dict[str, str]
    """What made the list rate, ready to be frozen: a rate fixed by hand, or each part of the markup and its level."""
    refusal: str | None
    """Why it is not on sale: `disabled`, `held`, `category_disabled`, `no_route`; `None` if it is."""

    @property
    def rate(self) -> Decimal:
        """What this user pays per 1,000 (per package), in the panel's currency."""
        return final_rate(
            self.list_rate,
            self.cost,
            discount_percent=self.discount_percent,
            custom_rate=self.custom_rate,
            allow_below_cost=self.allow_below_cost,
        )


Pair = tuple[int, int]
"""A user's id and a service's id."""


async def sale_terms(session: AsyncSession, pairs: Iterable[Pair]) -> dict[Pair, SaleTerms]:
    """Return under which terms each of these users can order each of these services, in one statement.

    Services that are not on sale are returned with the reason; those that do not exist are left out.
    """
    unique = list(dict.fromkeys(pairs))
    found: dict[Pair, SaleTerms] = {}
    rows = await session.execute(
        _TERMS, {"users": [user for user, _ in unique], "services": [one for _, one in unique]}
    )
    for user_id, refusal, fixed_rate, percent, fixed, step, percent_from, fixed_from, step_from, *terms in rows:
        if fixed_rate is not None:
            markup = {"fixed_rate": plain(fixed_rate)}
        else:
            markup = {
                "percent": plain(percent),
                "percent_from": percent_from,
                "fixed": plain(fixed),
                "fixed_from": fixed_from,
                "step": plain(step),
                "step_from": step_from,
            }
        values: list[Any] = [*terms, markup, refusal]
        found[user_id, terms[0]] = SaleTerms(*values)
    return found


PRICES_COLUMNS = f"{STAMP}, u.id, {DISCOUNT}, EXISTS (SELECT FROM custom_rates c WHERE c.user_id = u.id)"
"""The SQL of the stamp of all price lists and of whose prices a user pays: `u` is the user, `d` their discounts or none."""
_STAMP = text(
    f"SELECT {PRICES_COLUMNS} FROM (SELECT CAST(:user AS bigint) AS id) u LEFT JOIN user_discounts d ON d.user_id = u.id"
)
_SERVICES = """
  FROM services s
  JOIN categories c ON c.id = s.category_id
  LEFT JOIN user_discounts d ON d.user_id = CAST(:user_id AS bigint)
  LEFT JOIN custom_rates cr ON cr.user_id = CAST(:user_id AS bigint) AND cr.service_id = s.id
"""
_ON_SALE = f"""
{_SERVICES}
 WHERE s.enabled AND s.held_reason IS NULL AND c.enabled
   AND (s.mode <> 'provider' OR EXISTS (SELECT {LIVE_ROUTES}))
"""
_COLUMNS = f"""
SELECT s.id, s.name, c.id, c.name, c.platform, s.type, s.mode, s.description, s.average_time, s.min, s.max, s.dripfeed,
       s.refill, s.refill_days, s.cancel, s.rate, s.cost, s.allow_below_cost, {DISCOUNT}, cr.rate
{_ON_SALE}
"""
_PLACES = places_by(OWN_RATE)
_LIST = text(f"{_COLUMNS} ORDER BY {_PLACES['position']}")
_ONE = text(f"{_COLUMNS} AND s.id = :service_id")
# A cursor is the id of a page's last service: where that stands now is where the next page begins.
_WANTED = """
   AND (CAST(:category_id AS bigint) IS NULL OR c.id = CAST(:category_id AS bigint))
   AND (CAST(:category AS text) IS NULL OR c.name = CAST(:category AS text))
   AND (CAST(:platform AS text) IS NULL OR c.platform = CAST(:platform AS text))
   AND (s.id = CAST(:found_id AS bigint) OR s.name || ' ' || c.name ILIKE ALL (CAST(:patterns AS text[])))
"""
_COUNT = text(f"SELECT count(*) FROM (SELECT {_ON_SALE} {_WANTED} LIMIT :most) counted")
_PAGES = {
    order: text(
        f"""
{_COLUMNS}
{_WANTED}
   AND (CAST(:after AS bigint) IS NULL
        OR ({place}) > (SELECT {place} {_SERVICES} WHERE s.id = CAST(:after AS bigint)))
 ORDER BY {place} LIMIT :size OFFSET :skip
"""
    )
    for order, place in _PLACES.items()
}


def _nearest(column: str) -> str:
    """SQL for one part of the markup in force, and for the level that it comes from: as `pricing.resolve_markup` has it."""
    levels = (("service", "s"), ("category", "c"), ("provider", "f"), ("panel", "panel"))
    value = ", ".join(f"{table}.{column}" for _, table in levels)
    return f"COALESCE({value}, 0) AS {column}"


def _nearest_level(column: str) -> str:
    levels = (("service", "s"), ("category", "c"), ("provider", "f"), ("panel", "panel"))
    cases = " ".join(f"WHEN {table}.{column} IS NOT NULL THEN '{level}'" for level, table in levels)
    return f"CASE {cases} ELSE 'none' END AS {column}_from"


_PARTS = ("markup_percent", "markup_fixed", "rounding_step")
_TERMS = text(
    f"""
WITH {PANEL_MARKUP}
SELECT w.user_id,
       CASE WHEN NOT s.enabled THEN 'disabled' WHEN s.held_reason IS NOT NULL THEN 'held'
            WHEN NOT c.enabled THEN 'category_disabled'
            WHEN s.mode = 'provider' AND f.route_id IS NULL THEN 'no_route' END,
       s.fixed_rate, {", ".join(_nearest(part) for part in _PARTS)}, {", ".join(_nearest_level(part) for part in _PARTS)},
       s.id, s.name, s.type, s.mode, c.platform, s.min, s.max, s.dripfeed, s.refill, s.refill_days, s.cancel,
       s.link_guard, s.rate, s.cost, s.allow_below_cost, {DISCOUNT}, {DISCOUNT_FROM}, cr.rate
  FROM unnest(CAST(:users AS bigint[]), CAST(:services AS bigint[])) AS w(user_id, service_id)
  JOIN services s ON s.id = w.service_id
  JOIN categories c ON c.id = s.category_id
  CROSS JOIN panel
  LEFT JOIN user_discounts d ON d.user_id = w.user_id
  LEFT JOIN custom_rates cr ON cr.user_id = w.user_id AND cr.service_id = w.service_id
  {FIRST_ROUTE_OF_ANY_CURRENCY}
"""
)
