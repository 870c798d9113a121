"""A browser of a staff member's, for the tests of the catalogue's pages."""

import re
from datetime import timedelta
from typing import Any

import httpx

from smmpanel.accounts.models import User
from smmpanel.accounts.sessions import open_session
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.panel import Panel

OWN = {"origin": "http://panel.example"}


class StaffBrowser:
    """Looks at pages and posts their forms, as somebody who is signed in."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.token = ""

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """Open a page."""
        answer = await self.client.get(path, **more)
        if (found := re.search(r'name="csrf_token" value="([0-9a-f]{64})"', answer.text)) is not None:
            self.token = found[1]
        return answer

    async def post(self, path: str, form: dict[str, object] | None = None, **more: Any) -> httpx.Response:
        """Post a form as the last page would."""
        if not self.token:
            await self.get("/staff/services")
        return await self.client.post(
            path, data={"csrf_token": self.token, **(form or {})}, headers={**OWN, **more.pop("headers", {})}, **more
        )


async def sign_in(panel: Panel, *, role: Role = Role.ADMIN, permissions: list[str] | None = None) -> StaffBrowser:
    """Return the browser of a new member of staff."""
    app = build_app(panel)
    transport = httpx.ASGITransport(app, client=("203.0.113.7", 1))
    client = httpx.AsyncClient(transport=transport, base_url="http://panel.example")
    async with panel.db.transaction() as session:
        user = User(username=f"{role}{id(client)}", email=f"{id(client)}@x.example", password_hash="-", role=role)
        user.permissions = permissions or []
        session.add(user)
        await session.flush()
        opened = await open_session(
            session, user.id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock()
        )
    client.cookies.set("smmpanel_session", opened.token, domain="panel.example")
    return StaffBrowser(client)
