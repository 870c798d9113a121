"""The vendors, one module each, found by looking into this folder.

To add one, write `vendors/<name>.py` with a subclass of `Vendor` (several, for vendors that speak alike):

- `name` (its address is `http://127.0.0.1:8910/<name>`), `title`, `gateway` (the slug of the panel's adapter), `keys` (its
  secrets with known values for the sandbox), `currency`;
- `setup(address)`: options and secrets of the panel's method, by the names of the adapter's settings, base address included;
- `routes()`: the calls it takes. Each handler checks the call's authentication as the vendor does, reads the call, acts at
  `call.desk` (`open`, `by_reference`, `by_number`, `refund`, `cancel`, `page`) and returns an `Answer` in the vendor's words;
- `webhook(event, now)`: the message about an event (`event.kind`, `.payment`, `.money`, `.given_back`), signed with
  `self.secrets`; `None` for what this vendor does not tell. Say what was true at the event (`event.kind`), not what is true now
  (`payment.state`): messages are delayed and reordered. Where messages name their environment, take it from `self.live`;
- `takes(status, body)` if a 2xx alone is no success, and `return_address(payment)` if the customer comes back with more than
  the shop's own address.

Write it from the vendor's contract, never from the adapter. `paystack.py` is the example. Money has numbers of its own
(`event.money.number`), since people pay twice; page, deeds, faults, retries and clock are not the vendor's business.
"""

from importlib import import_module
from pkgutil import iter_modules

from smmpanel.sandbox.gateway.vendor import Vendor


def vendor_classes() -> list[type[Vendor]]:
    """Return all vendors, by name."""
    found: list[type[Vendor]] = []
    for module in iter_modules(__path__):
        names = vars(import_module(f"{__name__}.{module.name}")).values()
        found += [
            one
            for one in names
            if isinstance(one, type)
            and issubclass(one, Vendor)
            and one.__module__ == f"{__name__}.{module.name}"
            and hasattr(one, "name")
        ]
    return sorted(found, key=lambda one: one.name)
