"""Finding orders, users and services by whatever staff have at hand, at a cost that does not grow with how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.catalog.change_log import catalog_version
from smmpanel.catalog.kept_lists import folded
from smmpanel.catalog.staff.listing import literal
from smmpanel.orders.on_links import orders_on

FOUND_MAX = 8
"""Of each kind: whoever needs more looks in its own list."""
SEARCH_MAX = 200
PREFIX_MIN = 2
POST_DIGITS_MIN = 9
EXTERNAL_ID_MAX = 100
_ID_MAX = 2**63 - 1

# Each branch has an index: the primary key, the ids at each provider; those on a link were found by theirs.
_ORDERS = text(
    """
SELECT o.id, o.status, o.unconfirmed, o.link, o.external_id, o.created_at, u.username, s.name AS service
  FROM (SELECT id FROM orders WHERE id = :number
        UNION
        SELECT o.id FROM providers p JOIN orders o ON o.provider_id = p.id AND o.external_id = :name
        UNION
        SELECT unnest(CAST(:linked AS bigint[]))) found
  JOIN orders o ON o.id = found.id JOIN users u ON u.id = o.user_id JOIN services s ON s.id = o.service_id
 ORDER BY o.id DESC LIMIT :most
"""
)
_USERS = text(
    """
SELECT id, username, email, role, state
  FROM (SELECT * FROM users WHERE id = :number
        UNION
        (SELECT * FROM users WHERE lower(username) LIKE :prefix ORDER BY lower(username) LIMIT :most)
        UNION
        (SELECT * FROM users WHERE lower(email) LIKE :prefix ORDER BY lower(email) LIMIT :most)) found
 ORDER BY id <> :number, lower(username) LIMIT :most
"""
)
_ALL_SERVICES = text(
    "SELECT s.id, s.name, c.name AS category, c.platform, s.enabled FROM services s"
    " JOIN categories c ON c.id = s.category_id ORDER BY s.id"
)


class FoundOrder(NamedTuple):
    """An order that was found."""

    id: int
    status: str
    unconfirmed: bool
    link: str
    external_id: str | None
    created_at: datetime
    username: str
    service: str


class FoundUser(NamedTuple):
    """A user that was found."""

    id: int
    username: str
    email: str
    role: str
    state: str


class FoundService(NamedTuple):
    """A service that was found."""

    id: int
    name: str
    category: str
    platform: str | None
    enabled: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to, as far as its viewer may see it."""

    orders: Sequence[FoundOrder] = ()
    users: Sequence[FoundUser] = ()
    services: Sequence[FoundService] = ()

    @property
    def nothing(self) -> bool:
        """Whether there is none of anything."""
        return not (self.orders or self.users or self.services)


class ServiceNames:
    """The names of all services, kept in memory for as long as the catalogue is the same."""

    def __init__(self) -> None:
        self._version = ""
        self._rows: list[tuple[str, FoundService]] = []

    async def find(self, session: AsyncSession, search: str, number: int) -> list[FoundService]:
        """Return services with this id, or with all these words in their names."""
        version = await catalog_version(session)
        if version != self._version:
            rows = [FoundService(*row) for row in await session.execute(_ALL_SERVICES)]
            self._rows = [(folded(row.name), row) for row in rows]
            self._version = version
        words = folded(search).split()
        by_id = [row for _, row in self._rows if row.id == number]
        by_name = (row for name, row in self._rows if row.id != number and all(word in name for word in words))
        return by_id + [row for row, _ in zip(by_name, range(FOUND_MAX - len(by_id)), strict=False)]


async def search_everything(
    session: AsyncSession, viewer: Viewer, search: str, names: ServiceNames, *, orders: int = FOUND_MAX
) -> Found:
    """Find what the viewer may see: orders by id, id at a provider, link or name in it; users and services by id or name.

    `orders` is how many orders at most: the newest.
    """
    search = search.strip()[:SEARCH_MAX]
    bare = search.removeprefix("#").strip()
    number = int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 20 and int(bare) <= _ID_MAX else 0
    if not number and len(bare) < PREFIX_MIN:
        return Found()
    found = Found()
    if viewer.may(Permission.ORDERS_VIEW):
        # A short number is the number of an order; posts and videos have long ones.
        is_link = not number or len(bare) >= POST_DIGITS_MIN
        linked = await orders_on(session, bare, most=orders, beginnings=not number) if is_link else []
        asked = {"number": number, "name": bare[:EXTERNAL_ID_MAX], "linked": linked, "most": orders}
        rows = await session.execute(_ORDERS, asked)
        found = replace(found, orders=[FoundOrder(*row) for row in rows])
    if viewer.may(Permission.USERS_VIEW):
        people = {"number": number, "prefix": literal(bare.lower()) + "%", "most": FOUND_MAX}
        found = replace(found, users=[FoundUser(*row) for row in await session.execute(_USERS, people)])
    if viewer.may(Permission.SERVICES_VIEW):
        found = replace(found, services=await names.find(session, bare, number))
    return found
