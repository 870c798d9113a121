"""Claiming pending orders for a provider: transaction 1 of claim, call, record.

A claimed order is `submitting`, with an attempt on file, before anything is sent. If the process dies after this commit,
nobody knows whether the call was made, and the order waits for an answer to that question instead of being sent again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.routes import Route, routes_for
from smmpanel.catalog.service_types import provider_fields
from smmpanel.orders.rerouting import Detour, objection_to, reroute
from smmpanel.orders.writing import OrderRow
from smmpanel.providers.protocol import UpstreamOrder

CLAIM_GRACE = timedelta(seconds=60)
"""Beyond the provider's time-out: after that the worker that claimed an order must be dead."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An order that this worker, and no other, is about to hand to a provider."""

    order_id: int
    attempt_id: int
    user_id: int
    service_id: int
    route_id: int
    request: UpstreamOrder


_CLAIM = text(
    "UPDATE orders SET status = 'submitting', claimed_until = :until, attempts = attempts + 1 WHERE id IN ("
    " SELECT id FROM orders WHERE provider_id = :provider AND status = 'pending' AND due_at <= :now"
    " ORDER BY due_at, id LIMIT :number FOR NO KEY UPDATE SKIP LOCKED)"
    " RETURNING id, user_id, service_id, route_id, quantity, link, fields, terms, charge, due_at, created_at"
)
_ATTEMPTS = text(
    "INSERT INTO order_attempts (order_id, provider_id, route_id, request, balance_before, started_at)"
    " SELECT v.order_id, :provider, v.route_id, v.request, (SELECT balance FROM providers WHERE id = :provider), :now"
    " FROM unnest(CAST(:orders AS bigint[]), CAST(:routes AS bigint[]), CAST(:requests AS jsonb[])) AS v(order_id, route_id, request)"
    " RETURNING order_id, id"
)


async def claim_orders(
    session: AsyncSession, provider_id: int, *, currency: str, number: int, timeout_seconds: int, now: datetime
) -> tuple[list[Claim], int]:
    """Claim up to `number` due orders of a provider and say how many were taken from the queue.

    Orders that may not go there after all (gone, dearer than what was paid, out of bounds) are sent on to their next route
    or back to the queue in the same transaction, so claims can be fewer than what was taken.
    """
    until = now + timedelta(seconds=timeout_seconds) + CLAIM_GRACE
    asked = {"provider": provider_id, "number": number, "now": now, "until": until}
    rows = [dict(row) for row in (await session.execute(_CLAIM, asked)).mappings()]
    if not rows:
        return [], 0
    routes = await routes_for(session, list({row["service_id"] for row in rows}), currency)
    ready: list[tuple[OrderRow, Route, UpstreamOrder]] = []
    detours: list[Detour] = []
    for row in rows:
        route = next((one for one in routes.get(row["service_id"], ()) if one.id == row["route_id"]), None)
        objection = (
            "this route is closed" if route is None or route.provider_id != provider_id else objection_to(route, row)
        )
        if objection is None:
            assert route is not None
            ready.append((row, route, _request(row, route)))
        else:
            detours.append(Detour(row["id"], "not_possible", objection, row["route_id"]))
    await reroute(session, detours, currency=currency, now=now)
    if not ready:
        return [], len(rows)
    attempts = await _open_attempts(session, provider_id, ready, now)
    claims = [
        Claim(row["id"], attempts[row["id"]], row["user_id"], row["service_id"], route.id, request)
        for row, route, request in ready
    ]
    return claims, len(rows)


def _request(row: OrderRow, route: Route) -> UpstreamOrder:
    kind = row["terms"]["type"]
    fields = provider_fields(kind, link=row["link"], quantity=row["quantity"], fields=row["fields"])
    return UpstreamOrder(service=route.external_id, type=kind, fields=fields)


async def _open_attempts(
    session: AsyncSession, provider_id: int, ready: Sequence[tuple[OrderRow, Route, UpstreamOrder]], now: datetime
) -> dict[int, int]:
    asked = {
        "provider": provider_id,
        "orders": [row["id"] for row, _, _ in ready],
        "routes": [route.id for _, route, _ in ready],
        "requests": [orjson.dumps({"service": request.service, **request.fields}).decode() for _, _, request in ready],
        "now": now,
    }
    return dict((await session.execute(_ATTEMPTS, asked)).all())
