"""Our copy of providers' catalogues, line by line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.providers.protocol import UpstreamService


@dataclass(frozen=True, slots=True)
class Stored:
    """How many lines were new, and how many known ones read differently."""

    new: int
    changed: int


async def store_lines(
    session: AsyncSession, provider_id: int, lines: Sequence[UpstreamService], *, now: datetime
) -> Stored:
    """Keep these lines of a provider's list as last seen; a line that is seen has missed nothing."""
    if not lines:
        return Stored(0, 0)
    given = {
        "provider_id": provider_id,
        "external_ids": [line.external_id for line in lines],
        "names": [line.name for line in lines],
        "categories": [line.category for line in lines],
        "types": [line.type for line in lines],
        "rates": [line.rate for line in lines],
        "mins": [line.min for line in lines],
        "maxs": [line.max for line in lines],
        "refills": [line.refill for line in lines],
        "cancels": [line.cancel for line in lines],
        "dripfeeds": [line.dripfeed for line in lines],
        "descriptions": [line.description for line in lines],
        "now": now,
    }
    counts = (await session.execute(_STORE, given)).one()
    return Stored(counts.new, counts.changed)


# Two statements in one: known lines that read differently are updated, unknown ones inserted; both counts come back.
_STORE = text(
    """
WITH v AS (
    SELECT * FROM unnest(CAST(:external_ids AS text[]), CAST(:names AS text[]), CAST(:categories AS text[]),
        CAST(:types AS text[]), CAST(:rates AS numeric[]), CAST(:mins AS bigint[]), CAST(:maxs AS bigint[]),
        CAST(:refills AS boolean[]), CAST(:cancels AS boolean[]), CAST(:dripfeeds AS boolean[]),
        CAST(:descriptions AS text[]))
        WITH ORDINALITY AS v(external_id, name, category, type, rate, min, max, refill, cancel, dripfeed, description, place)
),
changed AS (
    UPDATE provider_services ps
       SET name = v.name, category = v.category, type = v.type, rate = v.rate, min = v.min, max = v.max,
           refill = v.refill, cancel = v.cancel, dripfeed = v.dripfeed, description = v.description,
           misses = 0, seen_at = :now
      FROM v
     WHERE ps.provider_id = :provider_id AND ps.external_id = v.external_id
       AND (ps.name, ps.category, ps.type, ps.rate, ps.min, ps.max, ps.refill, ps.cancel, ps.dripfeed, ps.description,
            ps.misses)
           IS DISTINCT FROM (v.name, v.category, v.type, v.rate, v.min, v.max, v.refill, v.cancel, v.dripfeed,
            v.description, 0)
    RETURNING 1
),
new AS (
    INSERT INTO provider_services (provider_id, external_id, name, category, type, rate, min, max, refill, cancel,
                                   dripfeed, description, seen_at)
    SELECT :provider_id, v.external_id, v.name, v.category, v.type, v.rate, v.min, v.max, v.refill, v.cancel,
           v.dripfeed, v.description, :now
      FROM v
     WHERE NOT EXISTS (SELECT FROM provider_services ps
                        WHERE ps.provider_id = :provider_id AND ps.external_id = v.external_id)
     ORDER BY v.place
    ON CONFLICT (provider_id, external_id) DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM new) AS new, (SELECT count(*) FROM changed) AS changed
"""
)
