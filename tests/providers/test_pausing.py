"""Pausing and resuming: once per episode, told to staff and to whoever listens."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from smmpanel.accounts.access import Actor
from smmpanel.accounts.models import AuditEntry
from smmpanel.kernel.facts import FactRow
from smmpanel.notifications import AlertLevel, open_alerts
from smmpanel.providers.connecting import provider_by
from smmpanel.providers.pausing import is_about_funds, pause_provider, resume_provider

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def pause(panel, provider, reason="Not enough funds on balance"):
    async with panel.db.transaction() as session:
        return await pause_provider(session, provider.id, reason, T0)


async def resume(panel, provider, **who):
    async with panel.db.transaction() as session:
        return await resume_provider(session, provider.id, T0 + timedelta(hours=1), **who)


async def facts(panel):
    async with panel.db.transaction() as session:
        return [tuple(row) for row in await session.execute(select(FactRow.name, FactRow.body).order_by(FactRow.id))]


async def alerts(panel):
    async with panel.db.transaction() as session:
        return (await open_alerts(session)).rows


async def test_a_pause_is_told_once_however_many_calls_are_refused(panel, a_provider):
    provider = await a_provider()

    answers = await asyncio.gather(*(pause(panel, provider) for _ in range(6)))

    assert sorted(answers) == [False] * 5 + [True]
    async with panel.db.transaction() as session:
        paused = await provider_by(session, provider.id)
    assert (paused.paused_at, paused.paused_reason) == (T0, "Not enough funds on balance")
    assert await facts(panel) == [
        ("provider_paused", {"provider_id": provider.id, "reason": "Not enough funds on balance"})
    ]
    [alert] = await alerts(panel)
    assert (alert.kind, alert.subject, alert.level) == (
        "provider_paused",
        f"provider:{provider.id}",
        AlertLevel.CRITICAL,
    )
    assert (alert.times, alert.fields["provider"]) == (1, "jap")


async def test_resuming_clears_the_alert_and_is_told_once(panel, a_provider):
    provider = await a_provider()
    await pause(panel, provider)

    assert [await resume(panel, provider), await resume(panel, provider)] == [True, False]

    assert await facts(panel) == [
        ("provider_paused", {"provider_id": provider.id, "reason": "Not enough funds on balance"}),
        ("provider_resumed", {"provider_id": provider.id}),
    ]
    assert await alerts(panel) == []


async def test_staff_who_resume_are_on_file(panel, a_provider):
    provider = await a_provider()
    await pause(panel, provider)

    await resume(panel, provider, actor=Actor.cli())

    async with panel.db.transaction() as session:
        entry = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()))).first()
    assert (entry.actor_kind, entry.subject) == ("cli", f"provider:{provider.id}")
    assert entry.before["reason"] == "Not enough funds on balance"
    assert entry.after == {"paused_at": None}


@pytest.mark.parametrize(
    ("reason", "about_funds"),
    [
        ("Not enough funds on balance", True),
        ("neworder.error.insufficient_balance", True),
        ("Saldo Anda tidak mencukupi untuk melakukan pemesanan ini.", True),
        ("Số dư không đủ", True),
        ("Invalid API key", False),
        ("Your IP is not allowed", False),
        (None, False),
    ],
)
def test_why_it_was_paused_is_understood(reason, about_funds):
    assert is_about_funds(reason) is about_funds
