"""Invitations: codes that staff make, each for so many people and so long, shown once and kept as hashes."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.accounts.sign_in_models import Invitation
from smmpanel.accounts.sign_up_gate import invitation_hash
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged

CODE_LENGTH, BEGINNING = 12, 4
AT_ONCE_MAX, USES_MAX, DAYS_MAX, NOTE_MAX = 100, 10_000, 365, 100
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
COUNT_WRONG = marked("Enter a number from 1 to 100.")
USES_WRONG = marked("Enter a number from 1 to 10,000.")
DAYS_WRONG = marked("Enter a number from 1 to 365, or leave it empty.")


async def invite(
    session: AsyncSession,
    vault: Vault,
    actor: Actor,
    *,
    count: int,
    max_uses: int,
    days: int | None,
    note: str,
    now: datetime,
) -> list[str]:
    """Make invitations and return their codes, which nobody can read again. Raises `InvalidInputError`."""
    actor.require(Permission.USERS_EDIT)
    _check("count", count, AT_ONCE_MAX, COUNT_WRONG)
    _check("max_uses", max_uses, USES_MAX, USES_WRONG)
    if days is not None:
        _check("days", days, DAYS_MAX, DAYS_WRONG)
    expires_at = now + timedelta(days=days) if days is not None else None
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(CODE_LENGTH)) for _ in range(count)]
    rows = [
        Invitation(
            code_hash=invitation_hash(vault, code),
            beginning=code[:BEGINNING],
            note=note.strip()[:NOTE_MAX],
            max_uses=max_uses,
            made_by=actor.user_id,
            created_at=now,
            expires_at=expires_at,
        )
        for code in codes
    ]
    session.add_all(rows)
    await session.flush()
    made = {"invitations": count, "max_uses": max_uses, "expires_at": expires_at, "note": note.strip()[:NOTE_MAX]}
    await audit(session, actor, Permission.USERS_EDIT, f"invitation:{rows[0].id}", after=made)
    return ["-".join(code[at : at + BEGINNING] for at in range(0, CODE_LENGTH, BEGINNING)) for code in codes]


async def withdraw(session: AsyncSession, actor: Actor, invitation_id: int, *, now: datetime) -> None:
    """Have an invitation let nobody in any more. Raises `NotFoundError` if there is no such live one."""
    actor.require(Permission.USERS_EDIT)
    wanted = select(Invitation).where(Invitation.id == invitation_id, Invitation.withdrawn_at.is_(None))
    row = await session.scalar(wanted.with_for_update())
    if row is None:
        raise NotFoundError
    row.withdrawn_at = now
    await audit(session, actor, Permission.USERS_EDIT, f"invitation:{row.id}", after={"withdrawn": True})


async def list_invitations(
    session: AsyncSession, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[Invitation]:
    """Return invitations, newest first."""
    wanted = select(Invitation).order_by(Invitation.id.desc()).limit(size + 1)
    if (key := key_from(after)) is not None:
        wanted = wanted.where(Invitation.id < key)
    rows: Sequence[Invitation] = (await session.scalars(wanted)).all()
    return paged(rows, size, [row.id for row in rows])


def _check(field: str, number: int, most: int, wrong: str) -> None:
    if not 1 <= number <= most:
        raise InvalidInputError(field=field, reason=wrong)
