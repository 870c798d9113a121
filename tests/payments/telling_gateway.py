"""A gateway that says whatever a test wants said, and pays back as a test wants it to."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from smmpanel.kernel.http import Outgoing
from smmpanel.payments.protocol import (
    Account,
    Asked,
    GatewayStatus,
    Intent,
    Message,
    Notice,
    Reading,
    Refund,
    Refunded,
    Reply,
    Started,
)


@dataclass
class Counter:
    """What stands behind the gateway: what it answers to refunds and questions, and what it was asked."""

    refunds: deque[Refunded | Exception] = field(default_factory=deque)
    asked_back: list[Refund] = field(default_factory=list)
    answer: bytes = b""
    during: Any = None


class TellingGateway:
    """Reads notices as they are written; believes everybody."""

    slug: ClassVar[str] = "telling"
    title: ClassVar[str] = "Telling"
    currencies: ClassVar[frozenset[str]] = frozenset()
    uses_memo: ClassVar[bool] = False
    approved_by_staff: ClassVar[bool] = False
    expires_minutes: ClassVar[int] = 60
    settings: ClassVar[tuple[Any, ...]] = ()
    kept_headers: ClassVar[tuple[str, ...]] = ()
    reply: ClassVar[Reply] = Reply({"ok": True})
    accounts: ClassVar[frozenset[str]] = frozenset()
    can_be_asked: ClassVar[bool] = True
    counter: ClassVar[Counter] = Counter()

    def __init__(self, account: Account, http: Outgoing) -> None:
        """Take an account."""

    def check(self) -> None:
        """Nothing is needed."""

    async def start(self, intent: Intent) -> Started:
        """Send the customer elsewhere."""
        return Started({"kind": "redirect", "redirect_url": "https://pay.example/"}, f"at-{intent.reference}")

    def verify(self, message: Message, now: datetime) -> str | None:  # noqa: ARG002
        """Believe it."""
        return "told"

    def read(self, message: Message, verdict: str) -> Reading:  # noqa: ARG002
        """Read what `told` has written."""
        return read(message.body)

    async def ask(self, payment: Asked) -> bytes:  # noqa: ARG002
        """Return what the test has put there."""
        return self.counter.answer

    def read_answer(self, answer: bytes, payment: Asked) -> Reading:  # noqa: ARG002
        """Read it like a message."""
        return read(answer)


class RefundingGateway(TellingGateway):
    """One that pays back when it is asked to."""

    slug: ClassVar[str] = "refunding"

    async def refund(self, wanted: Refund) -> Refunded:
        """Do what comes next."""
        self.counter.asked_back.append(wanted)
        if self.counter.during is not None:
            await self.counter.during(wanted)
        answer = self.counter.refunds.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer


def told(event: str, *notices: Notice) -> bytes:
    """Write a message."""
    rows = [{**asdict(one), "amount": str(one.amount), "status": one.status.value} for one in notices]
    return json.dumps({"event": event, "notices": rows}, default=str).encode()


def read(body: bytes) -> Reading:
    """Read a message."""
    found = json.loads(body)
    known = {each.name for each in fields(Notice)}
    return Reading(found["event"], [_notice({name: row[name] for name in known}) for row in found["notices"]])


def _notice(row: Mapping[str, Any]) -> Notice:
    occurred = row["occurred_at"]
    return Notice(
        **{
            **row,
            "amount": Decimal(row["amount"]),
            "status": GatewayStatus(row["status"]),
            "texts": tuple(row["texts"]),
            "occurred_at": None if occurred is None else datetime.fromisoformat(occurred),
        }
    )
