"""Rate and concurrency of each provider, shared by all workers through PostgreSQL.

A worker takes a lease of some calls in its own, short transaction, makes the calls with none open, and gives them back.
The order of locks: health rows, leases, throttle. So a transaction that records what came of calls and takes new ones
does it in the order `record_calls`, `give_back`, `take_calls`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import NotFoundError
from smmpanel.providers.bucket import Bucket, calls_left, is_due, is_waiting, slots_kept

SLOT_RETRY_SECONDS = 0.25
"""When to look again if all calls that may be in flight are: most answers take longer, some less."""

_EMPTY_SINCE = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to have so many calls in flight at a provider, until it is given back or lapses."""

    id: int
    provider_id: int
    calls: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Throttle:
    enabled: bool
    paused_at: datetime | None
    last_success_at: datetime | None
    rate_per_minute: int | None
    concurrency: int
    tokens: Decimal
    refilled_at: datetime
    blocked_until: datetime | None
    patient_since: datetime | None

    def is_closed(self, *, urgent: bool, probing: bool) -> bool:
        """Whether no call may be made until somebody changes that.

        A provider that is paused but has answered since (it is out of funds, say) may still be asked about orders.
        """
        if probing:
            return False
        if not self.enabled:
            return True
        if self.paused_at is None:
            return False
        return urgent or self.last_success_at is None or self.last_success_at <= self.paused_at

    def is_blocked(self, now: datetime) -> bool:
        return self.blocked_until is not None and self.blocked_until > now

    def bucket(self, now: datetime) -> Bucket | None:
        if self.rate_per_minute is None:
            return None
        return Bucket(self.rate_per_minute, self.tokens, self.refilled_at).at(now)

    def slots(self, now: datetime, *, urgent: bool) -> int:
        return self.concurrency - slots_kept(
            self.concurrency,
            limited=self.rate_per_minute is not None,
            urgent=urgent,
            waiting=is_waiting(self.patient_since, now),
            due=is_due(self.patient_since, now),
        )


_COLUMNS = (
    "SELECT p.enabled, p.paused_at, p.last_success_at, p.rate_per_minute, p.concurrency,"
    " t.tokens, t.refilled_at, t.blocked_until, t.patient_since"
    " FROM provider_throttles t JOIN providers p ON p.id = t.provider_id WHERE t.provider_id = :provider_id"
)
_READ = text(_COLUMNS)
_LOCK = text(_COLUMNS + " FOR NO KEY UPDATE OF t")
_OPEN = text(
    "INSERT INTO provider_throttles (provider_id, tokens, refilled_at)"
    " SELECT id, 0, :since FROM providers WHERE id = :provider_id ON CONFLICT DO NOTHING"
)
# After the lock, in a statement of its own: only so does it see the leases of whoever held the lock before. Lapsed rows
# that somebody is just giving back are skipped, since he may be waiting for the throttle that we hold.
_TAKE = text("""
WITH busy AS (
    SELECT coalesce(sum(calls), 0) AS calls FROM provider_leases
    WHERE provider_id = :provider_id AND expires_at > :now
), lapsed AS (
    DELETE FROM provider_leases WHERE id IN (
        SELECT id FROM provider_leases
        WHERE provider_id = :provider_id AND (expires_at <= :now OR calls = 0) FOR UPDATE SKIP LOCKED)
), lease AS (
    INSERT INTO provider_leases (provider_id, calls, expires_at)
    SELECT :provider_id, least(:most, :slots - calls), :expires_at FROM busy WHERE least(:most, :slots - calls) > 0
    RETURNING id, calls
), spent AS (
    UPDATE provider_throttles SET tokens = :tokens - :price * lease.calls, refilled_at = :refilled_at,
           patient_since = CASE WHEN :urgent THEN patient_since END
    FROM lease WHERE provider_id = :provider_id AND (:price > 0 OR (NOT :urgent AND patient_since IS NOT NULL))
)
SELECT id, calls FROM lease
""")
_BE_PATIENT = text("UPDATE provider_throttles SET patient_since = :now WHERE provider_id = :provider_id")
_GIVE_BACK = text("UPDATE provider_leases SET calls = greatest(calls - :calls, 0) WHERE id = :lease_id")
_GIVE_BACK_UNUSED = text("""
WITH lease AS (
    UPDATE provider_leases SET calls = greatest(calls - :calls, 0) WHERE id = :lease_id RETURNING provider_id
)
UPDATE provider_throttles t SET tokens = t.tokens + :calls
FROM lease JOIN providers p ON p.id = lease.provider_id
WHERE t.provider_id = lease.provider_id AND p.rate_per_minute IS NOT NULL
""")
_RENEW = text(
    "UPDATE provider_leases SET expires_at = :expires_at WHERE id = :lease_id AND expires_at > :now RETURNING id"
)
_IN_FLIGHT = text(
    "SELECT coalesce(sum(calls), 0) FROM provider_leases WHERE provider_id = :provider_id AND expires_at > :now"
)

_BLOCK = text(
    "UPDATE provider_throttles SET blocked_until = greatest(coalesce(blocked_until, :until), :until)"
    " WHERE provider_id = :provider_id"
)


