"""The catalogue as a file for spreadsheets: written for staff, and read back after a look at what it would do."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from smmpanel.accounts.access import Permission
from smmpanel.accounts.current import FOR_STAFF
from smmpanel.catalog.csv_files import CsvReport, export_services, import_services_csv
from smmpanel.catalog.staff.services_page import Editing, Looking
from smmpanel.kernel.i18n import marked
from smmpanel.web.forms import read_form, read_upload
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

PATH = "/staff/services/csv"
BODY_MAX_BYTES = 32_000_000
ERRORS_SHOWN = 100
NO_FILE = marked("Choose a file.")
NOT_TEXT = marked("This is not UTF-8 text. Save it as “CSV UTF-8”.")
TAKEN_OVER = marked("File taken over")
COUNTS = marked("{added} added, {changed} changed, {unchanged} as before")


@dataclass(frozen=True, slots=True)
class CsvPage:
    """What catalog/staff/csv.html receives."""

    report: CsvReport | None = None
    fault: str = ""
    may_edit: bool = True
    errors_shown: int = ERRORS_SHOWN


@router.get(PATH)
async def show_csv(request: Request, viewer: Looking) -> Response:
    """Show the two ways: out and in."""
    return page(request, "catalog/staff/csv.html", CsvPage(may_edit=viewer.may(Permission.SERVICES_EDIT)))


@router.get("/staff/services.csv")
async def download_csv(panel: CurrentPanel, _viewer: Looking) -> Response:
    """Send all services as a file."""

    async def parts() -> AsyncIterator[str]:
        yield "\ufeff"
        async with panel.db.transaction() as session:
            async for part in export_services(session):
                yield part

    headers = {"Content-Disposition": 'attachment; filename="services.csv"'}
    return StreamingResponse(parts(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post(PATH)
async def take_csv(request: Request, panel: CurrentPanel, viewer: Editing, session: Session) -> Response:
    """Say what a file would do, or do it: all of it or, if a line is wrong, nothing."""
    form = await read_form(request)
    raw = await read_upload(request, "file")
    if not raw.strip():
        return _refused(request, NO_FILE)
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _refused(request, NOT_TEXT)
    dry_run = form.get("deed") != "apply"
    report = await import_services_csv(
        session, content, dry_run=dry_run, currency=panel.currency, actor=viewer, now=panel.clock()
    )
    if dry_run or report.errors:
        status = HTTPStatus.UNPROCESSABLE_ENTITY if report.errors else HTTPStatus.OK
        return page(request, "catalog/staff/csv.html", CsvPage(report), status=status)
    counts = say(request, COUNTS, added=report.added, changed=report.changed, unchanged=report.unchanged)
    return with_toast(see_other("/staff/services"), Toast(say(request, TAKEN_OVER), counts))


def _refused(request: Request, said: str) -> Response:
    shown = CsvPage(fault=say(request, said))
    return page(request, "catalog/staff/csv.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
