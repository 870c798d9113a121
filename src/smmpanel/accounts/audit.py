"""The audit log: every verb of staff leaves a line in the transaction in which it acts."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import AuditEntry
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged


async def audit(
    session: AsyncSession,
    actor: Actor,
    permission: str,
    subject: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down who did what to `subject` (such as `order:12`), and what changed. Secrets must not be passed in.

    What a member of staff does while signed in as somebody is written down as theirs.
    """
    session.add(
        AuditEntry(
            actor_id=actor.user_id if actor.acted_by is None else actor.acted_by,
            actor_kind=actor.kind,
            permission=str(permission),
            subject=subject,
            before=None if before is None else to_jsonable_python(dict(before)),
            after=None if after is None else to_jsonable_python(dict(after)),
            ip=actor.ip,
        )
    )


async def audit_trail(
    session: AsyncSession, *, subject: str | None = None, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[AuditEntry]:
    """Return the log, newest first, of one subject or of all."""
    wanted = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(size + 1)
    if subject is not None:
        wanted = wanted.where(AuditEntry.subject == subject)
    if (key := key_from(after)) is not None:
        wanted = wanted.where(AuditEntry.id < key)
    rows: Sequence[AuditEntry] = (await session.scalars(wanted)).all()
    return paged(rows, size, [row.id for row in rows])
