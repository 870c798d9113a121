"""How people pay in a demonstration: as customers do, by the panel's own methods, with a bank that tells of their transfers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from smmpanel.accounts.access import Actor
from smmpanel.catalog.fx import FxRateMissingError, rate_between, set_rate
from smmpanel.entrypoints.demo.gateways import BANK, FakeGateways
from smmpanel.kernel.panel import Panel
from smmpanel.payments.deciding import approve_deposit
from smmpanel.payments.inbox import settle_waiting
from smmpanel.payments.methods import MethodTerms, add_method, edit_method, enable_method, gateway_class, methods_of
from smmpanel.payments.models import Deposit
from smmpanel.payments.opening import NewDeposit, open_deposit
from smmpanel.payments.presets import memo_prefix
from smmpanel.payments.receiving import receive
from smmpanel.web.formats import WITHOUT_DECIMALS

WATCHED = "VND"
"""The currency in which a bank account is watched; elsewhere somebody looks."""
DOLLARS: Mapping[str, int] = {
    "USD": 1,
    "USDT": 1,
    "EUR": 1,
    "VND": 25_400,
    "NGN": 1_550,
    "IDR": 16_300,
    "NPR": 135,
}
"""What a dollar is worth, to set exchange rates by; where it is not listed, one of that currency."""
# There is no such account: whoever scans the code in a demonstration pays nobody.
ACCOUNT = {"account_number": "0000000000", "account_name": "DEMO PANEL"}
VIETNAMESE_BANK = {"bank": "970416"}
OTHER_BANK = {"bank_name": "Example Bank"}
WHERE_TO_TRANSFER = "Demo: chuyển khoản thử tại {bank}\nMake the transfer at {bank}; no money moves."
OURS = ("account_number", "account_name", "memo_prefix")
DESCRIPTION = "configuration"
HOUR_MINUTES, WEEK_MINUTES = 60, 7 * 24 * 60


@dataclass
class Bank:
    """The panel's methods, and the bank and gateways behind them."""

    panel: Panel
    staff: Actor
    gateways: FakeGateways
    watched: int | None = None
    by_hand: int = 0

    async def open(self) -> None:
        """Set the methods by transfer up and offer them."""
        currency = self.panel.currency
        by_transfer = MethodTerms("", currency, smallest(currency), options=await self._account())
        if currency == WATCHED:
            terms = replace(by_transfer, name="VietQR")
            self.watched = await self._complete(BANK, terms, await self._watching())
        terms = replace(by_transfer, name="Bank transfer", expires_minutes=WEEK_MINUTES, position=1)
        self.by_hand = await self._complete("manual", terms, OTHER_BANK)

    async def open_elsewhere(self) -> list[str]:
        """Offer every gateway that the sandbox plays; returns their names."""
        known = self.panel.payment_gateways.names()
        vendors = [one for one in (await self.gateways.vendors()).values() if one.gateway in known]
        offered: list[str] = []
        for vendor in vendors:
            if vendor.name == BANK and self.watched is not None:
                continue
            currency = vendor.currency
            await self._worth(currency)
            terms = MethodTerms(vendor.title, currency, smallest(currency), position=2 + len(offered))
            told = {**await self._account(), **await self._watching()} if vendor.name == BANK else vendor.setup
            await self._complete(vendor.gateway, terms, told)
            offered.append(vendor.title)
        return offered

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
        """Make a transfer with this text at the bank, and have it told of."""
        assert self.watched is not None
        message = await self.gateways.transfer(text, int(amount), ACCOUNT["account_number"], self.panel.clock())
        await receive(self.panel, BANK, message, ip=None)
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

    async def _account(self) -> dict[str, str]:
        async with self.panel.db.transaction() as session:
            return {"memo_prefix": await memo_prefix(session), **ACCOUNT}

    async def _watching(self) -> dict[str, str]:
        """Return what a watched account is set up with, beside whose it is."""
        told = (await self.gateways.vendors())[BANK].setup
        told = {name: value for name, value in told.items() if name not in OURS}
        return {**told, **VIETNAMESE_BANK, "instructions": WHERE_TO_TRANSFER.format(bank=self.gateways.bank)}

    async def _complete(self, gateway: str, terms: MethodTerms, told: Mapping[str, str]) -> int:
        """Set a method up; where the preset brings one of the kind, it is that one which is completed."""
        options, secrets = self._split(gateway, told)
        terms = replace(terms, options={**terms.options, **options})
        async with self.panel.db.transaction() as session:
            waiting = [one for one in await methods_of(session, gateway) if not one.enabled]
            # A method that describes its own gateway waits for that one, and for no other.
            known = next((one for one in waiting if DESCRIPTION not in one.options), None)
            if known is None:
                made = await add_method(session, self.panel, gateway, terms, actor=self.staff, secrets=secrets)
            else:
                terms = replace(terms, name=known.name)
                made = await edit_method(session, self.panel, known.id, terms, actor=self.staff, secrets=secrets)
            await enable_method(session, self.panel, made.id, actor=self.staff)
            return made.id

    def _split(self, gateway: str, told: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        secret = {one.name for one in gateway_class(self.panel, gateway).settings if one.kind == "secret"}
        options = {name: value for name, value in told.items() if name not in secret}
        return options, {name: value for name, value in told.items() if name in secret}

    async def _worth(self, currency: str) -> None:
        mine = self.panel.currency
        if currency == mine:
            return
        rate = Decimal(DOLLARS.get(mine, 1)) / DOLLARS.get(currency, 1)
        async with self.panel.db.transaction() as session:
            try:
                await rate_between(session, currency, mine)
            except FxRateMissingError:
                now = self.panel.clock()
                await set_rate(session, currency, mine, rate, currency=mine, actor=self.staff, now=now)


def smallest(currency: str) -> Decimal:
    """Return the least that can be paid in: about a dollar."""
    return Decimal(DOLLARS.get(currency, 1))
