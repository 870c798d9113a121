"""Finding out what became of orders whose answer was lost, from what can be known without sending anything again.

A worker that died leaves orders in `submitting` with an open attempt; they are marked unconfirmed once their claim has
lapsed. For each unconfirmed order evidence is gathered: the provider's balance before and after, and its own list of our
orders where it offers one. Exactly one listed order that can only be ours settles the question; anything less is left to
staff.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.jobs import Backoff, enqueue, job
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.notifications import AlertLevel, raise_alert
from smmpanel.orders.models import OrderStatus
from smmpanel.orders.recording import mark_unconfirmed
from smmpanel.orders.settling import Change, settle
from smmpanel.orders.timeline import Event, add_events
from smmpanel.orders.writing import lock_orders
from smmpanel.providers.asking import ProviderBusyError, ProviderUnavailableError, asking
from smmpanel.providers.protocol import ProviderFailure, RecentOrder

LISTING_MAX = 500
UNCONFIRMED_AT_ONCE = 200
UNCONFIRMED_ALERT = "orders_unconfirmed"
DIED = "the worker that was sending it ended before the answer was recorded"

log = get_logger()

_LAPSED = text(
    "SELECT id, provider_id FROM orders WHERE status = 'submitting' AND NOT unconfirmed AND claimed_until < :now"
    " ORDER BY id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED"
)
_PROVIDERS_IN_DOUBT = text(
    "SELECT DISTINCT o.provider_id FROM orders o JOIN order_attempts a ON a.order_id = o.id"
    " WHERE o.unconfirmed AND a.balance_after IS NULL AND (a.outcome IS NULL OR a.outcome = 'unknown')"
)


@job(queue="chores", cron="* * * * * */15")
async def find_lost_calls(panel: Panel) -> None:
    """Mark orders whose worker died as unconfirmed, and have the evidence looked at. Idempotent."""
    async with panel.db.transaction() as session:
        await mark_lapsed(session, panel.clock())
        doubtful = (await session.scalars(_PROVIDERS_IN_DOUBT)).all()
        await enqueue(session, *(reconcile.call(once=f"reconcile:{one}", provider_id=one) for one in doubtful))


async def mark_lapsed(session: AsyncSession, now: datetime) -> int:
    """Mark orders whose claim has lapsed without a recorded answer; returns how many there were."""
    lapsed: dict[int, list[tuple[int, str]]] = {}
    for row in await session.execute(_LAPSED, {"now": now}):
        lapsed.setdefault(row.provider_id, []).append((row.id, DIED))
    for provider_id, orders in lapsed.items():
        log.warning("orders_lost_their_worker", provider_id=provider_id, orders=[order_id for order_id, _ in orders])
        await mark_unconfirmed(session, provider_id, orders)
    return sum(len(orders) for orders in lapsed.values())


@dataclass(frozen=True, slots=True)
class _Doubt:
    """An unconfirmed order with its last attempt."""

    order_id: int
    attempt_id: int
    service: str
    link: str | None
    quantity: int | None
    balance_before: Decimal | None


_DOUBTS = text(
    "SELECT DISTINCT ON (o.id) o.id AS order_id, a.id AS attempt_id, a.request, a.balance_before FROM orders o"
    " JOIN order_attempts a ON a.order_id = o.id"
    " WHERE o.unconfirmed AND o.provider_id = :provider ORDER BY o.id, a.id DESC LIMIT :number"
)
_KNOWN_IDS = text(
    "SELECT external_id FROM orders WHERE provider_id = :provider AND external_id = ANY(CAST(:externals AS text[]))"
)
_KEEP_BALANCE = text(
    "UPDATE order_attempts SET balance_after = :balance WHERE id = ANY(CAST(:ids AS bigint[])) AND balance_after IS NULL"
)


@job(queue="tracking", retry=Backoff(tries=3, first_seconds=30))
async def reconcile(panel: Panel, *, provider_id: int) -> None:
    """Gather evidence for a provider's unconfirmed orders and settle those that it proves. Sends no order. Idempotent."""
    async with panel.db.transaction() as session:
        doubts = await _doubts(session, provider_id)
    if not doubts:
        return
    try:
        balance, listed = await _evidence(panel, provider_id)
    except (ProviderFailure, ProviderBusyError, ProviderUnavailableError) as failure:
        log.info("no_evidence_yet", provider_id=provider_id, why=str(failure))
        return
    async with panel.db.transaction() as session:
        proven = await _proven(session, provider_id, doubts, listed)
        await _settle_proven(session, panel, proven)
        rest = [doubt for doubt in doubts if doubt.order_id not in proven]
        await _keep_evidence(session, provider_id, rest, balance, None if listed is None else len(listed))


