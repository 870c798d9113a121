"""How somebody came who signs up: from which address, with which browser, and whose link or code they followed.

The link `/?ref=CODE` is remembered by a cookie that only we can read: the first link that somebody follows counts, for as
long as the panel says. The browser has a random name of its own, of which only a hash is kept.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from smmpanel.accounts.referral_codes import CODE_MAX
from smmpanel.accounts.signing_up import Arrival
from smmpanel.kernel.crypto import SecretUnreadableError, Vault
from smmpanel.kernel.ids import random_text
from smmpanel.web.cookies import device_cookie, referral_cookie, set_device_cookie
from smmpanel.web.origins import address_of
from smmpanel.web.transactions import panel_of

_DEVICE_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Device:
    """A browser by its random name; a new name is sent along with the answer."""

    name: str
    is_new: bool

    @property
    def digest(self) -> str:
        """What is kept of the name."""
        return sha256(self.name.encode()).hexdigest()

    def keep(self, request: Request, response: Response) -> None:
        """Have the browser remember its name."""
        if self.is_new:
            set_device_cookie(request, response, self.name)


def device_of(request: Request) -> Device:
    """Return the browser that sent a request, with a new name if it has none."""
    name = device_cookie(request)
    return Device(name or random_text(_DEVICE_LENGTH), is_new=not name)


def arrival_of(request: Request, *, now: datetime, typed: str = "", device: Device | None = None) -> Arrival:
    """Return how the sender of a request came. A code that was typed counts before one that a link left."""
    digest = device.digest if device else None
    if typed.strip():
        return Arrival(address_of(request), digest, typed.strip(), "code")
    return Arrival(address_of(request), digest, kept_code(request, now=now) or None, "link")


def kept_code(connection: HTTPConnection, *, now: datetime) -> str:
    """Return the code that a link left with this browser; empty if there was none, or long ago."""
    try:
        kept = referral_cookie(connection) or ""
        opened = panel_of(connection).vault.open((kept + "=" * (-len(kept) % 4)).encode())
        code, _, until = opened.partition("|")
        is_good = datetime.fromtimestamp(int(until), UTC) > now
    except (SecretUnreadableError, ValueError):
        return ""
    return code.strip() if is_good else ""


def sealed_code(vault: Vault, code: str, *, until: datetime) -> str:
    """Write a code for the cookie. No code looks like any other: what is kept does not tell whether a code exists."""
    # Cookies with a sign for equality in them would have to be quoted.
    return vault.seal(f"{code:<{CODE_MAX}}|{int(until.timestamp())}").decode().rstrip("=")
