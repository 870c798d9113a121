"""`/staff`: how the panel is doing, what wants attention, and the latest orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.access import Permission, Viewer
from smmpanel.accounts.current import FOR_STAFF, CurrentViewer, staff_with
from smmpanel.orders.staff.finding import FoundOrder, Wanted, find_orders
from smmpanel.reports.attention import COUNTED_MAX, ProviderLine, Waiting, provider_lines, waiting_for
from smmpanel.reports.counting import Counted
from smmpanel.reports.figures import PERIODS, RANKS, Figures, KeptFigures, Period, Totals, worth
from smmpanel.web.formats import Formats, zone_of
from smmpanel.web.pages import formats_of, page
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(include_in_schema=False, dependencies=FOR_STAFF)

LATEST = 8
STATUSES = ("completed", "in_progress", "processing", "pending", "partial", "canceled", "failed")
_FOLDED = {"submitting": "pending"}
_KINDS = {
    "completed": "is-ok",
    "in_progress": "is-brand",
    "processing": "is-info",
    "partial": "is-warn",
    "canceled": "is-bad",
    "failed": "is-bad",
}

Looking = Annotated[Viewer, Depends(staff_with(Permission.ORDERS_VIEW))]


@dataclass(frozen=True, slots=True)
class TopService:
    """A service in the ranking, and its share of the first one's worth."""

    id: int
    name: str
    platform: str | None
    totals: Totals
    share: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Revenue by day and that of as many days before: where the lines go, and what people read."""

    labels: Sequence[str]
    values: Sequence[float]
    before: Sequence[float]
    read: Sequence[str]
    read_before: Sequence[str]
    is_week: bool
    """Whether it shows a week because the period is shorter than a chart can be."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What reports/dashboard.html receives. What the viewer may not see is `None` or empty."""

    today: date
    counted: Counted | None
    period: Period
    periods: Sequence[str]
    waiting: Sequence[Waiting]
    counted_max: int
    now_total: Totals
    before_total: Totals
    sparks: Mapping[str, Sequence[float]]
    chart: Chart
    statuses: Sequence[tuple[str, int]]
    shares: Sequence[tuple[str, float]]
    """The same, as meaning classes and shares of the whole."""
    rank: str
    ranks: Sequence[str]
    top: Sequence[TopService]
    providers: Sequence[ProviderLine]
    provider_totals: Mapping[int, Totals]
    latest: Sequence[FoundOrder]
    sees_money: bool
    sees_orders: bool
    sees_users: bool
    sees_providers: bool


@dataclass(frozen=True, slots=True)
class Latest:
    """What reports/latest.html receives."""

    latest: Sequence[FoundOrder]


@router.get("/staff")
async def show_dashboard(request: Request, panel: CurrentPanel, session: Session, viewer: CurrentViewer) -> Response:
    """Show how the panel is doing in a period, against the one before."""
    now = panel.clock()
    today = now.astimezone(zone_of(str(getattr(request.state, "panel_time_zone", "UTC")))).date()
    period = Period.named(_one_of(request, "period", PERIODS, "30d"), today)
    rank = _one_of(request, "rank", RANKS, RANKS[0])
    figures = await _kept(request).of(session, period)
    providers = await provider_lines(session, now)
    sees_orders, sees_providers = viewer.may(Permission.ORDERS_VIEW), viewer.may(Permission.PROVIDERS_VIEW)
    sees_money = viewer.may(Permission.LEDGER_VIEW)
    statuses = _statuses(figures.statuses) if figures is not None and sees_orders else []
    known = figures or Figures(Counted(now, today, "UTC"), {}, {}, dict.fromkeys(RANKS, ()), {})
    shown = Dashboard(
        today=today,
        counted=None if figures is None else figures.counted,
        period=period,
        periods=PERIODS,
        waiting=await waiting_for(session, viewer, providers),
        counted_max=COUNTED_MAX,
        now_total=known.total(period),
        before_total=known.total(period.before),
        sparks=_sparks(known.series(period.drawn)),
        chart=_chart(known, period.drawn, formats_of(request), is_week=period.drawn is not period),
        statuses=statuses,
        shares=_shares(statuses),
        rank=rank,
        ranks=RANKS,
        top=await _top(session, known.services[rank], rank) if sees_money else (),
        providers=providers if sees_providers else (),
        provider_totals=known.providers,
        latest=await _latest(session) if sees_orders else (),
        sees_money=sees_money,
        sees_orders=sees_orders,
        sees_users=viewer.may(Permission.USERS_VIEW),
        sees_providers=sees_providers,
    )
    return page(request, "reports/dashboard.html", shown)


@router.get("/staff/latest-orders")
async def show_latest(request: Request, session: Session, _viewer: Looking) -> Response:
    """Show only the latest orders, for a dashboard that is told of a change."""
    return page(request, "reports/latest.html", Latest(await _latest(session)))


async def _latest(session: AsyncSession) -> Sequence[FoundOrder]:
    return (await find_orders(session, Wanted(), zone=zone_of("UTC"), size=LATEST)).rows


def _kept(request: Request) -> KeptFigures:
    state = request.app.state
    if not hasattr(state, "kept_figures"):
        state.kept_figures = KeptFigures()
    kept: KeptFigures = state.kept_figures
    return kept


def _one_of(request: Request, name: str, known: Sequence[str], otherwise: str) -> str:
    asked = request.query_params.get(name, "")
    return asked if asked in known else otherwise


def _statuses(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    folded = dict.fromkeys(STATUSES, 0)
    for status, number in counts.items():
        folded[_FOLDED.get(status, status)] += number
    return [(status, number) for status, number in folded.items() if number]


def _shares(statuses: Sequence[tuple[str, int]]) -> list[tuple[str, float]]:
    whole = sum(number for _, number in statuses)
    return [(_KINDS.get(status, ""), number / whole) for status, number in statuses]


def _sparks(series: Sequence[Totals]) -> dict[str, Sequence[float]]:
    return {
        "revenue": [float(day.revenue) for day in series],
        "profit": [float(day.profit) for day in series],
        "orders": [float(day.orders) for day in series],
        "users": [float(day.users) for day in series],
    }


def _chart(figures: Figures, period: Period, formats: Formats, *, is_week: bool) -> Chart:
    now = [day.revenue for day in figures.series(period)]
    before = [day.revenue for day in figures.series(period.before)]
    return Chart(
        labels=[formats.day(day) for day in period],
        values=[max(float(amount), 0.0) for amount in now],
        before=[max(float(amount), 0.0) for amount in before],
        read=[formats.money(amount) for amount in now],
        read_before=[formats.money(amount) for amount in before],
        is_week=is_week,
    )


_NAMES = text(
    "SELECT s.id, s.name, c.platform FROM services s JOIN categories c ON c.id = s.category_id"
    " WHERE s.id = ANY(CAST(:ids AS bigint[]))"
)


async def _top(session: AsyncSession, ranked: Sequence[tuple[int, Totals]], rank: str) -> list[TopService]:
    if not ranked:
        return []
    names = {row.id: row for row in await session.execute(_NAMES, {"ids": [service_id for service_id, _ in ranked]})}
    most = max(worth(totals, rank) for _, totals in ranked) or Decimal(1)
    return [
        TopService(
            service_id,
            names[service_id].name,
            names[service_id].platform,
            totals,
            share=float(max(worth(totals, rank) / most, Decimal(0))),
        )
        for service_id, totals in ranked
        if service_id in names
    ]
