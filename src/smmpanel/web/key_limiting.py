"""How many calls one key may make, or one user with access tokens: counted in this process.

The reseller API and the JSON API count together. A bucket holds `burst` calls and refills at `per_minute`. Of a key what is
counted is the presented prefix, known or not, before anything is looked up, so that guessing is slowed like anything else.
Each web process counts for itself: see docs/decisions/rate-limits.md.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

KEYS_MAX = 20_000


class KeyLimiter:
    """Token buckets by caller; the least recently used are forgotten, which only ever favours the caller."""

    def __init__(
        self, per_minute: int, burst: int, clock: Callable[[], float] = time.monotonic, *, keys_max: int = KEYS_MAX
    ) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._clock = clock
        self._keys_max = keys_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, caller: str) -> float:
        """Count a call; returns 0 if it may be made, else in how many seconds one may."""
        now = self._clock()
        tokens, since = self._buckets.pop(caller, (self._burst, now))
        tokens = min(tokens + (now - since) * self._per_second, self._burst)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._per_second
