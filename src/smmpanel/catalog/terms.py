"""Keeping a service's terms (bounds of the quantity, refill, cancel, drip-feed) in step with the route asked first.

The rule: a term that changes at the first live route is taken over, so what the owner set by hand stands until the
provider moves it. When another route becomes the first, all its terms are taken over, because orders go there now.
A provider that says nothing of a flag changes nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.change_log import Change
from smmpanel.catalog.live_routes import FIRST_ROUTE
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.catalog.upstream_lines import refill_days_in

TERMS = frozenset({"min", "max", "refill", "cancel", "dripfeed"})


@dataclass(frozen=True, slots=True)
class _Terms:
    min: int
    max: int
    refill: bool
    refill_days: int | None
    cancel: bool
    dripfeed: bool


async def first_routes(session: AsyncSession, service_ids: Iterable[int], *, currency: str) -> dict[int, int | None]:
    """Return for each service which provider's service is asked first: its id in `provider_services`, or `None`."""
    rows = await session.execute(_FIRST, {"service_ids": list(service_ids), "currency": currency})
    return {row.id: row.provider_service_id for row in rows}


async def follow_first_routes(
    session: AsyncSession,
    before: Mapping[int, int | None],
    *,
    moved: Mapping[int, Collection[str]],
    currency: str,
    now: datetime,
) -> list[Change]:
    """Take over the terms of first routes as the rule says and return what changed, leaving the log to the caller.

    `before` is what `first_routes` said earlier in this transaction, `moved` which terms of which lines changed since.
    """
    changes: list[Change] = []
    written: dict[int, _Terms] = {}
    for row in (await session.execute(_FIRST, {"service_ids": list(before), "currency": currency})).all():
        first = row.provider_service_id
        if first is None:
            continue
        another = before[row.id] is not None and before[row.id] != first
        old = _Terms(row.min, row.max, row.refill, row.refill_days, row.cancel, row.dripfeed)
        new = _followed(row, old, TERMS if another else moved.get(first, ()))
        if new != old:
            written[row.id] = new
            changes += [
                Change(row.id, field, getattr(old, field), getattr(new, field))
                for field in _Terms.__slots__
                if getattr(old, field) != getattr(new, field)
            ]
    await _write(session, written, now)
    return changes


def _followed(row: Any, old: _Terms, fields: Collection[str]) -> _Terms:
    least = row.route_min if "min" in fields else old.min
    most = row.route_max if "max" in fields else old.max
    if least > most:  # the other bound was set by hand, and no longer fits
        least, most = row.route_min, row.route_max

    def flag(name: str) -> bool:
        upstream: bool | None = getattr(row, f"route_{name}")
        before: bool = getattr(old, name)
        return before if name not in fields or upstream is None else upstream

    refill = flag("refill")
    newly = refill and not old.refill and old.refill_days is None
    kind = SERVICE_TYPES.get(row.type)
    return _Terms(
        min=least,
        max=most,
        refill=refill,
        refill_days=refill_days_in(row.route_name) if newly else old.refill_days,
        cancel=flag("cancel"),
        dripfeed=flag("dripfeed") and kind is not None and kind.dripfeed,
    )


async def _write(session: AsyncSession, written: Mapping[int, _Terms], now: datetime) -> None:
    if not written:
        return
    columns = {f"{field}_list": [getattr(one, field) for one in written.values()] for field in _Terms.__slots__}
    await session.execute(_WRITE, {"ids": list(written), "now": now, **columns})


_FIRST = text(
    f"""
SELECT s.id, s.type, s.min, s.max, s.refill, s.refill_days, s.cancel, s.dripfeed, f.provider_service_id,
       first.name AS route_name, first.min AS route_min, first.max AS route_max, first.refill AS route_refill,
       first.cancel AS route_cancel, first.dripfeed AS route_dripfeed
  FROM services s {FIRST_ROUTE}
  LEFT JOIN provider_services first ON first.id = f.provider_service_id
 WHERE s.id = ANY(CAST(:service_ids AS bigint[])) ORDER BY s.id
"""
)
_WRITE = text(
    "UPDATE services s SET min = v.min, max = v.max, refill = v.refill, refill_days = v.refill_days, cancel = v.cancel,"
    " dripfeed = v.dripfeed, updated_at = :now"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:min_list AS bigint[]), CAST(:max_list AS bigint[]), CAST(:refill_list AS boolean[]),"
    " CAST(:refill_days_list AS integer[]), CAST(:cancel_list AS boolean[]), CAST(:dripfeed_list AS boolean[]))"
    " AS v(id, min, max, refill, refill_days, cancel, dripfeed) WHERE s.id = v.id"
)
