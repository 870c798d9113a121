"""Finding users for staff: by the beginning of a name or an address or by id, newest first, with what they are worth.

A page costs the same however many users and orders there are: of each user only the latest orders are looked at, and
the page says so where there are more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.states import AccountState, Role
from smmpanel.growth.tiers import TierView
from smmpanel.kernel.paging import Paged, key_from, paged
from smmpanel.web.inputs import ROW_ID_MAX

ORDERS_LOOKED_AT = 1_000
SEARCHED_MAX = 200
"""So many names, and so many addresses, that begin with what is looked for are found at most."""
COUNTED_MAX = 100
TABS: Mapping[str, str] = {
    "active": "u.state = 'active'",
    "suspended": "u.state = 'suspended'",
    "banned": "u.state = 'banned'",
    "staff": "u.role <> 'customer'",
}


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A row of the list."""

    id: int
    username: str
    email: str
    role: Role
    state: AccountState
    created_at: datetime
    balance: Decimal
    orders: int
    spent: Decimal
    """What was charged for those orders, less what was paid back."""
    has_more: bool
    """Whether there are more orders than were looked at."""
    last_seen_at: datetime | None
    tier: str | None
    """The name of their tier."""


# A drip-feed's charge stands on the order that the customer placed, and what is paid back on its runs.
WORTH = """
SELECT count(*) FILTER (WHERE few.kind <> 'run') AS orders, count(*) >= :looked_at AS has_more,
       coalesce(sum(few.charge) FILTER (WHERE few.kind <> 'run'), 0) - coalesce(sum(few.refunded), 0) AS spent
  FROM (SELECT kind, charge, refunded FROM orders WHERE user_id = {user} ORDER BY id DESC LIMIT :looked_at) few
"""
SEEN = """
SELECT greatest((SELECT max(few.last_seen_at) FROM (SELECT last_seen_at FROM login_sessions
                  WHERE user_id = {user} AND acted_by IS NULL ORDER BY id DESC LIMIT 50) few),
                (SELECT max(few.last_used_at) FROM (SELECT last_used_at FROM api_keys
                  WHERE user_id = {user} ORDER BY id DESC LIMIT 100) few)) AS last_seen_at
"""
_PAGE = f"""
SELECT u.id, u.username, u.email, u.role, u.state, u.created_at, coalesce(w.balance, 0) AS balance,
       worth.orders, worth.spent, worth.has_more, seen.last_seen_at, tier.name AS tier
  FROM (SELECT u.* FROM users u WHERE {{where}} ORDER BY u.id {{way}} LIMIT :size OFFSET :skip) u
  LEFT JOIN ledger_accounts w ON w.owner_id = u.id AND w.kind = 'wallet' AND w.currency = :currency
 CROSS JOIN LATERAL ({WORTH.format(user="u.id")}) worth
 CROSS JOIN LATERAL ({SEEN.format(user="u.id")}) seen
  LEFT JOIN user_spends counted ON counted.user_id = u.id
  LEFT JOIN LATERAL (SELECT t.name FROM tiers t WHERE t.min_spent <= coalesce(counted.spent, 0)
                      ORDER BY t.min_spent DESC LIMIT 1) tier ON true
 ORDER BY u.id {{way}}
"""
_COUNT = "SELECT count(*) FROM (SELECT FROM users u WHERE {where} LIMIT :most) few"
_IN_TIER = "EXISTS (SELECT FROM user_spends s WHERE s.user_id = u.id AND s.tier_id = :tier)"
# Whoever has spent nothing has no row, and stands in the lowest tier.
_IN_LOWEST_TIER = (
    "NOT EXISTS (SELECT FROM user_spends s JOIN tiers t ON t.id = s.tier_id WHERE s.user_id = u.id AND t.min_spent > 0)"
)
_SEARCH = text(
    "(SELECT id FROM users WHERE lower(username) LIKE :beginning ORDER BY lower(username) USING ~<~ LIMIT :most)"
    " UNION (SELECT id FROM users WHERE lower(email) LIKE :beginning ORDER BY lower(email) USING ~<~ LIMIT :most)"
    " UNION SELECT id FROM users WHERE id = :number"
)
_COUNTS = text(
    "SELECT (SELECT count(*) FROM (SELECT FROM users WHERE state = 'suspended' LIMIT :most) few) AS suspended,"
    " (SELECT count(*) FROM (SELECT FROM users WHERE state = 'banned' LIMIT :most) few) AS banned,"
    " (SELECT count(*) FROM (SELECT FROM users WHERE role <> 'customer' LIMIT :most) few) AS staff"
)


async def find_users(
    session: AsyncSession,
    *,
    tab: str,
    search: str,
    currency: str,
    after: str | None,
    size: int,
    tier: TierView | None = None,
    role: Role | None = None,
    skip: int = 0,
    oldest_first: bool = False,
) -> Paged[FoundUser]:
    """Return a page of users, newest first unless asked otherwise. The caller holds `users.view`; `skip` is for numbered pages."""
    conditions, given = await _conditions(session, tab=tab, search=search, tier=tier, role=role)
    given |= {"size": size + 1, "skip": skip, "currency": currency, "looked_at": ORDERS_LOOKED_AT}
    if (last := key_from(after)) is not None:
        given["last"] = last
        conditions.append("u.id > :last" if oldest_first else "u.id < :last")
    way = "ASC" if oldest_first else "DESC"
    statement = text(_PAGE.format(where=" AND ".join(conditions) or "true", way=way))
    rows: Sequence[FoundUser] = [
        FoundUser(**{**row, "role": Role(row["role"]), "state": AccountState(row["state"])})
        for row in (await session.execute(statement, given)).mappings()
    ]
    return paged(rows, size, [row.id for row in rows])


async def count_users(session: AsyncSession, *, tab: str, search: str, role: Role | None, most: int) -> int:
    """Return how many users `find_users` finds, counted up to `most`."""
    conditions, given = await _conditions(session, tab=tab, search=search, tier=None, role=role)
    counted = text(_COUNT.format(where=" AND ".join(conditions) or "true"))
    return int(await session.scalar(counted, {**given, "most": most}) or 0)


async def _conditions(
    session: AsyncSession, *, tab: str, search: str, tier: TierView | None, role: Role | None
) -> tuple[list[str], dict[str, Any]]:
    given: dict[str, Any] = {}
    conditions = [TABS[tab]] if tab in TABS else []
    if role is not None:
        given["role"] = role.value
        # The index of the few who are staff is used only where the statement says that it is about them.
        conditions += ["u.role = :role"] if role is Role.CUSTOMER else ["u.role <> 'customer'", "u.role = :role"]
    if tier is not None:
        given["tier"] = tier.id
        conditions.append(_IN_TIER if tier.level else _IN_LOWEST_TIER)
    if search:
        given["ids"] = await _searched(session, search)
        conditions.append("u.id = ANY(CAST(:ids AS bigint[]))")
    return conditions, given


async def _searched(session: AsyncSession, search: str) -> list[int]:
    typed = search.strip().lower().removeprefix("#")
    escaped = typed.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    number = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 20 else 0
    asked = {"beginning": f"{escaped}%", "most": SEARCHED_MAX, "number": number if number <= ROW_ID_MAX else 0}
    return list((await session.scalars(_SEARCH, asked)).all())


async def tab_counts(session: AsyncSession) -> dict[str, int]:
    """Return how many users are behind the smaller tabs, each up to `COUNTED_MAX`."""
    return dict((await session.execute(_COUNTS, {"most": COUNTED_MAX})).mappings().one())
