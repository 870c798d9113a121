"""All modules that take a section of presets. Whoever reads a preset loads this before: a section that nobody knows is an error."""

import smmpanel.entrypoints.preset_look
import smmpanel.growth.referral_presets
import smmpanel.growth.tier_presets
import smmpanel.payments.presets  # noqa: F401
