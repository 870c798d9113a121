"""Following subscriptions at their providers: first the subscriptions, then the orders that were made for them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.jobs import Backoff, enqueue, job
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.notifications import AlertLevel, raise_alert
from smmpanel.orders.models import FINISHED, OrderStatus
from smmpanel.orders.pacing import FINISHED_EVERY, next_check_at
from smmpanel.orders.reporting import ODD_REPORTS, count_or_none
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.subscriptions import CHILD_FINAL, NOTHING_SAID, Child, Standing, bargain_of, standing_of
from smmpanel.orders.writing import OrderRow, lock_orders
from smmpanel.providers.asking import asking
from smmpanel.providers.connecting import adapter_for, provider_by
from smmpanel.providers.protocol import ProviderFailure, Rejected, UpstreamReport, UpstreamStatus

SLICE_SECONDS = 30.0
AT_ONCE = 50
CLAIM = timedelta(minutes=3)
REASON_LENGTH_MAX = 300
CHARGE_MAX = Decimal(10) ** 14

log = get_logger()
Said = Mapping[str, UpstreamReport | Rejected]

_DUE_PROVIDERS = text(
    "SELECT DISTINCT o.provider_id FROM orders o JOIN providers p ON p.id = o.provider_id AND p.enabled"
    " WHERE o.kind = 'subscription' AND o.check_at <= :now"
)


@job(queue="chores", cron="* * * * * */20")
async def track_due_subscriptions(panel: Panel) -> None:
    """Start following at every provider that has subscriptions to look at. Idempotent."""
    async with panel.db.transaction() as session:
        due = (await session.scalars(_DUE_PROVIDERS, {"now": panel.clock()})).all()
        await enqueue(session, *(track_subscriptions.call(once=f"subscriptions:{one}", provider_id=one) for one in due))


@job(queue="tracking", retry=Backoff(tries=3))
async def track_subscriptions(panel: Panel, *, provider_id: int) -> None:
    """Look at a provider's due subscriptions, for one slice of time. Idempotent: looking again finds the same."""
    until = time.monotonic() + SLICE_SECONDS
    while not panel.stopping.is_set() and time.monotonic() < until:
        if not await _track_some(panel, provider_id):
            break


_CLAIM = text(
    "UPDATE orders SET check_at = :until WHERE id IN ("
    " SELECT id FROM orders WHERE kind = 'subscription' AND provider_id = :provider AND check_at <= :now"
    " ORDER BY check_at, id LIMIT :number FOR NO KEY UPDATE SKIP LOCKED) RETURNING id, external_id"
)


@dataclass(slots=True)
class _Round:
    """Some subscriptions that are being looked at, and what has been said of them so far."""

    external_ids: dict[int, str]
    parents: Said = field(default_factory=dict)
    children: dict[str, UpstreamReport | Rejected] = field(default_factory=dict)


async def _track_some(panel: Panel, provider_id: int) -> bool:
    """Look at the next due subscriptions; `False` if none is due or the provider did not answer."""
    now = panel.clock()
    async with panel.db.transaction() as session:
        size = adapter_for(panel, await provider_by(session, provider_id)).status_batch_max
        asked = {"provider": provider_id, "now": now, "until": now + CLAIM, "number": min(size, AT_ONCE)}
        found = {row.id: row.external_id for row in await session.execute(_CLAIM, asked)}
    if not found:
        return False
    looked = _Round(found)
    try:
        looked.parents = await _ask(panel, provider_id, list(found.values()))
        async with panel.db.transaction() as session:
            wanted = await _children_to_ask(session, looked, panel.clock())
        for start in range(0, len(wanted), size):
            looked.children |= await _ask(panel, provider_id, wanted[start : start + size])
    except (ProviderFailure, PanelError) as failure:
        log.info("subscriptions_not_looked_at", provider_id=provider_id, why=str(failure))
        return False
    watch = timedelta(days=panel.settings.finished_watch_days)
    for order_id in sorted(found):
        async with panel.db.transaction() as session:
            await _record(session, order_id, looked, now=panel.clock(), watch=watch)
    return True


