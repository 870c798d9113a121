"""`/api/admin/services`: the catalogue as staff keep it; each change by permission and on the record."""

from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import staff_with
from smmpanel.api.admin_service_views import (
    NewServiceForm,
    ServiceChanges,
    StaffService,
    StaffServiceAnswer,
    StaffServices,
    staff_service,
)
from smmpanel.api.errors import errors
from smmpanel.api.lists import LIMIT_USUAL, NUMBERED_MAX, After, Limit, Page, Pagination, Search, ServiceSort, skipped
from smmpanel.catalog.categories import category_named
from smmpanel.catalog.editing import create_category, create_service, edit_service, read_services
from smmpanel.catalog.models import ProviderService, ServiceMode
from smmpanel.catalog.routes import add_route
from smmpanel.catalog.service_fields import ServiceFields
from smmpanel.catalog.staff.listing import ServiceFilter, count_services, service_line, service_lines
from smmpanel.kernel.errors import InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.web.inputs import RowId
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/admin/services", tags=["Staff: services"])

NEEDED = marked("must not be empty")
NOT_THERE = marked("is not in the provider's list")
ONE_OF_TWO = marked("and category_id: only one of the two can be given")

Looking = Annotated[Viewer, Depends(staff_with(Permission.SERVICES_VIEW))]
Editing = Annotated[Viewer, Depends(staff_with(Permission.SERVICES_EDIT))]
State = Annotated[
    Literal["on", "off", "held", "loss"] | None,
    Query(description="`held`: taken off sale by the panel itself; `loss`: costs more than it brings."),
]


@router.get("", summary="List all services", responses=errors(401, 403, 422))
async def services(
    panel: CurrentPanel,
    session: Session,
    _viewer: Looking,
    *,
    search: Search = None,
    category_id: RowId | None = None,
    provider_id: RowId | None = None,
    state: State = None,
    mode: Annotated[ServiceMode | None, Query(description="Only those that are delivered so.")] = None,
    sort: ServiceSort = "position",
    page: Page = 1,
    after: After = None,
    limit: Limit = LIMIT_USUAL,
) -> StaffServices:
    """Return all services, on sale or not; `search` is words of the name, or the id."""
    wanted = ServiceFilter(search or "", provider_id, category_id, state or "", mode.value if mode else "")
    before = 0 if after else skipped(page, limit)
    found = await service_lines(session, wanted, after=after, size=limit, skip=before, order=sort)
    fields = await read_services(session, [line.id for line in found.rows])
    total = min(await count_services(session, wanted), NUMBERED_MAX)
    return StaffServices(
        data=[StaffService(**staff_service(line, fields[line.id], panel.currency)) for line in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.get("/{service_id}", summary="One service for staff", responses=errors(401, 403, 404, 422))
async def service(panel: CurrentPanel, session: Session, _viewer: Looking, service_id: RowId) -> StaffServiceAnswer:
    """Return one service, on sale or not."""
    return await _answer(panel, session, service_id)


@router.post("", summary="Make a service", status_code=201, responses=errors(401, 403, 404, 409, 422))
async def make_service(
    panel: CurrentPanel, session: Session, viewer: Editing, form: NewServiceForm
) -> StaffServiceAnswer:
    """Make a service, with its category and its first route where they are named."""
    now = panel.clock()
    upstream = await _upstream(session, form)
    fields = {"mode": ServiceMode.MANUAL if upstream is None else ServiceMode.PROVIDER, **_fields(form)}
    if upstream is not None:
        fields = {"type": upstream.type, **fields}
    fields.update(await _category(session, viewer, form))
    service_id = await create_service(
        session, cast("ServiceFields", fields), currency=panel.currency, actor=viewer, now=now
    )
    if upstream is not None:
        await add_route(session, service_id, upstream.id, currency=panel.currency, actor=viewer, now=now)
    return await _answer(panel, session, service_id)


@router.put("/{service_id}", summary="Change a service", responses=errors(401, 403, 404, 409, 422))
async def change_service(
    panel: CurrentPanel, session: Session, viewer: Editing, service_id: RowId, form: ServiceChanges
) -> StaffServiceAnswer:
    """Change what is given of a service; what is left out stays."""
    fields = {**_fields(form), **await _category(session, viewer, form)}
    await edit_service(
        session,
        service_id,
        cast("ServiceFields", fields),
        currency=panel.currency,
        actor=viewer,
        now=panel.clock(),
    )
    return await _answer(panel, session, service_id)


def _fields(form: ServiceChanges) -> dict[str, Any]:
    given = form.given()
    if given.get("mode") is not None:
        given["mode"] = given["mode"].value
    return given


async def _category(session: AsyncSession, viewer: Viewer, form: ServiceChanges) -> dict[str, int]:
    if form.category is None:
        return {}
    if form.category_id is not None:
        raise InvalidInputError(field="category", reason=ONE_OF_TWO)
    name = " ".join(form.category.split())
    found = await category_named(session, name)
    return {"category_id": found or await create_category(session, {"name": name}, actor=viewer)}


async def _upstream(session: AsyncSession, form: NewServiceForm) -> ProviderService | None:
    if form.provider_id is None and form.provider_service_id is None:
        return None
    for field in ("provider_id", "provider_service_id"):
        if getattr(form, field) is None:
            raise InvalidInputError(field=field, reason=NEEDED)
    wanted = select(ProviderService).where(
        ProviderService.provider_id == form.provider_id, ProviderService.external_id == form.provider_service_id
    )
    found = await session.scalar(wanted)
    if found is None:
        raise InvalidInputError(field="provider_service_id", reason=NOT_THERE)
    return found


async def _answer(panel: Panel, session: AsyncSession, service_id: int) -> StaffServiceAnswer:
    line = await service_line(session, service_id)
    if line is None:
        raise NotFoundError
    fields = (await read_services(session, [service_id]))[service_id]
    return StaffServiceAnswer(**staff_service(line, fields, panel.currency))
