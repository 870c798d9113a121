"""Encrypting the secrets of authenticator apps anew with the newest key of the ring."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.sign_in_models import SecondFactor
from smmpanel.kernel.crypto import SecretUnreadableError, Vault
from smmpanel.kernel.logging import get_logger

BATCH = 500

log = get_logger()


async def reseal_factors(session: AsyncSession, vault: Vault, *, after: int) -> tuple[int, int | None]:
    """Encrypt the next secrets after this user's anew; returns how many, and the last user looked at, `None` at the end."""
    wanted = select(SecondFactor).where(SecondFactor.user_id > after).order_by(SecondFactor.user_id).limit(BATCH)
    rows = (await session.scalars(wanted.with_for_update())).all()
    done = 0
    for row in rows:
        try:
            row.secret = vault.reseal(row.secret) if row.secret is not None else None
            row.waiting_secret = vault.reseal(row.waiting_secret) if row.waiting_secret is not None else None
            done += 1
        except SecretUnreadableError:
            log.warning("second_factor_unreadable", user=row.user_id)
    return done, rows[-1].user_id if rows else None