async def _ask(panel: Panel, provider_id: int, external_ids: Sequence[str]) -> Said:
    async with asking(panel, provider_id, "status") as adapter:
        return await adapter.status(external_ids)


_KNOWN = text(
    "SELECT external_id, status, seen_at FROM subscription_children WHERE order_id = ANY(CAST(:ids AS bigint[]))"
)


async def _children_to_ask(session: AsyncSession, looked: _Round, now: datetime) -> list[str]:
    """Return the children of which there may be news: all that are new or open, finished ones now and then."""
    known = {row.external_id: row for row in await session.execute(_KNOWN, {"ids": list(looked.external_ids)})}
    listed = {child for said in looked.parents.values() if isinstance(said, UpstreamReport) for child in said.children}
    return sorted(
        child
        for child in listed | known.keys()
        if child not in known or known[child].status not in CHILD_FINAL or known[child].seen_at <= now - FINISHED_EVERY
    )


_STORE = text(
    "INSERT INTO subscription_children AS c (order_id, external_id, status, charge, currency, remains, seen_at)"
    " SELECT :order, v.external_id, v.status, v.charge, v.currency, v.remains, :now"
    " FROM unnest(CAST(:externals AS text[]), CAST(:statuses AS text[]), CAST(:charges AS numeric[]),"
    " CAST(:currencies AS text[]), CAST(:remains AS bigint[])) AS v(external_id, status, charge, currency, remains)"
    " ON CONFLICT (order_id, external_id) DO UPDATE SET status = coalesce(excluded.status, c.status),"
    " charge = greatest(excluded.charge, c.charge), currency = coalesce(excluded.currency, c.currency),"
    " remains = coalesce(excluded.remains, c.remains), seen_at = excluded.seen_at"
)
_CHILDREN = text(
    "SELECT external_id, status, charge, currency, remains FROM subscription_children WHERE order_id = :order"
)
# The rate that was frozen counts if the order went where it was to go; after a detour, that of the route it took.
_AGREED = text(
    "SELECT CASE WHEN CAST(o.terms #>> '{cost,route}' AS bigint) = o.route_id"
    " THEN CAST(o.terms #>> '{cost,rate}' AS numeric) ELSE ps.rate END AS provider_rate, p.currency AS provider_currency"
    " FROM orders o JOIN providers p ON p.id = o.provider_id LEFT JOIN service_routes sr ON sr.id = o.route_id"
    " LEFT JOIN provider_services ps ON ps.id = sr.provider_service_id WHERE o.id = :order"
)


async def _record(session: AsyncSession, order_id: int, looked: _Round, *, now: datetime, watch: timedelta) -> None:
    """Write what was said of one subscription and its children, and settle it if it is over."""
    row = (await lock_orders(session, [order_id]))[order_id]
    said = looked.parents.get(looked.external_ids[order_id])
    if row["check_at"] is None or row["unconfirmed"]:
        return
    if not isinstance(said, UpstreamReport):
        await _keep(session, row, None, None, now=now, watch=watch)
        if isinstance(said, Rejected):
            await _alert(session, row, said.text)
        return
    await _store_children(session, order_id, said, looked, now)
    agreed = (await session.execute(_AGREED, {"order": order_id})).mappings().one()
    children = [_child(dict(one)) for one in (await session.execute(_CHILDREN, {"order": order_id})).mappings()]
    standing = standing_of(bargain_of({**row, **agreed}), said, children)
    change = _change(row, standing, said)
    if change is not None:
        moved = await settle(session, [change], now=now, watch=watch, strict=False)
        if moved[order_id]:
            return
    await _keep(session, row, standing, said, now=now, watch=watch)


