"""Browsers for the tests of payments' pages: the till's customer's, and anybody else's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx

from payments.conftest import Till
from smmpanel.accounts.sessions import open_session
from smmpanel.entrypoints.web import build_app
from staff_browser import StaffBrowser


@asynccontextmanager
async def browser_of(till: Till, user_id: int | None) -> AsyncIterator[StaffBrowser]:
    """Open a browser in which this user is signed in; without one, a visitor's."""
    transport = httpx.ASGITransport(build_app(till.panel), client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as client:
        if user_id is not None:
            async with till.panel.db.transaction() as session:
                opened = await open_session(
                    session, user_id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=till.panel.clock()
                )
            client.cookies.set("smmpanel_session", opened.token, domain="panel.example")
        yield StaffBrowser(client)
