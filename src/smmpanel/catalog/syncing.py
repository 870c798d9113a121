"""Following what providers change in their catalogues: rates, bounds, flags, services that go and come back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.catalog.change_log import Change, begin_change, bump_version, record_changes
from smmpanel.catalog.importing import fetch_catalogue
from smmpanel.catalog.live_routes import MISSES_UNTIL_GONE
from smmpanel.catalog.provider_lines import store_lines
from smmpanel.catalog.repricing import Scope, recompute
from smmpanel.catalog.terms import TERMS, first_routes, follow_first_routes
from smmpanel.catalog.upstream_lines import UpstreamList, read_list
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.jobs import Backoff, enqueue, job
from smmpanel.kernel.logging import get_logger
from smmpanel.kernel.panel import Panel
from smmpanel.notifications import AlertLevel, clear_alert, raise_alert
from smmpanel.providers.connecting import provider_by
from smmpanel.providers.noting_syncs import begin_sync, note_synced
from smmpanel.providers.pausing import subject_of
from smmpanel.providers.protocol import Catalogue, ProviderFailure, Unclear, UpstreamService

log = get_logger()

CATALOGUE_REFUSED = "catalogue_refused"
SHRUNKEN_PERCENT = 30
"""A list that lacks more than this of what it held, or of which more than this is unreadable, is not believed."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What one sync found and did."""

    provider_id: int
    provider: str
    listed: int = 0
    """Usable lines on the list."""
    new: int = 0
    """Lines that were not there before. They are kept, not put on sale: importing does that."""
    missing: int = 0
    """Lines that were there before."""
    changed: int = 0
    """Services of ours of which something changed."""
    held: int = 0
    """Services taken off sale by this sync."""
    released: int = 0
    """Services put back on sale by this sync."""
    refused: str | None = None
    """Why nothing was taken over: `empty`, `malformed`, `shrunken`; `overtaken` by another sync; or how the call failed."""
    text: str = ""


async def sync_provider(panel: Panel, provider_id: int, *, now: datetime, accept_shrunken: bool = False) -> SyncResult:
    """Ask a provider for its catalogue and take over what changed; `now` is the moment of asking.

    A list that is empty, malformed or shrunken changes nothing and raises an alert; `accept_shrunken` is an operator's
    word that it has really shrunk. A call that fails otherwise raises what it failed with.
    """
    async with panel.db.transaction() as session:
        provider = await provider_by(session, provider_id)
    try:
        upstream = await fetch_catalogue(panel, provider)
    except Unclear as failure:
        async with panel.db.transaction() as session:
            return await _refuse(session, provider_id, provider.slug, "malformed", text=failure.text)
    async with panel.db.transaction() as session:
        return await apply_catalogue(
            session, panel, provider_id, provider.slug, upstream, now=now, accept_shrunken=accept_shrunken
        )


async def sync_services(
    panel: Panel, providers: Sequence[str | int] = (), *, accept_shrunken: bool = False
) -> list[SyncResult]:
    """Sync these providers, or all that are enabled, one after the other; one that cannot be asked does not stop the others."""
    async with panel.db.transaction() as session:
        if providers:
            wanted = [(one.id, one.slug) for one in [await provider_by(session, name) for name in providers]]
        else:
            wanted = [(row.id, row.slug) for row in await session.execute(_ENABLED)]
    results = []
    for provider_id, slug in wanted:
        try:
            result = await sync_provider(panel, provider_id, now=panel.clock(), accept_shrunken=accept_shrunken)
        except (ProviderFailure, PanelError) as failed:
            failure = failed.outcome if isinstance(failed, ProviderFailure) else failed.code
            result = SyncResult(provider_id, slug, refused=failure, text=str(failed))
        results.append(result)
    return results


def sync_key(provider_id: int) -> str:
    """Return what a provider's sync is called in the queue; there is at most one waiting."""
    return f"sync:{provider_id}"


async def ask_for_sync(session: AsyncSession, provider_id: int, *, actor: Actor, accept_shrunken: bool = False) -> None:
    """Have a provider synced as soon as a worker is free. With `accept_shrunken` somebody says the list has really shrunk."""
    actor.require(Permission.PROVIDERS_EDIT)
    provider = await provider_by(session, provider_id)
    await enqueue(
        session, sync_one.call(provider_id=provider.id, accept_shrunken=accept_shrunken, once=sync_key(provider.id))
    )
    asked = {"sync": "asked for", "accept_shrunken": accept_shrunken}
    await audit(session, actor, Permission.PROVIDERS_EDIT, subject_of(provider.id), after=asked)


@job(queue="chores", cron="41 3 * * *")
async def sync_all_daily(panel: Panel) -> None:
    """Have every enabled provider synced. Harmless to repeat."""
    async with panel.db.transaction() as session:
        rows = (await session.execute(_ENABLED)).all()
        await enqueue(session, *(sync_one.call(provider_id=row.id, once=sync_key(row.id)) for row in rows))


@job(queue="chores", retry=Backoff(tries=5, first_seconds=300))
async def sync_one(panel: Panel, *, provider_id: int, accept_shrunken: bool = False) -> None:
    """Sync one provider; tried again later if it cannot be asked now. Repeated, it takes over what is new since."""
    result = await sync_provider(panel, provider_id, now=panel.clock(), accept_shrunken=accept_shrunken)
    log.info(
        "provider_synced",
        provider=result.provider,
        listed=result.listed,
        changed=result.changed,
        held=result.held,
        released=result.released,
        refused=result.refused,
    )


