"""What is done on the page of one service beside its form: its routes, and its stock."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_STAFF
from smmpanel.catalog.routes import add_route, change_route, provider_line, remove_route
from smmpanel.catalog.staff.service_page import read_known, service_page
from smmpanel.catalog.staff.service_reads import route_lines
from smmpanel.catalog.staff.services_page import Editing
from smmpanel.catalog.staff.typed import row_id_in
from smmpanel.catalog.stock import add_stock
from smmpanel.kernel.errors import NotFoundError, PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.web.errors import failure_of
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import RowId
from smmpanel.web.languages import say
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

LINE_UNKNOWN = marked("This provider has no service with this number. Sync it first if it is new.")
ROUTE_ADDED = marked("Route added")
ROUTES_CHANGED = marked("Routes changed")
STOCK_ADDED = marked("{n} units added")
STOCK_REFUSED = marked(
    "{added} units added. Left out, because they were there before or cannot be stored: lines {lines}."
)
LINES_SHOWN = 20


@router.post("/staff/services/{service_id}/routes")
async def put_behind(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, service_id: RowId
) -> Response:
    """Put a provider's service behind this one, last in line."""
    form = await read_form(request)
    try:
        async with session.begin_nested():
            line = await provider_line(
                session, row_id_in(form, "provider_id") or 0, form.get("external_id", "").strip()
            )
            await add_route(session, service_id, line.id, currency=panel.currency, actor=viewer, now=panel.clock())
    except PanelError as wrong:
        known = await read_known(session, panel, service_id)
        unknown = isinstance(wrong, NotFoundError)
        said = say(request, LINE_UNKNOWN) if unknown else failure_of(request, wrong).message
        return await service_page(request, viewer, session, known, route_fault=said)
    return _back(request, service_id, ROUTE_ADDED)


@router.post("/staff/services/{service_id}/routes/{route_id}")
async def change_line(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, service_id: RowId, *, route_id: RowId
) -> Response:
    """Move a route up or down, switch it, or take it away."""
    deed = (await read_form(request)).get("deed", "")
    routes = await route_lines(session, service_id, panel.currency)
    places = {route.id: place for place, route in enumerate(routes)}
    if route_id not in places:
        raise NotFoundError
    given = {"currency": panel.currency, "actor": viewer, "now": panel.clock()}
    if deed == "remove":
        await remove_route(session, route_id, **given)  # type: ignore[arg-type]
    elif deed in {"on", "off"}:
        await change_route(session, route_id, enabled=deed == "on", **given)  # type: ignore[arg-type]
    elif deed in {"up", "down"}:
        order = [route.id for route in routes]
        here = places[route_id]
        there = max(0, min(len(order) - 1, here + (-1 if deed == "up" else 1)))
        order[here], order[there] = order[there], order[here]
        # Numbered anew from one, since several routes may have had the same number.
        for place, one in enumerate(order, start=1):
            await change_route(session, one, priority=place, **given)  # type: ignore[arg-type]
    return _back(request, service_id, ROUTES_CHANGED)


@router.post("/staff/services/{service_id}/stock")
async def put_in_stock(
    request: Request, panel: CurrentPanel, viewer: Editing, session: Session, service_id: RowId
) -> Response:
    """Put units into stock, one a line."""
    units = (await read_form(request)).get("units", "").splitlines()
    added = await add_stock(session, panel.vault, service_id, units, actor=viewer)
    if not added.refused:
        toast = Toast(say(request, STOCK_ADDED, n=added.added), kind="is-ok" if added.added else "is-info")
        return with_toast(see_other(f"/staff/services/{service_id}"), toast)
    known = await read_known(session, panel, service_id)
    lines = ", ".join(str(one.line) for one in added.refused[:LINES_SHOWN])
    more = " …" if len(added.refused) > LINES_SHOWN else ""
    said = say(request, STOCK_REFUSED, added=added.added, lines=lines + more)
    return await service_page(request, viewer, session, known, stock_said=said)


def _back(request: Request, service_id: int, said: str) -> Response:
    return with_toast(see_other(f"/staff/services/{service_id}"), Toast(say(request, said)))
