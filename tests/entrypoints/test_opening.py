"""Preparing a database and opening the panel in it."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from smmpanel.accounts.admins import FIRST_USERNAME
from smmpanel.accounts.models import User
from smmpanel.accounts.states import Role
from smmpanel.entrypoints.opening import NotPreparedError, OtherPresetError, is_prepared, open_panel, prepare_panel
from smmpanel.kernel.db import Database
from smmpanel.kernel.options import read_options
from smmpanel.kernel.settings import Settings
from smmpanel.providers.connecting import provider_by
from smmpanel.providers.presets import PresetError


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of a new panel in rupiah."""
    return Settings(home=tmp_path, database_url=database_url, preset="bumx")  # type: ignore[arg-type]


async def test_a_database_that_nobody_prepared_is_not_opened(settings, database_url):
    assert await is_prepared(database_url) is False
    with pytest.raises(NotPreparedError):
        async with open_panel(settings, database_url):
            pass


async def test_preparing_gives_a_new_panel_its_preset_and_its_first_admin(settings, database_url):
    prepared = await prepare_panel(settings, database_url, environ={})

    assert (prepared.preset, prepared.is_new, prepared.connected) == ("bumx", True, ())
    assert prepared.first_admin is not None
    assert prepared.first_admin.username == FIRST_USERNAME
    assert len(prepared.first_admin.password or "") >= 16
    assert await is_prepared(database_url) is True
    async with open_panel(settings, database_url) as panel, panel.db.transaction() as session:
        options = await read_options(session)
        assert panel.currency == prepared.currency == options["currency"]
        assert options["preset"] == "bumx"
        assert options["default_markup_percent"]
        [admin] = await session.scalars(select(User))
        assert (admin.role, admin.language, admin.time_zone) == (Role.MASTER_ADMIN, "vi", "Asia/Ho_Chi_Minh")


async def test_preparing_again_changes_nothing(settings, database_url, db: Database):
    first = await prepare_panel(settings, database_url, environ={})
    async with db.transaction() as session:
        before = await read_options(session)

    other = settings.model_copy(update={"preset": "tonicstools"})
    again = await prepare_panel(other, database_url, environ={})

    assert (again.preset, again.currency, again.is_new) == (first.preset, first.currency, False)
    assert again.first_admin is None
    async with db.transaction() as session:
        assert await read_options(session) == before
        assert await session.scalar(select(func.count()).select_from(User)) == 1


async def test_another_preset_is_refused_once_there_is_one(settings, database_url):
    await prepare_panel(settings, database_url, environ={}, preset="bumx")

    with pytest.raises(OtherPresetError) as refusal:
        await prepare_panel(settings, database_url, environ={}, preset="tonicstools")

    assert refusal.value.fields["present"] == "bumx"


async def test_a_preset_that_there_is_not_leaves_the_panel_unprepared(settings, database_url):
    with pytest.raises(PresetError):
        await prepare_panel(settings, database_url, environ={}, preset="nope")

    assert await is_prepared(database_url) is False


async def test_processes_that_start_together_make_one_admin_and_apply_one_preset(settings, database_url):
    all_prepared = await asyncio.gather(*(prepare_panel(settings, database_url, environ={}) for _ in range(3)))

    assert sorted(one.is_new for one in all_prepared) == [False, False, True]
    assert sum(one.first_admin is not None for one in all_prepared) == 1


async def test_a_provider_whose_key_is_in_the_environment_is_connected(settings, database_url):
    prepared = await prepare_panel(settings, database_url, environ={"BUMX_API_KEY": "secret-of-bumx"})

    assert prepared.connected == ("bumx",)
    async with open_panel(settings, database_url) as panel, panel.db.transaction() as session:
        provider = await provider_by(session, "bumx")
        assert panel.vault.open(provider.api_key_sealed) == "secret-of-bumx"


async def test_a_database_of_another_version_is_not_opened(settings, database_url, db: Database):
    await prepare_panel(settings, database_url, environ={})
    async with db.transaction() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(NotPreparedError):
        async with open_panel(settings, database_url):
            pass
