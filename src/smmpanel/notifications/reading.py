"""Reading one's own notifications, and noting what was read."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.live import tell
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged
from smmpanel.notifications.models import Notification
from smmpanel.notifications.telling import LIVE_NAME


async def notifications_of(
    session: AsyncSession, user_id: int, *, unread: bool = False, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[Notification]:
    """Return what a user was told in the panel, newest first: everything, or what is unread."""
    row = Notification
    wanted = select(row).where(row.user_id == user_id, row.hidden.is_(False)).order_by(row.id.desc()).limit(size + 1)
    if unread:
        wanted = wanted.where(row.read_at.is_(None))
    if (key := key_from(after)) is not None:
        wanted = wanted.where(row.id < key)
    rows = (await session.scalars(wanted)).all()
    return paged(rows, size, [one.id for one in rows])


@dataclass(frozen=True, slots=True)
class Opened:
    """Where a notification leads."""

    href: str


async def open_notification(session: AsyncSession, user_id: int, notification_id: int, *, now: datetime) -> Opened:
    """Note that a user has read a notification of theirs. Raises `NotFoundError` for anybody else's."""
    row = Notification
    found = await session.scalar(
        select(row).where(row.id == notification_id, row.user_id == user_id, row.hidden.is_(False))
    )
    if found is None:
        raise NotFoundError
    if found.read_at is None:
        found.read_at = now
        await tell(session, LIVE_NAME, [user_id])
    return Opened(found.href)


async def read_all(session: AsyncSession, user_id: int, *, up_to: int, now: datetime) -> int:
    """Note that a user has read everything up to a notification, and return how many were unread until now.

    What came after the page was made stays unread.
    """
    row = Notification
    read = await session.scalars(
        update(row)
        .where(row.user_id == user_id, row.read_at.is_(None), row.id <= up_to)
        .values(read_at=now)
        .returning(row.id)
        .execution_options(synchronize_session=False)
    )
    count = len(read.all())
    if count:
        await tell(session, LIVE_NAME, [user_id])
    return count
