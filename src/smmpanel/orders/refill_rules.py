"""Who may have a refill, decided from the terms that were frozen on the order, with the reason where not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from smmpanel.kernel.i18n import marked
from smmpanel.orders.models import OrderKind, OrderStatus, RefillState

OPEN_REFILLS = (RefillState.PENDING, RefillState.REQUESTING, RefillState.IN_PROGRESS)


class NoRefill(StrEnum):
    """Why an order gets no refill (now)."""

    NOT_OFFERED = "refill_not_offered"
    ASK_ITS_RUNS = "refill_of_runs_only"
    NOT_COMPLETED = "refill_not_completed"
    WINDOW_OVER = "refill_window_over"
    ALREADY_OPEN = "refill_open"
    BEING_CLEARED = "refill_being_cleared"
    NOT_POSSIBLE = "refill_not_possible"


TEXTS = {
    NoRefill.NOT_OFFERED: marked("This order was placed without a refill guarantee."),
    NoRefill.ASK_ITS_RUNS: marked("Ask for the refill of its runs: each is an order of its own."),
    NoRefill.NOT_COMPLETED: marked("Only completed orders can be refilled."),
    NoRefill.WINDOW_OVER: marked("The refill period of this order is over."),
    NoRefill.ALREADY_OPEN: marked("A refill of this order is under way."),
    NoRefill.BEING_CLEARED: marked("The last refill of this order is being looked into."),
    NoRefill.NOT_POSSIBLE: marked("This order cannot be refilled where it was delivered."),
}


@dataclass(frozen=True, slots=True)
class Eligible:
    """A refill may be asked for, until then; `None` means for ever."""

    until: datetime | None


@dataclass(frozen=True, slots=True)
class NotEligible:
    """No refill: the reason as a code and as a sentence; `until` is when the refill period ended, or will."""

    code: NoRefill
    text: str
    until: datetime | None = None


def refill_eligibility(
    order: Mapping[str, Any],
    now: datetime,
    *,
    latest: RefillState | None = None,
    provider_refills: bool | None = None,
) -> Eligible | NotEligible:
    """Tell whether a refill of an order may be asked for.

    `latest` is the state of its latest refill, `provider_refills` what its provider says of the service now (`None`:
    nothing). The parents of drip-feeds have no refill: their runs do, each with its own period.
    """
    if (code := _never(order)) is not None:
        return _no(code)
    days = order["terms"].get("refill_days")
    until = None if days is None else order["finished_at"] + timedelta(days=days)
    if until is not None and now > until:
        return _no(NoRefill.WINDOW_OVER, until)
    if latest in OPEN_REFILLS:
        return _no(NoRefill.ALREADY_OPEN, until)
    if latest is RefillState.ERROR:
        # Its answer was lost: asking again could make two refills, so staff find out first.
        return _no(NoRefill.BEING_CLEARED, until)
    return _no(NoRefill.NOT_POSSIBLE, until) if _nobody_can(order, provider_refills) else Eligible(until)


def _never(order: Mapping[str, Any]) -> NoRefill | None:
    if not order["terms"].get("refill"):
        return NoRefill.NOT_OFFERED
    if order["kind"] == OrderKind.DRIP:
        return NoRefill.ASK_ITS_RUNS
    if order["status"] != OrderStatus.COMPLETED or order["finished_at"] is None:
        return NoRefill.NOT_COMPLETED
    return None


def _nobody_can(order: Mapping[str, Any], provider_refills: bool | None) -> bool:  # noqa: FBT001 - not a switch
    if order["kind"] in {OrderKind.NORMAL, OrderKind.RUN}:
        return None in {order["provider_id"], order["external_id"]} or provider_refills is False
    return OrderKind(order["kind"]) is not OrderKind.MANUAL


def _no(code: NoRefill, until: datetime | None = None) -> NotEligible:
    return NotEligible(code, TEXTS[code], until)
