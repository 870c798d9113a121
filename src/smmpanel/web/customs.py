"""The panel's own language and time zone, for requests that no page is drawn for: read again every now and then."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from starlette.requests import Request

from smmpanel.kernel.panel import Panel
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
    clock: Callable[[], float] = time.monotonic

    async def read(self, panel: Panel) -> None:
        """Read them anew. A process does so before it answers anybody, so that even what is not there is said so rightly."""
        async with panel.db.reading() as session:
            found = {row.name: row.value for row in await session.execute(_READ)}
        self.language, self.languages = found.get("language"), found.get("languages")
        self.time_zone, self.read_at = found.get("time_zone") or "UTC", self.clock()

    @property
    def is_stale(self) -> bool:
        """Whether they are to be read again."""
        return self.read_at is None or self.clock() - self.read_at >= KEPT_SECONDS


async def keep_customs(request: Request) -> None:
    """Have answers to this request speak the panel's language to whoever named none. For all routes of the JSON API."""
    customs = request.app.state.customs
    assert isinstance(customs, Customs)
    if customs.is_stale:
        await customs.read(panel_of(request))
    request.state.panel_language = customs.language
    request.state.panel_languages = customs.languages
    request.state.panel_time_zone = customs.time_zone
