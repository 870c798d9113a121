"""What the JSON API says and takes of payments."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from smmpanel.accounts.access import Viewer
from smmpanel.api.amounts import Amount
from smmpanel.api.lists import AFTER, Pagination
from smmpanel.api.times import LocalTime, local_time, maybe_local_time
from smmpanel.kernel.money import LIMIT
from smmpanel.kernel.panel import Panel
from smmpanel.payments.elsewhere import elsewhere
from smmpanel.payments.models import Deposit, PaymentMethod, Receipt
from smmpanel.payments.opening import KEY_MAX
from smmpanel.payments.queries import DepositLine
from smmpanel.payments.showing import TransferDetails
from smmpanel.payments.words import status_of
from smmpanel.web.inputs import CleanText, RowId

PAY_URL = "The page to send the customer to, at the gateway or here, if it is not paid by transfer."
Asked = Annotated[Decimal, Field(gt=0, lt=LIMIT, decimal_places=6, examples=[100000])]


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


class Payment(BaseModel):
    """Money that arrived for a deposit, as a receipt tells of it."""

    amount: Amount = Field(description="In the deposit's currency.")
    rate: Amount = Field(description="What one unit of it was worth in the wallet's currency.")
    fee: Amount = Field(description="In the wallet's currency.")
    credited: Amount = Field(description="In the wallet's currency.")
    bank_ref: str | None
    at: LocalTime


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
    bonus: Amount = Field(description="Added on top so far, in the wallet's currency.")
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
    pay_url: str | None = Field(description=PAY_URL)
    payments: list[Payment] = Field(description="Those that were credited, oldest first.")


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
    pay_url: str | None = Field(description=PAY_URL)
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


def deposit_row(panel: Panel, viewer: Viewer, line: DepositLine, bonuses: Mapping[int, Decimal]) -> DepositRow:
    """Show a deposit to its owner; `bonuses` are by number."""
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
        bonus=bonuses.get(made.id, Decimal(0)),
        returned=made.returned,
        taken=made.taken,
        status=status_of(made.state),
        late=made.late,
        note=made.note,
        created_at=local_time(made.created_at, viewer.time_zone),
        expires_at=local_time(made.expires_at, viewer.time_zone),
        paid_at=maybe_local_time(made.paid_at, viewer.time_zone),
    )


def pay_url(panel: Panel, made: Deposit) -> str | None:
    """Return where a customer pays; nothing for a transfer."""
    outside = elsewhere(made)
    if outside is None:
        return None
    return f"{panel.settings.address}/deposits/{made.id}/pay" if outside.is_form else outside.url


def payment_view(viewer: Viewer, row: Receipt) -> Payment:
    """Show money that was credited to its owner."""
    return Payment(
        amount=row.amount,
        rate=row.rate,
        fee=row.fee,
        credited=row.credited,
        bank_ref=row.bank_ref,
        at=local_time(row.occurred_at or row.arrived_at, viewer.time_zone),
    )


def bank_info_of(details: TransferDetails) -> BankInfo:
    """Show where to transfer to."""
    return BankInfo(
        bank_name=details.bank_name,
        account_number=details.account_number,
        account_name=details.account_name,
        amount=details.amount,
        content=details.content,
    )


def method_view(row: PaymentMethod) -> Method:
    """Show a payment method to customers."""
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
