"""API keys: several per user, shown once, kept as a keyed hash, found many at a time by their prefix."""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import any_, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor
from smmpanel.accounts.audit import audit
from smmpanel.accounts.models import ApiKey, User
from smmpanel.accounts.states import AccountState, refuse_inactive
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.money import LIMIT, UNIT
from smmpanel.web.addresses import address_in, normal_network

KEY_MARK = "smm_"
PREFIX_LENGTH = 12
SECRET_LENGTH = 32
KEY_LENGTH = len(KEY_MARK) + PREFIX_LENGTH + 1 + SECRET_LENGTH
KEYS_PER_USER_MAX = 50
IP_LIST_MAX = 50
NAME_MAX = 80
TOUCH_AT_MOST_EVERY = timedelta(minutes=1)

_SHAPE = re.compile(rf"{KEY_MARK}([A-Za-z0-9]{{{PREFIX_LENGTH}}})_[A-Za-z0-9]{{{SECRET_LENGTH}}}", re.ASCII)


class InvalidApiKeyError(PanelError):
    """The key is malformed, unknown or revoked: no difference is told."""

    code, status, message = "invalid_api_key", 401, "Invalid API key"


class AddressNotAllowedError(PanelError):
    """The key may not be used from this address."""

    code, status, message = "address_not_allowed", 403, "This API key may not be used from your address."


class TooManyKeysError(ConflictError):
    """The user has as many live keys as one may have."""

    code, message = "too_many_keys", "There can be {limit} API keys. Revoke one first."


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """A key as somebody presents it: where to look, and what must be found there."""

    prefix: str
    key_hash: bytes


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A stored key and the account behind it."""

    key_id: int
    user_id: int
    username: str
    key_hash: bytes
    ip_list: tuple[str, ...]
    daily_spend_cap: Decimal | None
    state: AccountState
    revoked: bool
    last_used_at: datetime | None = None

    def is_touch_due(self, now: datetime) -> bool:
        """Whether its use is worth a note: the last one is older than what `touch_keys` keeps apart."""
        return self.last_used_at is None or self.last_used_at < now - TOUCH_AT_MOST_EVERY


class KeyHasher:
    """Turns presented keys into claims; made once per process, since deriving its key is the slow part."""

    def __init__(self, vault: Vault) -> None:
        self._key = vault.derive("api-key")

    def claim(self, text: str) -> KeyClaim | None:
        """Read a key; `None` if it has not the shape of one."""
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            return None
        return KeyClaim(shape[1], hmac.digest(self._key, text.encode("ascii"), "sha256"))


async def find_keys(session: AsyncSession, prefixes: Sequence[str]) -> dict[str, KeyHolder]:
    """Look up many keys and their accounts in one statement; prefixes that nobody has are absent from the answer."""
    found = await session.execute(_FIND, {"prefixes": list(prefixes)})
    return {prefix: holder_from(holder) for prefix, *holder in found}


def holder_from(row: Sequence[Any]) -> KeyHolder:
    """Read the `HOLDER_COLUMNS`."""
    key_id, user_id, username, key_hash, ip_list, daily_spend_cap, state, revoked, last_used_at = row
    return KeyHolder(
        key_id=key_id,
        user_id=user_id,
        username=username,
        key_hash=key_hash,
        ip_list=tuple(ip_list),
        daily_spend_cap=daily_spend_cap,
        state=AccountState(state),
        revoked=revoked,
        last_used_at=last_used_at,
    )


def holder_for(holders: Mapping[str, KeyHolder], claim: KeyClaim | None, ip: str) -> KeyHolder:
    """Return whom a claim stands for, or raise why it is refused: the key first, then the account, then the address."""
    holder = holders.get(claim.prefix) if claim is not None else None
    if claim is None or holder is None or not hmac.compare_digest(holder.key_hash, claim.key_hash) or holder.revoked:
        raise InvalidApiKeyError
    refuse_inactive(holder.state)
    if holder.ip_list and not address_in(ip, holder.ip_list):
        raise AddressNotAllowedError
    return holder


async def touch_keys(session: AsyncSession, key_ids: Sequence[int], now: datetime) -> None:
    """Note that keys were used, at most once a minute each; a key that somebody else is noting is left to them."""
    stale = (
        select(ApiKey.id)
        .where(
            ApiKey.id == any_(literal(list(key_ids), ARRAY(BIGINT))),
            or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now - TOUCH_AT_MOST_EVERY),
        )
        .order_by(ApiKey.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    await session.execute(
        update(ApiKey)
        .where(ApiKey.id.in_(stale.scalar_subquery()))
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )


async def issue_key(  # noqa: PLR0917 - a key has this many parts, and callers name them
    session: AsyncSession,
    vault: Vault,
    user: User,
    name: str,
    ip_list: Sequence[str] = (),
    daily_spend_cap: Decimal | None = None,
    *,
    actor: Actor | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for a user. Returns its row and its text, which nobody can show again."""
    if actor is not None:
        actor.require_own_sign_in()
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX:
        raise InvalidInputError(field="name", reason=marked("has 1 to {most} characters"), most=NAME_MAX)
    networks = _networks(ip_list)
    _check_cap(daily_spend_cap)
    # Issuing for one user happens one at a time, or two calls could both see room for one more key.
    await session.execute(select(User.id).where(User.id == user.id).with_for_update(key_share=True))
    live = await session.scalar(
        select(func.count()).select_from(ApiKey).where(ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None))
    )
    if (live or 0) >= KEYS_PER_USER_MAX:
        raise TooManyKeysError(limit=KEYS_PER_USER_MAX)
    prefix = random_text(PREFIX_LENGTH)
    text = f"{KEY_MARK}{prefix}_{random_text(SECRET_LENGTH)}"
    key = ApiKey(
        user_id=user.id,
        name=name,
        prefix=prefix,
        key_hash=vault.keyed_hash("api-key", text),
        ip_list=networks,
        daily_spend_cap=daily_spend_cap,
    )
    session.add(key)
    await session.flush()
    if actor is not None:
        after = {"user_id": user.id, "name": name, "ip_list": networks, "daily_spend_cap": daily_spend_cap}
        await audit(session, actor, "api_keys.issue", f"api_key:{key.id}", after=after)
    return key, text


