"""The list of the own orders: tabs, search, days, a file of it all, and deeds for several orders at once."""

import csv
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from smmpanel.accounts.access import Actor, Viewer
from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import plain
from smmpanel.kernel.panel import Panel
from smmpanel.orders.cancels import request_cancel
from smmpanel.orders.lists import COUNTED_MAX, tab_counts
from smmpanel.orders.models import CancelState
from smmpanel.orders.owning import as_owner
from smmpanel.orders.pages.asked import Asked, read_asked
from smmpanel.orders.pages.rows import OrderLine, lines_of
from smmpanel.orders.queries import OrderFilter, OrderView, orders_by_id, orders_page
from smmpanel.orders.refills import request_refills
from smmpanel.orders.words import STATUS_WORDS, TABS
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import safe_target, see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)

PATH = "/orders"
SELECTED_MAX = 100
EXPORT_MAX = 50_000
EXPORT_AT_ONCE = 500
ALL = marked("All")
SELECT_FIRST = marked("Select orders first")
SELECT_HOW = marked("Tick the boxes in front of the orders, then choose what to do.")


@dataclass(frozen=True, slots=True)
class ListPage:
    """What orders/list.html receives."""

    lines: Sequence[OrderLine]
    after: str | None
    asked: Asked
    tabs: Sequence[tuple[str, str, int | None]]
    """Name in the address, word, and how many are behind it if that is counted."""
    address: str
    """Of this very page, to come back to."""
    cursor: str
    export: str
    counted_max: int = COUNTED_MAX


@dataclass(frozen=True, slots=True)
class SelectedPage:
    """What orders/selected.html receives: the chosen orders, and what canceling them would mean."""

    deed: str
    lines: Sequence[OrderLine]
    address: str
    at_once: int
    at_once_back: Decimal
    to_ask: int
    to_ask_back: Decimal
    refused: int


@router.get(PATH)
async def show_orders(request: Request, viewer: CurrentViewer, session: Session) -> Response:
    """Show the own orders, newest first."""
    asked = read_asked(request)
    cursor = request.query_params.get("after", "")
    found = await orders_page(session, as_owner(viewer), asked.as_filter(), after=cursor or None, size=asked.size)
    counts = await tab_counts(session, viewer.user_id)
    query = f"?{request.url.query}" if request.url.query else ""
    back = safe_target(f"{PATH}{query}")
    shown = ListPage(
        lines=await lines_of(request, session, found.rows),
        after=found.after,
        asked=asked,
        tabs=[("", ALL, None), *((tab, STATUS_WORDS[TABS[tab][0]], counts.get(tab)) for tab in TABS)],
        address=PATH if back == "/" else back,
        cursor=cursor,
        export=f"{PATH}/export{query}",
    )
    return page(request, "orders/list.html", shown, fragment="rows")


@router.get(f"{PATH}/export")
async def export_orders(request: Request, viewer: CurrentViewer, panel: CurrentPanel) -> Response:
    """Send the list as a file for spreadsheets, with the same filter, up to `EXPORT_MAX` orders."""
    wanted = read_asked(request).as_filter()
    name = f"orders-{panel.clock():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    lines = _export(panel, as_owner(viewer), wanted)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


@router.post(f"{PATH}/selected")
async def take_selected(
    request: Request,
    viewer: CurrentViewer,
    session: Session,
    panel: CurrentPanel,
    *,
    deed: Annotated[Literal["refill", "cancel", "ids"], Form()],
    ids: Annotated[list[RowId] | None, Form(max_length=SELECTED_MAX)] = None,
    sure: Annotated[bool, Form()] = False,
    back: Annotated[CleanText, Form()] = PATH,
) -> Response:
    """Do something with several orders: refills at once, cancellations after a page that says what they mean."""
    target = safe_target(back)
    if not ids:
        return with_toast(
            see_other(target), Toast(say(request, SELECT_FIRST), say(request, SELECT_HOW), kind="is-warn")
        )
    if deed == "refill":
        return with_toast(see_other(target), await _refill(request, session, viewer, ids, panel))
    if deed == "cancel" and sure:
        return with_toast(see_other(target), await _cancel(request, session, viewer, ids, panel))
    found = await orders_by_id(session, as_owner(viewer), ids)
    lines = await lines_of(request, session, found)
    return page(request, "orders/selected.html", _selected(deed, lines, target))


