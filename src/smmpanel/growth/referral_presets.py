"""What a preset says of referrals: its section `[referrals]`."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.referral_codes import PREFIX_MAX, PREFIX_OPTION
from smmpanel.growth.referral_terms import COOKIE_DAYS_MAX, ReferralTerms, begin_terms
from smmpanel.kernel.options import write_option
from smmpanel.kernel.panel import Panel
from smmpanel.providers.presets import preset_part


class PresetReferrals(BaseModel):
    """The terms of referrals, and what codes begin with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    percent: Decimal = Field(ge=0, le=100, max_digits=7, decimal_places=4)
    prefix: Annotated[str, StringConstraints(pattern=rf"^[A-Z0-9]{{1,{PREFIX_MAX}}}$")] | None = None
    cookie_days: int = Field(30, ge=1, le=COOKIE_DAYS_MAX)
    approval: bool = False
    minimum: Decimal = Field(Decimal(0), ge=0)


@preset_part("referrals", PresetReferrals)
async def take_referrals(session: AsyncSession, _panel: Panel, given: PresetReferrals) -> None:
    """Set the terms of a new panel, and the beginning of its codes."""
    terms = ReferralTerms(given.percent, given.approval, given.minimum, given.cookie_days)
    await begin_terms(session, terms)
    if given.prefix:
        await write_option(session, PREFIX_OPTION, given.prefix)
