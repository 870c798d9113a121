"""What happened to services, line by line, and the stamp that changes with everything a price list depends on."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.money import plain

_CHANGING = 0x5EC7_CA7A
"""Key of the advisory lock that writers of the catalogue take."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one service, before and after."""

    service_id: int
    field: str
    before: Any
    after: Any


async def begin_change(session: AsyncSession) -> None:
    """Wait until no other transaction changes the catalogue; each writing verb starts with it.

    Writers are few (staff, syncs) and touch many rows in many orders: one at a time they can neither deadlock nor work
    from what another is just replacing. Readers, and orders being placed, never wait for it.
    """
    await session.execute(_LOCK, {"key": _CHANGING})


async def record_changes(session: AsyncSession, changes: Iterable[Change], *, cause: str, now: datetime) -> int:
    """Write changes to the services' log and return how many there were; `cause` is a word such as `sync` or `edit`."""
    listed = list(changes)
    if listed:
        await session.execute(
            _RECORD,
            {
                "ids": [one.service_id for one in listed],
                "fields": [one.field for one in listed],
                "before": [as_json(one.before) for one in listed],
                "after": [as_json(one.after) for one in listed],
                "cause": cause,
                "now": now,
            },
        )
    return len(listed)


def as_json(value: Any) -> str:
    """Write a value as JSON, amounts as exact text."""
    return json.dumps(value, default=_amount_as_text, ensure_ascii=False)


def _amount_as_text(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"{type(value).__name__} has no place in a change log")


async def bump_version(session: AsyncSession) -> None:
    """Have every kept price list made anew."""
    await session.execute(_BUMP)


async def catalog_version(session: AsyncSession) -> str:
    """Return a stamp that differs after any change of services, categories, routes, FX, discounts, rates or providers.

    Read it before what it is to stand for: a list that is newer than its stamp is merely made once more.
    """
    return str(await session.scalar(_VERSION))


_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_RECORD = text(
    "INSERT INTO service_changes (service_id, field, before, after, cause, at)"
    " SELECT v.id, v.field, CAST(v.before AS jsonb), CAST(v.after AS jsonb), :cause, :now"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:fields AS text[]), CAST(:before AS text[]), CAST(:after AS text[]))"
    " WITH ORDINALITY AS v(id, field, before, after, place) ORDER BY v.place"
)
_BUMP = text(
    "INSERT INTO catalog_version (id, version) VALUES (1, 1)"
    " ON CONFLICT (id) DO UPDATE SET version = catalog_version.version + 1"
)
# Providers are switched on and off below this package; which of them are on belongs to the stamp all the same.
STAMP = (
    "COALESCE((SELECT version FROM catalog_version), 0) || '-' || COALESCE((SELECT"
    " left(md5(string_agg(id || ':' || enabled || ':' || currency, ',' ORDER BY id)), 12) FROM providers), '')"
)
"""The SQL expression behind `catalog_version`."""
_VERSION = text(f"SELECT {STAMP}")
