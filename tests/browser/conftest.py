"""Fixtures for tests with a real browser. One browser, one panel and one event loop for all tests of a process."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from browser.looking import Complaints, open_browser, open_context, settled
from browser.market import Market, open_market
from browser.site import Site, open_filled_site, open_site
from pages.filling import LITTLE, filled
from smmpanel.entrypoints.embedded import EmbeddedPostgres
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests on the loop that the browser lives on."""
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def site_database_url(migrated_url: str) -> Iterator[str]:
    """A fresh database for all browser tests of this process."""
    source, name = psycopg.conninfo.conninfo_to_dict(migrated_url)["dbname"], f"browsed_{os.getpid()}"
    with psycopg.connect(migrated_url, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY FILE_COPY')
    yield migrated_url.replace(f"/{source}?", f"/{name}?")
    with psycopg.connect(migrated_url, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(site_database_url: str) -> AsyncIterator[Site]:
    """A panel that is really served. Its data stays: tests make people and things of their own."""
    with TemporaryDirectory(prefix="smmpanel-test-") as home:
        async with open_site(site_database_url, Path(home)) as opened:
            yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lived_in(postgres: EmbeddedPostgres, migrated_url: str) -> AsyncIterator[Site]:
    """A panel with some of everything in it."""
    with TemporaryDirectory(prefix="smmpanel-test-") as home:
        panel = await asyncio.to_thread(filled, postgres, migrated_url, Path(home), LITTLE)
        async with open_filled_site(panel) as opened:
            yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def market(site: Site) -> AsyncIterator[Market]:
    """The same panel with a provider, its catalogue and a worker."""
    async with open_market(site) as opened:
        yield opened


@pytest.fixture(scope="session")
def panel(site: Site) -> Panel:
    """The inside of the panel that is served."""
    return site.panel


@pytest.fixture(scope="session")
def db(site: Site) -> Database:
    """The database of the panel that is served."""
    return site.panel.db


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with open_browser() as opened:
        yield opened


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """What the browser complains of; a test at whose end there are any fails."""
    heard = Complaints()
    yield heard
    assert heard.unexpected == []


class Visit(Protocol):
    """Opens a page in a fresh profile: as whom (a user's id), how wide, in which theme, with or without
    JavaScript, of which panel (the one with nothing in it unless said)."""

    async def __call__(
        self,
        path: str,
        user_id: int | None = None,
        *,
        width: int = 1440,
        theme: str | None = None,
        scripts: bool = True,
        status: int = 200,
        at: Site | None = None,
    ) -> Page: ...


@pytest_asyncio.fixture(loop_scope="session")
async def visit(site: Site, browser: Browser, complaints: Complaints) -> AsyncIterator[Visit]:
    """Opens pages, watches them, and closes them after the test."""
    opened: list[BrowserContext] = []

    async def go(
        path: str,
        user_id: int | None = None,
        *,
        width: int = 1440,
        theme: str | None = None,
        scripts: bool = True,
        status: int = 200,
        at: Site | None = None,
    ) -> Page:
        where = at or site
        context = await open_context(browser, where.address, width=width, theme=theme, scripts=scripts)
        opened.append(context)
        if user_id is not None:
            await context.add_cookies([await where.cookie_of(user_id)])
        page = await context.new_page()
        complaints.listen(page)
        if status >= 400:
            complaints.expect(f"status of {status}")
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == status
        if scripts:
            await settled(page)
        return page

    yield go
    for context in opened:
        await context.close()
