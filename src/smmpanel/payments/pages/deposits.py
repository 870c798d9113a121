"""`/deposits`: the own deposits, newest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.payments.bonuses_given import bonuses_given
from smmpanel.payments.queries import DepositFilter, DepositLine, deposits_page, methods_used_by
from smmpanel.payments.words import STATE_WORDS, TAB_WORDS, TABS
from smmpanel.web.formats import zone_of
from smmpanel.web.inputs import CleanText, number_in
from smmpanel.web.pages import formats_of, page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/deposits"
ROWS = 25


@dataclass(frozen=True, slots=True)
class DepositsPage:
    """What payments/deposits.html receives."""

    lines: Sequence[DepositLine]
    bonuses: Mapping[int, Decimal]
    after: str | None
    tab: str
    method: int | None
    methods: Mapping[int, str]
    """Those that the reader has used, by number."""
    first: date | None
    last: date | None
    cursor: str
    tabs: Mapping[str, str] = field(default_factory=lambda: TAB_WORDS)
    words: Mapping[str, tuple[str, str]] = field(default_factory=lambda: STATE_WORDS)


@router.get(PATH)
async def show_deposits(
    request: Request,
    viewer: CurrentViewer,
    session: Session,
    *,
    status: CleanText = "",
    method: CleanText = "",
    after: CleanText = "",
) -> Response:
    """Show the own deposits, newest first."""
    tab, method_id = status if status in TABS else "", number_in(method)
    first, last = _day(request, "from"), _day(request, "to")
    wanted = DepositFilter(
        user_id=viewer.user_id,
        states=TABS.get(tab, ()),
        method_id=method_id,
        since=_begin(request, first),
        until=_begin(request, last + timedelta(days=1)) if last else None,
    )
    found = await deposits_page(session, wanted, after=after or None, size=ROWS)
    shown = DepositsPage(
        lines=found.rows,
        bonuses=await bonuses_given(session, [line.deposit.id for line in found.rows if line.deposit.credited]),
        after=found.after,
        tab=tab,
        method=method_id,
        methods=await methods_used_by(session, viewer.user_id),
        first=first,
        last=last,
        cursor=after,
    )
    return page(request, "payments/deposits.html", shown, fragment="rows")


def _day(request: Request, name: str) -> date | None:
    try:
        day = date.fromisoformat(request.query_params.get(name, ""))
    except ValueError:
        return None
    # Beyond these the day's begin may not be a moment that can be written down.
    return day if 2000 <= day.year <= 9000 else None


def _begin(request: Request, day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), zone_of(formats_of(request).time_zone))
