"""Small builders that tests of several features share: people with money, providers, services, orders."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, ClassVar

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.signing_up import add_user
from smmpanel.accounts.states import Role
from smmpanel.catalog.models import Category, ProviderService, Service, ServiceRoute
from smmpanel.growth.proving_commissions import verify_commissions
from smmpanel.growth.proving_vouchers import verify_vouchers
from smmpanel.kernel.db import Database
from smmpanel.kernel.money import Money
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import adjust_balance
from smmpanel.ledger.proving import verify
from smmpanel.orders.models import Order, OrderAttempt, OrderStatus
from smmpanel.orders.placing import NewOrder, Placed, place_order, place_orders
from smmpanel.orders.proving import verify_orders
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.submission import submit_pending
from smmpanel.payments.proving import verify_deposits
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import Accepted
from smmpanel.sandbox.process import SandboxProcess

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
WATCH = timedelta(days=3)
_numbers = count(1)


async def make_user(session: AsyncSession, username: str | None = None, *, funds: str | None = "100") -> int:
    """Make a customer, with this much in the wallet, and return the id."""
    name = username or f"customer{next(_numbers)}"
    user = await add_user(session, username=name, email=f"{name}@example.com", password_hash="-")
    if funds is not None:
        await credit(session, user.id, funds)
    return user.id


async def credit(session: AsyncSession, user_id: int, amount: str, currency: str = "USD") -> None:
    """Put money into a wallet."""
    await adjust_balance(session, user_id, Money.of(amount, currency), reason="test", key=f"test:{next(_numbers)}")


def customer(user_id: int) -> Actor:
    """Return a customer who acts."""
    return Actor("user", user_id, f"customer{user_id}", Role.CUSTOMER, frozenset())


def staff(user_id: int | None, *permissions: Permission) -> Actor:
    """Return somebody of the staff who holds exactly these permissions."""
    return Actor("user", user_id, "staff", Role.STAFF, frozenset(permissions))


@dataclass
class FakeUpstream:
    """What a fake provider answers, and what it was asked. Answers are taken in turn; one that is an exception is raised."""

    answers: dict[str, deque[Any]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    during: Callable[[str], Any] | None = None
    """Called while a call is under way."""

    def will(self, action: str, *answers: Any) -> None:
        """Queue answers for an action."""
        self.answers.setdefault(action, deque()).extend(answers)

    async def answer(self, action: str, asked: Any) -> Any:
        """Take the next answer."""
        self.asked.append((action, asked))
        if self.during is not None:
            await self.during(action)
        found = self.answers[action].popleft()
        if isinstance(found, BaseException):
            raise found
        return found(asked) if callable(found) else found


@dataclass
class FakeAdapter:
    """Stands for a provider's adapter; its `FakeUpstream` is found by the connection's address."""

    connection: Any
    http: Any
    slug: ClassVar[str] = "fake"
    status_batch_max: ClassVar[int] = 100
    supports_listing: ClassVar[bool] = False
    upstreams: ClassVar[dict[str, FakeUpstream]] = {}

    async def _ask(self, action: str, asked: Any) -> Any:
        return await self.upstreams[self.connection.base_url].answer(action, asked)

    async def add(self, order: Any) -> Accepted:
        return await self._ask("add", order)

    async def status(self, external_ids: Sequence[str]) -> Mapping[str, Any]:
        return await self._ask("status", list(external_ids))

    async def refill(self, external_id: str) -> str:
        return await self._ask("refill", external_id)

    async def refill_status(self, refill_ids: Sequence[str]) -> Mapping[str, Any]:
        return await self._ask("refill_status", list(refill_ids))

    async def cancel(self, external_ids: Sequence[str]) -> Mapping[str, Any]:
        return await self._ask("cancel", list(external_ids))


async def make_provider(
    session: AsyncSession, panel: Panel, slug: str | None = None, *, api_key: str = "key", **more: Any
) -> Provider:
    """Connect a provider of the fake dialect; `upstream_of` says what it answers."""
    if "fake" not in panel.provider_adapters.names():
        panel.provider_adapters.put("fake", FakeAdapter)
    slug = slug or f"provider{next(_numbers)}"
    given: dict[str, Any] = {
        "slug": slug,
        "name": slug,
        "alias": f"Alias {slug}",
        "adapter": "fake",
        "base_url": f"https://{slug}.example/{next(_numbers)}",
        "currency": panel.currency,
        "concurrency": 10,
        **more,
    }
    provider = Provider(api_key_sealed=panel.vault.seal(api_key), **given)
    session.add(provider)
    await session.flush()
    FakeAdapter.upstreams[provider.base_url] = FakeUpstream()
    return provider


async def make_sandbox_provider(
    session: AsyncSession, panel: Panel, sandbox: SandboxProcess, slug: str | None = None, **more: Any
) -> Provider:
    """Connect a running sandbox, which speaks API v2 over real HTTP."""
    given = {"adapter": "panel_v2", "base_url": sandbox.url, "timeout_seconds": 4, "concurrency": 50, **more}
    return await make_provider(session, panel, slug, **{"api_key": sandbox.key, **given})


def at(panel: Panel, now: datetime) -> Panel:
    """Return the panel as it is at that moment, for jobs."""
    return replace(panel, clock=lambda: now)


def upstream_of(provider: Provider) -> FakeUpstream:
    """Return the strings by which a fake provider is moved."""
    return FakeAdapter.upstreams[provider.base_url]


async def make_service(
    session: AsyncSession,
    *providers: Provider,
    rate: str = "1",
    cost: str = "0.5",
    platform: str | None = None,
    upstream: Mapping[str, Any] | None = None,
    **more: Any,
) -> int:
    """Put a service on sale, with a route to each provider in line, and return its id. `rate` is fixed by hand."""
    name = f"Shelf of {platform}"
    category = await session.scalar(select(Category).where(Category.name == name))
    if category is None:
        category = Category(name=name, platform=platform)
        session.add(category)
        await session.flush()
    given: dict[str, Any] = {"type": "default", "mode": "provider", "min": 1, "max": 1_000_000, **more}
    by_provider = given["mode"] == "provider"
    service = Service(
        category_id=category.id,
        name=f"Service {next(_numbers)}",
        rate=Decimal(rate),
        fixed_rate=Decimal(rate),
        cost=Decimal(cost) if by_provider else None,
        **given,
    )
    session.add(service)
    await session.flush()
    for place, provider in enumerate(providers):
        theirs = {
            "external_id": str(next(_numbers)),
            "min": given["min"],
            "max": given["max"],
            "rate": Decimal(cost),
            **(upstream or {}),
        }
        line = ProviderService(
            provider_id=provider.id,
            name=service.name,
            category=name,
            type=given["type"],
            **theirs,
        )
        session.add(line)
        await session.flush()
        session.add(ServiceRoute(service_id=service.id, provider_service_id=line.id, priority=place))
    await session.flush()
    return service.id


async def place(
    session: AsyncSession, user_id: int, service_id: int, *, now: datetime = NOW, key: str | None = None, **fields: Any
) -> int:
    """Place an order and return its id; a link and a quantity of 1000 unless said otherwise."""
    raw = {"link": "https://www.instagram.com/someone", "quantity": 1000, **fields}
    asked = {name: str(value) for name, value in raw.items() if value is not None}
    placed = await place_order(session, NewOrder(user_id, service_id, asked, key), currency="USD", now=now)
    return placed.order_id


async def accept(session: AsyncSession, order_id: int, external_id: str, *, now: datetime = NOW) -> None:
    """Have a pending order taken by its provider, as submission does."""
    await session.execute(text("UPDATE orders SET status = 'submitting' WHERE id = :id"), {"id": order_id})
    change = Change(order_id, OrderStatus.PROCESSING, external_id=external_id)
    await settle(session, [change], now=now, watch=WATCH)


async def move(session: AsyncSession, order_id: int, status: OrderStatus, *, now: datetime = NOW, **known: Any) -> None:
    """Move an order, as tracking does."""
    await settle(session, [Change(order_id, status, **known)], now=now, watch=WATCH)


async def order_row(db: Database, order_id: int) -> Order:
    """Read an order as it is committed."""
    async with db.transaction() as session:
        return await session.get_one(Order, order_id)


@dataclass(frozen=True)
class Shop:
    """A panel with one sandbox for a provider, one service that goes there, and one customer with money."""

    db: Database
    panel: Panel
    sandbox: SandboxProcess
    provider: Provider
    service: int
    user: int

    async def order(self, *links: str, quantity: int = 1000) -> list[int]:
        """Place an order for each link and return the ids."""
        asked = [
            NewOrder(self.user, self.service, {"link": f"https://example.com/{link}", "quantity": str(quantity)})
            for link in links
        ]
        async with self.db.transaction() as session:
            answers = await place_orders(session, asked, currency=self.panel.currency, now=self.panel.clock())
        return [answer.order_id for answer in answers if isinstance(answer, Placed)]

    async def rows(self, order_ids: Sequence[int]) -> list[Order]:
        """Read orders as they are committed, in the order asked for."""
        async with self.db.transaction() as session:
            return [await session.get_one(Order, order_id) for order_id in order_ids]


async def open_shop(panel: Panel, sandbox: SandboxProcess, **more: Any) -> Shop:
    """Make the provider, the service and the customer of a shop; a thousand cost a dollar."""
    async with panel.db.transaction() as session:
        provider = await make_sandbox_provider(session, panel, sandbox, **more)
        service = await make_service(session, provider, upstream={"external_id": "1"})
        user = await make_user(session, funds="1000")
    return Shop(panel.db, panel, sandbox, provider, service, user)


async def submit(panel: Panel, provider: Provider) -> None:
    """Hand in whatever is due at a provider, as a worker does."""
    await submit_pending.function(panel, provider_id=provider.id)


async def attempts_of(db: Database, order_id: int) -> list[OrderAttempt]:
    """Read an order's attempts, oldest first."""
    async with db.transaction() as session:
        wanted = select(OrderAttempt).where(OrderAttempt.order_id == order_id).order_by(OrderAttempt.id)
        return list((await session.scalars(wanted)).all())


async def assert_books(db: Database) -> None:
    """Demand that the ledger is consistent and tells the same as orders, deposits, commissions and vouchers do."""
    async with db.transaction() as session:
        assert list((await verify(session)).differences) == []
        assert await verify_orders(session) == []
        assert await verify_deposits(session) == []
        assert await verify_commissions(session) == []
        assert await verify_vouchers(session) == []
