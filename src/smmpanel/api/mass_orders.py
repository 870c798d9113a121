"""`/api/orders/mass`: up to ten thousand orders in one call, each with its own answer."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request

from smmpanel.accounts.callers import CurrentCaller, spend_cap_of
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import ErrorBody, errors
from smmpanel.api.order_forms import MassForm
from smmpanel.api.public import Number, PublicId, Reader, reader_of
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.ledger import balance_of
from smmpanel.orders.mass import MASS_BYTES_MAX, read_csv, read_text
from smmpanel.orders.mass_placing import MassLineResult, place_mass
from smmpanel.web.errors import failure_of
from smmpanel.web.transactions import CurrentPanel, Session

PATH = "/api/orders/mass"
BODY_MAX_BYTES = 2 * MASS_BYTES_MAX
"""Quotes and line ends take two bytes each in JSON."""

router = APIRouter(tags=["Orders"])


class Line(BaseModel):
    """What became of one line."""

    line: int = Field(description="Counted from one, in what was sent.")
    order_id: PublicId | None = Field(description="`null` if it was not placed.")
    number: Number | None
    charge: Amount | None = Field(description="What it costs; `null` if it cannot be placed.")
    repeated: bool = Field(description="Whether an earlier call with the same key had placed it.")
    error: ErrorBody | None


class MassAnswer(BaseModel):
    """What became of a mass order."""

    success: bool = Field(description="Whether every line could be placed.")
    dry_run: bool
    placed: int
    failed: int
    total: Amount = Field(description="What the good lines cost together.")
    new_balance: Amount
    currency: str
    lines: list[Line]


@router.post(PATH, summary="Place many orders", responses=errors(401, 403, 413, 422, 429))
async def place_many(
    request: Request, panel: CurrentPanel, session: Session, viewer: CurrentCaller, form: MassForm
) -> MassAnswer:
    """Place all lines that can be, or with `all_or_none` all of them or none, and say for each what became of it."""
    if (form.text is None) == (form.csv is None):
        raise InvalidInputError(field="text", reason=marked("or csv is needed, and only one of the two"))
    lines = read_csv(form.csv) if form.csv is not None else read_text(form.text or "")
    done = await place_mass(
        session,
        viewer.user_id,
        lines,
        all_or_none=form.all_or_none,
        dry_run=form.dry_run,
        key=form.key,
        currency=panel.currency,
        now=panel.clock(),
        api_key_id=viewer.api_key_id,
        daily_cap=spend_cap_of(viewer),
        coupon=(form.coupon or "").strip(),
    )
    balance = await balance_of(session, viewer.user_id, panel.currency)
    return MassAnswer(
        success=done.failed == 0,
        dry_run=form.dry_run,
        placed=done.placed,
        failed=done.failed,
        total=done.total.amount,
        new_balance=balance.amount,
        currency=panel.currency,
        lines=[_line(request, one, reader_of(panel, viewer)) for one in done.lines],
    )


def _line(request: Request, one: MassLineResult, reader: Reader) -> Line:
    error = None
    if one.error is not None:
        failure = failure_of(request, one.error)
        error = ErrorBody(code=failure.code, message=failure.message, fields=dict(failure.fields))
    return Line(
        line=one.number,
        order_id=reader.maybe_order(one.order_id),
        number=one.order_id,
        charge=None if one.charge is None else one.charge.amount,
        repeated=one.repeated,
        error=error,
    )
