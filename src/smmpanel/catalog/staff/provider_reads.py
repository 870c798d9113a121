"""What the providers' pages show: money, health, alerts, services, syncs under way."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.live_routes import fx_sql
from smmpanel.notifications.models import Alert
from smmpanel.providers.health import Health, health_of
from smmpanel.providers.models import Provider
from smmpanel.providers.pausing import subject_of

DAY = timedelta(hours=24)
HOURS = 24


class Spent(NamedTuple):
    """What orders cost at a provider: what it told, in its currency, and what we reckoned for the rest, in the panel's."""

    charged: Decimal
    reckoned: Decimal


class FailedAttempt(NamedTuple):
    """An order that a provider did not take."""

    order_id: int
    outcome: str
    answer: str | None
    took_ms: int | None
    at: datetime


class AsksOrders(Protocol):
    """What these pages want to know of orders, which are a layer above."""

    async def spent_since(self, session: AsyncSession, since: datetime) -> Mapping[int, Spent]:
        """Return by provider what the orders since then cost there."""

    async def failed_attempts(self, session: AsyncSession, provider_id: int) -> Sequence[FailedAttempt]:
        """Return the latest attempts that a provider did not accept."""


class ProviderCard(NamedTuple):
    """A provider with its figures of the last day."""

    provider: Provider
    health: Health
    services: int
    per_hour: Decimal | None
    """What it costs in an hour, in its currency; `None` where nothing was spent, or nobody set an exchange rate."""
    hours_left: Decimal | None
    alerts: Sequence[Alert]


class HourOfCalls(NamedTuple):
    """An hour of calls to a provider."""

    calls: int
    failures: int
    total_ms: int


async def provider_cards(
    session: AsyncSession, asks: AsksOrders, *, currency: str, now: datetime, provider_id: int | None = None
) -> list[ProviderCard]:
    """Return all providers, or one, with what is known of them; in a number of queries that does not depend on how many."""
    wanted = select(Provider).order_by(Provider.enabled.desc(), Provider.name, Provider.id)
    if provider_id is not None:
        wanted = wanted.where(Provider.id == provider_id)
    providers = (await session.scalars(wanted.execution_options(populate_existing=True))).all()
    ids = [one.id for one in providers]
    health = await health_of(session, ids, now - DAY)
    services = {row.provider_id: row.services for row in await session.execute(_SERVICES)}
    spent = await asks.spent_since(session, now - DAY)
    fx = {row.id: row.fx for row in await session.execute(_FX, {"currency": currency})}
    alerts = await _alerts(session, [subject_of(one) for one in ids])
    cards = []
    for one in providers:
        per_hour = _per_hour(spent.get(one.id), fx.get(one.id))
        left = one.balance / per_hour if one.balance is not None and per_hour else None
        mine = alerts.get(subject_of(one.id), [])
        cards.append(ProviderCard(one, health[one.id], services.get(one.id, 0), per_hour, left, mine))
    return cards


def _per_hour(spent: Spent | None, fx: Decimal | None) -> Decimal | None:
    if spent is None or (spent.reckoned and not fx):
        return None
    total = spent.charged + (spent.reckoned / fx if spent.reckoned and fx else Decimal(0))
    return total / HOURS if total else None


async def _alerts(session: AsyncSession, subjects: Sequence[str]) -> dict[str, list[Alert]]:
    wanted = select(Alert).where(Alert.cleared_at.is_(None), Alert.subject.in_(subjects)).order_by(Alert.id.desc())
    found: dict[str, list[Alert]] = {}
    for alert in (await session.scalars(wanted)).all():
        found.setdefault(alert.subject, []).append(alert)
    return found


async def calls_by_hour(session: AsyncSession, provider_id: int, now: datetime) -> list[HourOfCalls]:
    """Return the calls of the last two days by the hour, the oldest first."""
    rows = await session.execute(_HOURS, {"provider": provider_id, "now": now, "since": now - 2 * DAY})
    hours = {int(row.age): HourOfCalls(row.calls, row.failures, row.total_ms) for row in rows}
    return [hours.get(age, HourOfCalls(0, 0, 0)) for age in reversed(range(2 * HOURS))]


async def fx_of(session: AsyncSession, base: str, quote: str) -> Decimal | None:
    """Return what one unit of `base` is worth in `quote`, if anybody has said so."""
    statement = text(f"SELECT {fx_sql('CAST(:base AS text)', 'CAST(:quote AS text)')}")
    found: Any = await session.scalar(statement, {"base": base, "quote": quote})
    return None if found is None else Decimal(found)


_SERVICES = text(
    "SELECT ps.provider_id, count(DISTINCT r.service_id) AS services FROM service_routes r"
    " JOIN provider_services ps ON ps.id = r.provider_service_id GROUP BY ps.provider_id"
)
_FX = text(f"SELECT p.id, {fx_sql('p.currency', 'CAST(:currency AS text)')} AS fx FROM providers p")
_HOURS = text(
    "SELECT floor(extract(epoch FROM CAST(:now AS timestamptz) - minute) / 3600) AS age, sum(calls) AS calls,"
    " sum(failures) AS failures, sum(total_ms) AS total_ms FROM provider_health"
    " WHERE provider_id = :provider AND minute > :since AND minute <= :now GROUP BY 1"
)
