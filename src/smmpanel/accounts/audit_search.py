"""Looking through the audit log: by who, by which permission, by what was changed. Each has an index of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.models import AuditEntry, User
from smmpanel.kernel.paging import PAGE_SIZE, Paged, key_from, paged

OWN_KINDS = ("cli", "system")
"""Who acts without being a user: the command line, and the panel itself."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which deeds are wanted; what is empty or `None` means all."""

    actor_id: int | None = None
    actor_kind: str = ""
    permission: str = ""
    subject: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether all are wanted."""
        return self == AuditFilter()


@dataclass(frozen=True, slots=True)
class ChangedValue:
    """One value of what was changed: what it was, and what it became. `None` on a side that did not have it."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One deed, with the name of whoever did it."""

    id: int
    at: datetime
    actor_id: int | None
    actor_kind: str
    username: str | None
    permission: str
    subject: str
    changes: tuple[ChangedValue, ...]
    ip: str | None


async def find_audit_lines(
    session: AsyncSession, wanted: AuditFilter, *, after: str | None = None, size: int = PAGE_SIZE
) -> Paged[AuditLine]:
    """Return a page of deeds, newest first. The caller holds `audit.view`."""
    entry = AuditEntry
    found = select(entry, User.username).outerjoin(User, User.id == entry.actor_id)
    if wanted.actor_id is not None:
        found = found.where(entry.actor_id == wanted.actor_id)
    if wanted.actor_kind:
        # Nobody's id is part of the index of actors; their kind alone is not.
        found = found.where(entry.actor_id.is_(None), entry.actor_kind == wanted.actor_kind)
    if wanted.permission:
        found = found.where(entry.permission == wanted.permission)
    if wanted.subject:
        found = found.where(entry.subject == wanted.subject)
    if (key := key_from(after)) is not None:
        found = found.where(entry.id < key)
    rows = await session.execute(found.order_by(entry.id.desc()).limit(size + 1))
    lines = [
        AuditLine(
            one.id,
            one.at,
            one.actor_id,
            one.actor_kind,
            username,
            one.permission,
            one.subject,
            changed_values(one.before, one.after),
            one.ip,
        )
        for one, username in rows
    ]
    return paged(lines, size, [line.id for line in lines])


def changed_values(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[ChangedValue, ...]:
    """Return what is different after a deed, name by name; what stayed as it was is left out."""
    was, now = before or {}, after or {}
    names = dict.fromkeys([*was, *now])
    return tuple(ChangedValue(name, was.get(name), now.get(name)) for name in names if was.get(name) != now.get(name))
