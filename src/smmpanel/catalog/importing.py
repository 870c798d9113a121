"""Taking services from a provider's catalogue into ours."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.catalog.categories import ensure_categories
from smmpanel.catalog.change_log import Change, begin_change, bump_version, record_changes
from smmpanel.catalog.fx import rate_between
from smmpanel.catalog.markups import markup_rule, panel_markup
from smmpanel.catalog.models import Category, ProviderService, ServiceRoute
from smmpanel.catalog.platforms import platform_of
from smmpanel.catalog.pricing import MarkupRule, base_cost, list_rate, resolve_markup
from smmpanel.catalog.provider_lines import store_lines
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.catalog.upstream_lines import Skipped, UpstreamList, read_list, refill_days_in
from smmpanel.kernel.panel import Panel
from smmpanel.providers.asking import asking
from smmpanel.providers.models import Provider
from smmpanel.providers.protocol import UpstreamService


@dataclass(frozen=True, slots=True)
class Pick:
    """Which of a provider's services to take: named ones, whole categories, or, with nothing named, all."""

    external_ids: frozenset[str] | None = None
    categories: frozenset[str] | None = None
    """Names of the provider's categories, whatever their case."""

    def takes(self, line: UpstreamService) -> bool:
        """Whether this line is picked."""
        if self.external_ids is None and self.categories is None:
            return True
        return line.external_id in (self.external_ids or ()) or line.category.casefold() in {
            name.strip().casefold() for name in self.categories or ()
        }


PICK_ALL = Pick()


@dataclass(frozen=True, slots=True)
class ImportLine:
    """A service as an import would make it. Amounts are per 1,000 (per package), in the panel's currency."""

    upstream: UpstreamService
    category: str
    """The name of our category that it goes into."""
    platform: str | None
    cost: Decimal
    rate: Decimal
    refill_days: int | None
    dripfeed: bool


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What an import would do."""

    lines: tuple[ImportLine, ...]
    skipped: tuple[Skipped, ...]
    new_categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did."""

    added: int
    """Services of ours that are new."""
    updated: int
    """Lines of the provider's catalogue without a service of ours, whose stored copy changed."""
    skipped: tuple[Skipped, ...]
    service_ids: tuple[int, ...] = ()


async def fetch_catalogue(panel: Panel, provider: Provider) -> Sequence[UpstreamService]:
    """Ask a provider for its whole catalogue, with no transaction open, even while it is paused or switched off."""
    async with asking(panel, provider.id, "services", probing=True) as adapter:
        return await adapter.services()


async def preview_import(
    session: AsyncSession,
    panel: Panel,
    provider: Provider,
    upstream: Iterable[UpstreamService],
    *,
    pick: Pick = PICK_ALL,
    markup: Decimal | None = None,
    categories: Mapping[str, str] = MappingProxyType({}),
) -> ImportPreview:
    """Say what `import_services` would do with this list, writing nothing."""
    listed = read_list(upstream)
    return (await _plan(session, panel, provider, listed, pick=pick, markup=markup, categories=categories)).preview


