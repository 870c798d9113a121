"""The import wizard: pick services of a provider, put them on shelves and price them, look it over, import."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_STAFF
from smmpanel.catalog.importing import ImportPreview, import_services, preview_import
from smmpanel.catalog.staff.listing import Named, category_names, provider_names
from smmpanel.catalog.staff.services_page import Editing
from smmpanel.catalog.staff.typed import amount_in, faults_of, row_id_in
from smmpanel.catalog.staff.upstream_listing import (
    IMPORTED_AT_ONCE_MAX,
    Offer,
    OfferedCategory,
    OfferFilter,
    all_offers,
    count_offers,
    offered_categories,
    offers,
    offers_by_id,
)
from smmpanel.catalog.staff.words import SKIP_NAMES
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.providers.connecting import provider_by
from smmpanel.providers.models import Provider
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

WAY = "/staff/import"
PICK = "pick-"
SHELF = "shelf-"
SHOWN_MAX = 200
SHELVES_MAX = 60
"""So many of a provider's categories can be put elsewhere in one import; more keep their names."""
SEARCH_MAX = 100
NOTHING_PICKED = marked("Tick the services to import first")
IMPORTED = marked("{n} services imported")


@dataclass(frozen=True, slots=True)
class PickPage:
    """What catalog/staff/import.html receives: the first step."""

    providers: Sequence[Named]
    provider: Provider | None
    wanted: OfferFilter | None
    categories: Sequence[OfferedCategory]
    offers: Sequence[Offer]
    found: int
    after: str | None


@dataclass(frozen=True, slots=True)
class ShelfLine:
    """A category of the provider's among what was picked, and where it is to go."""

    number: int
    name: str
    services: int
    chosen: str


@dataclass(frozen=True, slots=True)
class PricePage:
    """What catalog/staff/import_price.html and import_review.html receive: the second and third step."""

    provider: Provider
    carried: Mapping[str, str]
    count: int
    shelves: Sequence[ShelfLine]
    shelves_left: int
    categories: Sequence[Named]
    typed: Mapping[str, str]
    faults: Mapping[str, str]
    preview: ImportPreview | None
    skip_names: Mapping[str, str] = field(default_factory=lambda: SKIP_NAMES)
    by_shelf: Sequence[tuple[str, int]] = ()
    """How many services go into which of our categories."""
    shown_max: int = SHOWN_MAX


@router.get(WAY)
async def show_pick(
    request: Request,
    _viewer: Editing,
    session: Session,
    *,
    provider: CleanText = "",
    q: CleanText = "",
    category: CleanText = "",
    after: CleanText = "",
) -> Response:
    """Show what a provider has that is not on sale yet."""
    names = await provider_names(session)
    chosen = row_id_in({"provider": provider}, "provider") or (names[0].id if len(names) == 1 else None)
    if chosen is None:
        return page(request, "catalog/staff/import.html", PickPage(names, None, None, (), (), 0, None))
    row = await provider_by(session, chosen)
    wanted = OfferFilter(row.id, q.strip()[:SEARCH_MAX], category)
    found = await offers(session, wanted, after=after)
    shown = PickPage(
        names,
        row,
        wanted,
        await offered_categories(session, row.id),
        found.rows,
        await count_offers(session, wanted),
        found.after,
    )
    return page(request, "catalog/staff/import.html", shown)


@router.post(WAY + "/price")
async def show_price(request: Request, panel: CurrentPanel, _viewer: Editing, session: Session) -> Response:
    """Show for what was picked the categories and the prices that it gets."""
    form = await read_form(request)
    return await _step(request, panel, session, form, "catalog/staff/import_price.html")


@router.post(WAY + "/review")
async def show_review(request: Request, panel: CurrentPanel, _viewer: Editing, session: Session) -> Response:
    """Show once more what the import makes."""
    form = await read_form(request)
    return await _step(request, panel, session, form, "catalog/staff/import_review.html")


