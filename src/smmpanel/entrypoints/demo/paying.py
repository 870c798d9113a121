"""How people pay in a demonstration: as customers do, by the panel's own methods, with a bank that tells of their transfers."""

import json
import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from smmpanel.accounts.access import Actor
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.panel import Panel
from smmpanel.payments.deciding import approve_deposit
from smmpanel.payments.inbox import settle_waiting
from smmpanel.payments.methods import MethodTerms, add_method, edit_method, enable_method, methods_of
from smmpanel.payments.models import Deposit
from smmpanel.payments.opening import NewDeposit, open_deposit
from smmpanel.payments.presets import memo_prefix
from smmpanel.payments.protocol import Message
from smmpanel.payments.receiving import receive
from smmpanel.payments.signing import hmac_text
from smmpanel.web.formats import WITHOUT_DECIMALS

WATCHED = "VND"
"""The currency in which a bank account is watched; elsewhere somebody looks."""
# There is no such account: whoever scans the code in a demonstration pays nobody.
ACCOUNT = {"account_number": "0000000000", "account_name": "DEMO PANEL"}
BANK_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
FIRST_NUMBER = 92_704


@dataclass
class Bank:
    """The panel's methods, and the bank behind them."""

    panel: Panel
    staff: Actor
    rng: random.Random
    secret: str = field(default_factory=lambda: random_text(24))
    watched: int | None = None
    by_hand: int = 0
    numbers: "count[int]" = field(default_factory=lambda: count(FIRST_NUMBER))

    async def open(self, minimum: Decimal) -> None:
        """Set the methods up and offer them."""
        if self.panel.currency == WATCHED:
            self.watched = await self._add("sepay", "VietQR", minimum, {"bank": "970416"}, {"secret": self.secret})
        self.by_hand = await self._add("manual", "Bank transfer", minimum, {"bank_name": "Example Bank"}, {})

    async def pay_in(self, user_id: int, amount: Decimal) -> None:
        """Have somebody pay in, and the money arrive."""
        deposit = await self.begin(user_id, amount)
        if self.watched is not None:
            await self.tell(deposit.memo or "", deposit.amount)
            return
        async with self.panel.db.transaction() as session:
            await approve_deposit(session, deposit.id, actor=self.staff, now=self.panel.clock())

    async def begin(self, user_id: int, amount: Decimal) -> Deposit:
        """Have somebody begin a deposit."""
        whole = amount.quantize(Decimal(1 if self.panel.currency in WITHOUT_DECIMALS else "0.01"))
        return await open_deposit(self.panel, NewDeposit(user_id, self.watched or self.by_hand, whole))

    async def tell(self, text: str, amount: Decimal) -> None:
        """Have the bank tell of a transfer with this text, signed as it should be."""
        assert self.watched is not None
        now, number = self.panel.clock(), next(self.numbers)
        body: dict[str, Any] = {
            "id": number,
            "gateway": "ACB",
            "transactionDate": f"{now.astimezone(BANK_ZONE):%Y-%m-%d %H:%M:%S}",
            "accountNumber": ACCOUNT["account_number"],
            "code": None,
            "content": f"{text} chuyen tien",
            "transferType": "in",
            "transferAmount": int(amount),
            "accumulated": int(amount) * 7,
            "subAccount": None,
            "referenceCode": f"FT{self.rng.randrange(10**9, 10**10)}{number}",
            "description": f"BankAPINotify {text} chuyen tien",
        }
        raw, stamp = json.dumps(body).encode(), str(int(now.timestamp()))
        signature = hmac_text(self.secret, f"{stamp}.".encode() + raw)
        headers = {"x-sepay-signature": f"sha256={signature}".encode(), "x-sepay-timestamp": stamp.encode()}
        await receive(self.panel, "sepay", Message(headers, raw), ip=None)
        await settle_waiting.function(self.panel)

    async def leave_something_to_do(self, demo: int, other: int, unit: Decimal) -> None:
        """Leave deposits at the end that somebody still has to do something about."""
        if self.watched is None:
            await self.begin(other, 20 * unit)
            return
        part = await self.begin(other, 20 * unit)
        await self.tell(part.memo or "", part.amount / 2)
        await self.tell("cam on shop", (10 * unit).quantize(Decimal(1)))
        await open_deposit(self.panel, NewDeposit(other, self.by_hand, (40 * unit).quantize(Decimal(1))))
        await self.begin(demo, 10 * unit)

    async def _add(
        self, gateway: str, name: str, minimum: Decimal, options: dict[str, str], secrets: dict[str, str]
    ) -> int:
        async with self.panel.db.transaction() as session:
            prefix = await memo_prefix(session)
            terms = MethodTerms(
                name=name,
                currency=self.panel.currency,
                minimum=minimum,
                expires_minutes=int(timedelta(hours=1 if secrets else 168).total_seconds() // 60),
                options={"memo_prefix": prefix, **ACCOUNT, **options},
                position=0 if secrets else 1,
            )
            # Where the preset brings one of the kind, it is that one which is completed.
            known = next(iter(await methods_of(session, gateway)), None)
            if known is None:
                made = await add_method(session, self.panel, gateway, terms, actor=self.staff, secrets=secrets)
            else:
                terms = replace(terms, name=known.name)
                made = await edit_method(session, self.panel, known.id, terms, actor=self.staff, secrets=secrets)
            await enable_method(session, self.panel, made.id, actor=self.staff)
            return made.id