async def import_services(
    session: AsyncSession,
    panel: Panel,
    provider: Provider,
    upstream: Iterable[UpstreamService],
    *,
    pick: Pick = PICK_ALL,
    markup: Decimal | None = None,
    categories: Mapping[str, str] = MappingProxyType({}),
    actor: Actor,
    now: datetime,
) -> ImportResult:
    """Make services of ours, with categories, routes and prices, from the picked lines of a provider's list.

    Lines behind which there is a service of ours already are left alone, whatever was done to it since: importing twice
    changes nothing. `markup` becomes the new services' own percentage; `None` has them follow category, provider, panel.
    `categories` says for the provider's categories into which of ours their services go; those not named keep their name.
    """
    actor.require(Permission.SERVICES_EDIT)
    await begin_change(session)
    listed = read_list(upstream)
    plan = await _plan(session, panel, provider, listed, pick=pick, markup=markup, categories=categories)
    # What has a service of ours is the sync's to compare: swallowing a new rate here would hide it from our prices.
    fresh = [line for line in listed.lines.values() if line.external_id not in plan.routed]
    stored = await store_lines(session, provider.id, fresh, now=now)
    category_ids = await ensure_categories(session, _platforms(plan.preview.lines))
    service_ids = await _insert_services(session, plan.preview.lines, category_ids, markup, now)
    await _insert_routes(session, provider.id, plan.preview.lines, service_ids)
    await record_changes(
        session,
        [
            Change(service_id, "added", None, {"rate": one.rate, "min": one.upstream.min, "max": one.upstream.max})
            for service_id, one in zip(service_ids, plan.preview.lines, strict=True)
        ],
        cause="import",
        now=now,
    )
    if service_ids:
        await bump_version(session)
        counts = {"added": len(service_ids), "categories": len(plan.preview.new_categories), "markup_percent": markup}
        await audit(session, actor, Permission.SERVICES_EDIT, f"provider:{provider.id}", after=counts)
    return ImportResult(len(service_ids), stored.changed, plan.preview.skipped, tuple(service_ids))


@dataclass(frozen=True, slots=True)
class _Plan:
    preview: ImportPreview
    routed: frozenset[str]
    """External ids with a service of ours."""


async def _plan(
    session: AsyncSession,
    panel: Panel,
    provider: Provider,
    listed: UpstreamList,
    *,
    pick: Pick,
    markup: Decimal | None,
    categories: Mapping[str, str],
) -> _Plan:
    fx = await rate_between(session, provider.currency, panel.currency)
    found = select(ProviderService.external_id).where(
        ProviderService.provider_id == provider.id,
        select(ServiceRoute.id).where(ServiceRoute.provider_service_id == ProviderService.id).exists(),
    )
    routed = frozenset((await session.scalars(found)).all())
    ours = {row.name.lower(): row for row in (await session.scalars(select(Category))).all()}
    shelved = {theirs.casefold(): name for theirs, name in categories.items()}
    of_service, of_provider = MarkupRule(percent=markup), markup_rule(provider)
    of_panel = await panel_markup(session)

    lines: list[ImportLine] = []
    skipped = [one for one in listed.skipped if pick == PICK_ALL or one.external_id in (pick.external_ids or ())]
    for line in listed.lines.values():
        if not pick.takes(line):
            continue
        if (reason := _why_not(line, routed)) is not None:
            skipped.append(Skipped(line.external_id, line.name, reason))
            continue
        shelf = shelved.get(line.category.casefold(), line.category)
        category = ours.get(shelf.lower())
        resolved = resolve_markup(
            service=of_service,
            category=None if category is None else markup_rule(category),
            provider=of_provider,
            panel=of_panel,
        )
        cost = base_cost(line.rate, fx)
        lines.append(
            ImportLine(
                upstream=line,
                category=shelf,
                platform=category.platform if category else platform_of(shelf) or platform_of(line.name),
                cost=cost,
                rate=list_rate(cost=cost, markup=resolved),
                refill_days=refill_days_in(line.name) if line.refill else None,
                # We run drip-feeds ourselves, so a provider that says nothing of them does not stand in the way.
                dripfeed=SERVICE_TYPES[line.type].dripfeed and line.dripfeed is not False,
            )
        )
    listed_ids = listed.lines.keys() | {one.external_id for one in listed.skipped}
    skipped += [Skipped(one, "", "not_listed") for one in sorted((pick.external_ids or frozenset()) - listed_ids)]
    names: dict[str, str] = {}
    for one in lines:
        names.setdefault(one.category.lower(), one.category)
    new = tuple(name for lower, name in names.items() if lower not in ours)
    return _Plan(ImportPreview(tuple(lines), tuple(skipped), new), routed)


def _why_not(line: UpstreamService, routed: frozenset[str]) -> str | None:
    if line.external_id in routed:
        return "already_imported"
    return None if line.type in SERVICE_TYPES else "unknown_type"


