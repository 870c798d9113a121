"""Everything about the fake provider that can be chosen at the start; most of it also while it runs."""

from dataclasses import dataclass, fields, replace
from typing import Any

from smmpanel.sandbox.provider_errors import DIALECTS

LATENCY_ON = ("all", "add", "status", "add,status")
RATE_LIMIT_STYLES = ("429", "200")


@dataclass(slots=True)
class ProviderSettings:
    """How the fake provider behaves when no fault says otherwise."""

    services: int = 500
    seed: int = 1
    key: str = "sandbox-key"
    balance: str = "1000"
    currency: str = "USD"
    latency_ms: int = 0
    latency_on: str = "all"
    finish_after: float = 240.0
    """Seconds in which every order is done; each takes between half of it and all of it. 0: none moves by itself."""
    speed: float = 1.0
    """How many seconds pass for the provider in one of ours; the control call `clock` changes it."""
    rate_limit: int = 0
    """Requests per minute; 0 means no limit."""
    rate_limit_style: str = "429"
    dialect: str = "human"
    content_type: str = "application/json"
    unique_links: bool = False
    """Refuse an order while another one for the same link is not done."""
    partial_share: float = 0.0
    cancel_share: float = 0.0
    first_order_id: int = 1_000_001

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings of a running sandbox; raises `ValueError` for what is unknown, fixed or impossible."""
        changeable = {item.name for item in fields(self)} - {"services", "seed", "balance", "speed", "first_order_id"}
        for name, value in changes.items():
            if name not in changeable:
                raise ValueError(f"{name} cannot be changed")
            kept = type(getattr(self, name))
            if not isinstance(value, (int, float) if kept is float else kept):
                raise ValueError(f"{name} must be {kept.__name__}")  # noqa: TRY004 - one kind of error for one kind of mistake
        replace(self, **changes).check()
        for name, value in changes.items():
            setattr(self, name, value)

    def check(self) -> None:
        """Raise `ValueError` if a value is not one of its few."""
        for name, allowed in (
            ("dialect", DIALECTS), ("latency_on", LATENCY_ON), ("rate_limit_style", RATE_LIMIT_STYLES),
        ):  # fmt: skip
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {', '.join(allowed)}")
