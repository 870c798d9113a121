"""Somebody at the shop's pages: a visitor or a customer, with a shelf of services to look at."""

import re
from datetime import timedelta

import httpx

from making import make_user
from smmpanel.accounts.sessions import open_session
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.panel import Panel

OWN = {"origin": "http://panel.example"}


class Shopper:
    """A browser, of a customer if it has a user."""

    def __init__(self, client: httpx.AsyncClient, user_id: int = 0) -> None:
        self.client, self.user_id = client, user_id

    async def look(self, path: str, **more: object) -> str:
        """Return the text of a page that is there."""
        answer = await self.client.get(path, **more)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def post(
        self, path: str, *, page: str = "/services", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Post a form as a page would."""
        token = re.search(r'name="csrf-token" content="([^"]+)"', await self.look(page))
        assert token is not None
        return await self.client.post(
            path, data={"csrf_token": token[1], "back": page}, headers={**OWN, **(headers or {})}
        )


def visitor(panel: Panel) -> Shopper:
    """Return somebody who is not signed in."""
    transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.7", 1))
    return Shopper(httpx.AsyncClient(transport=transport, base_url="http://panel.example"))


async def customer(panel: Panel, name: str = "mai") -> Shopper:
    """Return somebody who is signed in."""
    async with panel.db.transaction() as session:
        user_id = await make_user(session, name)
        opened = await open_session(
            session, user_id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock()
        )
    shopper = visitor(panel)
    shopper.user_id = user_id
    shopper.client.cookies.set("smmpanel_session", opened.token, domain="panel.example")
    return shopper