async def apply_catalogue(
    session: AsyncSession,
    panel: Panel,
    provider_id: int,
    slug: str,
    upstream: Iterable[UpstreamService],
    *,
    now: datetime,
    accept_shrunken: bool = False,
) -> SyncResult:
    """Take a provider's list over, all in this transaction; syncs of one provider wait for each other.

    A service of ours is held once every provider behind it has left it out of two lists in a row, and is released when
    one lists it again.
    """
    if not await begin_sync(session, provider_id, now):
        return SyncResult(provider_id, slug, refused="overtaken", text="a later sync has been here already")
    await begin_change(session)
    unreadable = upstream.skipped if isinstance(upstream, Catalogue) else 0
    listed = read_list(upstream)
    known = {row.external_id: row for row in await session.execute(_KNOWN, {"provider_id": provider_id})}
    present = {row.external_id for row in known.values() if row.misses < MISSES_UNTIL_GONE}
    # A line that makes no sense today is still there: only what is not mentioned at all is missing.
    missing = present - listed.lines.keys() - {one.external_id for one in listed.skipped}
    reason = _unbelievable(listed, unreadable, present=len(present), missing=len(missing))
    if reason is not None and not (reason == "shrunken" and accept_shrunken):
        counts = {"listed": len(listed.lines), "known": len(present), "missing": len(missing)}
        return await _refuse(session, provider_id, slug, reason, counts=counts)

    routed = (await session.scalars(_ROUTED, {"provider_id": provider_id})).all()
    before = await first_routes(session, routed, currency=panel.currency)
    stored = await store_lines(session, provider_id, list(listed.lines.values()), now=now)
    seen = {
        "provider_id": provider_id,
        "seen": [*listed.lines, *(one.external_id for one in listed.skipped)],
        "now": now,
    }
    await session.execute(_SEEN, seen)
    await session.execute(_MISSED, {"provider_id": provider_id, "missing": list(missing)})

    changes = await follow_first_routes(session, before, moved=_moved(listed, known), currency=panel.currency, now=now)
    changes += await _type_changes(session, listed, known)
    changes += await recompute(session, Scope(provider_id=provider_id), currency=panel.currency, now=now)
    await record_changes(session, changes, cause="sync", now=now)
    if changes or await first_routes(session, routed, currency=panel.currency) != before:
        await bump_version(session)
    await note_synced(session, provider_id, now)
    await clear_alert(session, CATALOGUE_REFUSED, subject_of(provider_id))
    holds = [(one.before, one.after) for one in changes if one.field == "held_reason"]
    return SyncResult(
        provider_id,
        slug,
        listed=len(listed.lines),
        new=stored.new,
        missing=len(missing),
        changed=len({one.service_id for one in changes}),
        held=sum(1 for was, _ in holds if was is None),
        released=sum(1 for _, becomes in holds if becomes is None),
    )


def _unbelievable(listed: UpstreamList, unreadable: int, *, present: int, missing: int) -> str | None:
    if listed.total + unreadable == 0:
        return "empty"
    if (listed.unusable + unreadable) * 100 > (listed.total + unreadable) * SHRUNKEN_PERCENT:
        return "malformed"
    return "shrunken" if missing * 100 > present * SHRUNKEN_PERCENT else None


async def _refuse(
    session: AsyncSession,
    provider_id: int,
    slug: str,
    reason: str,
    *,
    text: str = "",
    counts: Mapping[str, int] = MappingProxyType({}),
) -> SyncResult:
    fields = {"provider": slug, "reason": reason, "text": text, **counts}
    await raise_alert(session, CATALOGUE_REFUSED, subject_of(provider_id), AlertLevel.WARNING, **fields)
    return SyncResult(
        provider_id,
        slug,
        listed=counts.get("listed", 0),
        missing=counts.get("missing", 0),
        refused=reason,
        text=text or " ".join(f"{name}={number}" for name, number in counts.items()),
    )


def _moved(listed: UpstreamList, known: Mapping[str, Any]) -> dict[int, set[str]]:
    """Say which terms of which known lines differ from what was stored."""
    moved = {}
    for external_id, line in listed.lines.items():
        row = known.get(external_id)
        if row is not None:
            fields = {field for field in TERMS if getattr(row, field) != getattr(line, field)}
            if fields:
                moved[row.id] = fields
    return moved


async def _type_changes(session: AsyncSession, listed: UpstreamList, known: Mapping[str, Any]) -> list[Change]:
    """Note on our services that the one behind them became one of another type: orders cannot go there any more."""
    turned = {
        known[external_id].id: (known[external_id].type, line.type)
        for external_id, line in listed.lines.items()
        if external_id in known and known[external_id].type != line.type
    }
    if not turned:
        return []
    rows = await session.execute(_BEHIND, {"lines": list(turned)})
    return [Change(service_id, "provider_type", *turned[line_id]) for line_id, service_id in rows]


_ENABLED = text("SELECT id, slug FROM providers WHERE enabled ORDER BY id")
_KNOWN = text(
    "SELECT id, external_id, type, min, max, refill, cancel, dripfeed, misses FROM provider_services"
    " WHERE provider_id = :provider_id"
)
_ROUTED = text(
    "SELECT DISTINCT r.service_id FROM service_routes r JOIN provider_services ps ON ps.id = r.provider_service_id"
    " WHERE ps.provider_id = :provider_id"
)
_SEEN = text(
    "UPDATE provider_services SET misses = 0, seen_at = :now"
    " WHERE provider_id = :provider_id AND external_id = ANY(CAST(:seen AS text[]))"
)
_MISSED = text(
    "UPDATE provider_services SET misses = misses + 1"
    " WHERE provider_id = :provider_id AND external_id = ANY(CAST(:missing AS text[]))"
)
_BEHIND = text(
    "SELECT provider_service_id, service_id FROM service_routes"
    " WHERE provider_service_id = ANY(CAST(:lines AS bigint[])) ORDER BY service_id"
)
