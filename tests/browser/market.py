"""A panel that really sells: a provider with its catalogue, and a worker that hands orders in and follows them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from browser.site import PATIENCE_SECONDS, Site
from making import credit
from smmpanel.accounts.access import VIEW_ONLY, Actor
from smmpanel.accounts.finding import user_named
from smmpanel.accounts.signing_up import add_user, register
from smmpanel.accounts.states import Role
from smmpanel.catalog.importing import Pick, fetch_catalogue, import_services
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.tracking import update_orders
from smmpanel.providers.connecting import add_provider
from smmpanel.sandbox.process import SandboxProcess

PASSWORD = "correct horse battery"
_SUITABLE = text(
    "SELECT s.id FROM services s JOIN categories c ON c.id = s.category_id WHERE s.type = 'default' AND c.platform = 'instagram'"
    " AND s.refill AND s.cancel AND s.min <= 1000 AND s.max >= 5000 ORDER BY s.rate LIMIT 1"
)


@dataclass(frozen=True)
class Market:
    """What a journey starts from."""

    site: Site
    sandbox: SandboxProcess
    provider_id: int
    service_id: int
    """A service that can be refilled and canceled."""

    async def customer(self, name: str) -> int:
        """Make a customer with money."""
        async with self.site.panel.db.transaction() as session:
            user = await register(session, username=name, email=f"{name}@example.com", password=PASSWORD)
            await credit(session, user.id, "1000", self.site.panel.currency)
            return user.id

    async def viewer(self, name: str) -> int:
        """Make somebody of the staff who may look at everything and change nothing."""
        async with self.site.panel.db.transaction() as session:
            user = await add_user(
                session, username=name, email=f"{name}@example.com", password_hash="-", role=Role.STAFF
            )
            user.permissions = sorted(VIEW_ONLY)
            return user.id

    async def fund(self, username: str) -> None:
        """Give somebody who signed up money."""
        async with self.site.panel.db.transaction() as session:
            await credit(session, (await user_named(session, username)).id, "1000", self.site.panel.currency)

    async def latest_order(self, user_id: int) -> int:
        """Return a customer's newest order."""
        return int(await self.one("SELECT max(id) FROM orders WHERE user_id = :id", user_id))

    async def orders_of(self, user_id: int) -> int:
        """Count a customer's orders."""
        return int(await self.one("SELECT count(*) FROM orders WHERE user_id = :id", user_id))

    async def balance(self, user_id: int) -> Decimal:
        """Return what is in a customer's wallet."""
        return Decimal(
            await self.one("SELECT balance FROM ledger_accounts WHERE owner_id = :id AND kind = 'wallet'", user_id)
        )

    async def sent(self, order_id: int) -> str:
        """Wait until the provider has an order, and return its id there."""
        return str(await self._awaited("SELECT external_id FROM orders WHERE id = :id", order_id))

    async def becomes(self, order_id: int, status: OrderStatus, *, unconfirmed: bool = False) -> None:
        """Wait until an order is in a state."""
        wanted = "SELECT id FROM orders WHERE id = :id AND status = '{}' AND unconfirmed = {}"
        await self._awaited(wanted.format(status, unconfirmed), order_id)

    async def turns(self, order_id: int, status: OrderStatus, **told: str) -> None:
        """Have the provider bring an order to an end, and the panel look at once."""
        self.sandbox.finish([await self.sent(order_id)], status.value, **told)
        async with self.site.panel.db.transaction() as session:
            await session.execute(text("UPDATE orders SET check_at = now() WHERE id = :id"), {"id": order_id})
        while await self.one("SELECT status FROM orders WHERE id = :id", order_id) != status:
            await update_orders(self.site.panel)

    async def _awaited(self, statement: str, row_id: int) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if (found := await self.one(statement, row_id)) is not None:
                    return found
                await asyncio.sleep(0.05)

    async def one(self, statement: str, row_id: int) -> Any:
        """Ask the database for one value about something with an id."""
        async with self.site.panel.db.reading() as session:
            return await session.scalar(text(statement), {"id": row_id})


@asynccontextmanager
async def open_market(site: Site) -> AsyncIterator[Market]:
    """Connect a provider, import what it sells, and start a worker."""
    panel = site.panel
    with SandboxProcess.start(services=120, seed=7) as sandbox:
        async with panel.db.transaction() as session:
            provider = await add_provider(
                session,
                panel,
                actor=Actor.cli(),
                slug="sandbox",
                adapter="panel_v2",
                api_key=sandbox.key,
                name="Sandbox",
                currency=panel.currency,
                base_url=sandbox.url,
            )
        upstream = await fetch_catalogue(panel, provider)
        # The last few are left for those who import by hand.
        picked = Pick(external_ids=frozenset(line.external_id for line in upstream[:-20]))
        async with panel.db.transaction() as session:
            await import_services(session, panel, provider, upstream, pick=picked, actor=Actor.cli(), now=panel.clock())
            service_id = (await session.execute(_SUITABLE)).scalar_one()
        worker = _start_worker(site)
        try:
            yield Market(site, sandbox, provider.id, service_id)
        finally:
            worker.kill()
            worker.wait()


def _start_worker(site: Site) -> subprocess.Popen[bytes]:
    settings = site.panel.settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMMPANEL_")}
    environment |= {
        "SMMPANEL_HOME": str(settings.home),
        "SMMPANEL_DATABASE_URL": site.panel.db.url,
        "SMMPANEL_OUTGOING_ALLOW": settings.outgoing_allow,
    }
    with (settings.home / "worker.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "smmpanel", "worker"], env=environment, stdout=log, stderr=log)
