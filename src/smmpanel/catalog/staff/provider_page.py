"""One provider for staff: money, health, alerts, its terms, and what can be done with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from http import HTTPStatus

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.catalog.fx import set_rate
from smmpanel.catalog.repricing import Scope, reprice
from smmpanel.catalog.staff.health_chart import HealthChart, health_chart
from smmpanel.catalog.staff.provider_forms import key_tail, terms_in, typed_of
from smmpanel.catalog.staff.provider_reads import (
    AsksOrders,
    FailedAttempt,
    ProviderCard,
    calls_by_hour,
    fx_of,
    provider_cards,
)
from smmpanel.catalog.staff.provider_words import FAILURE_NAMES
from smmpanel.catalog.staff.providers_page import WAY, Asks, Editing, Looking, TestPart
from smmpanel.catalog.staff.typed import faults_of, written
from smmpanel.catalog.staff.upstream_listing import OfferFilter, count_offers
from smmpanel.catalog.syncing import ask_for_sync, sync_key
from smmpanel.kernel.errors import InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.kernel.queue_state import WaitingJob, job_named
from smmpanel.notifications.alert_words import ALERT_NAMES, sentence_of
from smmpanel.providers.connecting import disable_provider, edit_provider, enable_provider, provider_by
from smmpanel.providers.models import Provider
from smmpanel.providers.testing import ConnectionTest, test_connection
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page, wants_part
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

SAVED = marked("Provider saved")
SWITCHED_ON = marked("{name} is called again")
SWITCHED_OFF = marked("{name} is not called any more")
SYNC_ASKED = marked("The sync begins as soon as a worker is free")
RATE_SET = marked("Exchange rate saved")
RATE_WRONG = marked("must be a number above zero")


@dataclass(frozen=True, slots=True)
class SyncState:
    """What catalog/staff/provider_sync.html receives: how the sync stands."""

    provider: Provider
    sync: WaitingJob | None
    offered: int
    refused: str
    """Why the last list was not believed."""
    may_edit: bool


@dataclass(frozen=True, slots=True)
class ProviderPage:
    """What catalog/staff/provider.html receives."""

    card: ProviderCard
    provider: Provider
    sync: WaitingJob | None
    offered: int
    refused: str
    chart: HealthChart
    attempts: Sequence[FailedAttempt]
    fx: Decimal | None
    fx_typed: str
    currency: str
    key_tail: str | None
    option_names: Sequence[str]
    typed: Mapping[str, str]
    faults: Mapping[str, str]
    may_edit: bool
    may_set_fx: bool
    told: Mapping[int, str]
    """What each alert says, by its id."""
    test: ConnectionTest | None = None
    alert_names: Mapping[str, str] = field(default_factory=lambda: ALERT_NAMES)
    failure_names: Mapping[str, str] = field(default_factory=lambda: FAILURE_NAMES)


@router.get(WAY + "/{provider_id}")
async def show_provider(
    request: Request,
    viewer: Looking,
    session: Session,
    *,
    asks: Asks,
    panel: CurrentPanel,
    provider_id: RowId,
    chart: CleanText = "",
) -> Response:
    """Show one provider."""
    return await _page(request, panel, viewer, session, asks=asks, provider_id=provider_id, chart=chart)


@router.get(WAY + "/{provider_id}/sync")
async def show_sync(request: Request, viewer: Looking, session: Session, provider_id: RowId) -> Response:
    """Show how the sync stands; asked again while it runs."""
    if not wants_part(request):
        return see_other(f"{WAY}/{provider_id}")
    provider = await provider_by(session, provider_id)
    sync, offered = await _sync_of(session, provider)
    shown = SyncState(provider, sync, offered, "", viewer.may(Permission.PROVIDERS_EDIT))
    headers = {} if sync is not None else {"HX-Refresh": "true"}
    return page(request, "catalog/staff/provider_sync.html", shown, headers=headers)


@router.post(WAY + "/{provider_id}")
async def save_provider(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, *, asks: Asks, provider_id: RowId
) -> Response:
    """Take what was typed; prices follow."""
    form = await read_form(request)
    now = panel.clock()
    try:
        async with session.begin_nested():
            key = form.get("api_key", "").strip() or None
            await edit_provider(session, panel, provider_id, actor=viewer, now=now, api_key=key, **terms_in(form))
            await _reprice(session, panel, provider_id)
    except NotFoundError:
        raise
    except PanelError as wrong:
        faults = faults_of(request, wrong)
        return await _page(
            request, panel, viewer, session, asks=asks, provider_id=provider_id, typed=form, faults=faults
        )
    return with_toast(see_other(f"{WAY}/{provider_id}"), Toast(say(request, SAVED)))


@router.post(WAY + "/{provider_id}/switch")
async def switch(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, provider_id: RowId
) -> Response:
    """Let a provider be called (again), or have it called no more."""
    if (await read_form(request)).get("to") == "off":
        provider, said = await disable_provider(session, provider_id, actor=viewer), SWITCHED_OFF
    else:
        provider, said = await enable_provider(session, provider_id, actor=viewer, now=panel.clock()), SWITCHED_ON
    await _reprice(session, panel, provider_id)
    return with_toast(see_other(f"{WAY}/{provider_id}"), Toast(say(request, said, name=provider.name)))


@router.post(WAY + "/{provider_id}/sync")
async def sync(request: Request, viewer: Editing, session: Session, provider_id: RowId) -> Response:
    """Have it synced in the background."""
    form = await read_form(request)
    accept = form.get("accept_shrunken") == "yes"
    await ask_for_sync(session, provider_id, actor=viewer, accept_shrunken=accept)
    return with_toast(see_other(f"{WAY}/{provider_id}"), Toast(say(request, SYNC_ASKED), kind="is-info"))


@router.post(WAY + "/{provider_id}/test")
async def test(request: Request, panel: CurrentPanel, viewer: Editing, *, asks: Asks, provider_id: RowId) -> Response:
    """Ask it for balance and services; no transaction is open meanwhile."""
    async with panel.db.transaction() as session:
        provider = await provider_by(session, provider_id)
    result = await test_connection(panel, provider)
    if wants_part(request):
        return page(request, "catalog/staff/provider_test.html", TestPart(result))
    async with panel.db.transaction() as session:
        return await _page(request, panel, viewer, session, asks=asks, provider_id=provider_id, test=result)


@router.post(WAY + "/{provider_id}/fx", dependencies=[Depends(staff_with(Permission.SETTINGS_EDIT))])
async def save_rate(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, *, asks: Asks, provider_id: RowId
) -> Response:
    """Say what the provider's currency is worth in the panel's; prices follow."""
    form = await read_form(request)
    provider = await provider_by(session, provider_id)
    try:
        async with session.begin_nested():
            await set_rate(
                session,
                provider.currency,
                panel.currency,
                _rate_in(form),
                currency=panel.currency,
                actor=viewer,
                now=panel.clock(),
            )
    except PanelError as wrong:
        faults = {"fx": next(iter(faults_of(request, wrong).values()), failure_of(request, wrong).message)}
        return await _page(
            request, panel, viewer, session, asks=asks, provider_id=provider_id, faults=faults, fx_typed=form.get("fx")
        )
    return with_toast(see_other(f"{WAY}/{provider_id}"), Toast(say(request, RATE_SET)))


def _rate_in(form: Mapping[str, str]) -> Decimal:
    typed = form.get("fx", "").strip().replace(" ", "")
    if "," in typed and "." not in typed and typed.count(",") == 1:
        typed = typed.replace(",", ".")
    try:
        # Not an amount of money: exchange rates have up to twelve decimals.
        return Decimal(typed)
    except InvalidOperation:
        raise InvalidInputError(field="fx", reason=RATE_WRONG) from None


async def _reprice(session: AsyncSession, panel: Panel, provider_id: int) -> None:
    scope = Scope(provider_id=provider_id)
    await reprice(session, scope, currency=panel.currency, cause="provider", now=panel.clock())


async def _sync_of(session: AsyncSession, provider: Provider) -> tuple[WaitingJob | None, int]:
    return await job_named(session, sync_key(provider.id)), await count_offers(session, OfferFilter(provider.id))


async def _page(
    request: Request,
    panel: Panel,
    viewer: Viewer,
    session: AsyncSession,
    *,
    asks: AsksOrders,
    provider_id: int,
    chart: str = "",
    typed: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
    fx_typed: str | None = None,
    test: ConnectionTest | None = None,
) -> Response:
    now = panel.clock()
    cards = await provider_cards(session, asks, currency=panel.currency, now=now, provider_id=provider_id)
    if not cards:
        raise NotFoundError
    card, provider = cards[0], cards[0].provider
    sync, offered = await _sync_of(session, provider)
    fx = await fx_of(session, provider.currency, panel.currency)
    refused = next((str(one.fields.get("reason", "")) for one in card.alerts if one.kind == "catalogue_refused"), "")
    shown = ProviderPage(
        card=card,
        provider=provider,
        sync=sync,
        offered=offered,
        refused=refused,
        chart=health_chart(formats_of(request), await calls_by_hour(session, provider_id, now), chart, now),
        attempts=await asks.failed_attempts(session, provider_id),
        fx=fx,
        fx_typed=fx_typed if fx_typed is not None else written(fx),
        currency=panel.currency,
        key_tail=key_tail(panel, provider),
        option_names=sorted(provider.options),
        typed={**(typed if typed is not None else typed_of(provider)), "api_key": ""},
        faults=faults or {},
        may_edit=viewer.may(Permission.PROVIDERS_EDIT),
        may_set_fx=viewer.may(Permission.PROVIDERS_EDIT) and viewer.may(Permission.SETTINGS_EDIT),
        told={one.id: sentence_of(formats_of(request), one.kind, one.fields) for one in card.alerts},
        test=test,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    return page(request, "catalog/staff/provider.html", shown, status=status)
