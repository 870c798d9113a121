"""A shop at a fake vendor: one gateway of a running panel, set up against the sandbox, real HTTP both ways."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any
from urllib.parse import urljoin

import httpx
from sqlalchemy import select, text, update

from making import make_user
from smmpanel.accounts.access import Actor
from smmpanel.accounts.sessions import open_session
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of
from smmpanel.payments.inbox import ask_gateways, settle_waiting
from smmpanel.payments.methods import MethodTerms, add_method, enable_method, gateway_class
from smmpanel.payments.models import Deposit, GatewayEvent, PaymentMethod, Receipt
from smmpanel.payments.opening import NewDeposit, open_deposit
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import Gateway
from smmpanel.sandbox.gateway.process import GatewayProcess

MINUTES = 60
HELD = Policy(underpaid="review", overpaid="review", repeated="review")
PATIENCE_SECONDS = 10.0
SESSION_COOKIE = "smmpanel_session"


@dataclass(frozen=True)
class Case:
    """One gateway as the conformance test runs it, and what its vendor can and cannot do. Defaults are what most do."""

    gateway: str
    """The adapter."""
    currency: str
    amount: Decimal
    required: tuple[str, ...]
    """Settings without which `check` complains."""
    vendor: str = ""
    """In the sandbox; unless said, it is called as the adapter."""
    name: str = ""
    """Of the test, where one gateway has several."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Settings beside those that the vendor says (`Vendor.setup`)."""
    shown: str = "redirect"
    unproved: bool = False
    """Whether its messages only lead to a question."""
    proof_in_headers: bool = True
    """Whether spoilt headers spoil the proof."""
    refused: int = 401
    """The answer to a forged message."""
    binds_body: bool = True
    """Whether half a message proves nothing: static tokens prove it, and it is unreadable."""
    has_time: bool = False
    """Whether messages carry the time at which they were signed, so that old ones are refused."""
    has_environment: bool = False
    """Whether messages say if they are of the test environment."""
    tells_currency: bool = True
    payments: int = 1
    """How many credits two payments for one deposit make: two where each has a number of its own at the gateway."""
    varies: bool = True
    """Whether anything else than the amount asked for can arrive."""
    can_be_asked: bool = True
    creates: bool = True
    """Whether the gateway is called to begin a payment."""
    tells_paid: bool = True
    """Whether there are messages at all."""
    refunds: bool = True
    """Whether the gateway tells of money that was given back, by itself or asked."""
    refunds_partly: bool = True
    gives_back: bool = True
    """Whether it does so when the panel asks, where its adapter can."""
    charges_back: bool = True
    wins: bool = True
    """Whether it tells that a dispute was won."""

    def __str__(self) -> str:
        return self.name or self.gateway

    @property
    def at_vendor(self) -> str:
        return self.vendor or self.gateway


