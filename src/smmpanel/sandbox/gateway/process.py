"""The fake gateways as a child process, for tests and demonstrations."""

from datetime import datetime
from typing import Any, Self

from smmpanel.sandbox.process import ChildSandbox, start_process


class GatewayProcess(ChildSandbox):
    """Running fake gateways at `http://127.0.0.1:PORT`; each vendor's address is below it."""

    @classmethod
    def start(cls, *, port: int = 0, **options: Any) -> Self:
        """Start them and wait until they answer. Options are those of the command line, with underscores."""
        process, ready = start_process("gateway", port=port, **options)
        return cls(process, ready["url"], ready["control"])

    # The control interface; see `control.py` for all of it.

    def setup(self, vendor: str) -> dict[str, str]:
        """Return what the panel's method is set up with."""
        return dict(self.control("GET", "vendors")[vendor]["setup"])

    def do(self, vendor: str, payment: str, deed: str, **more: Any) -> dict[str, Any]:
        """Do something to a payment (its reference, number or token), and return it."""
        return dict(self.control("POST", "do", {"vendor": vendor, "payment": payment, "deed": deed, **more}))

    def payment(self, vendor: str, name: str) -> dict[str, Any]:
        """Return a payment."""
        return dict(self.control("GET", f"payments/{vendor}/{name}"))

    def add_fault(self, kind: str, **fields: Any) -> None:
        """Add a rule to the fault script; it strikes once unless `times` says otherwise (`None`: always)."""
        self.control("POST", "faults", {"kind": kind, **fields})

    def clear_faults(self) -> None:
        """Empty the fault script."""
        self.control("DELETE", "faults")

    def deliveries(self, **query: str) -> list[dict[str, Any]]:
        """Return what was sent, of a `vendor` or a `payment` if one is named."""
        return list(self.control("GET", "deliveries", **query))

    def wait_idle(self, seconds: float = 10.0) -> bool:
        """Wait until no message is under way; whether it is so in time."""
        return bool(self.control("POST", "idle", {"seconds": seconds})["idle"])

    def configure(self, **settings: Any) -> None:
        """Change `notify_base` or `retry_seconds`."""
        self.control("POST", "settings", settings)

    def set_clock(self, at: datetime, *, speed: float = 1.0) -> None:
        """Make it another moment for the gateways."""
        self.control("POST", "clock", {"at": at.isoformat(), "speed": speed})

    def reset(self) -> None:
        """Forget payments, messages, faults and calls."""
        self.control("POST", "reset")
