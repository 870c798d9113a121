"""A panel in đồng with a watched bank account, a customer, and a bank that tells of transfers."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select

from making import assert_books, make_user
from smmpanel.accounts.access import Actor
from smmpanel.kernel.facts import FactRow
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of
from smmpanel.payments.inbox import settle_waiting
from smmpanel.payments.methods import MethodTerms, add_method, enable_method
from smmpanel.payments.models import Deposit, GatewayEvent, Receipt
from smmpanel.payments.opening import NewDeposit, open_deposit
from smmpanel.payments.policies import Policy
from smmpanel.payments.protocol import Message, Reply
from smmpanel.payments.receiving import receive
from smmpanel.payments.signing import hmac_text

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
SECRET = "sepay_test_secret_123"
BANK: dict[str, Any] = {
    "bank": "970416",
    "account_number": "123456789",
    "account_name": "NGUYEN VAN A",
    "memo_prefix": "HOMEMMO",
}
_numbers = count(92704)


@dataclass
class Till:
    """The panel, its methods, its customer, and what the bank says."""

    panel: Panel
    user: int
    methods: dict[str, int] = field(default_factory=dict)

    def at(self, **later: int) -> "Till":
        """Return the same some time later."""
        moment = self.panel.clock() + timedelta(**later)
        return replace(self, panel=replace(self.panel, clock=lambda: moment))

    async def add(self, gateway: str, *, name: str = "", secret: str = SECRET, **more: Any) -> int:
        """Set a method up and offer it."""
        options = {**BANK, **more.pop("options", {})}
        given: dict[str, Any] = {
            "name": name or gateway,
            "currency": "VND",
            "minimum": Decimal(10_000),
            "expires_minutes": 60,
        }
        terms = MethodTerms(**{**given, **more}, options=options)
        async with self.panel.db.transaction() as session:
            secrets = {"secret": secret} if gateway == "sepay" else {}
            made = await add_method(session, self.panel, gateway, terms, actor=Actor.cli(), secrets=secrets)
            await enable_method(session, self.panel, made.id, actor=Actor.cli())
        self.methods[gateway] = made.id
        return made.id

    async def open(
        self, amount: int = 100_000, *, gateway: str = "sepay", user: int | None = None, key: str | None = None
    ) -> Deposit:
        """Begin a deposit."""
        return await open_deposit(
            self.panel, NewDeposit(user or self.user, self.methods[gateway], Decimal(amount), key)
        )

    def transfer(self, memo: str | None, amount: int = 100_000, **more: Any) -> dict[str, Any]:
        """Return what SePay tells of a transfer."""
        number = next(_numbers)
        local = self.panel.clock() + timedelta(hours=7)
        return {
            "id": number,
            "gateway": "ACB",
            "transactionDate": f"{local:%Y-%m-%d %H:%M:%S}",
            "accountNumber": "123456789",
            "code": None,
            "content": f"{memo} chuyen tien",
            "transferType": "in",
            "transferAmount": amount,
            "accumulated": 19077000,
            "subAccount": None,
            "referenceCode": f"FT{number}",
            "description": f"BankAPINotify {memo} chuyen tien",
            **more,
        }

    def signed(self, body: dict[str, Any] | bytes, secret: str = SECRET) -> Message:
        """Sign a message as SePay does."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        stamp = str(int(self.panel.clock().timestamp()))
        signature = hmac_text(secret, f"{stamp}.".encode() + raw)
        return Message({"x-sepay-signature": f"sha256={signature}".encode(), "x-sepay-timestamp": stamp.encode()}, raw)

    async def told(self, memo: str | None, amount: int = 100_000, **more: Any) -> Reply:
        """Have SePay tell of a transfer, and settle it."""
        reply = await receive(self.panel, "sepay", self.signed(self.transfer(memo, amount, **more)), ip="203.0.113.9")
        await self.settle()
        return reply

    async def settle(self) -> None:
        """Do what a worker does."""
        await settle_waiting.function(self.panel)

    async def balance(self, user: int | None = None) -> Decimal:
        """Return what is in the wallet."""
        async with self.panel.db.transaction() as session:
            return (await balance_of(session, user or self.user, self.panel.currency)).amount

    async def deposit(self, deposit_id: int) -> Deposit:
        """Read a deposit as it is committed."""
        async with self.panel.db.transaction() as session:
            return await session.get_one(Deposit, deposit_id)

    async def receipts(self) -> list[Receipt]:
        """Read all money that arrived."""
        async with self.panel.db.transaction() as session:
            return list((await session.scalars(select(Receipt).order_by(Receipt.id))).all())

    async def events(self) -> list[GatewayEvent]:
        """Read all messages."""
        async with self.panel.db.transaction() as session:
            return list((await session.scalars(select(GatewayEvent).order_by(GatewayEvent.id))).all())

    async def facts(self, name: str = "deposit_credited") -> list[dict[str, Any]]:
        """Read what was recorded to have happened."""
        async with self.panel.db.transaction() as session:
            found = await session.scalars(select(FactRow.body).where(FactRow.name == name).order_by(FactRow.id))
            return list(found.all())


@pytest.fixture
async def till(panel: Panel) -> AsyncIterator[Till]:
    """A panel in đồng with SePay. After the test its wallets are what the ledger says, and its deposits what arrived."""
    opened = replace(panel, currency="VND", clock=lambda: NOW)
    async with panel.db.transaction() as session:
        user = await make_user(session, funds=None)
    made = Till(opened, user)
    await made.add("sepay", policy=Policy())
    yield made
    await assert_books(panel.db)
