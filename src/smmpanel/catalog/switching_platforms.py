"""Opening and closing all categories of a platform at once: a panel can open one platform after the other."""

from collections.abc import Mapping

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.catalog.change_log import begin_change, bump_version
from smmpanel.catalog.models import Category
from smmpanel.catalog.platforms import PLATFORMS
from smmpanel.kernel.errors import NotFoundError

NONE = "none"
"""Stands for categories of no platform."""


async def switch_platform(session: AsyncSession, platform: str, *, enabled: bool, actor: Actor) -> int:
    """Open or close all categories of a platform; returns how many were the other way. Raises `NotFoundError`."""
    actor.require(Permission.SERVICES_EDIT)
    if platform not in PLATFORMS and platform != NONE:
        raise NotFoundError
    await begin_change(session)
    which = Category.platform.is_(None) if platform == NONE else Category.platform == platform
    changed = await session.scalars(
        update(Category)
        .where(which, Category.enabled.is_(not enabled))
        .values(enabled=enabled)
        .returning(Category.id)
        .execution_options(synchronize_session=False)
    )
    categories = len(changed.all())
    if categories:
        await bump_version(session)
        before: Mapping[str, object] = {"enabled": not enabled}
        after = {"enabled": enabled, "categories": categories}
        await audit(session, actor, Permission.SERVICES_EDIT, f"platform:{platform}", before=before, after=after)
    return categories
