"""What the fake provider has received, to be compared with what the panel believes it has sent."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

READS_KEPT = 10_000
_CHUNK_ROWS = 500
_WINDOW_SECONDS = 60.0


@dataclass(slots=True)
class LogRow:
    """One request that was received."""

    sequence: int
    at: float
    """Seconds since 1970."""
    action: str
    fields: Mapping[str, str]
    """Everything that was sent, except the key."""
    external_id: str | None
    """The order that was made, or null if none was: the truth, whatever the client was told."""
    fault: str | None
    error: str | None
    """The refusal that was answered (or would have been, had the fault let it through)."""


def _ndjson(rows: list[LogRow], after: int) -> Iterator[bytes]:
    for start in range(after, len(rows), _CHUNK_ROWS):
        part = rows[start : start + _CHUNK_ROWS]
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in part)


class ProviderLog:
    """Everything that asks for a change (add, refill, cancel), for good; of the reads only the latest."""

    def __init__(self) -> None:
        self.writes: list[LogRow] = []
        self.reads: deque[LogRow] = deque(maxlen=READS_KEPT)
        self._read_number = 0

    def keep(self, row: LogRow, *, writes: bool) -> None:
        """Number a row and keep it."""
        if writes:
            row.sequence = len(self.writes) + 1
            self.writes.append(row)
        else:
            self._read_number += 1
            row.sequence = self._read_number
            self.reads.append(row)

    def page(self, *, after: int, limit: int, action: str | None) -> list[LogRow]:
        """Writes with a higher sequence number than `after`, oldest first."""
        if action is None:
            return self.writes[after : after + limit]
        found: list[LogRow] = []
        for row in self.writes[after:]:
            if row.action == action:
                found.append(row)
                if len(found) == limit:
                    break
        return found

    def stream(self, *, after: int) -> Iterator[bytes]:
        """Every write after that number, as lines of JSON."""
        return _ndjson(self.writes, after)


@dataclass(slots=True)
class Stats:
    """How much was asked, and how much of it at the same time."""

    requests: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)
    max_in_flight: Counter[str] = field(default_factory=Counter)
    orders_asked: int = 0
    """Order ids in all status calls."""
    largest_batch: int = 0

    def enter(self, action: str) -> Callable[[], None]:
        """Count a request that begins; the result is to be called when it ends."""
        self.requests[action] += 1
        for name in (action, "all"):
            self.in_flight[name] += 1
            self.max_in_flight[name] = max(self.in_flight[name], self.max_in_flight[name])
        return partial(self._leave, action)

    def _leave(self, action: str) -> None:
        self.in_flight[action] -= 1
        self.in_flight["all"] -= 1

    def batch(self, size: int) -> None:
        """Count the ids of a status call."""
        self.orders_asked += size
        self.largest_batch = max(self.largest_batch, size)

    def row(self) -> dict[str, Any]:
        """The numbers for the control interface."""
        return {
            "requests": self.requests,
            "refusals": self.refusals,
            "faults": self.faults,
            "in_flight": self.in_flight["all"],
            "max_in_flight": self.max_in_flight["all"],
            "max_in_flight_by_action": {name: n for name, n in self.max_in_flight.items() if name != "all"},
            "status_ids_asked": self.orders_asked,
            "largest_status_batch": self.largest_batch,
        }


class RateLimiter:
    """So many requests in any minute."""

    def __init__(self) -> None:
        self._taken: deque[float] = deque()

    def wait_seconds(self, limit: int, now: float) -> float:
        """0 if the request may go through (and it is counted), else how long to wait."""
        while self._taken and self._taken[0] <= now - _WINDOW_SECONDS:
            self._taken.popleft()
        if len(self._taken) >= limit:
            return self._taken[-limit] + _WINDOW_SECONDS - now
        self._taken.append(now)
        return 0.0
