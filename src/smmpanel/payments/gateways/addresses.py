"""Where gateways are called: over TLS, except on this very machine, where a sandbox may stand in for them."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from urllib.parse import urlsplit

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.payments.protocol import Account, GatewayFailedError

ADDRESS_MAX = 200
LINK_MAX = 2000
THIS_MACHINE = frozenset({"127.0.0.1", "localhost"})
WRONG_ADDRESS = marked("must be an address that begins with https://")
OTHER_ENVIRONMENT = marked("is for another environment than the account: tests and real money are never mixed")


def check_address(account: Account, name: str) -> None:
    """Raise `InvalidInputError` unless the setting is empty, which stands for its default, or an address that may be called."""
    address = account.option(name)
    if address and not is_safe_address(address):
        raise InvalidInputError(field=name, reason=WRONG_ADDRESS)


def check_environment(
    account: Account, own: Mapping[str, str], *, live: AbstractSet[str], tests: AbstractSet[str], is_test: bool
) -> None:
    """Raise `InvalidInputError` that names an address of the other environment.

    `own` are the gateway's addresses by their settings; `live` and `tests` are hosts that it is known by. This machine is for tests.
    """
    strange = live if is_test else tests | THIS_MACHINE
    for name in own:
        check_address(account, name)
    for name, default in own.items():
        if urlsplit(address_in(account, name, default)).hostname in strange:
            raise InvalidInputError(field=name, reason=OTHER_ENVIRONMENT)


def is_safe_address(address: str) -> bool:
    """Whether secrets can be sent there: https, or plain http to this very machine; no query, no name and password in it."""
    return len(address) <= ADDRESS_MAX and not any(sign in address for sign in "?#") and _leads_safely(address)


def address_in(account: Account, name: str, default: str) -> str:
    """Return an address without its last slash, so that paths can be put behind it."""
    return account.option(name, default).rstrip("/")


def link_in(value: object) -> str:
    """Return a link of a gateway's answer that customers can be sent to; raises `GatewayFailedError` for anything else."""
    if not isinstance(value, str) or len(value) > LINK_MAX or not _leads_safely(value):
        raise GatewayFailedError
    return value


def origins_under(domain: str, address: str) -> list[str]:
    """Return a gateway's domain and all below it, as policies name them; nothing if the address is not among them."""
    host = urlsplit(address).hostname or ""
    is_theirs = host == domain or host.endswith(f".{domain}")
    return [f"https://{domain}", f"https://*.{domain}"] if is_theirs else []


def is_this_machine(address: str) -> bool:
    """Whether an address is this very machine's: a sandbox."""
    return urlsplit(address).hostname in THIS_MACHINE


def _leads_safely(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    plain = parts.scheme == "http" and host in THIS_MACHINE
    written = address.isascii() and address.isprintable() and not any(sign in address for sign in " \\")
    return bool(host) and "@" not in parts.netloc and written and (parts.scheme == "https" or plain)
