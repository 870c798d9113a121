"""Connecting providers: what is accepted, what is kept secret, what is written down."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select, text

from smmpanel.accounts.access import Actor, MissingPermissionError, Permission
from smmpanel.accounts.models import AuditEntry
from smmpanel.accounts.states import Role
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.kernel.facts import FactRow
from smmpanel.kernel.registry import UnknownPluginError
from smmpanel.providers import testing
from smmpanel.providers.adapters.panel_v2 import PanelV2
from smmpanel.providers.connecting import (
    ProviderExistsError,
    ProviderKeyUnreadableError,
    adapter_for,
    disable_provider,
    edit_provider,
    enable_provider,
    provider_by,
    rotate_provider_keys,
)
from smmpanel.providers.models import Provider, ProviderThrottle
from smmpanel.providers.pausing import pause_provider

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CLI = Actor.cli()
VIEWER = Actor("user", 7, "viewer", Role.STAFF, frozenset({Permission.PROVIDERS_VIEW}))


async def audited(panel):
    async with panel.db.transaction() as session:
        rows = await session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(row.subject, row.before, row.after) for row in rows]


async def facts(panel):
    async with panel.db.transaction() as session:
        return list(await session.scalars(select(FactRow.name).order_by(FactRow.id)))


async def test_a_provider_is_added_with_its_key_sealed(panel, a_provider):
    provider = await a_provider(api_key="  K3y-0123456789 ", low_balance=Decimal(5), currency="usd")

    assert (provider.currency, provider.alias, provider.enabled) == ("USD", f"Provider {provider.id}", True)
    assert (provider.concurrency, provider.timeout_seconds) == (panel.settings.submission_concurrency, 30)
    assert b"K3y" not in provider.api_key_sealed
    assert panel.vault.open(provider.api_key_sealed) == "K3y-0123456789"
    assert isinstance(adapter_for(panel, provider), PanelV2)
    async with panel.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(ProviderThrottle)) == 1
        assert "K3y" not in str((await session.execute(text(f"SELECT * FROM {AuditEntry.__tablename__}"))).all())
    [(subject, before, after)] = await audited(panel)
    assert (subject, before, after["low_balance"]) == (f"provider:{provider.id}", None, "5.000000")


async def test_headers_and_other_options_are_not_written_into_the_audit_log(panel, a_provider):
    await a_provider(options={"headers": {"X-Token": "s3cret-value"}})

    [(_, _, after)] = await audited(panel)
    assert after["options"] == ["headers"]


@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("slug", {"slug": "12"}),
        ("slug", {"slug": "Jap"}),
        ("name", {"name": "  "}),
        ("base_url", {"base_url": "ftp://panel.example/api"}),
        ("base_url", {"base_url": ""}),
        ("base_url", {"base_url": "https://user:pass@panel.example/api/v2"}),
        ("base_url", {"base_url": "https://panel.example/api v2"}),
        ("base_url", {"base_url": "http://10.0.0.8/api/v2"}),
        ("base_url", {"base_url": "http://[::1]/api/v2"}),
        ("api_key", {"api_key": " "}),
        ("api_key", {"api_key": "two words"}),
        ("currency", {"currency": "dollars"}),
        ("rate_per_minute", {"rate_per_minute": 0}),
        ("concurrency", {"concurrency": 5000}),
        ("timeout_seconds", {"timeout_seconds": 0}),
        ("markup_percent", {"markup_percent": Decimal(-100)}),
        ("markup_fixed", {"markup_fixed": Decimal("NaN")}),
        ("low_balance", {"low_balance": Decimal(-1)}),
        ("options.api_id", {"adapter": "medanpedia"}),
        ("options.colour", {"options": {"colour": "red"}}),
    ],
)
async def test_what_cannot_be_is_refused_by_name(panel, a_provider, field, terms):
    with pytest.raises(InvalidInputError) as failure:
        await a_provider(**terms)

    assert failure.value.fields["field"] == field
    async with panel.db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(Provider)) == 0


async def test_an_unknown_adapter_is_refused(a_provider):
    with pytest.raises(UnknownPluginError):
        await a_provider(adapter="panel_v9")


async def test_a_slug_is_taken_once_even_by_two_at_a_time(panel, a_provider):
    answers = await asyncio.gather(*(a_provider() for _ in range(4)), return_exceptions=True)

    assert sum(isinstance(answer, Provider) for answer in answers) == 1
    assert sum(isinstance(answer, ProviderExistsError) for answer in answers) == 3


async def test_a_provider_is_found_by_id_and_slug(panel, a_provider):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        for name in (provider.id, str(provider.id), "jap"):
            assert (await provider_by(session, name)).id == provider.id
        for name in (provider.id + 1, "peakerr", "9" * 40, "²", "", 2**70, -1):
            with pytest.raises(NotFoundError):
                await provider_by(session, name)


async def test_an_edit_changes_what_is_given_and_says_so(panel, a_provider):
    provider = await a_provider(low_balance=Decimal(5))
    async with panel.db.transaction() as session:
        await edit_provider(
            session, panel, "jap", actor=CLI, now=T0, rate_per_minute=60, low_balance=None, api_key="new-key"
        )

    async with panel.db.transaction() as session:
        changed = await provider_by(session, "jap")
    assert (changed.rate_per_minute, changed.low_balance, changed.name) == (60, None, provider.name)
    assert panel.vault.open(changed.api_key_sealed) == "new-key"
    _, (_, before, after) = await audited(panel)
    assert before == {"rate_per_minute": None, "low_balance": "5.000000"}
    assert after == {"rate_per_minute": 60, "low_balance": None, "api_key": "replaced"}


async def test_an_edit_that_changes_nothing_leaves_no_trace(panel, a_provider):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        await edit_provider(session, panel, "jap", actor=CLI, now=T0, api_key="sandbox-key", currency="USD")

    async with panel.db.transaction() as session:
        assert (await provider_by(session, "jap")).api_key_sealed == provider.api_key_sealed
    assert len(await audited(panel)) == 1


async def test_options_of_another_adapter_are_refused_later_too(panel, a_provider):
    await a_provider()
    with pytest.raises(InvalidInputError):
        async with panel.db.transaction() as session:
            await edit_provider(session, panel, "jap", actor=CLI, now=T0, options={"colour": "red"})

    async with panel.db.transaction() as session:
        assert (await provider_by(session, "jap")).options == {}


@pytest.mark.parametrize(
    ("change", "resumed"),
    [
        ({"api_key": "new-key"}, True),
        ({"base_url": "http://127.0.0.1:8/api/v2"}, True),
        ({"rate_per_minute": 9}, False),
    ],
)
async def test_a_new_key_or_address_ends_a_pause(panel, a_provider, change, resumed):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        await pause_provider(session, provider.id, "Invalid API key", T0)
        edited = await edit_provider(session, panel, provider.id, actor=CLI, now=T0 + timedelta(minutes=1), **change)

    assert (edited.paused_at is None) is resumed
    assert await facts(panel) == (["provider_paused", "provider_resumed"] if resumed else ["provider_paused"])


async def test_switching_off_and_on_is_told_once(panel, a_provider):
    provider = await a_provider()
    for _ in range(2):
        async with panel.db.transaction() as session:
            assert (await disable_provider(session, "jap", actor=CLI)).enabled is False
    for _ in range(2):
        async with panel.db.transaction() as session:
            assert (await enable_provider(session, provider.id, actor=CLI, now=T0)).enabled is True

    assert await facts(panel) == ["provider_resumed"]
    assert [after for _, _, after in (await audited(panel))[1:]] == [{"enabled": False}, {"enabled": True}]


async def test_enabling_a_paused_provider_resumes_it(panel, a_provider):
    provider = await a_provider()
    async with panel.db.transaction() as session:
        await pause_provider(session, provider.id, "Invalid API key", T0)
    async with panel.db.transaction() as session:
        enabled = await enable_provider(session, "jap", actor=CLI, now=T0 + timedelta(hours=1))

    assert (enabled.paused_at, enabled.paused_reason) == (None, None)
    assert await facts(panel) == ["provider_paused", "provider_resumed"]


async def test_looking_is_not_touching(panel, a_provider):
    await a_provider()
    async with panel.db.transaction() as session:
        for deed in (
            edit_provider(session, panel, "jap", actor=VIEWER, now=T0, name="Mine"),
            enable_provider(session, "jap", actor=VIEWER, now=T0),
            disable_provider(session, "jap", actor=VIEWER),
        ):
            with pytest.raises(MissingPermissionError):
                await deed
    with pytest.raises(MissingPermissionError):
        await a_provider(slug="other", actor=VIEWER)


async def test_keys_are_sealed_anew_and_what_cannot_be_read_stays(panel, a_provider):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    first, second = await a_provider(slug="first"), await a_provider(slug="second")
    async with panel.db.transaction() as session:
        (await provider_by(session, "first")).api_key_sealed = Vault([old]).seal("kept")

    async with panel.db.transaction() as session:
        assert await rotate_provider_keys(session, Vault([new, old])) == 1

    async with panel.db.transaction() as session:
        assert Vault([new]).open((await provider_by(session, first.id)).api_key_sealed) == "kept"
        unreadable = await provider_by(session, second.id)
        assert unreadable.api_key_sealed == second.api_key_sealed
        unreadable.api_key_sealed = b"nonsense"
        with pytest.raises(ProviderKeyUnreadableError):
            adapter_for(panel, unreadable)


async def test_a_connection_that_works_shows_balance_and_catalogue(panel, a_provider, sandbox):
    sandbox.configure(balance="12.5")
    provider = await a_provider(base_url=sandbox.url, enabled=False)

    tried = await testing.test_connection(panel, provider)

    assert tried.ok is True
    assert (tried.balance, tried.currency, tried.services_count) == (Decimal("12.5"), "USD", 25)
    async with panel.db.transaction() as session:
        assert (await provider_by(session, provider.id)).balance is None


async def test_a_connection_that_fails_says_how(panel, a_provider, sandbox):
    wrong_key = await a_provider(slug="wrong", base_url=sandbox.url, api_key="not-the-key")
    nobody = await a_provider(slug="nobody")

    tried = await testing.test_connection(panel, wrong_key)
    assert (tried.ok, tried.failure, tried.services_count) == (False, "refused_account", None)
    assert tried.text
    assert "not-the-key" not in tried.text
    assert (await testing.test_connection(panel, nobody)).failure == "not_sent"
