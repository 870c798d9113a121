"""Upstream providers: connecting them, calling them within their limits, watching how they do."""

from smmpanel.providers.asking import ProviderBusyError, ProviderUnavailableError, asking
from smmpanel.providers.balances import BalanceResult, check_balances
from smmpanel.providers.connecting import (
    ProviderExistsError,
    ProviderKeyUnreadableError,
    adapter_for,
    add_provider,
    disable_provider,
    edit_provider,
    enable_provider,
    provider_by,
    rotate_provider_keys,
)
from smmpanel.providers.health import CallRecord, Health, health_of, record_calls
from smmpanel.providers.pausing import ProviderPaused, ProviderResumed, pause_provider, resume_provider
from smmpanel.providers.presets import Preset, PresetError, connect_preset_providers, load_preset, preset_names
from smmpanel.providers.testing import ConnectionTest, test_connection

__all__ = [
    "BalanceResult",
    "CallRecord",
    "ConnectionTest",
    "Health",
    "Preset",
    "PresetError",
    "ProviderBusyError",
    "ProviderExistsError",
    "ProviderKeyUnreadableError",
    "ProviderPaused",
    "ProviderResumed",
    "ProviderUnavailableError",
    "adapter_for",
    "add_provider",
    "asking",
    "check_balances",
    "connect_preset_providers",
    "disable_provider",
    "edit_provider",
    "enable_provider",
    "health_of",
    "load_preset",
    "pause_provider",
    "preset_names",
    "provider_by",
    "record_calls",
    "resume_provider",
    "rotate_provider_keys",
    "test_connection",
]
