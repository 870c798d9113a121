"""Where a request comes from and which host it was sent to, believing proxies only as far as the settings do."""

from starlette.requests import HTTPConnection

from smmpanel.web.addresses import TrustedProxies, client_address, parse_address
from smmpanel.web.transactions import panel_of


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
    return _forwarded(connection, "x-forwarded-host") or connection.headers.get("host", "").lower()


def site_of(connection: HTTPConnection) -> str:
    """Return the address of the panel as whoever sent the request reaches it, such as `https://panel.example`."""
    forwarded = _forwarded(connection, "x-forwarded-proto")
    over_https = panel_of(connection).settings.secure_cookies or forwarded == "https"
    scheme = "https" if over_https else str(connection.scope.get("scheme", "http"))
    return f"{scheme}://{host_of(connection)}"


def _forwarded(connection: HTTPConnection, header: str) -> str:
    """Return what the last proxy says of a request, if it is one that is believed."""
    trusted = trusted_of(connection)
    peer = parse_address(connection.client.host) if connection.client else None
    if not trusted or peer is None or peer not in trusted:
        return ""
    return connection.headers.get(header, "").rpartition(",")[2].strip().lower()
