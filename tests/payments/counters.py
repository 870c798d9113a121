"""A till at a gateway that tells of payments and of money that goes back."""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

from sqlalchemy import select

from payments.conftest import Till
from payments.telling_gateway import Counter, RefundingGateway, TellingGateway, told
from smmpanel.kernel.facts import FactRow
from smmpanel.payments.models import Deposit, GatewayEvent
from smmpanel.payments.protocol import GatewayStatus, Message, Notice
from smmpanel.payments.receiving import receive
from smmpanel.payments.return_models import PaymentReturn

_events = count(1)
S = GatewayStatus


@dataclass
class Desk:
    """A deposit at such a gateway, and what is told of it."""

    till: Till
    deposit: Deposit
    gateway: str

    @property
    def money(self) -> str:
        """The number of the deposit's money."""
        return f"pay-{self.deposit.id}"

    def notice(self, status: GatewayStatus, amount: int | str | Decimal, **more: Any) -> Notice:
        """Return what the gateway says of the deposit."""
        given: dict[str, Any] = {
            "external_id": self.money,
            "source": "webhook",
            "status": status,
            "amount": Decimal(amount),
            "currency": self.deposit.currency,
            "reference": self.deposit.reference,
        }
        return Notice(**{**given, **more})

    async def told(self, status: GatewayStatus, amount: int | str | Decimal, **more: Any) -> str:
        """Have the gateway say it, and settle it; returns what came of it."""
        body = told(f"event-{next(_events)}", self.notice(status, amount, **more))
        await receive(self.till.panel, self.gateway, Message({}, body), ip=None)
        await self.till.settle()
        async with self.till.panel.db.transaction() as session:
            newest = select(GatewayEvent.outcome).order_by(GatewayEvent.id.desc()).limit(1)
            return str(await session.scalar(newest))

    async def now(self) -> Deposit:
        """Read the deposit."""
        return await self.till.deposit(self.deposit.id)

    async def returns(self) -> list[PaymentReturn]:
        """Read all that went back."""
        async with self.till.panel.db.transaction() as session:
            return list((await session.scalars(select(PaymentReturn).order_by(PaymentReturn.id))).all())

    async def told_facts(self) -> list[str]:
        """Read the names of all that was recorded of it."""
        async with self.till.panel.db.transaction() as session:
            found = select(FactRow.name).where(FactRow.name.like("deposit_%")).order_by(FactRow.id)
            return list((await session.scalars(found)).all())


async def desk_of(till: Till, amount: int = 100_000, *, refunding: bool = False, **more: Any) -> Desk:
    """Set such a gateway up, if it is not there yet, and begin a deposit."""
    kind: type[TellingGateway] = RefundingGateway if refunding else TellingGateway
    kind.counter = Counter(refunds=deque())
    if kind.slug not in till.panel.payment_gateways.names():
        till.panel.payment_gateways.put(kind.slug, kind)
    if kind.slug not in till.methods:
        await till.add(kind.slug, **more)
    return Desk(till, await till.open(amount, gateway=kind.slug), kind.slug)
