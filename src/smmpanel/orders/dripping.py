"""Drip-feed, run by us: a schedule that places its runs as orders of their own, one by one, paid from the parent's hold.

No money moves at the ledger when a run starts: what the parent holds is passed on in columns, from `allocated` of the parent
to `charge` of the run. All of it happens in one transaction under the parent's lock, so a worker that dies anywhere leaves
either a run with its money or none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.catalog.pricing import charge
from smmpanel.catalog.routes import Route, first_open, routes_for
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.kernel.jobs import Backoff, job, wake
from smmpanel.kernel.live import tell
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.money import UNIT, plain
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import owners_below_zero
from smmpanel.orders.finishing_drips import finish_drips, recheck_drips
from smmpanel.orders.inserting import take_order_ids
from smmpanel.orders.models import DripState, OrderStatus
from smmpanel.orders.rerouting import objection_to
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.submission import wake_submission
from smmpanel.orders.timeline import Event, add_events
from smmpanel.orders.writing import OrderRow

RUNS_AT_ONCE = 200
"""Schedules that one transaction serves."""
LATENESS_FORGIVEN = timedelta(seconds=60)
"""A run that starts this late keeps the rhythm of its schedule; a later one moves it, so that no two runs come close."""
ROUTE_RETRY = timedelta(minutes=5)
NO_ROUTE = "no provider can take the next run at the moment"
BELOW_ZERO = "the balance is below zero"

log = get_logger()


def wake_drips(session: AsyncSession) -> None:
    """Have due schedules looked at soon after this transaction."""
    wake(session, start_due_runs.call(once="start-due-runs"))


@job(queue="orders", retry=Backoff(tries=3), cron="* * * * * */15")
async def start_due_runs(panel: Panel) -> None:
    """Start what is due and finish what is over. Idempotent: a schedule that was served is not due any more."""
    while not panel.stopping.is_set():
        async with panel.db.transaction() as session:
            served = await start_runs(session, currency=panel.currency, now=panel.clock())
        if served < RUNS_AT_ONCE:
            break
    async with panel.db.transaction() as session:
        await finish_drips(session, now=panel.clock())


@job(queue="chores", cron="*/20 * * * *")
async def recheck_finished_drips(panel: Panel) -> None:
    """Correct finished drip-feeds whose runs were changed by their provider afterwards. Idempotent."""
    since = panel.clock() - timedelta(days=panel.settings.finished_watch_days + 1)
    async with panel.db.transaction() as session:
        await recheck_drips(session, since=since, now=panel.clock())


_IS_DUE = "d.state = 'active' AND d.next_run_at <= :now AND o.status IN ('pending', 'in_progress')"
# The order's lock is the schedule's too: whoever writes a schedule holds it. So it is taken first, and only then is read
# what the schedule says now.
_LOCK_DUE = text(
    f"SELECT o.id FROM drip_feeds d JOIN orders o ON o.id = d.order_id WHERE {_IS_DUE}"
    " ORDER BY d.next_run_at, d.order_id LIMIT :number FOR NO KEY UPDATE OF o SKIP LOCKED"
)
_READ_DUE = text(
    "SELECT d.order_id, d.runs, d.runs_started, d.interval_minutes, d.quantity_per_run, d.next_run_at,"
    " o.user_id, o.service_id, o.api_key_id, o.status, o.reason, o.link, o.fields, o.charge, o.allocated, o.earned, o.refunded,"
    " o.rate, o.terms"
    f" FROM drip_feeds d JOIN orders o ON o.id = d.order_id WHERE d.order_id = ANY(CAST(:ids AS bigint[])) AND {_IS_DUE}"
    " ORDER BY d.next_run_at, d.order_id"
)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run about to be placed."""

    parent: OrderRow
    charge: Decimal
    route: Route


async def start_runs(session: AsyncSession, *, currency: str, now: datetime, number: int = RUNS_AT_ONCE) -> int:
    """Start one run of each of up to `number` due schedules and return how many schedules were looked at.

    A run that no provider could take now is put off, with the reason on its parent; so is one whose buyer's wallet is
    below zero.
    """
    locked = (await session.scalars(_LOCK_DUE, {"now": now, "number": number})).all()
    if not locked:
        return 0
    found = (await session.execute(_READ_DUE, {"now": now, "ids": list(locked)})).mappings()
    due: list[OrderRow] = [dict(row) for row in found]
    routes = await routes_for(session, list({row["service_id"] for row in due}), currency)
    below = await owners_below_zero(session, {row["user_id"] for row in due}, currency)
    frozen = [row for row in due if row["user_id"] in below]
    runs, stuck = [], []
    for row in due:
        if row["user_id"] in below:
            continue
        share = run_share(row)
        route = _route_for(routes.get(row["service_id"], ()), row, share)
        if route is None:
            stuck.append(row)
        else:
            runs.append(_Run(row, share, route))
    await _put_off(session, stuck, now, why=NO_ROUTE)
    await _put_off(session, frozen, now, why=BELOW_ZERO)
    if runs:
        await _place(session, runs, currency, now)
    return len(locked)


def run_share(parent: Mapping[str, Any]) -> Decimal:
    """Return the charge of the next run: its share of the whole, such that all runs together come to exactly that.

    Shares are rounded up one after the other, so each is within a millionth of the next, and the last takes what is left.
    """
    number: int = parent["runs_started"] + 1
    whole: Decimal = parent["charge"]
    held: Decimal = whole - parent["refunded"] - parent["earned"] - parent["allocated"]
    before: Decimal = parent["allocated"]
    if number >= parent["runs"]:
        return held
    up_to: Decimal = (whole * number / parent["runs"]).quantize(UNIT, rounding=ROUND_CEILING)
    return min(max(up_to - before, Decimal(0)), held)


