"""All services for staff: the shelves with search and filters, and what is changed right in a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.catalog.editing import edit_service
from smmpanel.catalog.service_fields import ServiceFields
from smmpanel.catalog.staff.listing import (
    STATES,
    Named,
    ServiceFilter,
    ServiceLine,
    category_names,
    count_services,
    provider_names,
    service_line,
    service_lines,
)
from smmpanel.catalog.staff.typed import amount_in, faults_of, whole_in, written
from smmpanel.catalog.staff.words import MODE_NAMES, STATE_NAMES
from smmpanel.kernel.errors import InvalidInputError, NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import page, wants_part
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

SEARCH_MAX = 100
SAVED = marked("Service {id} saved")
Looking = Annotated[Viewer, Depends(staff_with(Permission.SERVICES_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.SERVICES_EDIT))]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category with those of its services that are on this page."""

    id: int
    name: str
    platform: str | None
    enabled: bool
    lines: Sequence[ServiceLine]


@dataclass(frozen=True, slots=True)
class ServicesPage:
    """What catalog/staff/services.html receives."""

    shelves: Sequence[Shelf]
    shown: int
    found: int
    after: str | None
    wanted: ServiceFilter
    providers: Sequence[Named]
    categories: Sequence[Named]
    may_edit: bool
    state_names: Mapping[str, str] = field(default_factory=lambda: STATE_NAMES)
    mode_names: Mapping[str, str] = field(default_factory=lambda: MODE_NAMES)


@dataclass(frozen=True, slots=True)
class RowPart:
    """What catalog/staff/row.html receives: one row, as it is shown or as it is edited."""

    line: ServiceLine
    editing: bool
    may_edit: bool
    typed: Mapping[str, str]
    faults: Mapping[str, str]


def filter_from(q: str, provider: str, category: str, state: str, mode: str) -> ServiceFilter:
    """Make a filter from what an address or a form says; nonsense is left out."""
    return ServiceFilter(
        q.strip()[:SEARCH_MAX],
        _id(provider),
        _id(category),
        state if state in STATES else "",
        mode if mode in MODE_NAMES else "",
    )


def _id(typed: str) -> int | None:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 18 else None


@router.get("/staff/services")
async def show_services(
    request: Request,
    viewer: Looking,
    session: Session,
    *,
    q: CleanText = "",
    provider: CleanText = "",
    category: CleanText = "",
    state: CleanText = "",
    mode: CleanText = "",
    after: CleanText = "",
) -> Response:
    """Show a page of the services that are looked for."""
    wanted = filter_from(q, provider, category, state, mode)
    found = await service_lines(session, wanted, after=after)
    shown = ServicesPage(
        shelves=_shelved(found.rows),
        shown=len(found.rows),
        found=await count_services(session, wanted),
        after=found.after,
        wanted=wanted,
        providers=await provider_names(session),
        categories=await category_names(session),
        may_edit=viewer.may(Permission.SERVICES_EDIT),
    )
    return page(request, "catalog/staff/services.html", shown, fragment="rows")


def _shelved(lines: Sequence[ServiceLine]) -> list[Shelf]:
    shelves = []
    for category_id, group in groupby(lines, key=lambda line: line.category_id):
        own = list(group)
        shelves.append(Shelf(category_id, own[0].category, own[0].platform, own[0].category_enabled, own))
    return shelves


@router.get("/staff/services/{service_id}/row")
async def show_row(
    request: Request, viewer: Looking, session: Session, service_id: RowId, edit: CleanText = ""
) -> Response:
    """Show one row of the list, to be read or to be edited; without htmx, the service's own page."""
    if not wants_part(request):
        return see_other(f"/staff/services/{service_id}")
    line = await _line(session, service_id)
    may_edit = viewer.may(Permission.SERVICES_EDIT)
    return page(request, "catalog/staff/row.html", _row(line, editing=bool(edit) and may_edit, may_edit=may_edit))


@router.post("/staff/services/{service_id}/row")
async def save_row(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, service_id: RowId
) -> Response:
    """Take what was typed into a row."""
    form = await read_form(request)
    try:
        async with session.begin_nested():
            fields = _fields_in(form)
            await edit_service(session, service_id, fields, currency=panel.currency, actor=viewer, now=panel.clock())
    except NotFoundError:
        raise
    except PanelError as wrong:
        line = await _line(session, service_id)
        part = RowPart(line, editing=True, may_edit=True, typed=form, faults=faults_of(request, wrong))
        return page(request, "catalog/staff/row.html", part, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return await _after(request, session, service_id)


@router.post("/staff/services/{service_id}/switch")
async def switch_service(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, service_id: RowId
) -> Response:
    """Put a service on sale, or take it off."""
    enabled = (await read_form(request)).get("enabled") == "yes"
    fields: ServiceFields = {"enabled": enabled}
    await edit_service(session, service_id, fields, currency=panel.currency, actor=viewer, now=panel.clock())
    return await _after(request, session, service_id)


async def _after(request: Request, session: Session, service_id: int) -> Response:
    if wants_part(request):
        line = await _line(session, service_id)
        return page(request, "catalog/staff/row.html", _row(line, editing=False, may_edit=True))
    return with_toast(see_other("/staff/services"), Toast(say(request, SAVED, id=service_id)))


async def _line(session: Session, service_id: int) -> ServiceLine:
    line = await service_line(session, service_id)
    if line is None:
        raise NotFoundError
    return line


def _row(line: ServiceLine, *, editing: bool, may_edit: bool) -> RowPart:
    typed = {
        "name": line.name,
        "fixed_rate": written(line.fixed_rate),
        "min": str(line.min),
        "max": str(line.max),
    }
    return RowPart(line, editing=editing, may_edit=may_edit, typed=typed, faults={})


def _fields_in(form: Mapping[str, str]) -> ServiceFields:
    fields: ServiceFields = {"name": form.get("name", ""), "fixed_rate": amount_in(form, "fixed_rate")}
    for name in ("min", "max"):
        if (number := whole_in(form, name)) is None:
            raise InvalidInputError(field=name, reason=marked("must not be empty"))
        fields[name] = number
    return fields
