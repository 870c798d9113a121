"""Providers with scripted catalogues, people, and shorthand for the tests of the catalogue."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import User
from smmpanel.catalog.importing import ImportResult, import_services
from smmpanel.catalog.models import ProviderService, Service, ServiceChange, ServiceRoute
from smmpanel.catalog.syncing import SyncResult, sync_provider
from smmpanel.kernel.db import Database
from smmpanel.kernel.panel import Panel
from smmpanel.notifications import Alert
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import Catalogue, UpstreamService

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STAFF = Actor.cli()


def _line(external_id: str = "1", **more: Any) -> UpstreamService:
    given = {
        "name": f"Instagram Followers {external_id}",
        "category": "Instagram Followers",
        "type": "default",
        "rate": Decimal("1.00"),
        "min": 10,
        "max": 10_000,
        "refill": True,
        "cancel": False,
        **more,
    }
    return UpstreamService(external_id, **given)


@pytest.fixture
def line() -> Callable[..., UpstreamService]:
    """Makes a line of a provider's catalogue."""
    return _line


@dataclass
class Script:
    """What the scripted provider answers when it is asked for its catalogue."""

    services: Sequence[UpstreamService] = ()
    failure: Exception | None = None
    asked: int = 0


@dataclass
class ScriptedAdapter:
    """Stands for a provider's adapter; its `Script` is found by the connection's address."""

    connection: Any
    http: Any
    scripts: ClassVar[dict[str, Script]] = {}

    async def services(self) -> Sequence[UpstreamService]:
        script = self.scripts[self.connection.base_url]
        script.asked += 1
        if script.failure is not None:
            raise script.failure
        return Catalogue(script.services) if type(script.services) is list else script.services


@dataclass
class Upstream:
    """A connected provider and the strings it is moved by."""

    panel: Panel
    id: int
    slug: str
    script: Script = field(default_factory=Script)

    async def provider(self, session: AsyncSession) -> Provider:
        return await session.get_one(Provider, self.id, populate_existing=True)

    async def list(self, *lines: UpstreamService) -> None:
        self.script.services, self.script.failure = list(lines), None

    async def take(self, *lines: UpstreamService, **more: Any) -> ImportResult:
        """Import these lines."""
        async with self.panel.db.transaction() as session:
            return await import_services(
                session, self.panel, await self.provider(session), lines, **{"actor": STAFF, "now": NOW, **more}
            )

    async def sync(self, *lines: UpstreamService, now: datetime, **more: Any) -> SyncResult:
        """Sync with this list."""
        self.script.services, self.script.failure = list(lines), None
        return await sync_provider(self.panel, self.id, now=now, **more)


@pytest.fixture
def a_provider(panel: Panel) -> Callable[..., Awaitable[Upstream]]:
    """Connects providers of the scripted dialect."""

    async def make(slug: str = "jap", **more: Any) -> Upstream:
        panel.provider_adapters.put("scripted", ScriptedAdapter)
        async with panel.db.transaction() as session:
            provider = Provider(
                slug=slug,
                name=slug.upper(),
                alias=f"Provider {slug}",
                adapter="scripted",
                base_url=f"https://{slug}.example/{id(panel)}",
                api_key_sealed=panel.vault.seal("key"),
                **{"currency": "USD", **more},
            )
            session.add(provider)
            await session.flush()
        upstream = Upstream(panel, provider.id, slug)
        ScriptedAdapter.scripts[provider.base_url] = upstream.script
        return upstream

    return make


@pytest.fixture
async def jap(a_provider: Callable[..., Awaitable[Upstream]]) -> Upstream:
    """A provider in US dollars."""
    return await a_provider("jap")


@pytest.fixture
def a_user(db: Database) -> Callable[..., Awaitable[int]]:
    """Makes users and returns their ids."""

    async def make(name: str = "mai") -> int:
        async with db.transaction() as session:
            user = User(username=name, email=f"{name}@x.example", password_hash="-")
            session.add(user)
            await session.flush()
            return user.id

    return make


class Shelves:
    """What the database holds, read afresh."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def all(self, model: Any, *conditions: Any) -> Any:
        async with self.db.transaction() as session:
            return (await session.scalars(select(model).where(*conditions).order_by(model.id))).all()

    async def services(self) -> list[Service]:
        return list(await self.all(Service))

    async def service(self, external_id: str = "1") -> Service:
        """The service behind which a provider's service of this id stands."""
        async with self.db.transaction() as session:
            found = await session.scalars(
                select(Service)
                .join(ServiceRoute, ServiceRoute.service_id == Service.id)
                .join(ProviderService, ProviderService.id == ServiceRoute.provider_service_id)
                .where(ProviderService.external_id == external_id)
            )
            return found.one()

    async def changes(self, *, after: int = 0) -> list[tuple[str, Any, Any, str]]:
        rows = await self.all(ServiceChange, ServiceChange.id > after)
        return [(row.field, row.before, row.after, row.cause) for row in rows]

    async def last_change(self) -> int:
        rows = await self.all(ServiceChange)
        return rows[-1].id if rows else 0

    async def alerts(self) -> list[tuple[str, str, Any]]:
        rows = await self.all(Alert, Alert.cleared_at.is_(None))
        return [(row.kind, row.subject, row.fields.get("reason")) for row in rows]

    async def set(self, service_id: int, **values: Any) -> None:
        async with self.db.transaction() as session:
            service = await session.get_one(Service, service_id)
            for name, value in values.items():
                setattr(service, name, value)


@pytest.fixture
def shelves(db: Database) -> Shelves:
    """Reads what is there."""
    return Shelves(db)
