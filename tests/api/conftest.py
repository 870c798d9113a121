"""The whole web side of a panel, and people who are signed in to it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from making import make_user
from smmpanel.accounts.access import Permission
from smmpanel.accounts.models import User
from smmpanel.accounts.sessions import access_token, open_session
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.db import Database
from smmpanel.kernel.money import plain
from smmpanel.ledger import balance_of
from smmpanel.orders.models import Order


@dataclass(frozen=True)
class Member:
    """Somebody who is signed in, and what they may call."""

    user_id: int
    headers: dict[str, str]
    http: httpx.AsyncClient
    db: Database

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query, headers=self.headers)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers=self.headers)

    async def balance(self) -> str:
        async with self.db.transaction() as session:
            return plain((await balance_of(session, self.user_id, "USD")).amount)

    async def orders(self) -> int:
        async with self.db.transaction() as session:
            mine = select(func.count()).select_from(Order).where(Order.user_id == self.user_id)
            return int(await session.scalar(mine) or 0)


@pytest.fixture
async def http(panel):
    """A client without an account."""
    transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as made:
        yield made


@pytest.fixture
def member(http, db, panel):
    """Makes customers, or staff with permissions, who are signed in."""

    async def make(*permissions: Permission, funds: str | None = "100", role: Role | None = None) -> Member:
        now = panel.clock()
        async with db.transaction() as session:
            user_id = await make_user(session, funds=funds)
            user = await session.get_one(User, user_id)
            if permissions or role is not None:
                user.role = role or Role.STAFF
                user.permissions = [permission.value for permission in permissions]
            opened = await open_session(session, user_id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=now)
        token = access_token(
            panel.vault, user_id=user_id, session_id=opened.session_id, lifetime=timedelta(hours=1), now=now
        )
        return Member(user_id, {"authorization": f"Bearer {token}"}, http, db)

    return make


@pytest.fixture
async def me(member):
    return await member()


@pytest.fixture
async def other(member):
    return await member()
