"""The duplicate-link guard: at most one open order per link of a service that asks for it."""

from collections.abc import Iterable, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import ConflictError
from smmpanel.orders.drafting import Draft


class LinkInUseError(ConflictError):
    """An order on this link is still running."""

    code = "link_in_use"
    message = "You have active order with this link. Please wait until order being completed."


_LOCK = text(
    # One lock per link, in one order, so that two of us cannot cross. They end with the transaction.
    "SELECT pg_advisory_xact_lock(lock) FROM (SELECT DISTINCT hashtextextended(service_id || ' ' || guard_key, 0) AS lock"
    " FROM unnest(CAST(:services AS bigint[]), CAST(:keys AS text[])) AS asked(service_id, guard_key) ORDER BY 1) ordered"
)
_BUSY = text(
    "SELECT o.service_id, o.guard_key, o.id FROM orders o"
    " JOIN unnest(CAST(:services AS bigint[]), CAST(:keys AS text[])) AS asked(service_id, guard_key)"
    " ON o.service_id = asked.service_id AND o.guard_key = asked.guard_key"
)

GuardedLink = tuple[int, str]
"""A service's id and a link's key."""


async def busy_links(session: AsyncSession, drafts: Iterable[Draft]) -> set[GuardedLink]:
    """Lock the guarded links of some drafts and return those that an open order uses, as (service id, key)."""
    return set(
        await lock_links(
            session, [(one.order.service_id, one.guard_key) for one in drafts if one.guard_key is not None]
        )
    )


async def lock_links(session: AsyncSession, guarded: Sequence[GuardedLink]) -> dict[GuardedLink, set[int]]:
    """Lock guarded links until the transaction ends and return which open orders use them."""
    if not guarded:
        return {}
    asked = {"services": [service for service, _ in guarded], "keys": [key for _, key in guarded]}
    await session.execute(_LOCK, asked)
    users: dict[GuardedLink, set[int]] = {}
    for row in await session.execute(_BUSY, asked):
        users.setdefault((row.service_id, row.guard_key), set()).add(row.id)
    return users
