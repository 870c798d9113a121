"""A whole panel for browsers: a real web process on a real database, and people who are signed in."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from browser.every_page import ADMIN, CUSTOMER
from making import credit
from pages.filling import CUSTOMER as BUYER
from pages.filling import OWNER, Filled
from smmpanel.accounts.sessions import open_session
from smmpanel.accounts.signing_up import add_user
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.opening import open_panel, prepare_panel
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.settings import Settings

PATIENCE_SECONDS = 60
SESSION_COOKIE = "smmpanel_session"
_ROLES = {CUSTOMER: Role.CUSTOMER, ADMIN: Role.MASTER_ADMIN}


@dataclass(frozen=True)
class Site:
    """A panel that is being served: where, and its inside for those who prepare data."""

    address: str
    panel: Panel
    people: dict[str, int]
    """One user for each role of `every_page`."""

    async def cookie_of(self, user_id: int) -> dict[str, Any]:
        """Sign a user in and return the cookie that a browser then has."""
        async with self.panel.db.transaction() as session:
            opened = await open_session(
                session, user_id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=self.panel.clock()
            )
        return {"name": SESSION_COOKIE, "value": opened.token, "url": self.address}


@asynccontextmanager
async def open_site(url: str, home: Path) -> AsyncIterator[Site]:
    """Prepare a panel in a database, with nothing in it but people, and serve it from a process of its own."""
    settings = _settings(url, home)
    await prepare_panel(settings, url, environ={})
    async with open_panel(settings, url) as panel:
        people = await _make_people(panel)
        async with _served(panel, people) as site:
            yield site


@asynccontextmanager
async def open_filled_site(filled: Filled) -> AsyncIterator[Site]:
    """Serve a panel that has some of everything in it."""
    settings = _settings(filled.place.url, filled.place.home)
    people = {CUSTOMER: filled.people[BUYER], ADMIN: filled.people[OWNER]}
    async with open_panel(settings, filled.place.url) as panel, _served(panel, people) as site:
        yield site


def _settings(url: str, home: Path) -> Settings:
    return Settings(home=home, database_url=url, outgoing_allow="127.0.0.1", port=0)  # type: ignore[arg-type]


@asynccontextmanager
async def _served(panel: Panel, people: dict[str, int]) -> AsyncIterator[Site]:
    log = panel.settings.home / "web.log"
    process = _start(panel.settings, panel.db.url, log)
    try:
        yield Site(f"http://127.0.0.1:{await _port(process, log)}", panel, people)
    finally:
        process.kill()
        process.wait()


def _start(settings: Settings, url: str, log: Path) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMMPANEL_")}
    environment |= {
        "SMMPANEL_HOME": str(settings.home),
        "SMMPANEL_DATABASE_URL": url,
        "SMMPANEL_OUTGOING_ALLOW": settings.outgoing_allow,
        "SMMPANEL_LOG_FORMAT": "json",
    }
    with log.open("ab") as kept:
        command = [sys.executable, "-m", "smmpanel", "serve", "--port", "0"]
        return subprocess.Popen(command, env=environment, stdout=kept, stderr=kept)


async def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            written = log.read_text()  # noqa: ASYNC240 - a few lines
            if found := re.search(r'"serving".*?"port": (\d+)|"port": (\d+).*?"serving"', written):
                return int(found[1] or found[2])
            assert process.poll() is None, f"the web process ended:\n{written}"
            await asyncio.sleep(0.05)


async def _make_people(panel: Panel) -> dict[str, int]:
    people = {}
    async with panel.db.transaction() as session:
        for name, role in _ROLES.items():
            user = await add_user(
                session, username=f"the.{name}", email=f"{name}@example.com", password_hash="-", role=role
            )
            await credit(session, user.id, "250000", panel.currency)
            people[name] = user.id
    return people
