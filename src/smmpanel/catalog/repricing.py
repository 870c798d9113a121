"""Working out what services cost and sell for, after anything that prices follow from has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.change_log import Change, begin_change, bump_version, record_changes
from smmpanel.catalog.live_routes import FIRST_ROUTE, MISSES_UNTIL_GONE, PANEL_MARKUP
from smmpanel.catalog.models import ServiceMode
from smmpanel.catalog.pricing import MarkupRule, base_cost, list_rate, resolve_markup

COST_ABOVE_PRICE = "cost_above_price"
GONE_AT_PROVIDER = "gone_at_provider"
OWN_HOLDS = frozenset({COST_ABOVE_PRICE, GONE_AT_PROVIDER})
"""The reasons to take a service off sale that come and go by themselves."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which services: those that meet all that is given; with nothing given, all."""

    service_ids: Sequence[int] | None = None
    provider_id: int | None = None
    """Services with any route to it."""
    category_id: int | None = None


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class _Derived:
    """What follows from everything else."""

    rate: Decimal
    cost: Decimal | None
    held_reason: str | None


async def reprice(session: AsyncSession, scope: Scope, *, currency: str, cause: str, now: datetime) -> int:
    """Work out rate, cost and holds of these services anew, log what changed, and return how many services did.

    Whoever changes markups, routes, FX or what a provider asks calls this in the same transaction. `currency` is the
    panel's.
    """
    await begin_change(session)
    changes = await recompute(session, scope, currency=currency, now=now)
    await record_changes(session, changes, cause=cause, now=now)
    if changes:
        await bump_version(session)
    return len({change.service_id for change in changes})


async def recompute(session: AsyncSession, scope: Scope, *, currency: str, now: datetime) -> list[Change]:
    """Write rate, cost and holds of these services anew and return what changed, leaving the log to the caller."""
    given = {
        "currency": currency,
        "service_ids": None if scope.service_ids is None else list(scope.service_ids),
        "provider_id": scope.provider_id,
        "category_id": scope.category_id,
    }
    changes: list[Change] = []
    written: dict[int, _Derived] = {}
    for row in (await session.execute(_INGREDIENTS, given)).all():
        before = _Derived(row.rate, row.cost, row.held_reason)
        after = _derive(row)
        if after != before:
            written[row.id] = after
            changes += [
                Change(row.id, field, getattr(before, field), getattr(after, field))
                for field in ("rate", "cost", "held_reason")
                if getattr(before, field) != getattr(after, field)
            ]
    if written:
        await session.execute(
            _WRITE,
            {
                "ids": list(written),
                "rates": [one.rate for one in written.values()],
                "costs": [one.cost for one in written.values()],
                "holds": [one.held_reason for one in written.values()],
                "now": now,
            },
        )
    return changes


def _derive(row: Any) -> _Derived:
    # Without a live route the last known cost stands: a provider that is switched off for a day changes no price.
    cost = row.cost if row.route_id is None else base_cost(row.upstream_rate, row.fx)
    rate = row.rate
    if row.fixed_rate is not None:
        rate = row.fixed_rate
    elif cost is not None:
        markup = resolve_markup(
            service=MarkupRule(row.markup_percent, row.markup_fixed, row.rounding_step),
            category=MarkupRule(row.category_percent, row.category_fixed, row.category_step),
            provider=MarkupRule(row.provider_percent, row.provider_fixed, row.provider_step),
            panel=MarkupRule(row.panel_percent, row.panel_fixed, row.panel_step),
        )
        rate = list_rate(cost=cost, markup=markup, allow_below_cost=row.allow_below_cost)
    return _Derived(rate, cost, _hold(row, rate, cost))


def _hold(row: Any, rate: Decimal, cost: Decimal | None) -> str | None:
    if row.held_reason is not None and row.held_reason not in OWN_HOLDS:
        return str(row.held_reason)
    if row.mode == ServiceMode.PROVIDER and row.all_gone:
        return GONE_AT_PROVIDER
    if cost is not None and cost > rate and not row.allow_below_cost:
        return COST_ABOVE_PRICE
    return None


_INGREDIENTS = text(
    f"""
WITH {PANEL_MARKUP}
SELECT s.id, s.mode, s.rate, s.cost, s.fixed_rate, s.allow_below_cost, s.held_reason,
       s.markup_percent, s.markup_fixed, s.rounding_step,
       c.markup_percent AS category_percent, c.markup_fixed AS category_fixed, c.rounding_step AS category_step,
       f.markup_percent AS provider_percent, f.markup_fixed AS provider_fixed, f.rounding_step AS provider_step,
       panel.markup_percent AS panel_percent, panel.markup_fixed AS panel_fixed, panel.rounding_step AS panel_step,
       f.route_id, f.upstream_rate, f.fx,
       (SELECT bool_and(ps.misses >= {MISSES_UNTIL_GONE}) FROM service_routes r
          JOIN provider_services ps ON ps.id = r.provider_service_id
         WHERE r.service_id = s.id AND r.enabled) AS all_gone
  FROM services s
  JOIN categories c ON c.id = s.category_id
  CROSS JOIN panel
  {FIRST_ROUTE}
 WHERE (CAST(:service_ids AS bigint[]) IS NULL OR s.id = ANY(CAST(:service_ids AS bigint[])))
   AND (CAST(:category_id AS bigint) IS NULL OR s.category_id = CAST(:category_id AS bigint))
   AND (CAST(:provider_id AS bigint) IS NULL OR s.id IN (
        SELECT r.service_id FROM service_routes r JOIN provider_services ps ON ps.id = r.provider_service_id
         WHERE ps.provider_id = CAST(:provider_id AS bigint)))
 ORDER BY s.id
"""
)
_WRITE = text(
    "UPDATE services s SET rate = v.rate, cost = v.cost, held_reason = v.held_reason, updated_at = :now"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:rates AS numeric[]), CAST(:costs AS numeric[]), CAST(:holds AS text[]))"
    " AS v(id, rate, cost, held_reason) WHERE s.id = v.id"
)