def _selected(deed: str, lines: Sequence[OrderLine], target: str) -> SelectedPage:
    possible = [line.possible for line in lines if line.possible.may_cancel]
    at_once = [one.back for one in possible if one.at_once]
    to_ask = [one.back for one in possible if not one.at_once]
    return SelectedPage(
        deed=deed,
        lines=lines,
        address=target,
        at_once=len(at_once),
        at_once_back=sum(at_once, Decimal(0)),
        to_ask=len(to_ask),
        to_ask_back=sum(to_ask, Decimal(0)),
        refused=len(lines) - len(possible),
    )


REFILLS_ASKED = marked("Refills requested: {n}")
NONE_REFILLED = marked("No refill was requested")
CANCELED_NOW = marked("Orders canceled: {n}")
CANCELS_ASKED = marked("Cancellations requested: {n}")
NONE_CANCELED = marked("No order was canceled")
NOT_POSSIBLE = marked("Not possible: {n}. The reasons are in the list.")


async def _refill(request: Request, session: AsyncSession, viewer: Viewer, ids: list[int], panel: Panel) -> Toast:
    answers = await request_refills(session, viewer.user_id, list(dict.fromkeys(ids)), panel.clock())
    refused = sum(isinstance(answer, PanelError) for answer in answers.values())
    return _toast(request, {REFILLS_ASKED: len(answers) - refused}, NONE_REFILLED, refused)


async def _cancel(request: Request, session: AsyncSession, viewer: Viewer, ids: list[int], panel: Panel) -> Toast:
    answers = await request_cancel(session, viewer.user_id, list(dict.fromkeys(ids)), panel.clock())
    done = Counter(
        "refused" if isinstance(answer, PanelError) else "now" if answer.state == CancelState.ACCEPTED else "asked"
        for answer in answers.values()
    )
    return _toast(request, {CANCELED_NOW: done["now"], CANCELS_ASKED: done["asked"]}, NONE_CANCELED, done["refused"])


def _toast(request: Request, done: dict[str, int], nothing: str, refused: int) -> Toast:
    formats = formats_of(request)
    said = [say(request, text, n=formats.num(count)) for text, count in done.items() if count]
    not_done = [say(request, NOT_POSSIBLE, n=formats.num(refused))] if refused else []
    if not said:
        return Toast(say(request, nothing), " ".join(not_done), kind="is-warn")
    return Toast(said[0], " ".join([*said[1:], *not_done]), kind="is-warn" if refused else "is-ok")


_HEADER = (
    "order", "placed_at", "status", "service_id", "service", "link", "quantity", "start_count", "remains", "charge",
    "refunded", "net_charge", "currency",
)  # fmt: skip


async def _export(panel: Panel, owner: Actor, wanted: OrderFilter) -> AsyncIterator[str]:
    # With its mark, spreadsheets take it for what it is.
    yield "\ufeff" + _written([_HEADER])
    after: str | None = None
    for _ in range(EXPORT_MAX // EXPORT_AT_ONCE):
        # Each part is read by itself: a slow reader holds no connection.
        async with panel.db.reading() as session:
            found = await orders_page(session, owner, wanted, after=after, size=EXPORT_AT_ONCE)
        yield _written([_cells(order) for order in found.rows])
        after = found.after
        if after is None:
            break


def _cells(order: OrderView) -> Sequence[object]:
    return (
        order.id,
        order.created_at.isoformat(timespec="seconds"),
        order.word,
        order.service_id,
        _harmless(order.service),
        _harmless(order.link),
        order.quantity,
        order.start_count,
        order.remains,
        plain(order.charge),
        plain(order.refunded),
        plain(order.net_charge),
        order.currency,
    )


def _harmless(cell: str) -> str:
    # A spreadsheet would take it for a formula.
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _written(rows: Sequence[Sequence[object]]) -> str:
    written = StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
