"""The fault script: which message or which call is spoilt, and how often.

| kind | of | what happens | parameters |
| --- | --- | --- | --- |
| `duplicate` | messages | sent this many times at once | `copies` (2) |
| `delay` | messages | sent later | `seconds` (5) |
| `reorder` | messages | sent after the next one of the same payment (or after `seconds`, if there is none) | `seconds` (10) |
| `lose` | messages | never sent | |
| `forge` | messages | signed with keys that are not the vendor's | |
| `other_environment` | messages | from the real thing instead of the test one, or the other way round | |
| `cut` | messages | half of the body | |
| `huge` | messages | more than 64 KB | |
| `odd_headers` | messages | letters in the headers that no ASCII has | |
| `wrong_currency` | money | arrives in another currency | `currency` |
| `timeout`, `drop`, `reset`, `status_5xx`, `html_200`, `garbage`, `empty` | calls | as the fake provider's | `status`, `seconds` |

Of calls `action` says which (create, query, list, refund), and `when` whether what they ask for is done all the same (`before`:
no, `after`: yes). `vendor` and `payment` (its reference, number or token) narrow any rule; `times` counts down.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from smmpanel.sandbox.gateway.payments import Payment

Place = Literal["message", "money", "call"]
KINDS: Mapping[str, Place] = {
    "duplicate": "message",
    "delay": "message",
    "reorder": "message",
    "lose": "message",
    "forge": "message",
    "other_environment": "message",
    "cut": "message",
    "huge": "message",
    "odd_headers": "message",
    "wrong_currency": "money",
    "timeout": "call",
    "drop": "call",
    "reset": "call",
    "status_5xx": "call",
    "html_200": "call",
    "garbage": "call",
    "empty": "call",
}
_NUMBERS = frozenset({"seconds", "copies", "status", "delay_ms"})
_FIELDS = frozenset({"kind", "vendor", "payment", "event", "action", "when", "times"})


@dataclass(slots=True)
class GatewayFault:
    """One fault and what it strikes. Empty conditions match everything; `times` counts down to 0."""

    kind: str
    vendor: str = ""
    payment: str = ""
    event: str = ""
    action: str = ""
    when: str = "before"
    times: int | None = 1
    params: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
    struck: int = 0

    @property
    def place(self) -> Place:
        """What it spoils."""
        return KINDS[self.kind]

    def row(self) -> dict[str, Any]:
        """The rule as the control interface shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


def read_fault(fields: Mapping[str, Any]) -> GatewayFault:
    """Read a rule; raises `ValueError` for anything that cannot be meant. Unless it says otherwise it strikes once."""
    kind, when = str(fields.get("kind", "")), str(fields.get("when", "before"))
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}")
    if when not in ("before", "after"):
        raise ValueError("when is before or after")
    params = {name: value for name, value in fields.items() if name not in _FIELDS}
    for name in _NUMBERS & params.keys():
        if isinstance(params[name], bool) or not isinstance(params[name], int | float):
            raise ValueError(f"{name} is a number")  # noqa: TRY004 - one kind of error for one kind of mistake
    times = fields.get("times", 1)
    vendor, payment, event, action = (str(fields.get(name, "")) for name in ("vendor", "payment", "event", "action"))
    return GatewayFault(kind, vendor, payment, event, action, when, None if times is None else int(times), params)


class GatewayFaults:
    """The rules in force: the first that matches strikes."""

    def __init__(self) -> None:
        self.rules: list[GatewayFault] = []
        self._last_id = 0

    def add(self, rule: GatewayFault) -> GatewayFault:
        """Put a rule at the end of the script and give it its id."""
        self._last_id += 1
        rule.id = self._last_id
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Take out every rule."""
        self.rules.clear()

    def strike(
        self, place: Place, vendor: str, *, payment: Payment | None = None, event: str = "", action: str = ""
    ) -> GatewayFault | None:
        """Return the fault that strikes here, counted as used."""
        for rule in self.rules:
            fits = rule.place == place and rule.times != 0 and rule.vendor in ("", vendor)
            fits = fits and rule.event in ("", event) and rule.action in ("", action)
            if fits and (not rule.payment or (payment is not None and _names(rule.payment, payment))):
                if rule.times is not None:
                    rule.times -= 1
                rule.struck += 1
                return rule
        return None


def _names(text: str, payment: Payment) -> bool:
    return text in (payment.reference, payment.number, payment.token)
