"""Made customers and a catalogue: through the product's own verbs where it is about rules, by COPY where only bulk counts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import uvloop
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.place import Place
from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import User
from smmpanel.accounts.states import Role
from smmpanel.catalog.fx import set_rate
from smmpanel.catalog.importing import fetch_catalogue, import_services
from smmpanel.entrypoints.opening import open_panel
from smmpanel.kernel.crypto import load_vault
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.settings import Settings
from smmpanel.ledger import AccountKind, Reason, Transfer, lock_users, panel_account, post
from smmpanel.providers.connecting import add_provider, edit_provider, provider_by
from smmpanel.sandbox.process import SandboxProcess

CURRENCY = "USD"
BALANCE = Decimal(100_000)
CUSTOMERS_AT_ONCE = 500
VND_RATE = Decimal("0.00004")


@dataclass(frozen=True, slots=True)
class Customer:
    """A made customer and the API key that was made for them."""

    user_id: int
    key: str


def with_panel(place: Place, work: Callable[[Panel], Awaitable[None]]) -> None:
    """Run something with the place's panel open, as a process of its own would have it."""

    async def run() -> None:
        settings = Settings(
            home=Path(place.home), database_url=SecretStr(place.url), outgoing_allow="127.0.0.1", log_level="warning"
        )
        async with open_panel(settings, place.url) as panel:
            await work(panel)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def make_customers(place: Place, number: int, *, name: str = "customer", balance: Decimal = BALANCE) -> list[Customer]:
    """Make customers with money and an API key each."""
    hash_key = load_vault(place.home, None)
    customers: list[Customer] = []

    async def work(panel: Panel) -> None:
        async with panel.db.transaction() as session:
            users = [
                User(
                    username=f"{name}{one}",
                    email=f"{name}{one}@example.test",
                    password_hash="-",
                    role=Role.CUSTOMER,
                )
                for one in range(number)
            ]
            session.add_all(users)
            await session.flush()
            ids = [user.id for user in users]
        for start in range(0, number, CUSTOMERS_AT_ONCE):
            await _fund(panel, ids[start : start + CUSTOMERS_AT_ONCE], balance)
        with place.connect() as connection, connection.cursor() as cursor:
            for user_id in ids:
                prefix = random_text(12)
                key = f"smm_{prefix}_{random_text(32)}"
                cursor.execute(
                    "INSERT INTO api_keys (user_id, name, prefix, key_hash, ip_list) VALUES (%s, 'bench', %s, %s, '{}')",
                    (user_id, prefix, hash_key.keyed_hash("api-key", key)),
                )
                customers.append(Customer(user_id, key))

    with_panel(place, work)
    return customers


async def tell_rate(session: AsyncSession, panel: Panel) -> None:
    """Say what đồng are worth, so that they can be paid in."""
    now = panel.clock()
    await set_rate(session, "VND", panel.currency, VND_RATE, currency=panel.currency, actor=Actor.cli(), now=now)


async def _fund(panel: Panel, ids: list[int], balance: Decimal) -> None:
    async with panel.db.transaction() as session:
        source = await panel_account(session, AccountKind.ADJUSTMENTS, CURRENCY)
        accounts = await lock_users(session, ids, CURRENCY)
        await post(
            session,
            [
                Transfer(f"bench:{one}", Reason.ADJUSTMENT, source.id, accounts[one].wallet.id, balance, f"user:{one}")
                for one in ids
            ],
        )


LINKS = {
    "instagram": "https://instagram.com/p/{number}",
    "tiktok": "https://tiktok.com/@made/video/{number}",
    "youtube": "https://youtube.com/watch?v={number}",
    "facebook": "https://facebook.com/made/posts/{number}",
    "telegram": "https://t.me/made/{number}",
    "x": "https://x.com/made/status/{number}",
}
QUANTITY = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A service that `QUANTITY` can be ordered of, and a link that it takes; `{number}` is to be filled in."""

    service_id: int
    link: str


def import_catalogue(place: Place, services: int, *, seed: int = 1, slug: str = "sandbox") -> list[Wanted]:
    """Import a sandbox's catalogue and return what can be ordered of it."""
    with SandboxProcess.start(services=services, seed=seed, finish_after=0) as sandbox:
        connect_sandbox(place, sandbox, slug=slug)

        async def work(panel: Panel) -> None:
            async with panel.db.transaction() as session:
                provider = await provider_by(session, slug)
            upstream = await fetch_catalogue(panel, provider)
            async with panel.db.transaction() as session:
                await import_services(session, panel, provider, upstream, actor=Actor.cli(), now=panel.clock())

        with_panel(place, work)
    with place.connect() as connection:
        rows = connection.execute(
            "SELECT s.id, c.platform FROM services s JOIN categories c ON c.id = s.category_id"
            " WHERE s.type = 'default' AND %s BETWEEN s.min AND s.max AND c.platform = ANY(%s) ORDER BY s.id",
            (QUANTITY, list(LINKS)),
        ).fetchall()
    return [Wanted(int(str(service_id)), LINKS[str(platform)]) for service_id, platform in rows]


def point_at(place: Place, sandbox: SandboxProcess, *, concurrency: int = 50, timeout_seconds: int = 30) -> None:
    """Have the provider that the catalogue came from be this sandbox from now on; it must have the same catalogue."""

    async def work(panel: Panel) -> None:
        async with panel.db.transaction() as session:
            await edit_provider(
                session,
                panel,
                "sandbox",
                actor=Actor.cli(),
                now=panel.clock(),
                base_url=sandbox.url,
                concurrency=concurrency,
                timeout_seconds=timeout_seconds,
            )

    with_panel(place, work)


def connect_sandbox(place: Place, sandbox: SandboxProcess, *, slug: str = "sandbox", concurrency: int = 50) -> None:
    """Connect a sandbox as a provider."""

    async def work(panel: Panel) -> None:
        async with panel.db.transaction() as session:
            await add_provider(
                session,
                panel,
                actor=Actor.cli(),
                slug=slug,
                adapter="panel_v2",
                api_key=sandbox.key,
                name=slug,
                currency=CURRENCY,
                base_url=sandbox.url,
                concurrency=concurrency,
            )

    with_panel(place, work)
