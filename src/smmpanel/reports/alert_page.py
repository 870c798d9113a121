"""`/staff/alerts`: what is wrong now, and what was of late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, CurrentViewer
from smmpanel.kernel.i18n import marked
from smmpanel.notifications.alert_words import ALERT_NAMES, sentence_of
from smmpanel.notifications.alerts import clear_by_hand, cleared_alerts, clearing_of, open_alerts
from smmpanel.notifications.models import Alert
from smmpanel.providers.models import Provider
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

WAY = "/staff/alerts"
ROWS = 25
CLEARED = "cleared"
TAB_NAMES: Mapping[str, str] = {"": marked("Open"), CLEARED: marked("Over")}
ALERT_CLEARED = marked("The alert is over")
_WAYS = {
    "provider": ("/staff/providers/{}", Permission.PROVIDERS_VIEW),
    "order": ("/staff/orders/{}", Permission.ORDERS_VIEW),
    "ledger": ("/staff/books", Permission.LEDGER_VIEW),
    "gateway": ("/staff/payment-methods", Permission.GATEWAYS_VIEW),
    "event": ("/staff/deposits", Permission.DEPOSITS_VIEW),
    "deposit": ("/staff/deposits/{}", Permission.DEPOSITS_VIEW),
    "receipt": ("/staff/deposits/money/{}", Permission.DEPOSITS_VIEW),
    "mail": ("/staff/settings", Permission.SETTINGS_VIEW),
}
"""Where the things are that alerts are about, and who may look at them."""


@dataclass(frozen=True, slots=True)
class AlertLine:
    """An alert as it is shown."""

    alert: Alert
    about: str
    """What it is about: a provider's name, an order's number, or nothing where the alert's own name says it."""
    kind_of_subject: str
    href: str
    sentence: str
    may_clear: bool

    @property
    def level(self) -> str:
        """How soon somebody should look."""
        return self.alert.level.value


@dataclass(frozen=True, slots=True)
class AlertsPage:
    """What reports/alerts.html receives."""

    lines: Sequence[AlertLine]
    after: str | None
    tab: str
    tabs: Mapping[str, str] = field(default_factory=lambda: TAB_NAMES)
    names: Mapping[str, str] = field(default_factory=lambda: ALERT_NAMES)


@router.get(WAY)
async def show_alerts(
    request: Request, viewer: CurrentViewer, session: Session, *, show: CleanText = "", after: CleanText = ""
) -> Response:
    """Show what is open, or what is over, newest first."""
    tab = show if show == CLEARED else ""
    find = cleared_alerts if tab else open_alerts
    found = await find(session, after=after or None, size=ROWS)
    names = await _provider_names(session, found.rows)
    lines = [_line(request, viewer, one, names) for one in found.rows]
    return page(request, "reports/alerts.html", AlertsPage(lines, found.after, tab), fragment="rows")


@router.post(WAY + "/{alert_id}/clear")
async def clear(request: Request, viewer: CurrentViewer, session: Session, alert_id: RowId) -> Response:
    """Say that one is over."""
    await clear_by_hand(session, viewer, alert_id)
    return with_toast(see_other(WAY), Toast(say(request, ALERT_CLEARED)))


def _line(request: Request, viewer: Viewer, alert: Alert, names: Mapping[int, str]) -> AlertLine:
    kind, _, number = alert.subject.partition(":")
    way, needed = _WAYS.get(kind, ("", None))
    is_open_way = needed is not None and viewer.may(needed)
    return AlertLine(
        alert=alert,
        about=names.get(_id_in(alert.subject), number) if kind == "provider" else number,
        kind_of_subject=kind,
        href=way.format(number) if is_open_way else "",
        sentence=sentence_of(formats_of(request), alert.kind, alert.fields),
        may_clear=alert.cleared_at is None and viewer.may(clearing_of(alert.subject)),
    )


def _id_in(subject: str) -> int:
    number = subject.partition(":")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0


async def _provider_names(session: AsyncSession, alerts: Sequence[Alert]) -> dict[int, str]:
    ids = {_id_in(one.subject) for one in alerts if one.subject.startswith("provider:")}
    rows = await session.execute(select(Provider.id, Provider.name).where(Provider.id.in_(ids)))
    return dict(rows.all())