async def open_throttle(session: AsyncSession, provider_id: int) -> None:
    """Give a provider its throttle, with a full bucket; harmless to repeat."""
    await session.execute(_OPEN, {"provider_id": provider_id, "since": _EMPTY_SINCE})


async def take_calls(
    session: AsyncSession,
    provider_id: int,
    *,
    wanted: int,
    urgent: bool,
    now: datetime,
    lease_seconds: float,
    probing: bool = False,
) -> Lease | None:
    """Take up to `wanted` calls, to be made within `lease_seconds`, or `None` if there are none to be had now.

    Urgent calls (those that hand in orders) go first: the others leave them half of a limited rate and a part of the
    calls in flight, until they have stood back for `PATIENCE_SECONDS`. `probing` asks even a paused or disabled
    provider. Two statements, and a lock on the provider's throttle until the transaction ends.
    """
    assert wanted > 0, "nobody asks for no calls"
    throttle = await _locked(session, provider_id)
    if throttle.is_closed(urgent=urgent, probing=probing) or throttle.is_blocked(now):
        return None
    bucket = throttle.bucket(now)
    due = is_due(throttle.patient_since, now)
    most = wanted if bucket is None else min(wanted, calls_left(bucket, urgent=urgent, due=due))
    expires_at = now + timedelta(seconds=lease_seconds)
    row: Row[Any] | None = None
    if most > 0:
        taken = await session.execute(
            _TAKE,
            {
                "provider_id": provider_id,
                "now": now,
                "most": most,
                "slots": throttle.slots(now, urgent=urgent),
                "expires_at": expires_at,
                "tokens": throttle.tokens if bucket is None else bucket.tokens,
                "refilled_at": throttle.refilled_at if bucket is None else bucket.refilled_at,
                "price": 0 if bucket is None else 1,
                "urgent": urgent,
            },
        )
        row = taken.one_or_none()
    if row is None:
        if not urgent:
            await _stand_back(session, provider_id, throttle.patient_since, now)
        return None
    return Lease(row.id, provider_id, row.calls, expires_at)


async def next_free_at(
    session: AsyncSession, provider_id: int, *, urgent: bool, now: datetime, probing: bool = False
) -> datetime | None:
    """Return when calls may be had again, as far as can be told; `None` while the provider is paused or disabled."""
    row = (await session.execute(_READ, {"provider_id": provider_id})).one_or_none()
    if row is None:
        return now
    throttle = _Throttle(*row)
    if throttle.is_closed(urgent=urgent, probing=probing):
        return None
    free_at = max(now, throttle.blocked_until or now)
    soon = now + timedelta(seconds=SLOT_RETRY_SECONDS)
    bucket = throttle.bucket(now)
    if bucket is not None:
        due = is_due(throttle.patient_since, now)
        if not calls_left(bucket, urgent=urgent, due=due):
            kept = Decimal(due) if urgent else Decimal(0) if due else bucket.kept_for_orders
            # A bucket of one is never full enough to keep something: then it is over when somebody has had his turn.
            free_at = max(free_at, bucket.full_enough_at(min(kept + 1, Decimal(bucket.capacity))), soon)
    in_flight = await session.scalar(_IN_FLIGHT, {"provider_id": provider_id, "now": now})
    if in_flight is not None and in_flight >= throttle.slots(now, urgent=urgent):
        free_at = max(free_at, soon)
    return free_at


async def give_back(session: AsyncSession, lease_id: int, calls: int, *, unused: bool = False) -> None:
    """Say that so many calls of a lease are over.

    `unused` says that they were never made, and gives their share of the rate back too: only in the transaction in which
    they were taken, or the rate could be exceeded later.
    """
    if calls > 0:
        statement = _GIVE_BACK_UNUSED if unused else _GIVE_BACK
        await session.execute(statement, {"lease_id": lease_id, "calls": calls})


async def renew(session: AsyncSession, lease_id: int, *, now: datetime, lease_seconds: float) -> bool:
    """Keep a lease for longer; `False` if it has lapsed already, and its calls may be others' by now."""
    values = {"lease_id": lease_id, "now": now, "expires_at": now + timedelta(seconds=lease_seconds)}
    return (await session.execute(_RENEW, values)).one_or_none() is not None


async def block_until(session: AsyncSession, provider_id: int, until: datetime) -> None:
    """Let no worker call the provider before then; an earlier moment than is set already changes nothing."""
    await session.execute(_BLOCK, {"provider_id": provider_id, "until": until})


async def _locked(session: AsyncSession, provider_id: int) -> _Throttle:
    row = (await session.execute(_LOCK, {"provider_id": provider_id})).one_or_none()
    if row is None:
        await open_throttle(session, provider_id)
        row = (await session.execute(_LOCK, {"provider_id": provider_id})).one_or_none()
    if row is None:
        raise NotFoundError
    return _Throttle(*row)


async def _stand_back(session: AsyncSession, provider_id: int, since: datetime | None, now: datetime) -> None:
    """Note that a call which is not urgent found nothing, unless others have been waiting already."""
    if not is_waiting(since, now):
        await session.execute(_BE_PATIENT, {"provider_id": provider_id, "now": now})
