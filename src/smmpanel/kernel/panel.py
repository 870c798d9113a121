"""One panel: everything a process needs to work for it. Made in `entrypoints`, passed in, never global."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from smmpanel.kernel.clock import Clock, system_clock
from smmpanel.kernel.crypto import Vault
from smmpanel.kernel.db import Database
from smmpanel.kernel.http import Outgoing
from smmpanel.kernel.public_ids import PublicIds
from smmpanel.kernel.registry import Registry
from smmpanel.kernel.settings import Settings


@dataclass(frozen=True, slots=True)
class Panel:
    """Settings, database, keys, outgoing HTTP and plug-ins of one panel. One process may serve several."""

    settings: Settings
    currency: str
    """The currency of all wallets and prices: chosen when the panel is made, never changed."""
    db: Database
    vault: Vault
    http: Outgoing
    public_ids: PublicIds
    """Row numbers as strangers see them."""
    clock: Clock = system_clock
    provider_adapters: Registry[Any] = field(default_factory=lambda: Registry("smmpanel.provider_adapters"))
    payment_gateways: Registry[Any] = field(default_factory=lambda: Registry("smmpanel.payment_gateways"))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is asked to end: long jobs finish what is in flight and return."""
    running: dict[str, asyncio.Event] = field(default_factory=dict)
    """Loops that run in this process, by name; their event is set when there is more for them to do."""
