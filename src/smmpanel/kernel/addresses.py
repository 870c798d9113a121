"""Which network addresses we may call on someone's word.

A provider's or a webhook's URL is typed by a person, so it must not lead into our own network: neither directly, nor by
a name that resolves there, nor wrapped in an IPv6 form that a gateway unwraps again.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_CLOSED: tuple[Network, ...] = (
    ipaddress.IPv4Network("100.64.0.0/10"),  # carrier-grade NAT
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays
    ipaddress.IPv4Network("168.63.129.16/32"),  # public by number, but a cloud's own control channel
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 for local use: its IPv4 part may stand anywhere
    ipaddress.IPv6Network("5f00::/16"),
)


def is_public(address: Address) -> bool:
    """Whether an address, and every IPv4 address hidden inside it, belongs to the public internet."""
    if any(address in network for network in _CLOSED if network.version == address.version):
        return False
    hidden = list(_embedded(address))
    if hidden:
        return all(is_public(inner) for inner in hidden)
    unusable = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not unusable and not getattr(address, "is_site_local", False)


def _embedded(address: Address) -> Iterator[ipaddress.IPv4Address]:
    if not isinstance(address, ipaddress.IPv6Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _NAT64) or address in _IPV4_COMPATIBLE:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


class AllowList:
    """Exceptions that the operator makes: `host:port`, `host`, an address, or a network such as `10.0.0.0/8`."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._networks: list[tuple[Network, int | None]] = []
        self._hosts: set[tuple[str, int | None]] = set()
        for entry in entries:
            self._read(entry.strip())

    def _read(self, entry: str) -> None:
        network = _network(entry)
        if network is not None:
            self._networks.append((network, None))
            return
        try:
            parts = urlsplit(f"//{entry}")
            host, port = parts.hostname, parts.port
        except ValueError as wrong:
            raise ValueError(f"not a host, host:port or network: {entry!r}") from wrong
        if host is None or parts.path or parts.query or "@" in entry:
            raise ValueError(f"not a host, host:port or network: {entry!r}")
        network = _network(host)
        if network is None:
            self._hosts.add((host, port))
        else:
            self._networks.append((network, port))

    def admits(self, host: str, port: int, address: Address) -> bool:
        """Whether the operator has let this host or the address it resolved to through, on this port."""
        if (host, port) in self._hosts or (host, None) in self._hosts:
            return True
        return any(
            address in network and allowed_port in {None, port}
            for network, allowed_port in self._networks
            if network.version == address.version
        )


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
