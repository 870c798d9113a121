"""The arithmetic of a token bucket that never lets more calls out in any minute than a provider admits.

A bucket of capacity C that refills at R a second lets at most C + 60 R calls out in a minute. Both are chosen so that
this stays within the limit, for a minute that is a second longer than the provider's: calls arrive with jitter.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

WINDOW_SECONDS = 61
BURST_SECONDS = 3
"""How many seconds' worth of calls may leave at once. A greater burst would have to be paid with a slower refill."""
PLACES = 4
PATIENCE_SECONDS = 10
"""How long calls that are not urgent stand back before one of them goes first."""
PATIENCE_ENDS_SECONDS = 120
"""After this nobody is waiting any more: whoever was has died or lost interest."""

_SCALE = 10**PLACES


@dataclass(frozen=True, slots=True)
class Bucket:
    """Calls that may be made at a moment, under a limit per minute."""

    rate_per_minute: int
    tokens: Decimal
    refilled_at: datetime

    @property
    def capacity(self) -> int:
        """The most calls that may leave at once. Two where the rate bears it, so that one can be kept for orders."""
        return max(self.rate_per_minute * BURST_SECONDS // 60, 2 if self.rate_per_minute >= 4 else 1)

    @property
    def _per_window(self) -> int:
        # With less than one call's worth to spare, the calls of a window are still at most the limit: they are whole.
        return self.rate_per_minute + 1 - self.capacity

    def at(self, now: datetime) -> "Bucket":
        """Return the bucket as it is now. A clock that lags behind the others' adds nothing."""
        passed = max((now - self.refilled_at) // timedelta(microseconds=1), 0)
        gained = passed * self._per_window * _SCALE // (WINDOW_SECONDS * 1_000_000)
        tokens = min(self.tokens + Decimal(gained).scaleb(-PLACES), Decimal(self.capacity))
        return replace(self, tokens=tokens, refilled_at=max(now, self.refilled_at))

    def full_enough_at(self, tokens: Decimal) -> datetime:
        """Return when there will be this many tokens, if none are taken until then."""
        missing = max(tokens - self.tokens, Decimal(0))
        micros = -(-int(missing.scaleb(PLACES)) * WINDOW_SECONDS * 1_000_000 // (self._per_window * _SCALE))
        return self.refilled_at + timedelta(microseconds=micros)

    @property
    def kept_for_orders(self) -> Decimal:
        """What calls that are not urgent must leave: half of it. A bucket of one cannot be shared like that."""
        return Decimal(self.capacity) / 2 if self.capacity > 1 else Decimal(0)


def is_waiting(patient_since: datetime | None, now: datetime) -> bool:
    """Whether calls that are not urgent have been standing back since then."""
    return patient_since is not None and (now - patient_since).total_seconds() < PATIENCE_ENDS_SECONDS


def is_due(patient_since: datetime | None, now: datetime) -> bool:
    """Whether they have stood back long enough."""
    if patient_since is None or not is_waiting(patient_since, now):
        return False
    return (now - patient_since).total_seconds() >= PATIENCE_SECONDS


def calls_left(bucket: Bucket, *, urgent: bool, due: bool) -> int:
    """Return how many calls may leave now. `due`: one call that is not urgent goes before all others."""
    whole = int(bucket.tokens.to_integral_value(ROUND_FLOOR))
    if urgent:
        return max(whole - due, 0)
    beyond = int((bucket.tokens - bucket.kept_for_orders).to_integral_value(ROUND_FLOOR))
    return max(beyond, min(whole, 1) if due else 0, 0)


def slots_kept(concurrency: int, *, limited: bool, urgent: bool, waiting: bool, due: bool) -> int:
    """Return how many of the calls in flight are not for this kind of call.

    Whoever hands in orders may hold his places for a long while, so he leaves one as soon as somebody waits.
    """
    if urgent:
        return 1 if waiting else 0
    if due or not limited or concurrency == 1:
        return 0
    return max(concurrency // 4, 1)
