"""Where an order goes that could not go where it was to go: the next route in line, the same one later, or nowhere.

Never called for an unknown outcome: there is nothing to reroute until somebody knows what happened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.pricing import charge
from smmpanel.catalog.routes import Route, first_open, routes_for
from smmpanel.catalog.service_types import SERVICE_TYPES, PriceBasis
from smmpanel.kernel.money import UNIT
from smmpanel.kernel.options import read_option
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.writing import OrderRow, lock_orders

RETRY_FIRST = timedelta(seconds=30)
RETRY_MOST = timedelta(minutes=15)
GIVE_UP_AFTER = timedelta(hours=24)
"""An order that no provider would take for so long is failed: staff decide, its money stays held."""

REFUSED_OPTION = "refused_orders"
"""Panel option: what becomes of an order that all its providers refused: `refund` (default), or `hold` it for staff."""


@dataclass(frozen=True, slots=True)
class Detour:
    """Why an order did not go: `not_possible`, or the outcome of an attempt that the provider certainly did not take."""

    order_id: int
    outcome: str
    text: str
    route_id: int | None
    retry_after_seconds: int | None = None


_REFUSED_ROUTES = text(
    "SELECT order_id, array_agg(route_id) AS routes FROM order_attempts"
    " WHERE order_id = ANY(CAST(:ids AS bigint[])) AND outcome = 'refused_order' GROUP BY order_id"
)


async def reroute(session: AsyncSession, detours: Sequence[Detour], *, currency: str, now: datetime) -> None:
    """Send orders that are `submitting` (or `pending`) another way, all in this transaction."""
    if not detours:
        return
    rows = await lock_orders(session, [detour.order_id for detour in detours])
    routes = await routes_for(session, list({row["service_id"] for row in rows.values()}), currency)
    refused = await refused_routes(session, list(rows))
    policy = await read_option(session, REFUSED_OPTION, "refund")
    changes = []
    for detour in detours:
        row = rows[detour.order_id]
        no_more = refused.get(detour.order_id, set())
        if detour.outcome == "refused_order" and detour.route_id is not None:
            no_more = no_more | {detour.route_id}
        changes.append(_change(detour, row, routes.get(row["service_id"], ()), no_more, policy=policy, now=now))
    await settle(session, changes, now=now, watch=timedelta(0))


def objection_to(route: Route, order: Mapping[str, Any]) -> str | None:
    """Say why an order may not go this way now: it would be sold at a loss, or the provider would refuse its quantity."""
    basis = SERVICE_TYPES[order["terms"]["type"]].basis
    quantity: int = order["quantity"]
    # A run of a drip-feed is charged its share of the whole, which rounding can leave a millionth below its own price.
    if not order["terms"].get("below_cost") and charge(route.cost, quantity, basis) > _paid(order) + UNIT:
        return "its cost has risen above what was paid"
    if basis in {PriceBasis.PER_QUANTITY, PriceBasis.PER_LINES} and not route.takes(quantity):
        return f"the provider takes {route.min} to {route.max} now"
    return None


def _paid(order: Mapping[str, Any]) -> Decimal:
    paid: Decimal = order["charge"]
    return paid


async def refused_routes(session: AsyncSession, ids: list[int]) -> dict[int, set[int]]:
    """Return by order the routes whose provider refused it: sending it there again changes nothing."""
    found = await session.execute(_REFUSED_ROUTES, {"ids": ids})
    return {row.order_id: set(row.routes) for row in found}


def _change(
    detour: Detour, row: OrderRow, routes: Sequence[Route], no_more: set[int], *, policy: str, now: datetime
) -> Change:
    if detour.outcome == "try_later":
        return _later(detour, row, None, now)
    candidates = [route for route in routes if route.id not in no_more and objection_to(route, row) is None]
    following = [route for route in candidates if route.id != detour.route_id]
    if detour.outcome != "refused_order":
        # The others in line, in their order, beginning after the one that did not work.
        order = [route.id for route in routes]
        place = order.index(detour.route_id) if detour.route_id in order else -1
        following = [route for route in following if order.index(route.id) > place]
    way = first_open(following)
    if way is not None:
        return _onward(detour, row, way)
    if candidates or (detour.outcome in {"not_sent", "refused_account"}):
        return _later(detour, row, candidates[0] if candidates else None, now)
    if detour.outcome == "refused_order":
        return _refused_by_all(detour, policy)
    return _later(detour, row, None, now)


def _onward(detour: Detour, row: OrderRow, route: Route) -> Change:
    basis = SERVICE_TYPES[row["terms"]["type"]].basis
    return Change(
        detour.order_id,
        OrderStatus.PENDING,
        note=f"{detour.text}; next in line",
        reason=detour.text,
        provider_id=route.provider_id,
        route_id=route.id,
        cost=charge(route.cost, row["quantity"], basis),
    )


def _later(detour: Detour, row: OrderRow, route: Route | None, now: datetime) -> Change:
    waited = now - row["created_at"]
    if waited > GIVE_UP_AFTER and detour.outcome != "refused_account":
        return Change(detour.order_id, OrderStatus.FAILED, note=detour.text, reason=detour.text)
    pause = min(RETRY_FIRST * 2 ** min(row["attempts"], 10), RETRY_MOST)
    if detour.retry_after_seconds is not None:
        pause = max(pause, timedelta(seconds=detour.retry_after_seconds))
    return Change(
        detour.order_id,
        OrderStatus.PENDING,
        note=f"{detour.text}; again later",
        reason=detour.text,
        due_at=now + pause,
        provider_id=None if route is None else route.provider_id,
        route_id=None if route is None else route.id,
    )


def _refused_by_all(detour: Detour, policy: str) -> Change:
    status = OrderStatus.FAILED if policy == "hold" else OrderStatus.CANCELED
    return Change(detour.order_id, status, note=detour.text, reason=detour.text)
