"""What an order can be told to become: steps that replace the natural course of its life."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

_MONEY_BACK = frozenset({"canceled", "cancelled", "refunded", "refund", "fail", "error"})
_PARTLY_BACK = frozenset({"partial", "partially completed"})


@dataclass(frozen=True, slots=True)
class Step:
    """What a status call shows of an order, until it was asked `polls` times or `seconds` have passed, if either is set."""

    shown: Mapping[str, Any] = field(default_factory=dict)
    """Values that replace the natural ones, as they are: also numbers, null, negative ones and unknown words."""
    omit: tuple[str, ...] = ()
    error: str | None = None
    polls: int | None = None
    seconds: float | None = None

    def paid_back(self, charge: Decimal, quantity: int) -> Decimal:
        """How much of the charge the provider has given back in this state."""
        word = str(self.shown.get("status", "")).casefold()
        if word in _MONEY_BACK:
            return charge
        if word in _PARTLY_BACK:
            try:
                remains = Decimal(str(self.shown.get("remains", "0")))
            except InvalidOperation:
                return Decimal(0)
            remains = min(max(remains, Decimal(0)), Decimal(quantity))
            return (charge * remains / quantity).quantize(Decimal("0.000001"))
        return Decimal(0)


def _status(word: str, **shown: Any) -> Step:
    return Step(shown={"status": word, **shown})


def _completed_then(later: Step) -> tuple[Step, ...]:
    return (Step(shown={"status": "Completed", "remains": "0"}, polls=1), later)


def steps_named(name: str, *, quantity: int, remains: str | None = None, word: str = "Awaiting") -> tuple[Step, ...]:
    """The steps of an outcome with a name; raises `KeyError` for a name that is not in `OUTCOMES`."""
    left = remains if remains is not None else str(quantity // 2)
    return {
        "pending": (_status("Pending", start_count="0", remains=str(quantity)),),
        "processing": (_status("Processing", remains=str(quantity)),),
        "in_progress": (_status("In progress", remains=left),),
        "completed": (_status("Completed", remains="0"),),
        "partial": (_status("Partial", remains=left),),
        "canceled": (_status("Canceled", start_count="0", remains=str(quantity)),),
        "refunded": (_status("Refunded", remains=str(quantity)),),
        "completed_then_partial": _completed_then(_status("Partial", remains=left)),
        "completed_then_canceled": _completed_then(_status("Canceled", remains=str(quantity))),
        "partial_then_in_progress": (
            Step(shown={"status": "Partial", "remains": left}, polls=1),
            _status("In progress", remains=left),
        ),
        "unknown_word": (_status(word, remains=left),),
        "overdelivered": (_status("Completed", remains="-2"),),
        "partial_negative_remains": (_status("Partial", remains="-2"),),
        "partial_excess_remains": (_status("Partial", remains=str(quantity * 2)),),
        "partial_null_remains": (_status("Partial", remains=None),),
        "partial_blank_remains": (_status("Partial", remains=""),),
        "partial_missing_remains": (Step(shown={"status": "Partial"}, omit=("remains",)),),
        "no_start_count": (Step(shown={"status": "In progress", "start_count": None}),),
        "no_status": (Step(omit=("status",)),),
        "lost": (Step(error="Incorrect order ID"),),
    }[name]


OUTCOMES = (
    "pending", "processing", "in_progress", "completed", "partial", "canceled", "refunded", "completed_then_partial",
    "completed_then_canceled", "partial_then_in_progress", "unknown_word", "overdelivered", "partial_negative_remains",
    "partial_excess_remains", "partial_null_remains", "partial_blank_remains", "partial_missing_remains",
    "no_start_count", "no_status", "lost",
)  # fmt: skip


def step_from(fields: Mapping[str, Any]) -> Step:
    """Read a step from JSON: `status`, `remains`, `start_count`, `charge`, `currency` as shown; `omit`, `error`, `polls`,
    `seconds`. Numbers stay numbers."""
    shown = {
        name: fields[name] for name in ("status", "remains", "start_count", "charge", "currency") if name in fields
    }
    return Step(
        shown=shown,
        omit=tuple(fields.get("omit", ())),
        error=fields.get("error"),
        polls=fields.get("polls"),
        seconds=fields.get("seconds"),
    )
