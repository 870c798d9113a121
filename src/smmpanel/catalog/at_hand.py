"""What is known beside a price list: how long services take, and which of them somebody keeps at hand."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import NotFoundError


class Timing(NamedTuple):
    """How long a service has taken lately."""

    sample: int
    median_seconds: int


_TIMINGS = text(
    "SELECT service_id, sample, median_seconds FROM service_timings WHERE service_id = ANY(CAST(:ids AS bigint[]))"
)
_ONE_AT_HAND = text(
    "SELECT s.id, t.sample, t.median_seconds, s.id = :service AND EXISTS"
    " (SELECT FROM favourites f WHERE f.user_id = :user AND f.service_id = s.id) AS kept"
    " FROM unnest(CAST(:ids AS bigint[])) AS s(id) LEFT JOIN service_timings t ON t.service_id = s.id"
)
_FAVOURITES = text("SELECT service_id FROM favourites WHERE user_id = :user ORDER BY added_at DESC, service_id")
_KEEP = text(
    "INSERT INTO favourites (user_id, service_id, added_at) SELECT :user, id, :now FROM services WHERE id = :service"
    " ON CONFLICT (user_id, service_id) DO UPDATE SET added_at = favourites.added_at RETURNING service_id"
)
_DROP = text("DELETE FROM favourites WHERE user_id = :user AND service_id = :service")


async def timings(session: AsyncSession, service_ids: Sequence[int]) -> dict[int, Timing]:
    """Return how long these services take, where that was measured."""
    rows = await session.execute(_TIMINGS, {"ids": list(service_ids)})
    return {row.service_id: Timing(row.sample, row.median_seconds) for row in rows}


async def timings_and_favourite(
    session: AsyncSession, service_ids: Sequence[int], user_id: int, service_id: int
) -> tuple[dict[int, Timing], bool]:
    """Return how long these services and that one take, and whether the user keeps that one at hand, in one statement."""
    ids = list(dict.fromkeys([*service_ids, service_id]))
    rows = (await session.execute(_ONE_AT_HAND, {"ids": ids, "user": user_id, "service": service_id})).all()
    known = {row.id: Timing(row.sample, row.median_seconds) for row in rows if row.sample is not None}
    return known, any(row.kept for row in rows)


async def favourite_services(session: AsyncSession, user_id: int) -> dict[int, None]:
    """Return the services that a customer keeps at hand, the latest first."""
    return dict.fromkeys((await session.scalars(_FAVOURITES, {"user": user_id})).all())


async def keep_favourite(session: AsyncSession, user_id: int, service_id: int, *, now: datetime) -> None:
    """Keep a service at hand; twice is once. Raises `NotFoundError` if there is no such service."""
    if await session.scalar(_KEEP, {"user": user_id, "service": service_id, "now": now}) is None:
        raise NotFoundError


async def drop_favourite(session: AsyncSession, user_id: int, service_id: int) -> None:
    """Keep a service at hand no longer, if it was kept."""
    await session.execute(_DROP, {"user": user_id, "service": service_id})
