"""Presets: the files are what they should be, and the environment connects their providers."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select

import smmpanel.entrypoints.preset_parts  # noqa: F401 - what the sections of presets mean
from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import AuditEntry
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.providers.connecting import adapter_for, disable_provider, edit_provider, provider_by
from smmpanel.providers.models import Provider
from smmpanel.providers.pausing import pause_provider
from smmpanel.providers.presets import PresetError, connect_preset_providers, load_preset, preset_names

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GOOD = 'title = "Mine"\ncurrency = "USD"\nlanguage = "en"\ntime_zone = "UTC"\nmarkup_percent = 12.5\n'
PROVIDER = """
[[providers]]
slug = "jap"
name = "JAP"
alias = "One"
adapter = "panel_v2"
base_url = "https://panel.example/api/v2"
currency = "USD"
env_prefix = "JAP"
"""


async def connect(panel, name, environ):
    async with panel.db.transaction() as session:
        return await connect_preset_providers(session, panel, load_preset(name), environ)


async def provider(panel, slug):
    async with panel.db.transaction() as session:
        return await provider_by(session, slug)


def test_there_is_one_preset_for_each_kind_of_panel():
    assert preset_names() == ["automation", "bumx", "homemmo", "tonicstools", "webbooster"]
    assert {name: load_preset(name).currency for name in preset_names()} == {
        "automation": "USD",
        "bumx": "VND",
        "homemmo": "VND",
        "tonicstools": "NGN",
        "webbooster": "IDR",
    }
    assert all(load_preset(name).platforms and "look" in load_preset(name).parts for name in preset_names())
    assert load_preset("tonicstools").markup_percent == 50
    assert load_preset("webbooster").markup_percent == 10
    assert [known.slug for known in load_preset("webbooster").providers] == ["medanpedia", "jap", "peakerr"]
    assert [known.rate_per_minute for known in load_preset("bumx").providers] == [60]
    assert {name: len(load_preset(name).parts.get("tiers", ())) for name in preset_names()} == {
        "automation": 0,
        "bumx": 4,
        "homemmo": 4,
        "tonicstools": 0,
        "webbooster": 0,
    }


async def test_every_provider_of_every_preset_can_be_connected(panel):
    for name in preset_names():
        preset = load_preset(name)
        environ = {known.env("API_KEY"): "a-key" for known in preset.providers} | {"MEDANPEDIA_API_ID": "77"}

        assert await connect(panel, name, environ) == [known.slug for known in preset.providers]
        for known in preset.providers:
            added = await provider(panel, known.slug)
            assert (added.currency, added.base_url, added.enabled) == (known.currency, known.base_url, True)
            assert adapter_for(panel, added).slug == known.adapter


async def test_only_providers_with_a_key_are_connected(panel):
    assert await connect(panel, "tonicstools", {"PEAKERR_API_KEY": "a-key", "JAP_API_KEY": "  "}) == ["peakerr"]
    assert await connect(panel, "bumx", {}) == []

    async with panel.db.transaction() as session:
        assert list(await session.scalars(select(Provider.slug))) == ["peakerr"]


async def test_the_environment_says_what_is_different(panel):
    environ = {
        "BUMX_API_KEY": "a-key",
        "BUMX_BASE_URL": "https://bumx.example/api/v2",
        "BUMX_RATE_PER_MINUTE": "30",
        "BUMX_LOW_BALANCE": "150000.5",
        "BUMX_ENABLED": "false",
    }
    await connect(panel, "bumx", environ)

    added = await provider(panel, "bumx")
    assert (added.base_url, added.rate_per_minute, added.enabled) == ("https://bumx.example/api/v2", 30, False)
    assert (added.low_balance, added.concurrency) == (Decimal("150000.5"), 10)


async def test_a_second_start_changes_nothing(panel):
    environ = {"MEDANPEDIA_API_KEY": "a-key", "MEDANPEDIA_API_ID": "77", "MEDANPEDIA_ENABLED": "true"}
    await connect(panel, "webbooster", environ)
    before = await provider(panel, "medanpedia")
    await connect(panel, "webbooster", environ)

    after = await provider(panel, "medanpedia")
    assert after.options == {"api_id": "77"}
    assert after.api_key_sealed == before.api_key_sealed
    async with panel.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(AuditEntry)) == 1


async def test_what_staff_set_stays_and_what_the_environment_says_wins(panel):
    await connect(panel, "tonicstools", {"JAP_API_KEY": "old-key"})
    async with panel.db.transaction() as session:
        cli = Actor.cli()
        await edit_provider(
            session, panel, "jap", actor=cli, now=T0, name="Ours", rate_per_minute=9, options={"method": "GET"}
        )
        await disable_provider(session, "jap", actor=cli)

    await connect(panel, "tonicstools", {"JAP_API_KEY": "new-key"})
    kept = await provider(panel, "jap")
    assert (kept.name, kept.rate_per_minute, kept.enabled, kept.options) == ("Ours", 9, False, {"method": "GET"})
    assert panel.vault.open(kept.api_key_sealed) == "new-key"

    await connect(panel, "tonicstools", {"JAP_API_KEY": "new-key", "JAP_ENABLED": "true", "JAP_RATE_PER_MINUTE": "90"})
    told = await provider(panel, "jap")
    assert (told.enabled, told.rate_per_minute) == (True, 90)


async def test_a_restart_does_not_end_a_pause_by_itself(panel):
    environ = {"JAP_API_KEY": "a-key", "JAP_ENABLED": "true"}
    await connect(panel, "tonicstools", environ)
    paused = await provider(panel, "jap")
    async with panel.db.transaction() as session:
        await pause_provider(session, paused.id, "Invalid API key", T0)

    await connect(panel, "tonicstools", environ)
    assert (await provider(panel, "jap")).paused_at == T0
    await connect(panel, "tonicstools", environ | {"JAP_API_KEY": "another-key"})
    assert (await provider(panel, "jap")).paused_at is None


async def test_a_key_that_cannot_be_read_any_more_is_replaced(panel):
    await connect(panel, "tonicstools", {"JAP_API_KEY": "a-key"})
    async with panel.db.transaction() as session:
        (await provider_by(session, "jap")).api_key_sealed = Vault([Fernet.generate_key().decode()]).seal("lost")

    await connect(panel, "tonicstools", {"JAP_API_KEY": "a-key"})

    assert panel.vault.open((await provider(panel, "jap")).api_key_sealed) == "a-key"


async def test_two_processes_may_start_at_once(panel):
    environ = {"JAP_API_KEY": "a-key", "PEAKERR_API_KEY": "b-key"}

    answers = await asyncio.gather(*(connect(panel, "tonicstools", environ) for _ in range(3)))

    assert answers == [["jap", "peakerr"]] * 3
    async with panel.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(Provider)) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEDANPEDIA_API_ID", ""),
        ("MEDANPEDIA_ENABLED", "maybe"),
        ("MEDANPEDIA_RATE_PER_MINUTE", "many"),
        ("MEDANPEDIA_RATE_PER_MINUTE", "²"),
        ("MEDANPEDIA_LOW_BALANCE", "much"),
    ],
)
async def test_a_wrong_variable_is_named(panel, name, value):
    environ = {"MEDANPEDIA_API_KEY": "a-key", "MEDANPEDIA_API_ID": "77", name: value}

    with pytest.raises(InvalidInputError) as failure:
        await connect(panel, "webbooster", environ)

    assert failure.value.fields["field"] == name
    async with panel.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(Provider)) == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("currency = ", "is no TOML"),
        (GOOD.replace('"USD"', '"usd"'), "currency"),
        (GOOD.replace("12.5", "-100"), "markup_percent"),
        (GOOD + "colour = 1\n", "colour"),
        (GOOD + PROVIDER.replace("JAP", "jap"), "providers.0.env_prefix"),
        (GOOD + PROVIDER + PROVIDER, "two providers have the same slug"),
        (GOOD + PROVIDER.replace("https", "ftp"), "providers.0.base_url"),
        (GOOD + '[[tiers]]\nname = "One"\nmin_spent = -1\n', "tiers.0.min_spent"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path, content, said):
    (tmp_path / "mine.toml").write_text(content)

    with pytest.raises(PresetError, match=said):
        load_preset("mine", tmp_path)


@pytest.mark.parametrize("name", ["nothing", "../presets/bumx", "", "BUMX"])
def test_a_preset_that_does_not_exist_is_answered_with_those_that_do(name):
    with pytest.raises(PresetError, match="automation, bumx"):
        load_preset(name)


def test_numbers_in_a_file_stay_exact(tmp_path):
    (tmp_path / "mine.toml").write_text(GOOD.replace("12.5", "12.1"))

    assert load_preset("mine", tmp_path).markup_percent == Decimal("12.1")
