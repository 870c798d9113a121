"""What a preset says of the panel's look: its section `[look]`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.kernel.options import write_option
from smmpanel.kernel.panel import Panel
from smmpanel.providers.presets import preset_part
from smmpanel.web.brand import ACCENT_OPTION


class PresetLook(BaseModel):
    """The colour that a new panel wears; staff change it, and add a logo, in the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accent: Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]


@preset_part("look", PresetLook)
async def take_look(session: AsyncSession, _panel: Panel, given: PresetLook) -> None:
    """Dress a new panel."""
    await write_option(session, ACCENT_OPTION, given.accent)
