"""`/api/payment`: paying in, and what became of it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.errors import errors
from smmpanel.api.idempotency import KeyHeader, one_key
from smmpanel.api.lists import LIMIT_USUAL, NUMBERED_MAX, After, ByAge, Limit, Page, Pagination, skipped
from smmpanel.api.payment_views import (
    Begun,
    DepositDetail,
    Deposits,
    Methods,
    NewDepositForm,
    NewPayment,
    SepayPayment,
    bank_info_of,
    deposit_row,
    method_view,
    pay_url,
    payment_view,
)
from smmpanel.api.times import local_time
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.panel import Panel
from smmpanel.payments.bonuses_given import bonuses_given
from smmpanel.payments.fees import fee_on
from smmpanel.payments.methods import offered_method, offered_methods
from smmpanel.payments.models import ReceiptState
from smmpanel.payments.opening import NewDeposit, open_deposit
from smmpanel.payments.queries import DepositFilter, count_deposits, deposit_line, deposits_page, story_of
from smmpanel.payments.showing import transfer_details
from smmpanel.payments.words import TABS, status_of
from smmpanel.web.inputs import ROW_ID_MAX, CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/payment", tags=["Payments"])

SEPAY = "sepay"
EXACT_TEXT = marked("Transfer with exactly this text.")
PublicId = Annotated[CleanText, Field(description="The UUID, or the plain number.", max_length=40)]
Tab = Annotated[
    Literal["all", "pending", "partial", "paid", "failed", "expired", "refunded"],
    Query(description="Only deposits of this status."),
]


@router.get("/methods", summary="Ways to pay in", responses=errors(401, 403, 429))
async def methods(session: Session, viewer: CurrentCaller) -> Methods:  # noqa: ARG001 - known is who asks
    """Return the payment methods that are offered."""
    return Methods(data=[method_view(one) for one in await offered_methods(session)])


@router.post("/sepay/create", summary="Pay in by bank transfer", responses=errors(401, 403, 409, 422, 429, 503))
async def create_sepay(
    request: Request, panel: CurrentPanel, viewer: CurrentCaller, form: NewPayment, key: KeyHeader = None
) -> SepayPayment:
    """Begin a deposit by bank transfer: the bank account, the text of the transfer, and a QR code that holds both."""
    async with panel.db.transaction() as session:
        method = await offered_method(session, gateway=SEPAY)
    made = await open_deposit(panel, NewDeposit(viewer.user_id, method.id, form.amount, one_key(key, form.key) or None))
    details = transfer_details(made)
    assert details is not None
    return SepayPayment(
        transaction_id=panel.public_ids.uuid_of("deposit", made.id),
        qr_code_url=details.quick_link,
        bank_info=bank_info_of(details),
        note=say(request, EXACT_TEXT),
    )


@router.post("/deposit", summary="Pay in", responses=errors(401, 403, 409, 422, 429, 503))
async def create(
    request: Request, panel: CurrentPanel, viewer: CurrentCaller, form: NewDepositForm, key: KeyHeader = None
) -> Begun:
    """Begin a deposit by any method that is offered."""
    async with panel.db.transaction() as session:
        method = await offered_method(session, method_id=form.method_id)
    made = await open_deposit(panel, NewDeposit(viewer.user_id, method.id, form.amount, one_key(key, form.key) or None))
    details = transfer_details(made)
    return Begun(
        transaction_id=panel.public_ids.uuid_of("deposit", made.id),
        number=made.id,
        status=status_of(made.state),
        method=method.name,
        amount=made.amount,
        fee=fee_on(made.amount, made.fee_percent, made.fee_fixed),
        currency=made.currency,
        expires_at=local_time(made.expires_at, viewer.time_zone),
        qr_code_url=(details.quick_link or None) if details else None,
        bank_info=bank_info_of(details) if details else None,
        redirect_url=made.shown.get("redirect_url"),
        pay_url=pay_url(panel, made),
        note=say(request, EXACT_TEXT) if details else "",
    )


@router.get("/deposits", summary="List deposits", responses=errors(401, 403, 422, 429))
async def deposits(
    panel: CurrentPanel,
    session: Session,
    viewer: CurrentCaller,
    *,
    status: Tab = "all",
    method_id: RowId | None = None,
    sort: ByAge = "-created_at",
    page: Page = 1,
    limit: Limit = LIMIT_USUAL,
    after: After = None,
) -> Deposits:
    """Return the own deposits, the newest first unless sorted otherwise."""
    wanted = DepositFilter(user_id=viewer.user_id, states=TABS.get(status, ()), method_id=method_id)
    found = await deposits_page(
        session, wanted, after=after, size=limit, skip=skipped(page, limit), oldest_first=sort == "created_at"
    )
    total = await count_deposits(session, wanted, most=NUMBERED_MAX)
    bonuses = await bonuses_given(session, [line.deposit.id for line in found.rows])
    return Deposits(
        data=[deposit_row(panel, viewer, line, bonuses) for line in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.get("/deposits/{deposit_id}", summary="One deposit", responses=errors(401, 403, 404, 422, 429))
async def deposit(panel: CurrentPanel, session: Session, viewer: CurrentCaller, deposit_id: PublicId) -> DepositDetail:
    """Return one of the own deposits, and how to pay it."""
    line = await deposit_line(session, deposit_number(panel, deposit_id), user_id=viewer.user_id)
    details, made = transfer_details(line.deposit), line.deposit
    bonuses = await bonuses_given(session, [made.id])
    receipts = (await story_of(session, made.id)).receipts
    return DepositDetail(
        **deposit_row(panel, viewer, line, bonuses).model_dump(),
        qr_code_url=(details.quick_link or None) if details else None,
        bank_info=bank_info_of(details) if details else None,
        pay_url=pay_url(panel, made),
        payments=[payment_view(viewer, one) for one in receipts if one.state == ReceiptState.CREDITED],
    )


def deposit_number(panel: Panel, text: str) -> int:
    """Read a deposit's public id or its number; raises `NotFoundError` for what is neither."""
    number = panel.public_ids.number_of("deposit", text)
    if number is None and text.isascii() and text.isdigit() and 0 < int(text) <= ROW_ID_MAX:
        number = int(text)
    if number is None:
        raise NotFoundError
    return number
