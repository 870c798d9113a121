"""Finding categories by name and making those that are missing, many at once."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def ensure_categories(session: AsyncSession, platforms: Mapping[str, str | None]) -> dict[str, int]:
    """Return the ids of categories by the names given; new ones go last, in the order given, with these platforms."""
    names = list(platforms)
    if not names:
        return {}
    await session.execute(_INSERT, {"names": names, "platforms": list(platforms.values())})
    # The database folds case by rules of its own, so it does the matching.
    return {row.name: row.id for row in await session.execute(_FIND, {"names": names})}


async def category_named(session: AsyncSession, name: str) -> int | None:
    """Return the id of the category of this name, in any case."""
    found = await session.execute(_FIND, {"names": [name]})
    return next((int(row.id) for row in found), None)


_INSERT = text(
    "INSERT INTO categories (name, platform, position)"
    " SELECT v.name, v.platform, (SELECT COALESCE(max(position), 0) FROM categories) + v.place"
    " FROM unnest(CAST(:names AS text[]), CAST(:platforms AS text[])) WITH ORDINALITY AS v(name, platform, place)"
    " WHERE NOT EXISTS (SELECT FROM categories c WHERE lower(c.name) = lower(v.name))"
    " ORDER BY v.place ON CONFLICT DO NOTHING"
)
_FIND = text(
    "SELECT v.name, c.id FROM unnest(CAST(:names AS text[])) AS v(name) JOIN categories c ON lower(c.name) = lower(v.name)"
)
