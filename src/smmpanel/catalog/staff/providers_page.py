"""The providers for staff: how they are doing, and connecting a new one with a try before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.catalog.staff.provider_forms import NEEDED, slug_for, terms_in
from smmpanel.catalog.staff.provider_reads import AsksOrders, ProviderCard, provider_cards
from smmpanel.catalog.staff.provider_words import FAILURE_NAMES
from smmpanel.catalog.staff.typed import faults_of
from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.notifications.alert_words import ALERT_NAMES
from smmpanel.providers.connecting import add_provider
from smmpanel.providers.testing import ConnectionTest, try_connection
from smmpanel.web.forms import read_form
from smmpanel.web.languages import say
from smmpanel.web.pages import page, wants_part
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

WAY = "/staff/providers"
CONNECTED = marked("{name} is connected")
SYNC_NEXT = marked("Sync it to see what it offers.")
Looking = Annotated[Viewer, Depends(staff_with(Permission.PROVIDERS_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.PROVIDERS_EDIT))]
ADAPTER_NAMES: Mapping[str, str] = {
    "panel_v2": marked("Standard panel API (v2)"),
    "medanpedia": marked("MedanPedia"),
    "mapped": marked("Another API, described by options"),
}


def asks_orders(request: Request) -> AsksOrders:
    """Return what answers questions about orders."""
    asks: AsksOrders = request.app.state.order_figures
    return asks


Asks = Annotated[AsksOrders, Depends(asks_orders)]


@dataclass(frozen=True, slots=True)
class ProvidersPage:
    """What catalog/staff/providers.html receives."""

    cards: Sequence[ProviderCard]
    may_edit: bool
    alert_names: Mapping[str, str] = field(default_factory=lambda: ALERT_NAMES)


@dataclass(frozen=True, slots=True)
class NewProviderPage:
    """What catalog/staff/provider_new.html receives."""

    typed: Mapping[str, str]
    faults: Mapping[str, str]
    adapters: Sequence[tuple[str, str]]
    test: ConnectionTest | None = None
    failure_names: Mapping[str, str] = field(default_factory=lambda: FAILURE_NAMES)


@dataclass(frozen=True, slots=True)
class TestPart:
    """What catalog/staff/provider_test.html receives."""

    test: ConnectionTest | None
    fault: str = ""
    failure_names: Mapping[str, str] = field(default_factory=lambda: FAILURE_NAMES)


@router.get(WAY)
async def show_providers(
    request: Request, panel: CurrentPanel, viewer: Looking, session: Session, *, asks: Asks
) -> Response:
    """Show all providers with their figures."""
    cards = await provider_cards(session, asks, currency=panel.currency, now=panel.clock())
    shown = ProvidersPage(cards, viewer.may(Permission.PROVIDERS_EDIT))
    return page(request, "catalog/staff/providers.html", shown)


@router.get(WAY + "/new")
async def show_new(request: Request, panel: CurrentPanel, _viewer: Editing) -> Response:
    """Show the form for a new provider."""
    typed = {"adapter": "panel_v2", "currency": "USD", "timeout_seconds": "30"}
    return _form(request, panel, typed, {})


@router.post(WAY + "/new")
async def connect(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Connect a provider; nothing is called yet."""
    form = await read_form(request)
    try:
        async with session.begin_nested():
            provider = await add_provider(
                session,
                panel,
                actor=viewer,
                slug=slug_for(form),
                adapter=form.get("adapter", ""),
                api_key=form.get("api_key", ""),
                **terms_in(form),
            )
    except PanelError as wrong:
        return _form(request, panel, form, _faults(request, wrong))
    said = Toast(say(request, CONNECTED, name=provider.name), say(request, SYNC_NEXT))
    return with_toast(see_other(f"{WAY}/{provider.id}"), said)


@router.post(WAY + "/test")
async def test_new(request: Request, panel: CurrentPanel, viewer: Editing) -> Response:
    """Try what was typed, before anything is kept; no transaction is open while the provider is asked."""
    form = await read_form(request)
    test, faults = None, {}
    try:
        if not form.get("base_url", "").strip() and form.get("adapter") == "panel_v2":
            raise InvalidInputError(field="base_url", reason=NEEDED)
        test = await try_connection(
            panel,
            actor=viewer,
            adapter=form.get("adapter", ""),
            api_key=form.get("api_key", ""),
            **terms_in({**form, "name": form.get("name") or "-"}),
        )
    except PanelError as wrong:
        faults = _faults(request, wrong)
    if wants_part(request):
        said = "; ".join(f"{name}: {fault}" if name else fault for name, fault in faults.items())
        status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
        return page(request, "catalog/staff/provider_test.html", TestPart(test, said), status=status)
    return _form(request, panel, form, faults, test)


def _form(
    request: Request,
    panel: Panel,
    typed: Mapping[str, str],
    faults: Mapping[str, str],
    test: ConnectionTest | None = None,
) -> Response:
    known = {name: value for name, value in typed.items() if name != "api_key"}
    adapters = [(name, say(request, ADAPTER_NAMES.get(name, name))) for name in panel.provider_adapters.names()]
    shown = NewProviderPage(known, faults, adapters, test)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    return page(request, "catalog/staff/provider_new.html", shown, status=status)


def _faults(request: Request, wrong: PanelError) -> dict[str, str]:
    faults = faults_of(request, wrong)
    if wrong.code == "provider_exists":
        return {"slug": faults[""]}
    return faults