def _route_for(routes: Sequence[Route], parent: OrderRow, share: Decimal) -> Route | None:
    """Choose anew for each run: the first that may take it now, else the first in line, where the run waits."""
    run = {"terms": parent["terms"], "quantity": parent["quantity_per_run"], "charge": share}
    fit = [route for route in routes if objection_to(route, run) is None]
    return first_open(fit) or next(iter(fit or routes), None)


_PUT_OFF = text(
    "UPDATE drip_feeds SET next_run_at = :later WHERE order_id = ANY(CAST(:ids AS bigint[])) AND state = 'active'"
)
_SAY_WHY = text("UPDATE orders SET reason = :reason WHERE id = ANY(CAST(:ids AS bigint[]))")


async def _put_off(session: AsyncSession, stuck: Sequence[OrderRow], now: datetime, *, why: str) -> None:
    if not stuck:
        return
    ids = [row["order_id"] for row in stuck]
    await session.execute(_PUT_OFF, {"ids": ids, "later": now + ROUTE_RETRY})
    fresh = [row["order_id"] for row in stuck if row["reason"] != why]
    if fresh:
        await session.execute(_SAY_WHY, {"ids": fresh, "reason": why})
        await add_events(session, [Event(order_id, "run_waits", note=why) for order_id in fresh])
        log.warning("drip_runs_wait", orders=fresh, why=why)


_COLUMNS = {
    "id": "bigint",
    "parent_id": "bigint",
    "user_id": "bigint",
    "service_id": "bigint",
    "api_key_id": "bigint",
    "link": "text",
    "quantity": "bigint",
    "fields": "jsonb",
    "charge": "numeric",
    "rate": "numeric",
    "cost": "numeric",
    "terms": "jsonb",
    "provider_id": "bigint",
    "route_id": "bigint",
}
_INSERT = text(
    f"INSERT INTO orders ({', '.join(_COLUMNS)}, kind, status, currency, created_at, due_at)"
    " SELECT v.*, 'run', 'pending', :currency, :now, :now"
    f" FROM unnest({', '.join(f'CAST(:{name} AS {kind}[])' for name, kind in _COLUMNS.items())})"
    f" AS v({', '.join(_COLUMNS)}) ORDER BY v.id"
)
_ALLOCATE = text(
    "UPDATE orders o SET allocated = o.allocated + v.charge, reason = NULL"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:charges AS numeric[])) AS v(id, charge) WHERE o.id = v.id"
)
_ADVANCE = text(
    "UPDATE drip_feeds d SET runs_started = d.runs_started + 1, next_run_at = v.next_run_at,"
    f" state = CASE WHEN d.runs_started + 1 >= d.runs THEN '{DripState.FINISHING}' ELSE d.state END"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:nexts AS timestamptz[])) AS v(order_id, next_run_at)"
    " WHERE d.order_id = v.order_id"
)


async def _place(session: AsyncSession, runs: Sequence[_Run], currency: str, now: datetime) -> None:
    """Insert the runs, pass their money on, and move their parents and schedules."""
    ids = await take_order_ids(session, len(runs))
    rows = [_row(order_id, run) for order_id, run in zip(ids, runs, strict=True)]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in _COLUMNS}
    await session.execute(_INSERT, {**columns, "currency": currency, "now": now})
    parents = [run.parent["order_id"] for run in runs]
    await session.execute(_ALLOCATE, {"ids": parents, "charges": [run.charge for run in runs]})
    await session.execute(_ADVANCE, {"ids": parents, "nexts": [_next_run_at(run.parent, now) for run in runs]})
    await add_events(
        session,
        [
            Event(run.parent["order_id"], "run", note=f"run {run.parent['runs_started'] + 1} is order {order_id}")
            for order_id, run in zip(ids, runs, strict=True)
        ],
    )
    begun = [
        Change(run.parent["order_id"], OrderStatus.IN_PROGRESS, note="the first run has started")
        for run in runs
        if run.parent["status"] == OrderStatus.PENDING
    ]
    await settle(session, begun, now=now, watch=timedelta(0))
    await tell(session, "orders", {run.parent["user_id"] for run in runs})
    for provider_id in {run.route.provider_id for run in runs}:
        wake_submission(session, provider_id)


def _row(order_id: int, run: _Run) -> dict[str, Any]:
    parent, route = run.parent, run.route
    # The parent's coupon was taken off the whole, of which the run has its share.
    terms = {name: value for name, value in parent["terms"].items() if name != "coupon"}
    basis = SERVICE_TYPES[parent["terms"]["type"]].basis
    cost = {
        "route": route.id,
        "rate": plain(route.rate),
        "currency": route.currency,
        "fx": plain(route.fx),
        "base": plain(route.cost),
    }
    return {
        "id": order_id,
        "parent_id": parent["order_id"],
        "user_id": parent["user_id"],
        "service_id": parent["service_id"],
        "api_key_id": parent["api_key_id"],
        "link": parent["link"],
        "quantity": parent["quantity_per_run"],
        "fields": orjson.dumps(parent["fields"]).decode(),
        "charge": run.charge,
        "rate": parent["rate"],
        "cost": charge(route.cost, parent["quantity_per_run"], basis),
        "terms": orjson.dumps({**terms, "cost": cost}).decode(),
        "provider_id": route.provider_id,
        "route_id": route.id,
    }


def _next_run_at(parent: OrderRow, now: datetime) -> datetime:
    """Return when the next run is due: one interval on. After a pause of ours the schedule moves; runs never bunch up."""
    interval = timedelta(minutes=parent["interval_minutes"])
    planned: datetime = parent["next_run_at"]
    on_time = now - planned <= min(LATENESS_FORGIVEN, interval / 2)
    return (planned if on_time else now) + interval
