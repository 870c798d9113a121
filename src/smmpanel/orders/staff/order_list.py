"""`/staff/orders`: all customers' orders, found by anything, and the same as a CSV file."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, staff_with
from smmpanel.accounts.finding import find_user
from smmpanel.catalog.csv_cells import guarded
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import plain
from smmpanel.orders.owning import is_order_id
from smmpanel.orders.staff.deeds import BULK_DEEDS, Deed
from smmpanel.orders.staff.finding import (
    COUNTED_MAX,
    KINDS,
    LOOKED_AT,
    TABS,
    UNCONFIRMED,
    WAITING,
    FoundOrder,
    FoundOrders,
    Wanted,
    find_orders,
    tab_counts,
)
from smmpanel.providers.models import Provider
from smmpanel.web.formats import zone_of
from smmpanel.web.inputs import is_clean
from smmpanel.web.languages import say
from smmpanel.web.pages import page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

LIST_PATH = "/staff/orders"
SIZES = (25, 50, 100)
EXPORTED_MAX = 10_000
EXPORTED_AT_ONCE = 2_000
TEXT_MAX = 500
USER_UNKNOWN = marked("Nobody has this name or id.")
NOT_A_NUMBER = marked("Enter a number.")
NOT_A_DAY = marked("Enter a day such as 2026-11-21.")

Looking = Annotated[Viewer, Depends(staff_with(Permission.ORDERS_VIEW))]


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters as they were typed, and what is wrong with them."""

    wanted: Wanted
    typed: dict[str, str]
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class OrderListPage:
    """What orders/staff/list.html receives."""

    found: FoundOrders
    typed: dict[str, str]
    errors: dict[str, str]
    tab: str
    tabs: Sequence[str]
    counts: dict[str, int]
    counted_max: int
    kinds: Sequence[str]
    providers: Sequence[tuple[int, str]]
    is_plain: bool
    looked_at: int
    exported_max: int
    size: int
    sizes: Sequence[int]
    deeds: Sequence[Deed]
    all_chosen: bool
    query: str


@router.get(LIST_PATH)
async def show_orders(request: Request, session: Session, viewer: Looking) -> Response:
    """Show orders, newest first."""
    asked = await _read(request, session)
    size = _size(request)
    found = FoundOrders([], None)
    if not asked.errors:
        after = request.query_params.get("after")
        found = await find_orders(session, asked.wanted, zone=zone_of(viewer.time_zone), after=after, size=size)
    shown = OrderListPage(
        found=found,
        typed=asked.typed,
        errors=asked.errors,
        tab=asked.wanted.tab,
        tabs=("", UNCONFIRMED, *TABS),
        counts=await tab_counts(session),
        counted_max=COUNTED_MAX,
        kinds=KINDS,
        providers=await _providers(session),
        is_plain=asked.wanted.is_plain and not asked.errors,
        looked_at=LOOKED_AT,
        exported_max=EXPORTED_MAX,
        size=size,
        sizes=SIZES,
        deeds=[deed for deed in BULK_DEEDS if deed.is_for(viewer)],
        all_chosen=request.query_params.get("choose") == "all",
        query=request.url.query,
    )
    return page(request, "orders/staff/list.html", shown, status=422 if asked.errors else 200, fragment="rows")


@router.get(f"{LIST_PATH}/export")
async def export_orders(request: Request, session: Session, viewer: Looking) -> Response:
    """Send the orders that the filters find, up to `EXPORTED_MAX` of them, as a CSV file."""
    asked = await _read(request, session)
    rows: list[FoundOrder] = []
    after: str | None = None
    while not asked.errors and len(rows) < EXPORTED_MAX:
        found = await find_orders(
            session, asked.wanted, zone=zone_of(viewer.time_zone), after=after, size=EXPORTED_AT_ONCE
        )
        rows += found.rows
        after = found.after
        if after is None:
            break
    # The mark at the beginning tells spreadsheets that this is UTF-8.
    content = "\ufeff" + _csv(rows[:EXPORTED_MAX])
    headers = {"Content-Disposition": 'attachment; filename="orders.csv"'}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


_COLUMNS = (
    "id", "created_at", "user", "service_id", "service", "kind", "status", "unconfirmed", "link", "quantity",
    "start_count", "remains", "charge", "refunded", "cost", "provider", "external_id",
)  # fmt: skip


def _csv(rows: Sequence[FoundOrder]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        cells = (
            row.id,
            row.created_at.isoformat(timespec="seconds"),
            guarded(row.username),
            row.service_id,
            guarded(row.service),
            row.kind,
            row.status,
            "yes" if row.unconfirmed else "no",
            guarded(row.link),
            row.quantity,
            "" if row.start_count is None else row.start_count,
            "" if row.remains is None else row.remains,
            plain(row.charge),
            plain(row.refunded),
            "" if row.cost is None else plain(row.cost),
            guarded(row.provider or ""),
            guarded(row.external_id or ""),
        )
        writer.writerow(cells)
    return text.getvalue()


async def _read(request: Request, session: AsyncSession) -> Asked:
    """Read the filters from the address; what is none is an error under its field."""
    names = ("status", "user", "service", "provider", "kind", "parent", "since", "until", "waiting", "q")
    typed = {name: request.query_params.get(name, "").strip()[:TEXT_MAX] for name in names}
    typed = {name: value if is_clean(value) else "" for name, value in typed.items()}
    errors: dict[str, str] = {}

    def number(name: str) -> int | None:
        if not typed[name]:
            return None
        value = typed[name].removeprefix("#")
        if value.isascii() and value.isdigit() and len(value) < 20 and is_order_id(int(value)):
            return int(value)
        errors[name] = say(request, NOT_A_NUMBER)
        return None

    def day(name: str) -> date | None:
        try:
            return date.fromisoformat(typed[name]) if typed[name] else None
        except ValueError:
            errors[name] = say(request, NOT_A_DAY)
            return None

    user_id = await _user_id(session, typed["user"]) if typed["user"] else None
    if typed["user"] and user_id is None:
        errors["user"] = say(request, USER_UNKNOWN)
    wanted = Wanted(
        tab=typed["status"] if typed["status"] in {UNCONFIRMED, *TABS} else "",
        user_id=user_id,
        service_id=number("service"),
        provider_id=number("provider"),
        kind=typed["kind"] if typed["kind"] in KINDS else "",
        parent_id=number("parent"),
        since=day("since"),
        until=day("until"),
        waiting=typed["waiting"] if typed["waiting"] in WAITING else "",
        search=typed["q"],
    )
    return Asked(wanted, typed, errors)


async def _user_id(session: AsyncSession, typed: str) -> int | None:
    user = await find_user(session, typed)
    if user is not None:
        return user.id
    value = typed.removeprefix("#")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


async def _providers(session: AsyncSession) -> list[tuple[int, str]]:
    return [
        (row.id, row.name) for row in await session.execute(select(Provider.id, Provider.name).order_by(Provider.name))
    ]


def _size(request: Request) -> int:
    asked = request.query_params.get("size", "")
    return int(asked) if asked in {str(size) for size in SIZES} else SIZES[0]