class Clock:
    """The present, and what a test has let pass. It never goes back."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Shop:
    """The panel, the sandbox, one customer, and the gateway of a case."""

    case: Case
    panel: Panel
    clock: Clock
    sandbox: GatewayProcess
    http: httpx.AsyncClient
    address: str
    """Of the panel."""
    opened_at: datetime
    user: int = 0
    method: int = 0
    methods: dict[str, int] = field(default_factory=dict)
    """Those that other tests have set up as usual, by case."""
    pages: dict[int, str] = field(default_factory=dict)
    """Where each deposit is paid, by its id."""

    # Setting up.

    def settings(self) -> dict[str, str]:
        """All that the method is set up with."""
        return self.sandbox.setup(self.case.at_vendor) | dict(self.case.options)

    def adapter_kind(self) -> type[Gateway]:
        return gateway_class(self.panel, self.case.gateway)

    def split(self, settings: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Split settings into options and secrets."""
        secret = {one.name for one in self.adapter_kind().settings if one.kind == "secret"}
        known = {one.name for one in self.adapter_kind().settings}
        assert settings.keys() <= known, f"{settings.keys() - known} are no settings of {self.case.gateway}"
        options = {name: value for name, value in settings.items() if name not in secret}
        return options, {name: value for name, value in settings.items() if name in secret}

    async def open(self, policy: Policy | None = None) -> None:
        """Make a customer, and offer the method. Nothing of other tests is in the way."""
        async with self.panel.db.transaction() as session:
            await session.execute(update(Deposit).where(Deposit.ask_at.is_not(None)).values(ask_at=None))
            self.user = await make_user(session, f"payer{int(self.clock().timestamp() * 1000)}", funds=None)
        known = self.methods.get(str(self.case)) if policy is None else None
        self.method = known or await self._set_up(policy or Policy())
        if policy is None:
            self.methods[str(self.case)] = self.method
        else:
            self.methods.clear()

    async def _set_up(self, policy: Policy) -> int:
        options, secrets = self.split(self.settings())
        terms = MethodTerms(
            name=str(self.case),
            currency=self.case.currency,
            minimum=Decimal(1),
            expires_minutes=MINUTES,
            options=options,
            policy=policy,
        )
        async with self.panel.db.transaction() as session:
            # Methods of one gateway that share a secret would all prove its messages.
            await session.execute(update(PaymentMethod).values(secrets_sealed=None, enabled=False))
            self.methods.clear()
            made = await add_method(session, self.panel, self.case.gateway, terms, actor=Actor.cli(), secrets=secrets)
            await enable_method(session, self.panel, made.id, actor=Actor.cli())
            return made.id

    # What the customer does.

    async def begin(self, *, key: str | None = None) -> Deposit:
        """Begin a deposit, and open what the customer is shown, as a browser would."""
        deposit = await open_deposit(self.panel, NewDeposit(self.user, self.method, self.case.amount, key))
        assert deposit.shown is not None
        page = await self.browse(deposit)
        self.pages[deposit.id] = str(page.url)
        return deposit

    async def browse(self, deposit: Deposit) -> httpx.Response:
        """Follow a link, or send a form, to the vendor's page; of a bank transfer: go to the bank and fill the slip in."""
        shown = dict(deposit.shown or {})
        match shown["kind"]:
            case "form":
                page = await self.http.post(shown["url"], data=dict(shown["fields"]), follow_redirects=True)
            case "redirect":
                page = await self.http.get(shown["redirect_url"], follow_redirects=True)
            case _:
                slip = {
                    "memo": shown["content"],
                    "amount": f"{deposit.amount.normalize():f}",
                    "account": shown["account_number"],
                }
                bank = f"{self.sandbox.url}/{self.case.at_vendor}/bank"
                page = await self.http.post(bank, data=slip, follow_redirects=True)
        assert page.status_code == 200, page.text
        return page

    async def press(self, deposit: Deposit, deed: str) -> httpx.Response:
        """Press a button of the vendor's page, and return the page that comes."""
        page = await self.http.get(self.pages[deposit.id])
        form = re.search(
            rf'action="([^"]+)"[^<]*<input type="hidden" name="deed" value="{deed}">', page.text.replace("\n", "")
        )
        assert form is not None, f"the page has no button for {deed}"
        return await self.http.post(
            urljoin(str(page.url), unescape(form[1])), data={"deed": deed}, follow_redirects=True
        )

    def way_back(self, deposit: Deposit, page: httpx.Response) -> str:
        """Return where the vendor's page leads back to; the panel's own address where the vendor takes none."""
        found = re.search(r'href="([^"]+)">Back to the shop<', page.text)
        return unescape(found[1]) if found else f"{self.address}/deposits/return/{deposit.reference}"

    async def come_back(self, address: str) -> None:
        """Come back to the panel, signed in."""
        assert address.startswith(f"{self.address}/deposits/return/")
        async with self.panel.db.transaction() as session:
            opened = await open_session(
                session, self.user, lifetime=timedelta(hours=1), ip=None, user_agent=None, now=self.clock()
            )
        answer = await self.http.get(address, headers={"cookie": f"{SESSION_COOKIE}={opened.token}"})
        assert (answer.status_code, answer.headers["location"][:10]) == (303, "/deposits/"), answer.text

    # What happens at the vendor, and what comes of it.

    async def do(self, deposit: Deposit, deed: str, **more: Any) -> dict[str, Any]:
        """Have something done at the vendor; its messages have arrived when this returns."""
        names = (self.case.at_vendor, self.name_of(deposit), deed)
        done = await asyncio.to_thread(lambda: self.sandbox.do(*names, **more))
        await self.arrive()
        return done

    async def begin_there(self, deposit: Deposit) -> None:
        """Have somebody begin to pay; the vendor's message is under way when this returns."""
        names = (self.case.at_vendor, self.name_of(deposit), "begin")
        await asyncio.to_thread(lambda: self.sandbox.do(*names))

    def name_of(self, deposit: Deposit) -> str:
        """Return what the vendor finds the payment by."""
        return self.pages[deposit.id].rpartition("/")[2]

    async def arrive(self) -> None:
        """Wait until all messages of the vendor have been answered."""
        assert await asyncio.to_thread(lambda: self.sandbox.wait_idle(PATIENCE_SECONDS)), "messages are still under way"

    async def hear(self) -> None:
        """Do what a worker does with messages, and with the questions that they lead to."""
        await settle_waiting.function(self.panel)
        if self.case.can_be_asked:
            await ask_gateways.function(self.panel)

    async def did(self, deposit: Deposit, deed: str, **more: Any) -> Deposit:
        """Have something done, hear of it, and return the deposit."""
        await self.do(deposit, deed, **more)
        return await self.heard(deposit)

    async def heard(self, deposit: Deposit) -> Deposit:
        """Do what a worker does, and return the deposit. Whose vendor tells nothing is asked."""
        await self.hear()
        return await self.read(deposit) if self.case.tells_paid else await self.asked(deposit)

    async def asked(self, deposit: Deposit) -> Deposit:
        """Have the gateway asked now, as at the deposit's next time, and return the deposit."""
        async with self.panel.db.transaction() as session:
            await session.execute(update(Deposit).where(Deposit.id == deposit.id).values(ask_at=self.clock()))
        await ask_gateways.function(self.panel)
        return await self.read(deposit)

    async def told(self, deposit: Deposit, deed: str, **more: Any) -> Deposit:
        """Have something done, and hear of it by message or, where the vendor tells nothing of it, by a question."""
        done = await self.did(deposit, deed, **more)
        return await self.asked(deposit) if self.case.can_be_asked else done

    async def pass_time(self, **more: int) -> None:
        """Let time pass here and there."""
        self.clock.ahead += timedelta(**more)
        await asyncio.to_thread(lambda: self.sandbox.set_clock(self.clock()))

    def fault(self, kind: str, **fields: Any) -> None:
        self.sandbox.add_fault(kind, **{"vendor": self.case.at_vendor, **fields})

    def deliveries(self) -> list[dict[str, Any]]:
        """Return what the vendor sent, but what it tells nothing of."""
        return [one for one in self.sandbox.deliveries(vendor=self.case.at_vendor) if one["body"]]

    def calls(self, action: str) -> list[dict[str, Any]]:
        """Return what the panel asked of the vendor."""
        return [one for one in self.sandbox.control("GET", "calls") if one["action"] == action]

    async def send(self, delivery: Mapping[str, Any]) -> httpx.Response:
        """Send a message once more, byte for byte."""
        return await self.http.post(
            delivery["url"], content=delivery["body"].encode(), headers=dict(delivery["headers"])
        )

    # What is on record.

    async def read(self, deposit: Deposit) -> Deposit:
        async with self.panel.db.transaction() as session:
            return await session.get_one(Deposit, deposit.id)

    async def receipts(self) -> list[Receipt]:
        async with self.panel.db.transaction() as session:
            mine = select(Deposit.id).where(Deposit.user_id == self.user)
            wanted = select(Receipt).where(Receipt.deposit_id.in_(mine)).order_by(Receipt.id)
            return list((await session.scalars(wanted)).all())

    async def events(self) -> list[GatewayEvent]:
        async with self.panel.db.transaction() as session:
            wanted = select(GatewayEvent).where(GatewayEvent.received_at >= self.opened_at).order_by(GatewayEvent.id)
            return list((await session.scalars(wanted)).all())

    async def balance(self) -> Decimal:
        async with self.panel.db.transaction() as session:
            return (await balance_of(session, self.user, self.case.currency)).amount

    async def credits(self) -> int:
        """Return how often the customer's wallet was credited for a deposit."""
        counted = text(
            "SELECT count(*) FROM ledger_transfers WHERE reason = 'deposit' AND subject IN"
            " (SELECT 'deposit:' || id FROM deposits WHERE user_id = :user)"
        )
        async with self.panel.db.transaction() as session:
            return int((await session.execute(counted, {"user": self.user})).scalar_one())


def in_currency(panel: Panel, case: Case, clock: Callable[[], datetime]) -> Panel:
    """Return the panel as if its wallets were in the case's currency."""
    return replace(panel, currency=case.currency, clock=clock)
