"""The order in which categories stand."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.catalog.change_log import begin_change, bump_version
from smmpanel.kernel.errors import NotFoundError


async def move_category(session: AsyncSession, category_id: int, place: int, *, actor: Actor) -> None:
    """Put a category at a place, counted from zero; beyond either end it becomes the first or the last."""
    actor.require(Permission.SERVICES_EDIT)
    await begin_change(session)
    order = list((await session.scalars(_ORDER)).all())
    if category_id not in order:
        raise NotFoundError
    here = order.index(category_id)
    there = max(0, min(len(order) - 1, place))
    if here == there:
        return
    order.insert(there, order.pop(here))
    # Numbered anew: imports and files may have left several at one position.
    await session.execute(_RENUMBER, {"ids": order})
    await bump_version(session)
    subject = f"category:{category_id}"
    change = {"before": {"place": here + 1}, "after": {"place": there + 1}}
    await audit(session, actor, Permission.SERVICES_EDIT, subject, **change)


_ORDER = text("SELECT id FROM categories ORDER BY position, id")
_RENUMBER = text(
    "UPDATE categories c SET position = v.place"
    " FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS v(id, place) WHERE c.id = v.id AND c.position <> v.place"
)
