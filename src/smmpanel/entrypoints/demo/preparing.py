"""Filling a demonstration's database: the panel, its provider and catalogue, its ways to pay, its people, and their history.

Run by the supervisor in place of the migrations, as `python -m smmpanel.entrypoints.demo.preparing`.
"""

import asyncio
import os
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import uvloop
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

import smmpanel.entrypoints.preset_parts  # noqa: F401 - what the sections of presets mean
from smmpanel.accounts.access import Actor
from smmpanel.accounts.api_keys import issue_key
from smmpanel.accounts.finding import user_named
from smmpanel.accounts.models import User
from smmpanel.accounts.referral_codes import code_of
from smmpanel.accounts.signing_up import UNKNOWN, Arrival, register
from smmpanel.accounts.states import Role
from smmpanel.catalog.fx import set_rate
from smmpanel.catalog.importing import fetch_catalogue, import_services
from smmpanel.catalog.platforms import platform_of
from smmpanel.entrypoints.demo.gateways import FakeGateways
from smmpanel.entrypoints.demo.growing import COUPON, Growth, arrival_of, know_browser
from smmpanel.entrypoints.demo.notes import DemoNotes
from smmpanel.entrypoints.demo.paying import DOLLARS, Bank
from smmpanel.entrypoints.demo.people import DEMO_USERNAME, OTHERS, PLATFORMS_ORDERED, Customer
from smmpanel.entrypoints.demo.shelf import Shelf
from smmpanel.entrypoints.demo.story import Story
from smmpanel.entrypoints.demo.time_machine import TimeMachine, another_time
from smmpanel.entrypoints.demo.upstream import Upstream
from smmpanel.entrypoints.explaining import explain
from smmpanel.entrypoints.migrating import migrate
from smmpanel.entrypoints.opening import open_panel, prepare_panel
from smmpanel.entrypoints.supervisor import say
from smmpanel.kernel.db import Database
from smmpanel.kernel.ids import random_text
from smmpanel.kernel.logging import configure_logging
from smmpanel.kernel.options import write_option
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.settings import Settings
from smmpanel.payments.pages.add_funds import TRANSFER_OPTION
from smmpanel.providers.connecting import add_provider
from smmpanel.providers.models import Provider
from smmpanel.providers.presets import Preset, load_preset
from smmpanel.providers.protocol import UpstreamService

ADMIN_USERNAME = "admin"
PASSWORD_LENGTH = 12
PROVIDER_CURRENCY = "USD"
LOW_BALANCE = Decimal(300)
DEAREST_DOLLARS = Decimal(9)
FINISHED_WITHIN_SECONDS = 30.0
"""How long an order takes that a visitor places: it is looked at every 20 seconds while it is fresh."""
SEED = 20
HOW_TO_PAY: Mapping[str, str] = {
    "en": "Transfer to Example Bank, account 0000 0000 0000, in the name of DEMO PANEL.\nThe amount is credited once it has arrived.",
    "vi": "Chuyển khoản đến Ngân hàng Ví Dụ, số tài khoản 0000 0000 0000, chủ tài khoản DEMO PANEL.\n"
    "Số dư được cộng khi tiền đã vào tài khoản.",
    "id": "Transfer ke Bank Contoh, rekening 0000 0000 0000, atas nama DEMO PANEL.\nSaldo ditambahkan setelah dana masuk.",
}
"""What /add-funds says; there is no such bank."""


async def prepare(settings: Settings, url: str, notes: DemoNotes) -> None:
    """Make the panel and let it live through its history; prints who may sign in."""
    preset = load_preset(notes.preset)
    password = notes.password or random_text(PASSWORD_LENGTH)
    begins = (datetime.now(UTC) - timedelta(days=notes.days)).replace(hour=0, minute=0, second=0, microsecond=0)
    say("Preparing the database ...")
    await asyncio.to_thread(migrate, url)
    db = Database(url, pool_size=2)
    async with Upstream(notes.provider_control) as upstream, FakeGateways(notes.gateways_url) as gateways:
        await gateways.begin_history()
        try:
            async with another_time(db, upstream, begins) as machine:
                mine = settings.model_copy(
                    update={"admin_username": ADMIN_USERNAME, "admin_password": SecretStr(password)}
                )
                await prepare_panel(mine, url, environ={}, preset=notes.preset)
                async with open_panel(mine, url) as panel:
                    panel.db.wake_sink = None  # turns of the engine find what is due
                    maker = _Maker(
                        replace(panel, clock=machine.now), machine, upstream, gateways, notes, preset, password
                    )
                    handed_out = await maker.live()
        finally:
            await db.close()
        # From now on time is real, and what visitors order is done while they look, whole.
        await upstream.configure(finish_after=FINISHED_WITHIN_SECONDS, partial_share=0, cancel_share=0)
        await upstream.set_clock(datetime.now(UTC), speed=1)
        await gateways.end_history()
    say(_welcome(preset, password, handed_out, notes))


class _HandedOut(NamedTuple):
    """What whoever looks may try."""

    key: str
    """An API key of the demo customer's."""
    voucher: str


