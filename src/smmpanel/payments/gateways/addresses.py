"""Where gateways are called: over TLS, except on this very machine, where a sandbox may stand in for them."""

from urllib.parse import urlsplit

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.protocol import Account

ADDRESS_MAX = 200
THIS_MACHINE = frozenset({"127.0.0.1", "localhost"})
WRONG_ADDRESS = marked("must be an address that begins with https://")


def check_address(account: Account, name: str) -> None:
    """Raise `InvalidInputError` unless the setting is empty, which stands for its default, or an address that may be called."""
    address = account.option(name)
    if address and not is_safe_address(address):
        raise InvalidInputError(field=name, reason=WRONG_ADDRESS)


def is_safe_address(address: str) -> bool:
    """Whether secrets can be sent there: https, or plain http to this very machine; no query, no name and password in it."""
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    plain = parts.scheme == "http" and host in THIS_MACHINE
    written = address.isascii() and address.isprintable() and " " not in address and len(address) <= ADDRESS_MAX
    bare = "@" not in parts.netloc and not any(sign in address for sign in "?#\\")
    return bool(host) and written and bare and (parts.scheme == "https" or plain)


def address_in(account: Account, name: str, default: str) -> str:
    """Return an address without its last slash, so that paths can be put behind it."""
    return account.option(name, default).rstrip("/")
