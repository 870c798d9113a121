"""Encrypting stock anew with the newest key of the ring."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.crypto import SecretUnreadableError, Vault
from smmpanel.kernel.logging import get_logger

BATCH = 1000

log = get_logger()

_SOME = text(
    f"SELECT id, content_sealed FROM stock_items WHERE id > :after ORDER BY id LIMIT {BATCH} FOR NO KEY UPDATE"
)
_WRITE = text(
    "UPDATE stock_items s SET content_sealed = v.content FROM unnest(CAST(:ids AS bigint[]), CAST(:contents AS bytea[]))"
    " AS v(id, content) WHERE s.id = v.id"
)


async def reseal_stock(session: AsyncSession, vault: Vault, *, after: int) -> tuple[int, int | None]:
    """Encrypt the next units after this id anew; returns how many, and the last id looked at, `None` if there are no more."""
    rows = (await session.execute(_SOME, {"after": after})).all()
    ids, contents = [], []
    for row in rows:
        try:
            vault.open(row.content_sealed)
            contents.append(vault.reseal(row.content_sealed))
            ids.append(row.id)
        except SecretUnreadableError:
            log.warning("stock_unreadable", stock_item=row.id)
    if ids:
        await session.execute(_WRITE, {"ids": ids, "contents": contents})
    return len(ids), rows[-1].id if rows else None
