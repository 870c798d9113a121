"""The time that the fake provider lives in: the machine's own, until it is told another moment or another speed."""

import time
from datetime import datetime


class ProviderClock:
    """Seconds since 1970 as the provider counts them. They never run backwards, whatever the machine's clock does."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = _checked(speed)
        self._moment = time.time()
        self._read_at = time.monotonic()

    @property
    def speed(self) -> float:
        """How many seconds pass here in one second outside; 0 stands still."""
        return self._speed

    def now(self) -> float:
        """Return the present moment."""
        return self._moment + (time.monotonic() - self._read_at) * self._speed

    def set(self, moment: float) -> None:
        """Make it this moment."""
        self._moment, self._read_at = moment, time.monotonic()

    def run_at(self, speed: float) -> None:
        """Let time pass at another speed from now on; raises `ValueError` if that is none."""
        checked = _checked(speed)
        self.set(self.now())
        self._speed = checked


def moment_from(text: object) -> float:
    """Read a moment in ISO form with an offset, such as `2026-05-01T12:00:00Z`; raises `ValueError`."""
    if not isinstance(text, str):
        raise ValueError("at must be a text such as 2026-05-01T12:00:00Z")  # noqa: TRY004 - one kind of error for one kind of mistake
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("at must say its offset, such as Z or +07:00")
    return moment.timestamp()


def _checked(speed: float) -> float:
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 <= speed <= 1_000_000:
        raise ValueError("speed must be a number from 0 to 1000000")
    return float(speed)
