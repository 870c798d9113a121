"""What the JSON API tells staff of accounts."""

from typing import Literal

from pydantic import BaseModel, Field

from smmpanel.accounts.states import AccountState, Role
from smmpanel.api.amounts import Amount
from smmpanel.api.lists import AFTER, Pagination
from smmpanel.api.public import Number, PublicId, Reader
from smmpanel.api.tiers import Percent
from smmpanel.api.times import LocalTime
from smmpanel.reports.users.finding import FoundUser
from smmpanel.reports.users.reading import UserFacts


class UserRow(BaseModel):
    """One account, as staff see it in the list."""

    id: PublicId
    number: Number
    username: str = Field(examples=["testuser"])
    email: str = Field(examples=["test@example.com"])
    role: Role
    state: AccountState
    balance: Amount
    currency: str = Field(examples=["VND"])
    orders: int = Field(description="How many were placed, counted up to 1,000.", examples=[12])
    spent: Amount = Field(description="What these orders cost, after refunds.", examples=[1500000])
    tier: str | None = Field(description="The name of the tier.", examples=["Cấp 1"])
    created_at: LocalTime
    last_seen_at: LocalTime | None


class Users(BaseModel):
    """A page of accounts."""

    success: Literal[True] = True
    data: list[UserRow]
    pagination: Pagination
    after: str | None = Field(description=AFTER)


class UserDetail(BaseModel):
    """One account with what staff need to judge it."""

    success: Literal[True] = True
    id: PublicId
    number: Number
    username: str = Field(examples=["testuser"])
    email: str = Field(examples=["test@example.com"])
    role: Role
    permissions: list[str] = Field(description="What staff may do, one by one.", examples=[["orders.view"]])
    state: AccountState
    state_reason: str | None = Field(description="Why the account is stopped.")
    language: str = Field(examples=["vi"])
    time_zone: str = Field(examples=["Asia/Ho_Chi_Minh"])
    balance: Amount
    held: Amount = Field(description="Paid for orders that are not finished.")
    currency: str = Field(examples=["VND"])
    orders: int
    spent: Amount = Field(description="What the finished orders have earned.", examples=[1500000])
    discount: Percent = Field(description="The account's own discount; the tier's counts where it is greater.")
    tier: str | None = Field(description="The name of the tier.", examples=["Cấp 1"])
    created_at: LocalTime
    last_seen_at: LocalTime | None


def user_row(found: FoundUser, reader: Reader, currency: str) -> UserRow:
    """Show an account in the list."""
    return UserRow(
        id=reader.user(found.id),
        number=found.id,
        username=found.username,
        email=found.email,
        role=found.role,
        state=found.state,
        balance=found.balance,
        currency=currency,
        orders=found.orders,
        spent=found.spent,
        tier=found.tier,
        created_at=reader.time(found.created_at),
        last_seen_at=reader.maybe_time(found.last_seen_at),
    )


def user_detail(facts: UserFacts, reader: Reader, currency: str) -> UserDetail:
    """Show one account."""
    one = facts.user
    return UserDetail(
        id=reader.user(one.id),
        number=one.id,
        username=one.username,
        email=one.email,
        role=one.role,
        permissions=sorted(one.permissions),
        state=one.state,
        state_reason=one.state_reason,
        language=one.language,
        time_zone=one.time_zone,
        balance=facts.balance.amount,
        held=facts.held.amount,
        currency=currency,
        orders=facts.orders,
        spent=facts.standing.spent,
        discount=facts.discount,
        tier=None if facts.standing.tier is None else facts.standing.tier.name,
        created_at=reader.time(one.created_at),
        last_seen_at=reader.maybe_time(facts.last_seen_at),
    )
