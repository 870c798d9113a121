"""Keeping track of when a provider's catalogue was last taken over."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import NotFoundError
from smmpanel.providers.models import Provider


async def begin_sync(session: AsyncSession, provider_id: int, asked_at: datetime) -> bool:
    """Wait until no other transaction syncs this provider; `False` if a list asked for no earlier was taken over already."""
    wanted = select(Provider.id, Provider.synced_at).where(Provider.id == provider_id).with_for_update(key_share=True)
    found = (await session.execute(wanted)).one_or_none()
    if found is None:
        raise NotFoundError
    return found.synced_at is None or found.synced_at < asked_at


async def note_synced(session: AsyncSession, provider_id: int, asked_at: datetime) -> None:
    """Write down that the list asked for at this moment was taken over."""
    await session.execute(
        update(Provider)
        .where(Provider.id == provider_id)
        .values(synced_at=asked_at)
        .execution_options(synchronize_session=False)
    )
