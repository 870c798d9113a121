"""The panel's own language and time zone, for requests that no page is drawn for: read again every now and then."""

import time
from dataclasses import dataclass

from sqlalchemy import text
from starlette.requests import Request

from smmpanel.web.transactions import panel_of

KEPT_SECONDS = 30.0
_READ = text("SELECT name, value FROM panel_options WHERE name IN ('language', 'languages', 'time_zone')")


@dataclass(slots=True)
class Customs:
    """What this process knows of them, and since when. A change by staff is known everywhere after `KEPT_SECONDS`."""

    language: str | None = None
    languages: list[str] | None = None
    time_zone: str = "UTC"
    read_at: float | None = None

    def is_stale(self, now: float) -> bool:
        """Whether they are to be read again."""
        return self.read_at is None or now - self.read_at >= KEPT_SECONDS


async def keep_customs(request: Request) -> None:
    """Have answers to this request speak the panel's language to whoever named none. For all routes of the JSON API."""
    customs = request.app.state.customs
    assert isinstance(customs, Customs)
    now = time.monotonic()
    if customs.is_stale(now):
        async with panel_of(request).db.reading() as session:
            read = {row.name: row.value for row in await session.execute(_READ)}
        customs.language, customs.languages = read.get("language"), read.get("languages")
        customs.time_zone, customs.read_at = read.get("time_zone") or "UTC", now
    request.state.panel_language = customs.language
    request.state.panel_languages = customs.languages
    request.state.panel_time_zone = customs.time_zone
