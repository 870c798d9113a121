"""An order's history in the words of its customer's language: a sentence, a meaning and an icon for each line."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from starlette.requests import Request

from smmpanel.kernel.i18n import marked
from smmpanel.orders.histories import HistoryLine
from smmpanel.orders.noting import NOTE
from smmpanel.orders.pages.rows import short_link
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of

PLACED = marked("Order placed")
MONEY_WORDS = {
    "order_hold": marked("{amount} taken from the balance"),
    "order_refund": marked("{amount} paid back to the balance"),
    "order_correction": marked("{amount} paid back to the balance after a correction"),
}
REFILL_WORDS = {
    None: marked("Refill"),
    "Pending": marked("Refill requested"),
    "In progress": marked("Refill begun"),
    "Completed": marked("Refill completed"),
    "Rejected": marked("Refill rejected"),
}
CANCEL_WORDS = {
    None: marked("Cancellation"),
    "Requested": marked("Cancellation requested"),
    "Accepted": marked("Cancellation accepted"),
    "Rejected": marked("Cancellation rejected"),
}
STATUS_MOVED = {
    "Pending": marked("Waiting again"),
    "Processing": marked("Sent for delivery"),
    "In progress": marked("Delivery in progress"),
    "Active": marked("Running"),
    "Paused": marked("Paused"),
    "Completed": marked("Delivered in full"),
    "Partial": marked("Delivered in part"),
    "Canceled": marked("Order canceled"),
}
DRIP_PAUSED = marked("Drip-feed paused")
DRIP_RESUMED = marked("Drip-feed resumed")
REST_CANCELED = marked("The rest was canceled: {runs} runs will not start")
RUN_STARTED = marked("Run {run} started as order {order}")
NOTED = marked("Your note: {note}")
LINK_CHANGED = marked("Link changed from {before} to {after}")
# icons: circle-check circle-dot circle-plus circle-slash circle-x clock link loader octagon-pause pause
# icons: play refresh-ccw rotate-ccw scroll-text wallet

_STATUS_ICONS = {
    "Pending": "clock",
    "Processing": "loader",
    "In progress": "loader",
    "Active": "play",
    "Paused": "pause",
    "Completed": "circle-check",
    "Partial": "circle-dot",
    "Canceled": "circle-x",
}
KINDS = {
    "Pending": "",
    "Processing": "is-info",
    "In progress": "is-brand",
    "Completed": "is-ok",
    "Partial": "is-warn",
    "Canceled": "is-bad",
    "Active": "is-ok",
    "Paused": "is-warn",
    "Rejected": "is-bad",
    "Accepted": "is-info",
    "Requested": "",
}
_RUN = re.compile(r"run (\d+) is order (\d+)")
_REST = re.compile(r"(\d+) runs will not start")
_LINK = re.compile(r"(.+) → (.+), [\d-]+ [\d:]+ UTC", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a history as it is shown."""

    at: datetime
    text: str
    icon: str
    kind: str = ""
    href: str = ""


def told(request: Request, history: Iterable[HistoryLine]) -> list[Told]:
    """Put a customer's history into words, the latest first."""
    lines = [_line(request, line) for line in history]
    return [line for line in reversed(lines) if line is not None]


def _line(request: Request, line: HistoryLine) -> Told | None:
    teller = _TELLERS.get(line.kind)
    return None if teller is None else teller(request, line)


def _placed(request: Request, line: HistoryLine) -> Told:
    return Told(line.at, say(request, PLACED), icon="circle-plus", kind="is-brand")


def _status(request: Request, line: HistoryLine) -> Told | None:
    word = line.after or ""
    if word not in STATUS_MOVED:
        return None
    return Told(line.at, say(request, STATUS_MOVED[word]), _STATUS_ICONS[word], KINDS[word])


def _refill(request: Request, line: HistoryLine) -> Told:
    text = REFILL_WORDS.get(line.after, REFILL_WORDS[None])
    return Told(
        line.at, say(request, text), icon="refresh-ccw", kind="is-bad" if line.after == "Rejected" else "is-teal"
    )


def _cancel(request: Request, line: HistoryLine) -> Told:
    text = CANCEL_WORDS.get(line.after, CANCEL_WORDS[None])
    return Told(line.at, say(request, text), icon="circle-slash", kind=KINDS.get(line.after or "", ""))


def _drip_paused(request: Request, line: HistoryLine) -> Told:
    return Told(line.at, say(request, DRIP_PAUSED), icon="pause", kind="is-warn")


def _drip_resumed(request: Request, line: HistoryLine) -> Told:
    return Told(line.at, say(request, DRIP_RESUMED), icon="play", kind="is-ok")


def _rest(request: Request, line: HistoryLine) -> Told | None:
    found = _REST.match(line.note)
    return None if found is None else Told(line.at, say(request, REST_CANCELED, runs=found[1]), icon="circle-slash")


def _note(request: Request, line: HistoryLine) -> Told:
    return Told(line.at, say(request, NOTED, note=line.note), icon="scroll-text")


def _run(request: Request, line: HistoryLine) -> Told | None:
    found = _RUN.match(line.note)
    if found is None:
        return None
    text = say(request, RUN_STARTED, run=found[1], order=found[2])
    return Told(line.at, text, icon="play", kind="is-brand", href=f"/orders/{found[2]}")


def _link(request: Request, line: HistoryLine) -> Told | None:
    found = _LINK.fullmatch(line.note)
    if found is None:
        return None
    text = say(request, LINK_CHANGED, before=short_link(found[1]), after=short_link(found[2]))
    return Told(line.at, text, icon="link")


def _money(request: Request, line: HistoryLine) -> Told | None:
    reason, amount, currency = line.note.split()
    if reason not in MONEY_WORDS:
        return None
    shown = formats_of(request).exact(Decimal(amount), currency)
    return Told(line.at, say(request, MONEY_WORDS[reason], amount=shown), icon="wallet")


_TELLERS: dict[str, Callable[[Request, HistoryLine], Told | None]] = {
    "placed": _placed,
    "status": _status,
    "refill": _refill,
    "cancel": _cancel,
    "drip_paused": _drip_paused,
    "drip_resumed": _drip_resumed,
    "rest_canceled": _rest,
    NOTE: _note,
    "run": _run,
    "link": _link,
    "money": _money,
}
