"""Opening a panel on its database, and preparing a database to be one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.errors import UndefinedTable
from sqlalchemy import func, select, text
from sqlalchemy.exc import ProgrammingError

import smmpanel.entrypoints.declarations  # noqa: F401 - jobs and listeners are known before anything is recorded
from smmpanel.entrypoints.revisions import newest_revision
from smmpanel.kernel.crypto import Vault, load_vault
from smmpanel.kernel.db import Database
from smmpanel.kernel.errors import ConflictError, PanelError
from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.jobs import Waker
from smmpanel.kernel.options import read_option, write_option
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.public_ids import PublicIds, load_public_ids
from smmpanel.kernel.settings import Settings
from smmpanel.web.brand import NAME_OPTION

if TYPE_CHECKING:
    from smmpanel.accounts.admins import FirstAdmin

CURRENCY = "currency"
PRESET = "preset"
LANGUAGE = "language"
TIME_ZONE = "time_zone"
PREPARING_LOCK = 0x5A11_0003


class NotPreparedError(PanelError):
    """The database is not this version's: nothing in it yet, or what an earlier or later version left."""

    code, status = "not_prepared", 503
    message = "The database is not set up for this version of the panel: run `smmpanel migrate`."


class OtherPresetError(ConflictError):
    """The panel was made from another preset; its currency cannot change any more."""

    code, message = (
        "other_preset",
        "This panel was made from the preset {present}, in {currency}: that cannot be changed.",
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """What preparing came to."""

    revision: str
    currency: str
    preset: str
    is_new: bool
    """Whether the preset was applied just now."""
    connected: tuple[str, ...]
    """Providers whose keys were found in the environment: added, or brought up to date."""
    first_admin: "FirstAdmin | None"


@asynccontextmanager
async def open_panel(settings: Settings, url: str) -> AsyncIterator[Panel]:
    """Open the panel whose database this is; raises `NotPreparedError` if `prepare_panel` has to run first."""
    db = Database(url, pool_size=settings.database_pool)
    try:
        currency = await _currency_if_ready(db)
        if currency is None:
            raise NotPreparedError
        vault = _vault(settings)
        async with db.transaction() as session:
            public_ids = await load_public_ids(session, vault)
        waker = Waker(db)
        panel = _panel(settings, db, currency, vault, public_ids)
        try:
            yield panel
        finally:
            panel.stopping.set()
            await waker.close()
            await panel.http.aclose()
    finally:
        await db.close()


async def is_prepared(url: str) -> bool:
    """Whether the database can be opened as it is."""
    db = Database(url, pool_size=2)
    try:
        return await _currency_if_ready(db) is not None
    finally:
        await db.close()


async def prepare_panel(
    settings: Settings, url: str, *, environ: Mapping[str, str], preset: str | None = None
) -> Prepared:
    """Bring a database to the present schema, give a new panel its preset and its first admin, connect known providers.

    Any number of processes may do this at once, and it may be broken off: the next one completes it. Raises
    `OtherPresetError` if `preset` is not the one that the panel was made from.
    """
    # Loaded here only: what runs for good has no use for them.
    from smmpanel.accounts.admins import ensure_first_admin
    from smmpanel.entrypoints.migrating import migrate

    revision = await asyncio.to_thread(migrate, url)
    db = Database(url, pool_size=2)
    try:
        applied = await _apply_preset(settings, db, preset, environ)
        async with db.transaction() as session:
            first_admin = await ensure_first_admin(session, settings)
        return Prepared(revision, *applied, first_admin)
    finally:
        await db.close()


async def _apply_preset(
    settings: Settings, db: Database, wanted: str | None, environ: Mapping[str, str]
) -> tuple[str, str, bool, tuple[str, ...]]:
    import smmpanel.entrypoints.preset_parts  # noqa: F401 - what the sections of presets mean is known before one is read
    from smmpanel.catalog.markups import MARKUP_PERCENT
    from smmpanel.payments.presets import connect_preset_methods
    from smmpanel.providers.presets import connect_preset_providers, load_preset, preset_names, take_preset_parts

    vault = _vault(settings)
    async with db.transaction() as session:
        await session.execute(select(func.pg_advisory_xact_lock(PREPARING_LOCK)))
        currency, name = await read_option(session, CURRENCY), await read_option(session, PRESET, "")
        is_new = currency is None
        if is_new:
            name = wanted or settings.preset
            preset = load_preset(name)
            currency = preset.currency
            await write_option(session, PRESET, name)
            await write_option(session, CURRENCY, currency)
            await write_option(session, LANGUAGE, preset.language)
            await write_option(session, TIME_ZONE, preset.time_zone)
            await write_option(session, NAME_OPTION, preset.title)
            await write_option(session, MARKUP_PERCENT, str(preset.markup_percent))
        elif wanted is not None and wanted != name:
            raise OtherPresetError(present=name, currency=currency)
        public_ids = await load_public_ids(session, vault)
        connected: list[str] = []
        if name in preset_names():  # its file may have gone since
            panel, preset = _panel(settings, db, currency, vault, public_ids), load_preset(name)
            if is_new:
                await take_preset_parts(session, panel, preset)
            connected = await connect_preset_providers(session, panel, preset, environ)
            await connect_preset_methods(session, panel, preset.parts.get("payments"), environ)
        return currency, name, is_new, tuple(connected)


def _vault(settings: Settings) -> Vault:
    return load_vault(settings.home, settings.secret_keys.get_secret_value() if settings.secret_keys else None)


def _panel(settings: Settings, db: Database, currency: str, vault: Vault, public_ids: PublicIds) -> Panel:
    return Panel(
        settings=settings,
        currency=currency,
        db=db,
        vault=vault,
        http=Outgoing(allow=settings.networks(settings.outgoing_allow)),
        public_ids=public_ids,
    )


async def _currency_if_ready(db: Database) -> str | None:
    try:
        async with db.transaction() as session:
            revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
            currency: str | None = await read_option(session, CURRENCY)
    except ProgrammingError as error:
        if isinstance(error.orig, UndefinedTable):
            return None
        raise
    return currency if revision == newest_revision() else None
