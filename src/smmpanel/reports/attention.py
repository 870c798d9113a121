"""What waits for staff: each thing with how many there are, read in one statement that stops counting at a hundred."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.providers.health import health_of

COUNTED_MAX = 100
HEALTH_WINDOW = timedelta(hours=1)
ERRORS_FROM = Decimal("0.2")
"""From this share of failed calls on a provider is called faulty."""
CALLS_MIN = 5
SLOW_FROM_MS = 8_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that wants attention: how many, and where they are listed."""

    kind: str
    number: int
    href: str


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """A provider as the dashboard shows it."""

    id: int
    name: str
    currency: str
    balance: Decimal | None
    is_low: bool
    is_paused: bool
    enabled: bool
    health: str
    """`off`, `paused`, `errors`, `low`, `slow`, `quiet` or `healthy`: the first that holds."""


_COUNTS = text(
    "SELECT (SELECT count(*) FROM (SELECT FROM orders WHERE unconfirmed LIMIT :most) few) AS unconfirmed,"
    " (SELECT count(*) FROM (SELECT FROM orders WHERE status = 'failed' LIMIT :most) few) AS failed,"
    " (SELECT count(*) FROM (SELECT FROM refills WHERE state = 'pending' AND provider_id IS NULL LIMIT :most) few) AS refills,"
    " (SELECT count(*) FROM (SELECT FROM cancel_requests WHERE state IN ('requested', 'sending') LIMIT :most) few) AS cancels,"
    " (SELECT count(*) FROM (SELECT FROM payment_receipts WHERE state = 'review' LIMIT :most) few) AS money,"
    " (SELECT count(*) FROM (SELECT FROM alerts WHERE cleared_at IS NULL LIMIT :most) few) AS alerts"
)
_PROVIDERS = text(
    "SELECT id, name, currency, balance, coalesce(balance < low_balance, false) AS is_low,"
    " paused_at IS NOT NULL AS is_paused, enabled FROM providers ORDER BY enabled DESC, name"
)


async def provider_lines(session: AsyncSession, now: datetime) -> list[ProviderLine]:
    """Return all providers with how they have been doing in the last hour."""
    rows = (await session.execute(_PROVIDERS)).mappings().all()
    health = await health_of(session, [row["id"] for row in rows], now - HEALTH_WINDOW)
    lines = []
    for row in rows:
        own = health[row["id"]]
        states = {
            "off": not row["enabled"],
            "paused": row["is_paused"],
            "errors": own.calls >= CALLS_MIN and own.error_share >= ERRORS_FROM,
            "low": row["is_low"],
            "slow": own.average_ms >= SLOW_FROM_MS,
            "quiet": own.calls == 0,
        }
        word = next((state for state, holds in states.items() if holds), "healthy")
        lines.append(ProviderLine(**row, health=word))
    return lines


async def waiting_for(session: AsyncSession, viewer: Actor, providers: list[ProviderLine]) -> list[Waiting]:
    """Return what waits for this member of staff; what does not wait is not in it."""
    row = (await session.execute(_COUNTS, {"most": COUNTED_MAX})).one()
    orders, upstream = viewer.may(Permission.ORDERS_VIEW), viewer.may(Permission.PROVIDERS_VIEW)
    paused = sum(one.enabled and one.is_paused for one in providers)
    low = sum(one.enabled and one.is_low for one in providers)
    found = (
        (orders, Waiting("unconfirmed", row.unconfirmed, "/staff/orders?status=unconfirmed")),
        (orders, Waiting("failed", row.failed, "/staff/orders?status=failed")),
        (viewer.may(Permission.DEPOSITS_VIEW), Waiting("money", row.money, "/staff/deposits?status=review")),
        (upstream, Waiting("paused", paused, "/staff/providers")),
        (upstream, Waiting("low", low, "/staff/providers")),
        (orders, Waiting("cancels", row.cancels, "/staff/orders?waiting=cancel")),
        (orders, Waiting("refills", row.refills, "/staff/orders?waiting=refill")),
        (True, Waiting("alerts", row.alerts, "/staff/alerts")),
    )
    return [one for seen, one in found if seen and one.number]
