"""Steps on the way to being signed in: what a browser is given, and must bring back once and soon.

A step proves nothing to others: its token lies in a cookie of the browser that began, what belongs to it is sealed, and
the row is gone with the first use.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.sign_in_models import SignInStep
from smmpanel.kernel.crypto import SecretUnreadableError, Vault
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.ids import random_text

TOKEN_LENGTH = 43
"""Letters and digits; about 256 bits."""
TYPED_MAX = 200


class StepKind(StrEnum):
    """What a step leads to, and how long it may take."""

    SECOND = "second"
    """A first proof was right; the second one is to come."""
    OPENID = "openid"
    """The browser is at another site, which is to say who it is."""
    PASSKEY = "passkey"
    NEW_PASSKEY = "new_passkey"

    @property
    def lifetime(self) -> timedelta:
        """How long somebody may take for it."""
        return timedelta(minutes=15 if self is StepKind.OPENID else 10)


class StepOverError(PanelError):
    """The step was never ours, was used, or took too long: no difference is told."""

    code, status, message = "step_over", 409, "This took too long, or was done before. Please begin again."


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was begun and brought back."""

    user_id: int | None
    body: Mapping[str, str]
    begun_at: datetime


async def begin_step(
    session: AsyncSession,
    vault: Vault,
    kind: StepKind,
    *,
    user_id: int | None = None,
    body: Mapping[str, str] | None = None,
    now: datetime,
) -> str:
    """Begin a step and return the token that only its browser will hold."""
    token = random_text(TOKEN_LENGTH)
    session.add(
        SignInStep(
            token_hash=_hash(vault, kind, token),
            kind=kind.value,
            user_id=user_id,
            body=vault.seal(json.dumps(dict(body or {}))),
            begun_at=now,
            expires_at=now + kind.lifetime,
        )
    )
    await session.flush()
    return token


async def look_at_step(
    session: AsyncSession, vault: Vault, kind: StepKind, token: str | None, *, now: datetime
) -> Step:
    """Return a step and leave it open. Raises `StepOverError`."""
    wanted = select(SignInStep).where(SignInStep.token_hash == _hash(vault, kind, token or ""))
    return _live(vault, await session.scalar(wanted), now)


async def take_step(session: AsyncSession, vault: Vault, kind: StepKind, token: str | None, *, now: datetime) -> Step:
    """Return a step and end it: of two who bring it at once, one is refused. Raises `StepOverError`."""
    token_hash = _hash(vault, kind, token or "")
    owner = await session.scalar(select(SignInStep.user_id).where(SignInStep.token_hash == token_hash))
    if owner is not None:
        # The user before what is theirs, as everywhere.
        await locked_user(session, owner)
    taken = await session.scalar(delete(SignInStep).where(SignInStep.token_hash == token_hash).returning(SignInStep))
    return _live(vault, taken, now)


async def drop_steps(session: AsyncSession, user_id: int) -> None:
    """End all steps of a user."""
    await session.execute(delete(SignInStep).where(SignInStep.user_id == user_id))


def _live(vault: Vault, row: SignInStep | None, now: datetime) -> Step:
    if row is None or row.expires_at <= now:
        raise StepOverError
    try:
        return Step(row.user_id, json.loads(vault.open(row.body)), row.begun_at)
    except SecretUnreadableError:
        raise StepOverError from None


def _hash(vault: Vault, kind: StepKind, token: str) -> bytes:
    return vault.keyed_hash(f"sign-in-step:{kind.value}", token[:TYPED_MAX])
