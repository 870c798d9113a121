"""Pausing a provider that refuses our whole account, and resuming it. Its orders stay queued meanwhile."""

import re
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.kernel.facts import Fact, record
from smmpanel.kernel.logging import get_logger
from smmpanel.notifications import AlertLevel, clear_alert, raise_alert
from smmpanel.providers.models import Provider

log = get_logger()

PROVIDER_PAUSED = "provider_paused"
REASON_MAX = 300

# Only how soon we look again depends on this guess: a wrong one costs an hour at most.
_ABOUT_FUNDS = re.compile(
    r"fund|balance|money|credits?\b|top[ -]?up|saldo|deposit|số dư|không đủ tiền|nạp tiền", re.IGNORECASE
)


class ProviderPaused(Fact):
    """A provider has refused our account; nothing is handed in there until it is resumed."""

    fact = "provider_paused"
    provider_id: int
    reason: str


class ProviderResumed(Fact):
    """A provider may be called again; what is queued for it can go out."""

    fact = "provider_resumed"
    provider_id: int


def subject_of(provider_id: int) -> str:
    """Return how alerts and the audit log name a provider."""
    return f"provider:{provider_id}"


def is_about_funds(reason: str | None) -> bool:
    """Whether a provider was paused because its account ran out of money."""
    return reason is not None and _ABOUT_FUNDS.search(reason) is not None


async def pause_provider(session: AsyncSession, provider_id: int, reason: str, now: datetime) -> bool:
    """Stop handing in orders at a provider and tell staff; `False` if it is paused already.

    `reason` is the provider's own text, redacted.
    """
    reason = reason[:REASON_MAX]
    paused = await session.execute(
        update(Provider)
        .where(Provider.id == provider_id, Provider.paused_at.is_(None))
        .values(paused_at=now, paused_reason=reason)
        .returning(Provider.slug)
    )
    slug = paused.scalar_one_or_none()
    if slug is None:
        return False
    log.warning("provider_paused", provider=slug, reason=reason)
    await raise_alert(
        session, PROVIDER_PAUSED, subject_of(provider_id), AlertLevel.CRITICAL, provider=slug, reason=reason
    )
    await record(session, ProviderPaused(provider_id=provider_id, reason=reason))
    return True


async def resume_provider(
    session: AsyncSession, provider_id: int, now: datetime, *, actor: Actor | None = None
) -> bool:
    """Let a paused provider be called again; `False` if it is not paused. `actor` is who asked for it, if anybody did."""
    if actor is not None:
        actor.require(Permission.PROVIDERS_EDIT)
    before = (
        await session.execute(
            select(Provider.slug, Provider.paused_at, Provider.paused_reason)
            .where(Provider.id == provider_id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if before is None or before.paused_at is None:
        return False
    await session.execute(update(Provider).where(Provider.id == provider_id).values(paused_at=None, paused_reason=None))
    log.info("provider_resumed", provider=before.slug, paused_seconds=round((now - before.paused_at).total_seconds()))
    await clear_alert(session, PROVIDER_PAUSED, subject_of(provider_id))
    await record(session, ProviderResumed(provider_id=provider_id))
    if actor is not None:
        was = {"paused_at": before.paused_at, "reason": before.paused_reason}
        await audit(
            session, actor, Permission.PROVIDERS_EDIT, subject_of(provider_id), before=was, after={"paused_at": None}
        )
    return True
