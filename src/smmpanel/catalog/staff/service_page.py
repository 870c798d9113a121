"""One service for staff: all of its fields, its price, its history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF
from smmpanel.catalog.editing import create_service, edit_service, read_services
from smmpanel.catalog.models import ServiceChange, ServiceMode
from smmpanel.catalog.queries import service_history
from smmpanel.catalog.routes import why_no_route
from smmpanel.catalog.service_fields import NEW_SERVICE, ServiceFields
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.catalog.staff.listing import Named, category_names, provider_names
from smmpanel.catalog.staff.service_reads import OwnRate, RouteLine, figures_of, own_rates, route_lines
from smmpanel.catalog.staff.services_page import Editing, Looking
from smmpanel.catalog.staff.typed import amount_in, faults_of, row_id_in, whole_in, written
from smmpanel.catalog.staff.words import CAUSE_NAMES, FIELD_NAMES, HOLD_NAMES, MODE_NAMES, NO_ROUTE_NAMES
from smmpanel.catalog.stock import StockCount, stock_counts
from smmpanel.kernel.errors import InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.paging import Paged
from smmpanel.kernel.panel import Panel
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

HISTORY_ROWS = 20
TEXTS = ("name", "description", "average_time", "type", "mode")
FLAGS = ("dripfeed", "refill", "cancel", "allow_below_cost", "link_guard", "enabled")
AMOUNTS = ("cost", "fixed_rate", "markup_percent", "markup_fixed", "rounding_step")
NUMBERS = ("min", "max", "refill_days", "position")
NEEDED = marked("must not be empty")
SAVED = marked("Service saved")
NOTHING_NEW = marked("Nothing was different")
MADE = marked("Service {id} made")
ADD_ROUTE = marked("Now put a provider’s service behind it.")


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to know about a service that exists."""

    id: int
    name: str
    mode: str
    figures: Any
    why_not: str
    routes: Sequence[RouteLine]
    own_rates: Sequence[OwnRate]
    stock: StockCount | None
    history: Paged[ServiceChange]

    @property
    def margin(self) -> Any:
        """What is left of the rate after the cost, in percent of the rate."""
        rate, cost = self.figures.rate, self.figures.cost
        return None if cost is None or not rate else (rate - cost) * 100 / rate


@dataclass(frozen=True, slots=True)
class ServicePage:
    """What catalog/staff/service.html receives."""

    known: Known | None
    typed: Mapping[str, str]
    faults: Mapping[str, str]
    categories: Sequence[Named]
    providers: Sequence[Named]
    may_edit: bool
    route_fault: str = ""
    stock_said: str = ""
    types: Sequence[tuple[str, str]] = field(
        default_factory=lambda: [(one.slug, one.wire_name) for one in SERVICE_TYPES.values()]
    )
    mode_names: Mapping[str, str] = field(default_factory=lambda: MODE_NAMES)
    field_names: Mapping[str, str] = field(default_factory=lambda: FIELD_NAMES)
    cause_names: Mapping[str, str] = field(default_factory=lambda: CAUSE_NAMES)
    hold_names: Mapping[str, str] = field(default_factory=lambda: HOLD_NAMES)


@router.get("/staff/services/new")
async def show_new(request: Request, viewer: Editing, session: Session) -> Response:
    """Show the form for a service of our own."""
    typed = _typed({**NEW_SERVICE, "mode": "manual", "min": 100, "max": 10_000})
    return await service_page(request, viewer, session, None, typed=typed)


@router.post("/staff/services/new")
async def make_service(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Make a service."""
    form = await read_form(request)
    try:
        async with session.begin_nested():
            service_id = await create_service(
                session, _fields_in(form), currency=panel.currency, actor=viewer, now=panel.clock()
            )
    except PanelError as wrong:
        return await service_page(request, viewer, session, None, typed=form, faults=faults_of(request, wrong))
    more = say(request, ADD_ROUTE) if form.get("mode") == ServiceMode.PROVIDER else ""
    return with_toast(see_other(f"/staff/services/{service_id}"), Toast(say(request, MADE, id=service_id), more))


@router.get("/staff/services/{service_id}")
async def show_service(
    request: Request,
    panel: CurrentPanel,
    viewer: Looking,
    session: Session,
    service_id: RowId,
    *,
    after: CleanText = "",
) -> Response:
    """Show one service."""
    known = await read_known(session, panel, service_id, after=after)
    return await service_page(request, viewer, session, known)


@router.post("/staff/services/{service_id}")
async def save_service(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, service_id: RowId
) -> Response:
    """Take what was typed into the form."""
    form = await read_form(request)
    try:
        async with session.begin_nested():
            changed = await edit_service(
                session, service_id, _fields_in(form), currency=panel.currency, actor=viewer, now=panel.clock()
            )
    except NotFoundError:
        raise
    except PanelError as wrong:
        known = await read_known(session, panel, service_id)
        return await service_page(request, viewer, session, known, typed=form, faults=faults_of(request, wrong))
    said = Toast(say(request, SAVED if changed else NOTHING_NEW), kind="is-ok" if changed else "is-info")
    return with_toast(see_other(f"/staff/services/{service_id}"), said)


async def read_known(session: AsyncSession, panel: Panel, service_id: int, *, after: str = "") -> Known:
    """Read all about a service; raises `NotFoundError`."""
    fields = (await read_services(session, [service_id])).get(service_id)
    if fields is None:
        raise NotFoundError
    mode = str(fields["mode"])
    reasons = await why_no_route(session, [service_id], panel.currency)
    return Known(
        service_id,
        str(fields["name"]),
        mode,
        await figures_of(session, service_id),
        NO_ROUTE_NAMES.get(reasons.get(service_id, ""), ""),
        await route_lines(session, service_id, panel.currency),
        await own_rates(session, service_id),
        (await stock_counts(session, [service_id]))[service_id] if mode == ServiceMode.STOCK else None,
        await service_history(session, service_id, after=after, size=HISTORY_ROWS),
    )


async def service_page(
    request: Request,
    viewer: Viewer,
    session: AsyncSession,
    known: Known | None,
    *,
    typed: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
    route_fault: str = "",
    stock_said: str = "",
) -> Response:
    """Render the page, with what was typed and what is wrong with it."""
    if typed is None:
        assert known is not None
        typed = _typed((await read_services(session, [known.id]))[known.id])
    shown = ServicePage(
        known,
        typed,
        faults or {},
        await category_names(session),
        await provider_names(session),
        viewer.may(Permission.SERVICES_EDIT),
        route_fault,
        stock_said,
    )
    wrong = bool(faults or route_fault)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    return page(request, "catalog/staff/service.html", shown, status=status)


def _typed(fields: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: ("1" if value else "") if isinstance(value, bool) else written(value) for name, value in fields.items()
    }


def _fields_in(form: Mapping[str, str]) -> ServiceFields:
    fields: dict[str, Any] = {name: form.get(name, "") for name in TEXTS}
    fields |= {name: form.get(name) == "1" for name in FLAGS}
    fields |= {name: amount_in(form, name) for name in AMOUNTS if name != "cost" or fields["mode"] != "provider"}
    for name in NUMBERS:
        number = whole_in(form, name)
        if number is None and name in {"min", "max"}:
            raise InvalidInputError(field=name, reason=NEEDED)
        if number is not None or name == "refill_days":
            fields[name] = number
    if (category_id := row_id_in(form, "category_id")) is None:
        raise InvalidInputError(field="category_id", reason=NEEDED)
    fields["category_id"] = category_id
    return cast("ServiceFields", fields)
