"""`/api/user/tier`: the tier that the caller has reached, and the way to the next one."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, PlainSerializer, WithJsonSchema

from smmpanel.accounts.callers import CurrentCaller
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.growth.tiers import Standing, standing_of
from smmpanel.kernel.money import json_number
from smmpanel.web.transactions import Session

router = APIRouter(prefix="/api/user", tags=["Tiers"])

Percent = Annotated[
    Decimal,
    PlainSerializer(json_number, return_type=int | float, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100}, mode="serialization"),
    Field(description="In percent of list prices.", examples=[5]),
]


class TierObject(BaseModel):
    """A tier as it is shown beside its user."""

    level: int = Field(description="From zero, where everybody begins.", examples=[1])
    name: str = Field(examples=["Thành viên Cấp 2"])
    icon: str = Field(description="A few signs; pages show each `*` as a star.", examples=["**"])
    discount: Percent


class NextTier(BaseModel):
    """The tier to come, and how far it is."""

    level: int = Field(examples=[2])
    name: str = Field(examples=["Thành viên Cấp 3"])
    required_spent: Amount = Field(examples=[5000000])
    remaining: Amount = Field(examples=[3500000])
    progress_percent: int = Field(
        description="What was spent of what is required, in whole percent.", ge=0, le=99, examples=[30]
    )


class TierStanding(BaseModel):
    """Where the caller stands. A panel without tiers has neither a current nor a next one."""

    current_tier: TierObject | None
    next_tier: NextTier | None = Field(description="`null` at the top.")
    benefits: list[str] = Field(
        description="What the current tier gives.",
        examples=[["Giảm 5% mọi đơn hàng", "Hỗ trợ ưu tiên", "Không giới hạn số đơn/ngày"]],
    )


@router.get("/tier", summary="The own tier", responses=errors(401, 403, 429))
async def own_tier(session: Session, viewer: CurrentCaller) -> TierStanding:
    """Return the tier that what was spent has led to, and what is missing to the next one."""
    standing, _ = await standing_of(session, viewer.user_id)
    following = standing.next
    return TierStanding(
        current_tier=tier_object(standing),
        next_tier=None
        if following is None
        else NextTier(
            level=following.level,
            name=following.name,
            required_spent=following.min_spent,
            remaining=standing.remaining,
            progress_percent=standing.progress_percent,
        ),
        benefits=[] if standing.tier is None else standing.tier.said_benefits,
    )


def tier_object(standing: Standing) -> TierObject | None:
    """Show the tier of somebody who stands there; `None` where a panel has none."""
    tier = standing.tier
    return (
        None if tier is None else TierObject(level=tier.level, name=tier.name, icon=tier.icon, discount=tier.discount)
    )