async def _store_children(
    session: AsyncSession, order_id: int, parent: UpstreamReport, looked: _Round, now: datetime
) -> None:
    known = {row["external_id"] for row in (await session.execute(_CHILDREN, {"order": order_id})).mappings()}
    # One that was listed and not reported on is kept with no status, so that nothing is settled without it.
    mine = sorted(one for one in {*parent.children, *(known & looked.children.keys())} if "\x00" not in one)
    said = [looked.children.get(child) for child in mine]
    reports = [one if isinstance(one, UpstreamReport) else UpstreamReport(None) for one in said]
    if not mine:
        return
    await session.execute(
        _STORE,
        {
            "order": order_id,
            "now": now,
            "externals": mine,
            "statuses": [None if one.status is None else one.status.value for one in reports],
            "charges": [_storable_charge(one.charge) for one in reports],
            "currencies": [one.currency for one in reports],
            "remains": [count_or_none(one.remains) for one in reports],
        },
    )


def _storable_charge(charge: Decimal | None) -> Decimal | None:
    return charge if charge is not None and 0 <= charge < CHARGE_MAX else None


def _child(row: Mapping[str, Any]) -> Child:
    status = None if row["status"] is None else UpstreamStatus(row["status"])
    return Child(row["external_id"], status, row["charge"], row["currency"], row["remains"])


def _change(row: OrderRow, standing: Standing, said: UpstreamReport) -> Change | None:
    """Return the move that this asks for: under way, over, or less earned than was thought when it was settled."""
    status = OrderStatus(row["status"])
    note = f"the provider says {said.raw_status or said.status}"
    if status in FINISHED:
        if standing.status is None or standing.earned >= row["earned"]:
            return None
        lower = OrderStatus.PARTIAL if standing.earned else OrderStatus.CANCELED
        return _final(row, lower, standing, "a post's order was changed by its provider afterwards")
    if standing.status is not None:
        return _final(row, standing.status, standing, note)
    if status is OrderStatus.PROCESSING and said.status in {
        UpstreamStatus.ACTIVE,
        UpstreamStatus.IN_PROGRESS,
        UpstreamStatus.PAUSED,
    }:
        return Change(row["id"], OrderStatus.IN_PROGRESS, note=note, remains=row["quantity"] - standing.delivered)
    return None


def _final(row: OrderRow, status: OrderStatus, standing: Standing, note: str) -> Change:
    note = f"{note}; {standing.delivered} delivered"
    remains = row["quantity"] - standing.delivered
    return Change(row["id"], status, note=note, remains=remains, earned_total=standing.earned)


_KEEP = text("UPDATE orders SET check_at = :check_at, remains = :remains, reason = :reason WHERE id = :id")


async def _keep(
    session: AsyncSession,
    row: OrderRow,
    standing: Standing | None,
    said: UpstreamReport | None,
    *,
    now: datetime,
    watch: timedelta,
) -> None:
    """Note how far a subscription is and when to look again; tell staff if it is over and cannot be settled."""
    status = OrderStatus(row["status"])
    check_at = next_check_at(
        status,
        submitted_at=row["submitted_at"] or row["created_at"],
        finished_at=row["finished_at"],
        now=now,
        watch=watch,
    )
    running = standing is not None and status not in FINISHED
    remains = row["quantity"] - standing.delivered if running and standing is not None else row["remains"]
    reason = standing.waits_for if standing is not None else None
    await session.execute(_KEEP, {"id": row["id"], "check_at": check_at, "remains": remains, "reason": reason})
    if reason == NOTHING_SAID and said is not None and status not in FINISHED:
        await _alert(session, row, f"{said.raw_status}: {reason}")


async def _alert(session: AsyncSession, row: OrderRow, why: str) -> None:
    said = why.replace("\x00", "")[:REASON_LENGTH_MAX]
    await raise_alert(session, ODD_REPORTS, f"order:{row['id']}", AlertLevel.WARNING, order=row["id"], word=said)
