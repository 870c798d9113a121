"""Pages by number, for clients that ask for page 3 of 7; lists of our own go by cursor, which costs the same everywhere."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.paging import cursor_for
from smmpanel.orders.models import OrderStatus

_WANTED = (
    "FROM orders WHERE user_id = :user AND kind <> 'run'"
    " AND (cardinality(CAST(:statuses AS text[])) = 0 OR status = ANY(CAST(:statuses AS text[])))"
)
_COUNT = text(f"SELECT count(*) {_WANTED}")
_LAST_BEFORE = text(f"SELECT id {_WANTED} ORDER BY id DESC OFFSET :skipped LIMIT 1")


async def count_orders(session: AsyncSession, user_id: int, statuses: Sequence[OrderStatus] = ()) -> int:
    """Return how many orders a user has, the runs of drip-feeds aside; without statuses, of all."""
    asked = {"user": user_id, "statuses": [status.value for status in statuses]}
    return int(await session.scalar(_COUNT, asked) or 0)


async def cursor_of_page(
    session: AsyncSession, user_id: int, statuses: Sequence[OrderStatus], *, page: int, size: int
) -> str | None:
    """Return the cursor at which `orders_page` begins a user's page by number; the first has none.

    Beyond the end it is that of an empty page.
    """
    if page <= 1:
        return None
    skipped = (page - 1) * size - 1
    asked = {"user": user_id, "statuses": [status.value for status in statuses], "skipped": skipped}
    last = await session.scalar(_LAST_BEFORE, asked)
    return cursor_for(0 if last is None else last)