@router.post(WAY + "/run")
async def run_import(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Import what was picked."""
    form = await read_form(request)
    provider = await provider_by(session, row_id_in(form, "provider") or 0)
    picked = await _picked(session, provider.id, _carried(form))
    shelves, _ = await _shelves(session, picked, form)
    result = await import_services(
        session,
        panel,
        provider,
        [one.upstream() for one in picked],
        markup=amount_in(form, "markup"),
        categories={line.name: line.chosen for line in shelves if line.chosen},
        actor=viewer,
        now=panel.clock(),
    )
    done = urlencode({"provider": provider.id, "added": result.added, "skipped": len(result.skipped)})
    return with_toast(see_other(f"{WAY}/done?{done}"), Toast(say(request, IMPORTED, n=result.added)))


@dataclass(frozen=True, slots=True)
class DonePage:
    """What catalog/staff/import_done.html receives."""

    provider: Provider
    added: int
    skipped: int
    left: int


@router.get(WAY + "/done")
async def show_done(
    request: Request, _viewer: Editing, session: Session, *, provider: int = 0, added: int = 0, skipped: int = 0
) -> Response:
    """Show what an import came to."""
    row = await provider_by(session, provider)
    left = await count_offers(session, OfferFilter(row.id))
    return page(request, "catalog/staff/import_done.html", DonePage(row, added, skipped, left))


async def _step(
    request: Request, panel: Panel, session: AsyncSession, form: Mapping[str, str], template: str
) -> Response:
    provider = await provider_by(session, row_id_in(form, "provider") or 0)
    carried = _carried(form)
    picked = await _picked(session, provider.id, carried)
    if not picked:
        way = f"{WAY}?{urlencode({'provider': provider.id})}"
        return with_toast(see_other(way), Toast(say(request, NOTHING_PICKED), kind="is-info"))
    shelves, left = await _shelves(session, picked, form)
    preview, faults = None, {}
    try:
        preview = await preview_import(
            session,
            panel,
            provider,
            [one.upstream() for one in picked],
            markup=amount_in(form, "markup"),
            categories={line.name: line.chosen for line in shelves if line.chosen},
        )
    except PanelError as wrong:
        faults = {
            ("markup" if name == "markup_percent" else name): said for name, said in faults_of(request, wrong).items()
        }
        template = "catalog/staff/import_price.html"
    shown = PricePage(
        provider,
        carried,
        len(picked),
        shelves,
        left,
        await category_names(session),
        form,
        faults,
        preview,
        by_shelf=Counter(line.category for line in preview.lines).most_common() if preview is not None else (),
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    return page(request, template, shown, status=status)


def _carried(form: Mapping[str, str]) -> dict[str, str]:
    """Keep only what says which services: the filter, or the ids in one field."""
    provider = {"provider": form.get("provider", "")}
    if form.get("all") == "1":
        return {**provider, "all": "1", "q": form.get("q", ""), "category": form.get("category", "")}
    ticked = [name.removeprefix(PICK) for name in form if name.startswith(PICK)]
    return {**provider, "ids": ",".join([*ticked, *([form["ids"]] if form.get("ids") else [])])}


async def _picked(session: AsyncSession, provider_id: int, carried: Mapping[str, str]) -> list[Offer]:
    if carried.get("all") == "1":
        return await all_offers(session, OfferFilter(provider_id, carried["q"][:SEARCH_MAX], carried["category"]))
    given = [one for one in carried["ids"].split(",") if one.isascii() and one.isdigit() and len(one) <= 18]
    return await offers_by_id(session, provider_id, [int(one) for one in given[:IMPORTED_AT_ONCE_MAX]])


async def _shelves(
    session: AsyncSession, picked: Sequence[Offer], form: Mapping[str, str]
) -> tuple[list[ShelfLine], int]:
    """Return the provider's categories among what was picked with what was chosen for them, and how many are left out."""
    ours = {one.id: one.name for one in await category_names(session)}
    counted = Counter(one.category for one in picked)
    lines = [
        ShelfLine(number, name, services, ours.get(row_id_in(form, f"{SHELF}{number}") or 0, ""))
        for number, (name, services) in enumerate(list(counted.items())[:SHELVES_MAX], start=1)
    ]
    return lines, max(0, len(counted) - SHELVES_MAX)
