"""Who calls the JSON API where a program may do what its owner does: somebody who is signed in, or an API key.

Accounts, keys and staff deeds depend on `CurrentViewer`, which takes no key; what resellers do, on `CurrentCaller`.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import Depends
from fastapi.security import APIKeyHeader
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.api_keys import (
    KEY_MARK,
    InvalidApiKeyError,
    KeyClaim,
    KeyHasher,
    find_keys,
    holder_for,
    touch_keys,
)
from smmpanel.accounts.current import BearerToken, count_call, signed_in
from smmpanel.accounts.models import User
from smmpanel.accounts.states import Role
from smmpanel.web.origins import address_of
from smmpanel.web.transactions import panel_of

_key_header = APIKeyHeader(
    name="X-API-Key",
    auto_error=False,
    scheme_name="ApiKey",
    description="An API key, as made on the page of the reseller API or by `POST /api/keys`; `Authorization: Bearer` takes "
    "it as well. It orders and reads as its owner, within its addresses, its daily cap and its rate.",
)
KeyHeader = Annotated[str | None, Depends(_key_header)]


@dataclass(frozen=True, slots=True)
class KeyCaller(Viewer):
    """The owner of an API key, as far as the key goes: a customer without any permission."""

    daily_spend_cap: Decimal | None = None


async def calling(request: Request, bearer: BearerToken, key: KeyHeader) -> Viewer:
    """Return who is calling. Raises what `signed_in` raises, and for a key that it is none, may not be used from here, or not yet."""
    text = key if key is not None else bearer.credentials if bearer is not None else ""
    if key is None and not text.startswith(KEY_MARK):
        return await signed_in(request, bearer)
    panel = panel_of(request)
    claim = KeyHasher(panel.vault).claim(text.strip())
    if claim is None:
        raise InvalidApiKeyError
    count_call(request, claim.prefix)
    async with panel.db.transaction() as session:
        caller = await _holder_of(session, claim, ip=address_of(request), now=panel.clock())
    request.state.user_language = caller.language
    return caller


async def _holder_of(session: AsyncSession, claim: KeyClaim, *, ip: str, now: datetime) -> KeyCaller:
    holder = holder_for(await find_keys(session, [claim.prefix]), claim, ip)
    if holder.is_touch_due(now):
        await touch_keys(session, [holder.key_id], now)
    profile = await session.execute(select(User.email, User.language, User.time_zone).where(User.id == holder.user_id))
    email, language, time_zone = profile.one()
    return KeyCaller(
        kind="user",
        user_id=holder.user_id,
        username=holder.username,
        role=Role.CUSTOMER,
        permissions=frozenset(),
        api_key_id=holder.key_id,
        ip=ip,
        email=email,
        language=language,
        time_zone=time_zone,
        daily_spend_cap=holder.daily_spend_cap,
    )


CurrentCaller = Annotated[Viewer, Depends(calling)]
"""Whoever may order and read for themselves: signed in, or by a key."""


def spend_cap_of(caller: Viewer) -> Decimal | None:
    """Return what may be spent in a day by the key that is calling; nothing limits who is signed in."""
    return caller.daily_spend_cap if isinstance(caller, KeyCaller) else None
