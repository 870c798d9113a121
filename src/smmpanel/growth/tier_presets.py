"""The tiers that a preset gives a new panel: its section `[[tiers]]`."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.growth.tier_editing import BENEFITS_MAX, ICON_MAX, NAME_MAX, TierTerms, make_tiers
from smmpanel.kernel.panel import Panel
from smmpanel.providers.presets import preset_part


class PresetTier(BaseModel):
    """One tier of a preset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=NAME_MAX)]
    icon: Annotated[str, Field(max_length=ICON_MAX)] = ""
    min_spent: Decimal = Field(ge=0)
    discount: Decimal = Field(Decimal(0), ge=0, le=100)
    benefits: Annotated[tuple[str, ...], Field(max_length=BENEFITS_MAX)] = ()


@preset_part("tiers", tuple[PresetTier, ...])
async def take_tiers(session: AsyncSession, _panel: Panel, tiers: tuple[PresetTier, ...]) -> None:
    """Make the tiers of a preset."""
    await make_tiers(
        session, [TierTerms(one.name, one.min_spent, one.discount, one.icon, one.benefits) for one in tiers]
    )
