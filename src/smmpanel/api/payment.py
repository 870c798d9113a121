"""`/api/payment`: paying in, and what became of it."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.idempotency import KeyHeader, one_key
from smmpanel.api.lists import AFTER, LIMIT_USUAL, NUMBERED_MAX, After, ByAge, Limit, Page, Pagination, skipped
from smmpanel.api.times import LocalTime, local_time, maybe_local_time
from smmpanel.kernel.errors import NotFoundError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import LIMIT
from smmpanel.kernel.panel import Panel
from smmpanel.payments.fees import fee_on
from smmpanel.payments.methods import offered_method, offered_methods
from smmpanel.payments.models import Deposit, PaymentMethod
from smmpanel.payments.opening import KEY_MAX, NewDeposit, open_deposit
from smmpanel.payments.queries import DepositFilter, DepositLine, count_deposits, deposit_line, deposits_page
from smmpanel.payments.showing import TransferDetails, transfer_details
from smmpanel.payments.words import TABS, status_of
from smmpanel.web.inputs import ROW_ID_MAX, CleanText, RowId
from smmpanel.web.languages import say
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/payment", tags=["Payments"])

SEPAY = "sepay"
EXACT_TEXT = marked("Transfer with exactly this text.")
PublicId = Annotated[CleanText, Field(description="The UUID, or the plain number.", max_length=40)]
Asked = Annotated[Decimal, Field(gt=0, lt=LIMIT, decimal_places=6, examples=[100000])]
Tab = Annotated[
    Literal["all", "pending", "partial", "paid", "failed", "expired", "refunded"],
    Query(description="Only deposits of this status."),
]


class NewPayment(BaseModel):
    """How much to pay in."""

    amount: Asked
    key: Annotated[CleanText, Field(max_length=KEY_MAX)] | None = Field(
        None, description="Of your own making: the same key always stands for the same deposit."
    )


class NewDepositForm(NewPayment):
    """How much to pay in, and by which method."""

    method_id: RowId | None = Field(None, description="One of `GET /api/payment/methods`; left out: the first one.")


class BankInfo(BaseModel):
    """Where to transfer to, how much, and what to write."""

    bank_name: str = Field(examples=["Ngân hàng ACB"])
    account_number: str = Field(examples=["123456789"])
    account_name: str = Field(examples=["NGUYEN VAN A"])
    amount: Amount
    content: str = Field(
        description="The text of the transfer: without it nobody knows whose it is.", examples=["HOMEMMO ABC234"]
    )


class SepayPayment(BaseModel):
    """A deposit by bank transfer that has begun."""

    success: Literal[True] = True
    transaction_id: str = Field(examples=["c7a3f5de-8b5b-8a51-9d3e-2f7f1f0e5b1a"])
    qr_code_url: str = Field(examples=["https://img.vietqr.io/image/970416-123456789-compact2.png"])
    bank_info: BankInfo
    note: str = Field(examples=["Transfer with exactly this text."])


class DepositRow(BaseModel):
    """One deposit."""

    transaction_id: str
    number: int
    method_id: int
    method: str
    amount: Amount = Field(description="What was asked for.")
    currency: str
    received: Amount = Field(description="What has arrived.")
    fee: Amount = Field(description="Taken so far, in the wallet's currency.")
    credited: Amount = Field(description="Added to the balance so far, in the wallet's currency.")
    returned: Amount = Field(description="What went back of what has arrived: paid back, or taken back by the bank.")
    taken: Amount = Field(description="What the balance lost by that, in the wallet's currency.")
    status: str = Field(examples=["pending", "partial", "paid", "failed", "expired", "refunded"])
    late: bool = Field(description="Whether money arrived after the end.")
    note: str | None = Field(description="Why it was rejected.")
    created_at: LocalTime
    expires_at: LocalTime
    paid_at: LocalTime | None


class DepositDetail(DepositRow):
    """One deposit, and how to pay it."""

    success: Literal[True] = True
    qr_code_url: str | None
    bank_info: BankInfo | None


class Begun(BaseModel):
    """A deposit that has begun."""

    success: Literal[True] = True
    transaction_id: str
    number: int
    status: str
    method: str
    amount: Amount
    fee: Amount
    currency: str
    expires_at: LocalTime
    qr_code_url: str | None
    bank_info: BankInfo | None
    redirect_url: str | None = Field(description="Where the customer pays, if it is not by transfer.")
    note: str


class Deposits(BaseModel):
    """A page of deposits."""

    success: Literal[True] = True
    data: list[DepositRow]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


class Method(BaseModel):
    """One way to pay in."""

    id: int
    gateway: str
    name: str
    currency: str
    min: Amount
    max: Amount | None
    fee_percent: Amount
    fee_fixed: Amount


class Methods(BaseModel):
    """All ways to pay in."""

    success: Literal[True] = True
    data: list[Method]


@router.get("/methods", summary="Ways to pay in", responses=errors(401, 403, 429))
async def methods(session: Session, viewer: CurrentCaller) -> Methods:  # noqa: ARG001 - known is who asks
    """Return the payment methods that are offered."""
    return Methods(data=[_method(one) for one in await offered_methods(session)])


@router.post("/sepay/create", summary="Pay in by bank transfer", responses=errors(401, 403, 409, 422, 429))
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
        bank_info=_bank_info(details),
        note=say(request, EXACT_TEXT),
    )


@router.post("/deposit", summary="Pay in", responses=errors(401, 403, 409, 422, 429))
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
        bank_info=_bank_info(details) if details else None,
        redirect_url=made.shown.get("redirect_url"),
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
    return Deposits(
        data=[deposit_row(panel, viewer, line) for line in found.rows],
        pagination=Pagination.of(total=total, page=page, limit=limit),
        after=found.after,
    )


@router.get("/deposits/{deposit_id}", summary="One deposit", responses=errors(401, 403, 404, 422, 429))
async def deposit(panel: CurrentPanel, session: Session, viewer: CurrentCaller, deposit_id: PublicId) -> DepositDetail:
    """Return one of the own deposits, and how to pay it."""
    line = await deposit_line(session, deposit_number(panel, deposit_id), user_id=viewer.user_id)
    details = transfer_details(line.deposit)
    return DepositDetail(
        **deposit_row(panel, viewer, line).model_dump(),
        qr_code_url=(details.quick_link or None) if details else None,
        bank_info=_bank_info(details) if details else None,
    )


def deposit_number(panel: Panel, text: str) -> int:
    """Read a deposit's public id or its number; raises `NotFoundError` for what is neither."""
    number = panel.public_ids.number_of("deposit", text)
    if number is None and text.isascii() and text.isdigit() and 0 < int(text) <= ROW_ID_MAX:
        number = int(text)
    if number is None:
        raise NotFoundError
    return number


