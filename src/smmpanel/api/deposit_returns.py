"""How money of deposits that goes back, and what takes two persons, look in JSON."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from smmpanel.accounts.access import Viewer
from smmpanel.api.amounts import Amount
from smmpanel.api.times import LocalTime, local_time, maybe_local_time
from smmpanel.kernel.money import LIMIT
from smmpanel.payments.deciding import NOTE_MAX
from smmpanel.payments.refunding import KEY_MAX
from smmpanel.payments.return_models import Confirmation, PaymentReturn
from smmpanel.web.inputs import CleanText


class ReturnView(BaseModel):
    """Money that went back, or is on its way."""

    id: int
    kind: str = Field(examples=["refund", "chargeback"])
    state: str = Field(examples=["pending", "unknown", "done", "failed", "released"])
    return_id: str = Field(description="The gateway's number of it; one of ours as long as that is not known.")
    amount: Amount = Field(description="In the deposit's currency.")
    currency: str
    taken: Amount = Field(description="What the wallet lost, in its own currency.")
    by_hand: bool
    bank_ref: str | None
    reason: str
    requested_by: str | None
    confirmed_by: str | None
    resolved_by: str | None
    created_at: LocalTime
    settled_at: LocalTime | None


class ConfirmationView(BaseModel):
    """A deed that takes two persons."""

    id: int
    deed: str = Field(examples=["approve", "assign", "refund"])
    state: str = Field(examples=["waiting", "confirmed", "withdrawn"])
    amount: Amount
    currency: str
    first_by: str = Field(description="Who decided on it.")
    first_at: LocalTime
    second_by: str | None = Field(description="Who confirmed it, or withdrew it.")
    decided_at: LocalTime | None


class RefundForm(BaseModel):
    """What is to be paid back, and why."""

    amount: Annotated[Decimal, Field(gt=0, lt=LIMIT, decimal_places=6)] | None = Field(
        None, description="In the deposit's currency. Left out: all that the customer has not spent."
    )
    reason: Annotated[CleanText, Field(min_length=1, max_length=NOTE_MAX)]
    by_hand: bool = Field(default=False, description="Whether you have paid it back yourself already.")
    bank_ref: Annotated[CleanText, Field(max_length=NOTE_MAX)] = Field(
        "", description="The reference of your own transfer; needed if you paid it back yourself."
    )
    key: Annotated[CleanText, Field(min_length=1, max_length=KEY_MAX)] | None = Field(
        None, description="Of your own making: the same key pays back once."
    )


class ResolutionForm(BaseModel):
    """What became of a refund that nobody knows about."""

    became: Literal["paid_back", "failed"]
    note: Annotated[CleanText, Field(min_length=1, max_length=NOTE_MAX)] = Field(
        description="What you have seen at the gateway."
    )


def return_view(row: PaymentReturn, viewer: Viewer, names: Mapping[int, str]) -> ReturnView:
    """Show money that went back to staff."""
    return ReturnView(
        id=row.id,
        kind=row.kind,
        state=row.state,
        return_id=row.return_id,
        amount=row.amount,
        currency=row.currency,
        taken=row.taken,
        by_hand=row.by_hand,
        bank_ref=row.bank_ref,
        reason=row.note,
        requested_by=names.get(row.requested_by or 0),
        confirmed_by=names.get(row.confirmed_by or 0),
        resolved_by=names.get(row.resolved_by or 0),
        created_at=local_time(row.created_at, viewer.time_zone),
        settled_at=maybe_local_time(row.settled_at, viewer.time_zone),
    )


def confirmation_view(row: Confirmation, viewer: Viewer, names: Mapping[int, str]) -> ConfirmationView:
    """Show what takes two persons to staff."""
    return ConfirmationView(
        id=row.id,
        deed=row.deed,
        state=row.state,
        amount=row.amount,
        currency=row.currency,
        first_by=names.get(row.first_by, ""),
        first_at=local_time(row.first_at, viewer.time_zone),
        second_by=names.get(row.second_by or 0),
        decided_at=maybe_local_time(row.decided_at, viewer.time_zone),
    )
