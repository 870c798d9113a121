"""Whose address a request comes from, and whether an address is in a list of networks. Pure, and quick enough for every call."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ADDRESS_TEXT_MAX = 64
HOPS_MAX = 32
_MAPPED_BITS = 96


class TrustedProxies:
    """The networks whose `X-Forwarded-For` is believed. Empty: nobody's is."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: list[Network] = []
        for text in networks:
            network = parse_network(text)
            if network is None:
                raise ValueError(f"not a network: {text!r}")
            self._networks.append(network)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)


def client_address(scope: Mapping[str, Any], trusted: TrustedProxies) -> str:
    """Return the address of whoever sent a request; `""` where the server knows none.

    Behind trusted proxies it is the last address in `X-Forwarded-For` that is not itself one of theirs: what stands
    further left was written by the client and may be anything.
    """
    peer = scope.get("client")
    peer_text = str(peer[0])[:ADDRESS_TEXT_MAX] if peer else ""
    address = parse_address(peer_text)
    if address is None:
        return peer_text
    if trusted and address in trusted:
        for hop in _hops(scope):
            if hop is None:
                break
            address = hop
            if hop not in trusted:
                break
    return str(address)


def _hops(scope: Mapping[str, Any]) -> list[Address | None]:
    values = [value for name, value in scope.get("headers", ()) if name == b"x-forwarded-for"]
    if not values:
        return []
    hops = b",".join(values).decode("latin-1").rsplit(",", HOPS_MAX)[-HOPS_MAX:]
    return [parse_address(_without_port(hop.strip())) for hop in reversed(hops)]


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


@lru_cache(maxsize=8192)
def parse_address(text: str) -> Address | None:
    """Read an address; an IPv4 address wrapped in IPv6 is unwrapped, a zone is dropped."""
    if len(text) > ADDRESS_TEXT_MAX or "/" in text:
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=8192)
def parse_network(text: str) -> Network | None:
    """Read an address or a network, unwrapping IPv4 in IPv6 as `parse_address` does."""
    text = text.strip()
    if len(text) > ADDRESS_TEXT_MAX:
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        inner = network.network_address.ipv4_mapped
        if inner is not None:
            return ipaddress.IPv4Network((int(inner), network.prefixlen - _MAPPED_BITS))
    return network


def normal_network(text: str) -> str | None:
    """Return a network as it is stored (`10.1.2.3/8` → `10.0.0.0/8`, `1.2.3.4` stays); `None` if it is none."""
    network = parse_network(text)
    if network is None:
        return None
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def address_in(ip: str, networks: Sequence[str]) -> bool:
    """Whether an address belongs to any of the networks; nonsense on either side belongs nowhere."""
    address = parse_address(ip)
    if address is None:
        return False
    return any(
        network is not None and network.version == address.version and address in network
        for network in map(parse_network, networks)
    )


def neighbourhood(ip: str) -> str:
    """Return what counts as one place when tries are counted: an IPv4 address, or the /64 that one IPv6 line is given."""
    address = parse_address(ip)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address) if address is not None else ip
