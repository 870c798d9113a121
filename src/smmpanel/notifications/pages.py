"""The list of one's own notifications, and the bell in the top bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.kernel.i18n import marked
from smmpanel.notifications.models import Notification
from smmpanel.notifications.reading import notifications_of, open_notification, read_all
from smmpanel.notifications.words import Said, said
from smmpanel.web.formats import Formats
from smmpanel.web.forms import read_form
from smmpanel.web.inputs import ROW_ID_MAX, RowId
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import safe_target, see_other
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/notifications"
ROWS = 25
TABS = (("", marked("All")), ("unread", marked("Unread")))


@dataclass(frozen=True, slots=True)
class Line:
    """One notification as it is shown."""

    id: int
    words: Said
    at: datetime
    is_unread: bool
    has_page: bool


@dataclass(frozen=True, slots=True)
class NotificationsPage:
    """What notifications/list.html receives."""

    lines: Sequence[Line]
    after: str | None
    cursor: str
    show: str
    tabs: Sequence[tuple[str, str]] = TABS

    @property
    def newest(self) -> int:
        """The id of the first line."""
        return self.lines[0].id if self.lines else 0


@router.get(PATH)
async def show_notifications(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show what the viewer was told, newest first."""
    show = "unread" if request.query_params.get("show") == "unread" else ""
    cursor = request.query_params.get("after", "")
    found = await notifications_of(session, viewer.user_id, unread=show == "unread", after=cursor or None, size=ROWS)
    formats = formats_of(request)
    shown = NotificationsPage([_line(row, formats) for row in found.rows], found.after, cursor, show)
    return page(request, "notifications/list.html", shown, fragment="rows")


@router.get(PATH + "/{notification_id}")
async def follow_notification(
    panel: CurrentPanel, viewer: CurrentViewer, session: Session, notification_id: RowId
) -> Response:
    """Note that a notification is read and lead to what it is about."""
    opened = await open_notification(session, viewer.user_id, notification_id, now=panel.clock())
    return see_other(safe_target(opened.href) if opened.href else PATH)


@router.post(PATH + "/read")
async def take_all_read(request: Request, panel: CurrentPanel, viewer: CurrentViewer, session: Session) -> Response:
    """Mark as read whatever was on the page, and what is older."""
    newest = (await read_form(request)).get("newest", "")
    number = int(newest) if newest.isascii() and newest.isdigit() else 0
    await read_all(session, viewer.user_id, up_to=min(number, ROW_ID_MAX), now=panel.clock())
    return see_other(PATH)


@router.get("/parts/bell")
async def show_bell(request: Request) -> Response:
    """Show the bell in the top bar anew; the frame has just been read."""
    return page(request, "notifications/bell.html")


def _line(row: Notification, formats: Formats) -> Line:
    return Line(row.id, said(row.kind, row.fields, formats), row.created_at, row.read_at is None, bool(row.href))
