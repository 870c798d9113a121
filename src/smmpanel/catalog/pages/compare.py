"""Up to four services side by side. Nothing is kept: the address says which."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_EVERYBODY, MaybeViewer
from smmpanel.catalog.pages.looking import Line, lines_for, looker_for
from smmpanel.catalog.pages.services import COMPARED_MAX
from smmpanel.web.pages import page
from smmpanel.web.transactions import Session

router = APIRouter(include_in_schema=False, dependencies=FOR_EVERYBODY)

PATH = "/compare"
READ_MAX = 100
ID_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Differences:
    """In which rows the compared services differ, and the best value of those rows that have one."""

    differing: frozenset[str]
    lowest_rate: Decimal | None
    lowest_time: int | None


@dataclass(frozen=True, slots=True)
class ComparePage:
    """What catalog/compare.html receives."""

    lines: Sequence[Line]
    differences: Differences
    left_out: int
    is_member: bool
    address: str
    most: int = COMPARED_MAX


@router.get(PATH)
async def show_comparison(request: Request, viewer: MaybeViewer, session: Session) -> Response:
    """Show the services that `ids` names, with commas or several times, in that order."""
    looker = await looker_for(request, session, viewer)
    asked = asked_ids(request.query_params.getlist("ids"))
    rows = [looker.kept.by_id[one] for one in asked if one in looker.kept.by_id]
    lines = await lines_for(session, looker, rows[:COMPARED_MAX])
    address = f"{PATH}?ids={','.join(str(line.row.id) for line in lines)}"
    shown = ComparePage(lines, differences_of(lines), len(asked) - len(lines), looker.is_member, address)
    return page(request, "catalog/compare.html", shown)


def asked_ids(values: Sequence[str]) -> list[int]:
    """Read ids from an address, without repeats, in the order given; what is no id is left out."""
    parts = [part.strip() for value in values[:READ_MAX] for part in value.split(",")[:READ_MAX]]
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) <= ID_DIGITS]
    return list(dict.fromkeys(numbers))[:READ_MAX]


def differences_of(lines: Sequence[Line]) -> Differences:
    """Find the rows in which services differ. A best value is marked only where it is better than another."""
    if len(lines) < 2:
        return Differences(frozenset(), None, None)
    values: dict[str, list[object]] = {
        "category": [line.row.category for line in lines],
        "rate": [(line.row.rate, line.per_package) for line in lines],
        "limits": [(line.row.min, line.row.max) for line in lines],
        "time": [line.timing and line.timing.median_seconds for line in lines],
        "refill": [(line.row.refill, line.row.refill_days) for line in lines],
        "cancel": [line.row.cancel for line in lines],
        "dripfeed": [line.row.dripfeed for line in lines],
    }
    differing = frozenset(name for name, found in values.items() if len(set(found)) > 1)
    rates = [line.row.rate for line in lines]
    times = [line.timing.median_seconds for line in lines if line.timing is not None]
    comparable = len({line.per_package for line in lines}) == 1
    return Differences(
        differing,
        min(rates) if comparable and len(set(rates)) > 1 else None,
        min(times) if len(set(times)) > 1 else None,
    )
