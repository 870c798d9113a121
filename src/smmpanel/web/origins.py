"""Where a request comes from and which host it was sent to, believing proxies only as far as the settings do."""

from starlette.requests import HTTPConnection

from smmpanel.web.addresses import TrustedProxies, client_address, parse_address


def trusted_of(connection: HTTPConnection) -> TrustedProxies:
    """Return the proxies that are believed."""
    trusted = connection.app.state.trusted_proxies
    assert isinstance(trusted, TrustedProxies)
    return trusted


def address_of(connection: HTTPConnection) -> str:
    """Return the address of whoever sent the request."""
    return client_address(connection.scope, trusted_of(connection))


def host_of(connection: HTTPConnection) -> str:
    """Return the host, with its port if it is unusual, that the request was sent to."""
    trusted = trusted_of(connection)
    peer = parse_address(connection.client.host) if connection.client else None
    if trusted and peer is not None and peer in trusted:
        forwarded = connection.headers.get("x-forwarded-host", "").rpartition(",")[2].strip()
        if forwarded:
            return forwarded.lower()
    return connection.headers.get("host", "").lower()
