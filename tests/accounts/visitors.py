"""Browsers of people who are not signed in, and a panel whose clock the test moves."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
from pyotp import TOTP

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.second_factor import begin_setup, confirm_setup, factor_state
from smmpanel.accounts.signing_up import register
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.panel import Panel

PASSWORD = "correct horse battery"
OWN = {"origin": "http://panel.example"}


class Moving:
    """A panel with a clock that stands still until it is moved on."""

    def __init__(self, panel: Panel) -> None:
        self.start = self.now = panel.clock()
        self.panel = replace(panel, clock=lambda: self.now)

    def on(self, *, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def code(self, secret: str) -> str:
        """Return what an app with this secret shows now."""
        return TOTP(secret).at(self.now)


@dataclass
class Factor:
    """Somebody's app, and their recovery codes."""

    moving: Moving
    secret: str
    recovery: list[str]

    def code(self) -> str:
        """Return what the app shows now."""
        return self.moving.code(self.secret)


async def account_of(panel: Panel, name: str) -> int:
    """Make a customer's account."""
    async with panel.db.transaction() as session:
        return (await register(session, username=name, email=f"{name}@example.com", password=PASSWORD)).id


def viewer_for(user_id: int, session_id: int = 0) -> Viewer:
    """Return a customer who is signed in."""
    return Viewer("user", user_id, f"user{user_id}", Role.CUSTOMER, frozenset(), session_id=session_id)


async def set_up(moving: Moving, user_id: int) -> Factor:
    """Switch a user's second factor on. The code that it took is over: time has passed."""
    panel, viewer = moving.panel, viewer_for(user_id)
    async with panel.db.transaction() as session:
        await begin_setup(session, panel.vault, viewer)
    async with panel.db.transaction() as session:
        secret = (await factor_state(session, panel.vault, user_id)).waiting_secret
    assert secret is not None
    codes = await confirm_setup(panel.db, panel.vault, viewer, moving.code(secret), now=moving.now)
    moving.on(seconds=60)
    return Factor(moving, secret, codes)


class SignedOut:
    """A browser: it keeps cookies, and posts what the last page's form would."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.token = ""

    async def get(self, path: str) -> httpx.Response:
        """Open a page."""
        answer = await self.client.get(path)
        if (found := re.search(r'name="csrf_token" value="([0-9a-f]{64})"', answer.text)) is not None:
            self.token = found[1]
        return answer

    async def post(self, path: str, **form: object) -> httpx.Response:
        """Post a form of ours."""
        if not self.token:
            await self.get("/sign-in")
        return await self.client.post(path, data={"csrf_token": self.token, **form}, headers=OWN)


@asynccontextmanager
async def visitor_of(panel: Panel, address: str = "http://panel.example") -> AsyncIterator[SignedOut]:
    """Open a browser that nobody is signed in to."""
    transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url=address) as client:
        yield SignedOut(client)
