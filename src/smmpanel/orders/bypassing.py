"""Queued orders and providers that close and open: around a closed one if there is another way, on at once when it opens."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.pricing import charge
from smmpanel.catalog.routes import Route, routes_for
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.kernel.facts import on
from smmpanel.kernel.jobs import job
from smmpanel.kernel.panel import Panel
from smmpanel.orders.rerouting import objection_to, refused_routes
from smmpanel.orders.submission import wake_submission
from smmpanel.orders.timeline import Event, add_events
from smmpanel.orders.writing import OrderRow, lock_orders
from smmpanel.providers.pausing import ProviderPaused, ProviderResumed

ORDERS_AT_ONCE = 500

_WAITING = text(
    "SELECT o.id FROM orders o JOIN providers p ON p.id = o.provider_id"
    " WHERE o.status = 'pending' AND o.id > :after AND (p.paused_at IS NOT NULL OR NOT p.enabled)"
    " ORDER BY o.id LIMIT :number"
)
_MOVE = text(
    "UPDATE orders o SET provider_id = v.provider_id, route_id = v.route_id, cost = v.cost, due_at = :now"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:providers AS bigint[]), CAST(:routes AS bigint[]), CAST(:costs AS numeric[]))"
    " AS v(id, provider_id, route_id, cost) WHERE o.id = v.id"
)
_DUE_NOW = text(
    "UPDATE orders SET due_at = :now WHERE provider_id = :provider AND status = 'pending' AND due_at > :now"
)


@on(ProviderPaused)
async def go_round(panel: Panel, _fact: ProviderPaused) -> None:
    """Send on what is queued at a provider that has just been paused, as far as there is another way."""
    await bypass_closed_providers(panel)


@on(ProviderResumed)
async def go_on(panel: Panel, fact: ProviderResumed) -> None:
    """Hand in what waited for a provider, without waiting for its back-off to end."""
    async with panel.db.transaction() as session:
        await session.execute(_DUE_NOW, {"provider": fact.provider_id, "now": panel.clock()})
        wake_submission(session, fact.provider_id)


@job(queue="chores", cron="* * * * * 30")
async def look_for_ways_round(panel: Panel) -> None:
    """Find queued orders that a closed provider keeps from a way that is open by now. Idempotent."""
    await bypass_closed_providers(panel)


async def bypass_closed_providers(panel: Panel) -> int:
    """Move pending orders from paused and disabled providers to the next open route that takes them; returns how many."""
    moved, after = 0, 0
    while not panel.stopping.is_set():
        async with panel.db.transaction() as session:
            waiting = (await session.scalars(_WAITING, {"after": after, "number": ORDERS_AT_ONCE})).all()
            if not waiting:
                break
            moved += await _move_on(session, waiting, currency=panel.currency, now=panel.clock())
            after = waiting[-1]
    return moved


async def _move_on(session: AsyncSession, order_ids: Sequence[int], *, currency: str, now: datetime) -> int:
    rows = await lock_orders(session, order_ids)
    routes = await routes_for(session, list({row["service_id"] for row in rows.values()}), currency)
    refused = await refused_routes(session, list(rows))
    ways: dict[int, Route] = {}
    for order_id, row in rows.items():
        way = _way(row, routes.get(row["service_id"], ()), refused.get(order_id, set()))
        if row["status"] == "pending" and way is not None:
            ways[order_id] = way
    if ways:
        costs = [
            charge(way.cost, rows[order_id]["quantity"], SERVICE_TYPES[rows[order_id]["terms"]["type"]].basis)
            for order_id, way in ways.items()
        ]
        asked = {
            "ids": list(ways),
            "providers": [way.provider_id for way in ways.values()],
            "routes": [way.id for way in ways.values()],
            "costs": costs,
            "now": now,
        }
        await session.execute(_MOVE, asked)
        await add_events(session, [Event(order_id, "rerouted", note="its provider is closed") for order_id in ways])
        for provider_id in {way.provider_id for way in ways.values()}:
            wake_submission(session, provider_id)
    return len(ways)


def _way(row: OrderRow, routes: Sequence[Route], refused: set[int]) -> Route | None:
    """Return the first open route that takes the order; `None` if there is none, or it is where it should be."""
    for route in routes:
        if not route.paused and route.id not in refused and objection_to(route, row) is None:
            return None if route.id == row["route_id"] else route
    return None
