"""A customer's browser and a shelf of orders in every state, for the tests of customers' pages."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
from sqlalchemy import text

from making import accept, make_provider, make_service, make_user, move, place
from smmpanel.accounts.sessions import open_session
from smmpanel.entrypoints.web import build_app
from smmpanel.kernel.panel import Panel
from smmpanel.orders.models import OrderStatus

OWN = {"origin": "http://panel.example"}


class CustomerBrowser:
    """Looks at pages and posts their forms, as one customer."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.token = ""

    async def get(self, path: str, **more: object) -> httpx.Response:
        """Open a page."""
        answer = await self.client.get(path, **more)
        if (found := re.search(r'name="csrf-token" content="([0-9a-f]{64})"', answer.text)) is not None:
            self.token = found[1]
        return answer

    async def post(self, path: str, **form: object) -> httpx.Response:
        """Post a form as the last page would."""
        if not self.token:
            await self.get("/orders")
        return await self.client.post(path, data={"csrf_token": self.token, **form}, headers=OWN)


async def browser_of(panel: Panel, user_id: int) -> CustomerBrowser:
    """Return the browser of a customer who is signed in."""
    transport = httpx.ASGITransport(build_app(panel), client=("203.0.113.7", 1))
    client = httpx.AsyncClient(transport=transport, base_url="http://panel.example")
    async with panel.db.transaction() as session:
        opened = await open_session(
            session, user_id, lifetime=timedelta(days=1), ip=None, user_agent=None, now=panel.clock()
        )
    client.cookies.set("smmpanel_session", opened.token, domain="panel.example")
    return CustomerBrowser(client)


@dataclass(frozen=True)
class Shelf:
    """A customer with an order in each state."""

    user: int
    service: int
    pending: int
    running: int
    completed: int
    partial: int
    drip: int


async def fill_shelf(panel: Panel, now: datetime | None = None) -> Shelf:
    """Make a customer and orders: pending, running, completed with refill, partial, and a drip-feed of three runs."""
    now = now or panel.clock()
    async with panel.db.transaction() as session:
        provider = await make_provider(session, panel)
        service = await make_service(
            session, provider, platform="instagram", refill=True, refill_days=30, cancel=True, dripfeed=True
        )
        user = await make_user(session)
        pending = await place(session, user, service, now=now, link="https://www.instagram.com/pending.one")
        running = await place(session, user, service, now=now, link="https://www.instagram.com/running.one")
        await accept(session, running, "ext-running", now=now)
        await move(session, running, OrderStatus.IN_PROGRESS, now=now, remains=400, start_count=77)
        completed = await place(session, user, service, now=now, link="https://www.instagram.com/completed.one")
        await accept(session, completed, "ext-completed", now=now)
        await move(session, completed, OrderStatus.COMPLETED, now=now)
        partial = await place(session, user, service, now=now, link="https://www.instagram.com/partial.one")
        await accept(session, partial, "ext-partial", now=now)
        await move(session, partial, OrderStatus.PARTIAL, now=now, remains=250)
        drip = await place(
            session,
            user,
            service,
            now=now,
            quantity=100,
            runs=3,
            interval=60,
            link="https://www.instagram.com/drip.one",
        )
    return Shelf(user, service, pending, running, completed, partial, drip)


async def status_of(panel: Panel, order_id: int) -> str:
    """Return where an order stands."""
    async with panel.db.transaction() as session:
        return str(await session.scalar(text("SELECT status FROM orders WHERE id = :id"), {"id": order_id}))