async def list_keys(session: AsyncSession, user_id: int, *, with_revoked: bool = False) -> Sequence[ApiKey]:
    """Return a user's keys, oldest first."""
    wanted = select(ApiKey).where(ApiKey.user_id == user_id).order_by(ApiKey.id)
    if not with_revoked:
        wanted = wanted.where(ApiKey.revoked_at.is_(None))
    return (await session.scalars(wanted)).all()


async def revoke_key(
    session: AsyncSession, user_id: int, key_id: int, *, now: datetime, actor: Actor | None = None
) -> None:
    """End a user's key for good, at once. Raises `NotFoundError` if the user has no such live key."""
    revoked = await session.scalar(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(ApiKey.id)
    )
    if revoked is None:
        raise NotFoundError
    if actor is not None:
        await audit(session, actor, "api_keys.revoke", f"api_key:{key_id}", after={"user_id": user_id})


def _networks(ip_list: Sequence[str]) -> list[str]:
    if len(ip_list) > IP_LIST_MAX:
        raise InvalidInputError(field="ip_list", reason=marked("has at most {most} entries"), most=IP_LIST_MAX)
    networks: list[str] = []
    for entry in ip_list:
        network = normal_network(entry)
        if network is None:
            raise InvalidInputError(field="ip_list", reason=marked("holds something that is no address and no network"))
        if network not in networks:
            networks.append(network)
    return networks


def _check_cap(cap: Decimal | None) -> None:
    if cap is None:
        return
    if not cap.is_finite() or not 0 < cap < LIMIT:
        raise InvalidInputError(field="daily_spend_cap", reason=marked("is an amount above zero"))
    if cap % UNIT:
        raise InvalidInputError(field="daily_spend_cap", reason=marked("has at most six decimals"))


HOLDER_COLUMNS = "k.id, k.user_id, u.username, k.key_hash, k.ip_list, k.daily_spend_cap, u.state, k.revoked_at IS NOT NULL, k.last_used_at"
"""The SQL of a key's holder, where `k` is the key and `u` its owner."""
_FIND = text(
    f"SELECT k.prefix, {HOLDER_COLUMNS} FROM api_keys k JOIN users u ON u.id = k.user_id"
    " WHERE k.prefix = ANY (CAST(:prefixes AS text[]))"
)