@dataclass(frozen=True, slots=True)
class _Maker:
    """What it takes to fill a panel."""

    panel: Panel
    """Its clock is the machine's."""
    machine: TimeMachine
    upstream: Upstream
    gateways: FakeGateways
    notes: DemoNotes
    preset: Preset
    password: str

    async def live(self) -> _HandedOut:
        """Connect, import, sign up, and let the days pass."""
        panel = self.panel
        unit = Decimal(DOLLARS.get(panel.currency, 1))
        async with panel.db.transaction() as session:
            admin = await user_named(session, ADMIN_USERNAME)
        staff = Actor("user", admin.id, admin.username, Role.MASTER_ADMIN, frozenset())
        say("Importing the provider's catalogue ...")
        async with panel.db.transaction() as session:
            await write_option(session, TRANSFER_OPTION, dict(HOW_TO_PAY))
        provider = await self._connect(staff, unit)
        listed = sorted(await fetch_catalogue(panel, provider), key=self._place)
        async with panel.db.transaction() as session:
            imported = await import_services(
                session, panel, provider, listed, markup=self.preset.markup_percent, actor=staff, now=panel.clock()
            )
        say(f"{imported.added} services are on sale. Living through {self.notes.days} days ...")
        demo, others, key_id, key = await self._settle_in()
        rng = random.Random(SEED)  # noqa: S311 - the same story each time is wanted
        bank, growth = Bank(panel, staff, self.gateways), Growth(panel, staff, unit)
        await bank.open()
        await growth.begin()
        story = Story(
            panel=panel,
            machine=self.machine,
            upstream=self.upstream,
            provider_id=provider.id,
            staff=staff,
            shelf=await Shelf.read(panel.db, platforms=self.platforms, dearest=DEAREST_DOLLARS * unit),
            bank=bank,
            growth=growth,
            unit=unit,
            demo=demo,
            demo_key_id=key_id,
            others=others,
            rng=rng,
            begins=self.machine.now(),
            ends=datetime.now(UTC),
            days=self.notes.days,
        )
        await story.live()
        await bank.open_elsewhere()
        return _HandedOut(key, growth.codes[0])

    @property
    def platforms(self) -> Sequence[str]:
        """What its customers order, most first."""
        return [one for one in self.preset.platforms if one in PLATFORMS_ORDERED] or PLATFORMS_ORDERED

    def _place(self, line: UpstreamService) -> int:
        """Where a line of the provider's list goes: what the preset names first comes first, the rest as it is listed."""
        platform = platform_of(line.category)
        return self.platforms.index(platform) if platform in self.platforms else len(self.platforms)

    async def _connect(self, staff: Actor, unit: Decimal) -> Provider:
        panel = self.panel
        async with panel.db.transaction() as session:
            provider = await add_provider(
                session,
                panel,
                actor=staff,
                slug="sandbox",
                adapter="panel_v2",
                api_key=self.notes.provider_key,
                name="Sandbox",
                alias="Provider 1",
                base_url=self.notes.provider_url,
                currency=PROVIDER_CURRENCY,
                low_balance=LOW_BALANCE,
            )
            if panel.currency != PROVIDER_CURRENCY:
                pair = (PROVIDER_CURRENCY, panel.currency, unit)
                await set_rate(session, *pair, currency=panel.currency, actor=staff, now=panel.clock())
            return provider

    async def _settle_in(self) -> tuple[Customer, list[Customer], int, str]:
        """Have everybody sign up; returns the demo customer, the others, and an API key of the demo customer's."""
        async with self.panel.db.transaction() as session:
            user = await self._sign_up(session, DEMO_USERNAME, self.password)
            demo = Customer(user.id, user.username, Decimal(2))
            key, text = await issue_key(session, self.panel.vault, user, "shop")
            code = await code_of(session, user.id)
            others = []
            for place, name in enumerate(OTHERS):
                other = await self._sign_up(session, name, random_text(PASSWORD_LENGTH), arrival_of(place, code))
                others.append(Customer(other.id, other.username, Decimal(1 + place % 4)))
        await know_browser(self.panel, demo)
        return demo, others, key.id, text

    async def _sign_up(self, session: AsyncSession, username: str, password: str, arrival: Arrival = UNKNOWN) -> User:
        return await register(
            session,
            username=username,
            email=f"{username}@example.com",
            password=password,
            language=self.preset.language,
            time_zone=self.preset.time_zone,
            arrival=arrival,
        )


def _welcome(preset: Preset, password: str, handed_out: _HandedOut, notes: DemoNotes) -> str:
    rows = (
        ("customer", f"user name {DEMO_USERNAME}, password {password}"),
        ("admin", f"user name {ADMIN_USERNAME}, password {password}"),
        ("API key", f"{handed_out.key} (the customer's)"),
        ("voucher", f"{handed_out.voucher} (to be redeemed once)"),
        ("coupon", f"{COUPON} (on orders)"),
        ("provider", f"{notes.provider_url} (the sandbox)"),
        ("payments", f"{notes.gateways_url} (the sandbox's gateways and its bank)"),
    )
    lines = [f"    {name:<10}{text}" for name, text in rows]
    return "\n".join(
        [
            "",
            f"{preset.title}, in {preset.currency}:",
            "",
            *lines,
            "",
            "An order is completed within about a minute, and every deposit can be paid, without money.",
            "Ctrl-C ends it all, and nothing is kept.",
            "",
        ]
    )


def main() -> None:
    """Prepare the panel that the environment names; exits with a code and a sentence if that fails."""
    settings = Settings()
    # Alerts about what went wrong long ago are part of the story.
    configure_logging(settings.log_format, "error")
    notes = DemoNotes.read(Path(settings.home))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(prepare(settings, os.environ["SMMPANEL_DATABASE_URL"], notes))
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        code, message = explained
        say(f"error: {message}")
        sys.exit(code)


if __name__ == "__main__":
    main()
