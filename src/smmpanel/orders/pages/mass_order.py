"""The page for many orders at once: paste or upload, check line by line, then place what is right, or all or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import NamedTuple

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from smmpanel.accounts.current import FOR_MEMBERS, CurrentViewer
from smmpanel.catalog.kept_lists import KeptList
from smmpanel.catalog.order_faults import OrderFieldError
from smmpanel.catalog.pages.shelves import list_for
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.ids import random_text
from smmpanel.ledger import balance_of
from smmpanel.orders.coupon_editing import has_coupons
from smmpanel.orders.coupons import CODE_MAX as COUPON_MAX
from smmpanel.orders.glances import BatchProgress, batch_progress
from smmpanel.orders.mass import (
    MASS_BYTES_MAX,
    MASS_LINES_MAX,
    MassError,
    MassLine,
    MassTooLargeError,
    MassTooLongError,
    MassUnreadableError,
    read_csv,
    read_text,
)
from smmpanel.orders.mass_placing import MassLineResult, MassResult, place_mass
from smmpanel.orders.pages.wording import FIELD_LABELS, MASS_FAULTS, STATUS_KINDS, refusal_text
from smmpanel.web.forms import read_form, read_upload
from smmpanel.web.inputs import is_clean
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of, page
from smmpanel.web.redirects import see_other
from smmpanel.web.toasts import Toast, with_toast
from smmpanel.web.transactions import CurrentPanel, Session, panel_of

PATH = "/orders/mass"
BODY_MAX_BYTES = 2 * MASS_BYTES_MAX
KEY_LENGTH = 24
SHOWN_LINES_MAX = 1000
"""So many lines of an answer are shown; those that are wrong come before those that are right."""

NOTHING_GIVEN = marked("Paste at least one line, or choose a CSV file.")
TOO_MANY = marked("A mass order may have at most {n} lines. Split it and send the parts one after the other.")
TOO_LONG = marked("A mass order may have at most {n} MB. Split it and send the parts one after the other.")
UNREADABLE = marked("The file cannot be read. Save it as “CSV UTF-8”, with one heading for each column.")
NOT_TEXT = marked("The text has characters that cannot be stored.")
PLACED_ALL = marked("{n} orders placed")
NONE_PLACED = marked("Nothing was placed, because not all lines are right.")

router = APIRouter(include_in_schema=False, dependencies=FOR_MEMBERS)


class CheckedLine(NamedTuple):
    """What became of one line, or would become of it."""

    number: int
    service_id: int | None
    service: str
    link: str
    quantity: str
    charge: Decimal | None
    order_id: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What became of a mass order, or would."""

    lines: Sequence[CheckedLine]
    hidden: int
    """How many further lines are not shown."""
    good: int
    bad: int
    total: Decimal
    balance: Decimal
    placed: bool
    """Whether this was not only a check."""
    note: str = ""

    @property
    def after(self) -> Decimal:
        """What is left in the wallet."""
        return self.balance if self.placed else self.balance - self.total


@dataclass(frozen=True, slots=True)
class MassPage:
    """What orders/mass.html receives. `csv` is the uploaded file's text, carried along from the check."""

    text: str
    csv: str
    key: str
    error: str
    findings: Findings | None
    coupon: str = ""
    asks_coupon: bool = False
    """Whether there are any coupons to be asked for."""
    lines_max: int = MASS_LINES_MAX


@dataclass(frozen=True, slots=True)
class MassProgressPage:
    """What orders/mass_placed.html receives."""

    progress: BatchProgress
    status_kinds: Mapping[str, str]


class _Input(NamedTuple):
    text: str
    csv: str
    lines: Sequence[MassLine | MassError]
    error: str


@router.get(PATH)
async def show_mass_order(request: Request, panel: CurrentPanel, session: Session, _viewer: CurrentViewer) -> Response:
    """Show the empty form."""
    asks = await has_coupons(session, panel.clock())
    return page(request, "orders/mass.html", MassPage("", "", random_text(KEY_LENGTH), "", None, asks_coupon=asks))