async def _doubts(session: AsyncSession, provider_id: int) -> list[_Doubt]:
    rows = await session.execute(_DOUBTS, {"provider": provider_id, "number": UNCONFIRMED_AT_ONCE})
    return [
        _Doubt(
            row.order_id,
            row.attempt_id,
            row.request["service"],
            row.request.get("link"),
            int(row.request["quantity"]) if "quantity" in row.request else None,
            row.balance_before,
        )
        for row in rows
    ]


async def _evidence(panel: Panel, provider_id: int) -> tuple[Decimal, Sequence[RecentOrder] | None]:
    async with asking(panel, provider_id, "balance") as adapter:
        balance = (await adapter.balance()).amount
        listing = adapter.supports_listing
    if not listing:
        return balance, None
    async with asking(panel, provider_id, "orders") as adapter:
        return balance, await adapter.recent_orders(LISTING_MAX)


async def _proven(
    session: AsyncSession, provider_id: int, doubts: Sequence[_Doubt], listed: Sequence[RecentOrder] | None
) -> dict[int, str]:
    """Return external ids of doubts that match exactly one listed order which no order of ours has, and no other doubt."""
    if not listed:
        return {}
    asked = {"provider": provider_id, "externals": [one.external_id for one in listed]}
    known = set((await session.scalars(_KNOWN_IDS, asked)).all())
    strangers: dict[tuple[str | None, str | None, int | None], list[str]] = {}
    for one in listed:
        if one.external_id not in known:
            strangers.setdefault((one.service, one.link, one.quantity), []).append(one.external_id)
    alike: dict[tuple[str | None, str | None, int | None], list[int]] = {}
    for doubt in doubts:
        if doubt.link is not None and doubt.quantity is not None:
            alike.setdefault((doubt.service, doubt.link, doubt.quantity), []).append(doubt.order_id)
    return {
        orders[0]: strangers[what][0]
        for what, orders in alike.items()
        if len(orders) == 1 and len(strangers.get(what, ())) == 1
    }


async def _settle_proven(session: AsyncSession, panel: Panel, proven: dict[int, str]) -> None:
    rows = await lock_orders(session, proven)
    changes = [
        Change(
            order_id,
            OrderStatus.PROCESSING,
            note=f"found in the provider's own list as {external_id}",
            external_id=external_id,
        )
        for order_id, external_id in proven.items()
        if rows[order_id]["unconfirmed"]  # staff may have settled it while the provider was asked
    ]
    await settle(session, changes, now=panel.clock(), watch=timedelta(days=panel.settings.finished_watch_days))


async def _keep_evidence(
    session: AsyncSession, provider_id: int, rest: Sequence[_Doubt], balance: Decimal, listed: int | None
) -> None:
    """Note for staff what is known of each order that stays in doubt."""
    if not rest:
        return
    await session.execute(_KEEP_BALANCE, {"ids": [doubt.attempt_id for doubt in rest], "balance": balance})
    looked = (
        "the provider offers no list"
        if listed is None
        else f"none of the {listed} orders it lists is certainly this one"
    )
    events = [
        Event(doubt.order_id, "evidence", note=f"balance before {doubt.balance_before}, now {balance}; {looked}")
        for doubt in rest
    ]
    await add_events(session, events)
    await raise_alert(
        session,
        UNCONFIRMED_ALERT,
        f"provider:{provider_id}",
        AlertLevel.WARNING,
        orders=len(rest),
        first=rest[0].order_id,
    )