def deposit_row(panel: Panel, viewer: Viewer, line: DepositLine) -> DepositRow:
    """Show a deposit to its owner."""
    made: Deposit = line.deposit
    return DepositRow(
        transaction_id=panel.public_ids.uuid_of("deposit", made.id),
        number=made.id,
        method_id=made.method_id,
        method=line.method,
        amount=made.amount,
        currency=made.currency,
        received=made.received,
        fee=made.fees,
        credited=made.credited,
        returned=made.returned,
        taken=made.taken,
        status=status_of(made.state),
        late=made.late,
        note=made.note,
        created_at=local_time(made.created_at, viewer.time_zone),
        expires_at=local_time(made.expires_at, viewer.time_zone),
        paid_at=maybe_local_time(made.paid_at, viewer.time_zone),
    )


def _bank_info(details: TransferDetails) -> BankInfo:
    return BankInfo(
        bank_name=details.bank_name,
        account_number=details.account_number,
        account_name=details.account_name,
        amount=details.amount,
        content=details.content,
    )


def _method(row: PaymentMethod) -> Method:
    return Method(
        id=row.id,
        gateway=row.gateway,
        name=row.name,
        currency=row.currency,
        min=row.minimum,
        max=row.maximum,
        fee_percent=row.fee_percent,
        fee_fixed=row.fee_fixed,
    )
