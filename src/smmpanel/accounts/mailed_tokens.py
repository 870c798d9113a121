"""Links that are sent by e-mail: made when the mail is, kept as a keyed hash, good once and for a while."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import MailedToken
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.ids import random_text

TOKEN_LENGTH = 43
"""Letters and digits; about 256 bits."""
TYPED_MAX = 200


class Purpose(StrEnum):
    """What a link is for."""

    RESET = "reset"
    VERIFY = "verify"


LIFETIMES = {Purpose.RESET: timedelta(hours=1), Purpose.VERIFY: timedelta(days=2)}


class LinkWorthlessError(NotFoundError):
    """The link was never ours, was used, is too old, or was overtaken by what happened since: no difference is told."""

    code, message = "link_worthless", "This link has expired or was used already."


async def mint_token(
    session: AsyncSession, vault: Vault, *, user_id: int, purpose: Purpose, email: str, now: datetime
) -> str:
    """Make the token of a link that is about to be sent to an address. Only its keyed hash is stored."""
    token = random_text(TOKEN_LENGTH)
    session.add(
        MailedToken(
            user_id=user_id,
            purpose=purpose.value,
            email=email,
            token_hash=_hash(vault, purpose, token),
            expires_at=now + LIFETIMES[purpose],
        )
    )
    await session.flush()
    return token


async def find_token(
    session: AsyncSession, vault: Vault, token: str, purpose: Purpose, *, now: datetime
) -> MailedToken:
    """Return what a link stands for, leaving it good. Raises `LinkWorthlessError`."""
    return await _find(session, vault, token, purpose, now=now, lock=False)


async def use_token(session: AsyncSession, vault: Vault, token: str, purpose: Purpose, *, now: datetime) -> MailedToken:
    """Use up a link, and with it all others of the user's for the same purpose. Raises `LinkWorthlessError`.

    Of two uses at the same moment one waits for the other here, and is then refused.
    """
    # The user before the links: two links of one user, used at once, cannot wait for each other in a circle.
    owner = (await _find(session, vault, token, purpose, now=now, lock=False)).user_id
    await locked_user(session, owner)
    found = await _find(session, vault, token, purpose, now=now, lock=True)
    await session.execute(
        update(MailedToken)
        .where(
            MailedToken.user_id == found.user_id, MailedToken.purpose == purpose.value, MailedToken.used_at.is_(None)
        )
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    return found


async def _find(
    session: AsyncSession, vault: Vault, token: str, purpose: Purpose, *, now: datetime, lock: bool
) -> MailedToken:
    wanted = select(MailedToken).where(
        MailedToken.token_hash == _hash(vault, purpose, token[:TYPED_MAX]), MailedToken.purpose == purpose.value
    )
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(wanted)
    if found is None or found.used_at is not None or found.expires_at <= now:
        raise LinkWorthlessError
    return found


def _hash(vault: Vault, purpose: Purpose, token: str) -> bytes:
    return vault.keyed_hash(f"mailed-token:{purpose.value}", token)