def _platforms(lines: Sequence[ImportLine]) -> dict[str, str | None]:
    """Guess categories' platforms from their names, else from their services if these agree: links are checked by them."""
    guesses: dict[str, set[str | None]] = {}
    for one in lines:
        guesses.setdefault(one.category, set()).add(one.platform)
    return {
        category: platform_of(category) or (next(iter(found)) if len(found) == 1 else None)
        for category, found in guesses.items()
    }


async def _insert_services(
    session: AsyncSession,
    lines: Sequence[ImportLine],
    category_ids: Mapping[str, int],
    markup: Decimal | None,
    now: datetime,
) -> list[int]:
    if not lines:
        return []
    # Ids are drawn first, because INSERT … RETURNING promises no order and each id must meet its own line again.
    ids = list((await session.scalars(_DRAW_IDS, {"count": len(lines)})).all())
    terms = [one.upstream for one in lines]
    await session.execute(
        _INSERT_SERVICES,
        {
            "ids": ids,
            "categories": [category_ids[one.category] for one in lines],
            "names": [one.name for one in terms],
            "descriptions": [one.description for one in terms],
            "average_times": [one.average_time for one in terms],
            "types": [one.type for one in terms],
            "mins": [one.min for one in terms],
            "maxs": [one.max for one in terms],
            "dripfeeds": [one.dripfeed for one in lines],
            "refills": [bool(one.refill) for one in terms],
            "refill_days": [one.refill_days for one in lines],
            "cancels": [bool(one.cancel) for one in terms],
            "rates": [one.rate for one in lines],
            "costs": [one.cost for one in lines],
            "markup": markup,
            "now": now,
        },
    )
    return ids


async def _insert_routes(
    session: AsyncSession, provider_id: int, lines: Sequence[ImportLine], service_ids: Sequence[int]
) -> None:
    external_ids = [one.upstream.external_id for one in lines]
    await session.execute(
        _INSERT_ROUTES, {"services": list(service_ids), "external_ids": external_ids, "provider_id": provider_id}
    )


_DRAW_IDS = text("SELECT nextval(pg_get_serial_sequence('services', 'id')) FROM generate_series(1, :count)")
_INSERT_SERVICES = text(
    "INSERT INTO services (id, category_id, name, description, average_time, type, mode, min, max, dripfeed, refill,"
    " refill_days, cancel, rate, cost, markup_percent, position, created_at, updated_at)"
    " SELECT v.id, v.category_id, v.name, v.description, v.average_time, v.type, 'provider', v.min, v.max, v.dripfeed,"
    " v.refill, v.refill_days, v.cancel, v.rate, v.cost, CAST(:markup AS numeric),"
    " (SELECT COALESCE(max(position), 0) FROM services) + v.place, :now, :now"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:categories AS bigint[]), CAST(:names AS text[]),"
    " CAST(:descriptions AS text[]), CAST(:average_times AS text[]), CAST(:types AS text[]), CAST(:mins AS bigint[]),"
    " CAST(:maxs AS bigint[]), CAST(:dripfeeds AS boolean[]), CAST(:refills AS boolean[]), CAST(:refill_days AS integer[]),"
    " CAST(:cancels AS boolean[]), CAST(:rates AS numeric[]), CAST(:costs AS numeric[])) WITH ORDINALITY"
    " AS v(id, category_id, name, description, average_time, type, min, max, dripfeed, refill, refill_days, cancel, rate,"
    " cost, place)"
)
_INSERT_ROUTES = text(
    "INSERT INTO service_routes (service_id, provider_service_id)"
    " SELECT v.service_id, ps.id FROM unnest(CAST(:services AS bigint[]), CAST(:external_ids AS text[]))"
    " AS v(service_id, external_id)"
    " JOIN provider_services ps ON ps.provider_id = :provider_id AND ps.external_id = v.external_id"
)
