"""What the JSON API tells of an account to its owner."""

from typing import Literal

from pydantic import BaseModel, Field

from smmpanel.accounts.access import Viewer
from smmpanel.accounts.models import User
from smmpanel.accounts.states import Role
from smmpanel.api.amounts import Amount
from smmpanel.api.public import Number, PublicId
from smmpanel.api.tiers import TierObject, tier_object
from smmpanel.api.times import LocalTime, local_time
from smmpanel.growth.tiers import standing_of
from smmpanel.kernel.panel import Panel
from smmpanel.ledger import balance_of


class Account(BaseModel):
    """The account as its owner sees it."""

    id: PublicId
    number: Number
    username: str = Field(examples=["testuser"])
    email: str = Field(examples=["test@example.com"])
    email_verified: bool
    phone: str | None = Field(examples=["+84912345678"])
    role: Role
    language: str = Field(examples=["vi"])
    time_zone: str = Field(examples=["Asia/Ho_Chi_Minh"])
    balance: Amount = Field(examples=[0])
    total_spent: Amount = Field(description="What the finished orders have cost, after refunds.", examples=[0])
    currency: str = Field(examples=["VND"])
    tier: TierObject | None = Field(description="`null` on a panel without tiers.")
    created_at: LocalTime


class OwnAccount(Account):
    """The account that is signed in."""

    success: Literal[True] = True


async def account_of(panel: Panel, who: User | Viewer) -> dict[str, object]:
    """Return the fields of an account, as `Account` has them; read in a transaction of its own."""
    user_id = who.id if isinstance(who, User) else who.user_id
    async with panel.db.reading() as session:
        user = await session.get_one(User, user_id)
        balance = await balance_of(session, user_id, panel.currency)
        standing, _ = await standing_of(session, user_id)
    return {
        "id": panel.public_ids.uuid_of("user", user_id),
        "number": user_id,
        "username": user.username,
        "email": user.email,
        "email_verified": user.email_verified_at is not None,
        "phone": user.phone,
        "role": user.role,
        "language": user.language,
        "time_zone": user.time_zone,
        "balance": balance.amount,
        "total_spent": standing.spent,
        "currency": panel.currency,
        "tier": tier_object(standing),
        "created_at": local_time(user.created_at, user.time_zone),
    }