@router.post(PATH)
async def take_mass_order(request: Request, panel: CurrentPanel, session: Session, viewer: CurrentViewer) -> Response:
    """Check the lines, or place them if that is what was pressed. The same form sent twice places nothing twice."""
    form = await read_form(request)
    deed = form.get("deed", "check")
    key = form.get("key", "")[:KEY_LENGTH] or random_text(KEY_LENGTH)
    coupon = form.get("coupon", "").strip()[:COUPON_MAX]
    asks = bool(coupon) or await has_coupons(session, panel.clock())
    given = await _read_input(request, form)
    if given.error:
        shown = MassPage(given.text, given.csv, key, given.error, None, coupon, asks)
        return page(request, "orders/mass.html", shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    placing, all_or_none = deed in {"place", "place_all"}, deed == "place_all"
    result = await place_mass(
        session,
        viewer.user_id,
        given.lines,
        all_or_none=all_or_none,
        dry_run=not placing,
        key=key,
        currency=panel.currency,
        now=panel.clock(),
        coupon=coupon,
    )
    if placing and result.placed and not result.failed:
        toast = Toast(say(request, PLACED_ALL, n=formats_of(request).num(result.placed)))
        last = given.lines[-1].number
        return with_toast(see_other(f"{PATH}/{key}?last={last}"), toast)
    findings = await _findings(request, session, viewer.user_id, given.lines, result, placed=placing)
    if findings.placed:
        # What is left in the form is what is still to be done, as an order of its own.
        left = "" if given.csv else _lines_left(given.text, result)
        shown = MassPage(left, "", random_text(KEY_LENGTH), "", findings, coupon, asks)
    else:
        shown = MassPage(given.text, given.csv, key, "", findings, coupon, asks)
    return page(request, "orders/mass.html", shown)


@router.get(f"{PATH}/{{key}}")
async def show_progress(request: Request, session: Session, viewer: CurrentViewer, key: str) -> Response:
    """Show how the orders of a mass order get on."""
    last = request.query_params.get("last", "")
    lines = int(last) if last.isascii() and last.isdigit() and len(last) < len(str(MASS_BYTES_MAX)) else MASS_LINES_MAX
    progress = await batch_progress(session, viewer, key[:KEY_LENGTH], lines=lines)
    return page(request, "orders/mass_placed.html", MassProgressPage(progress, STATUS_KINDS), fragment="progress")


async def _read_input(request: Request, form: Mapping[str, str]) -> _Input:
    text, csv = form.get("text", ""), form.get("csv", "")
    upload = await read_upload(request, "file")
    try:
        if upload:
            csv = _decoded(upload)
        if csv.strip():
            if not is_clean(csv):
                return _Input(text, "", (), say(request, NOT_TEXT))
            return _checked_input(request, text, csv, read_csv(csv))
        return _checked_input(request, text, "", read_text(_with_bars(text)))
    except MassTooLongError:
        number = formats_of(request).num(MASS_BYTES_MAX // (1024 * 1024))
        return _Input(text, "", (), say(request, TOO_LONG, n=number))
    except MassTooLargeError:
        return _Input(text, "", (), say(request, TOO_MANY, n=formats_of(request).num(MASS_LINES_MAX)))
    except (MassUnreadableError, UnicodeDecodeError):
        return _Input(text, "", (), say(request, UNREADABLE))


def _checked_input(request: Request, text: str, csv: str, lines: Sequence[MassLine | MassError]) -> _Input:
    return _Input(text, csv, lines, "" if lines else say(request, NOTHING_GIVEN))


def _decoded(upload: bytes) -> str:
    """Return a file's text as `read_csv` would read it, so that it can be carried along in the form."""
    if len(upload) > BODY_MAX_BYTES:
        raise MassTooLongError(limit=MASS_BYTES_MAX)
    encoding = "utf-16" if upload[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    return upload.decode(encoding)


def _with_bars(text: str) -> str:
    """Read cells pasted from a spreadsheet, which tabs keep apart, as parts."""
    return "\n".join(
        line.replace("\t", " | ") if "\t" in line and "|" not in line else line for line in _lines_of(text)
    )


def _lines_of(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _lines_left(text: str, result: MassResult) -> str:
    wrong = {one.number for one in result.lines if one.error is not None}
    return "\n".join(line for number, line in enumerate(_lines_of(text), start=1) if number in wrong)


async def _findings(
    request: Request,
    session: AsyncSession,
    user_id: int,
    lines: Sequence[MassLine | MassError],
    result: MassResult,
    *,
    placed: bool,
) -> Findings:
    kept = await list_for(request, session, user_id)
    written = {line.number: line for line in lines}
    wrong = [one for one in result.lines if one.error is not None]
    right = [one for one in result.lines if one.error is None]
    shown = sorted([*wrong, *right][:SHOWN_LINES_MAX], key=lambda one: one.number)
    balance = await balance_of(session, user_id, panel_of(request).currency)
    return Findings(
        lines=[_line(request, written[one.number], one, kept) for one in shown],
        hidden=len(result.lines) - len(shown),
        good=len(right),
        bad=len(wrong),
        total=result.total.amount,
        balance=balance.amount,
        placed=placed and result.placed > 0,
        note=say(request, NONE_PLACED) if placed and not result.placed else "",
    )


def _line(request: Request, written: MassLine | MassError, one: MassLineResult, kept: KeptList) -> CheckedLine:
    charge = None if one.charge is None else one.charge.amount
    if isinstance(written, MassError):
        return CheckedLine(one.number, None, "", "", "", None, None, say(request, MASS_FAULTS[written.code]))
    service = kept.by_id.get(written.service_id)
    problem = "" if one.error is None else _problem(request, one.error, None if service is None else service.platform)
    return CheckedLine(
        number=one.number,
        service_id=written.service_id,
        service="" if service is None else service.name,
        link=written.fields.get("link", written.fields.get("username", "")),
        quantity=written.fields.get("quantity", ""),
        charge=charge,
        order_id=one.order_id,
        problem=problem,
    )


def _problem(request: Request, error: PanelError, platform: str | None) -> str:
    said = refusal_text(request, error, platform=platform)
    if isinstance(error, OrderFieldError) and error.field in FIELD_LABELS:
        return f"{say(request, FIELD_LABELS[error.field])}: {said}"
    return said
