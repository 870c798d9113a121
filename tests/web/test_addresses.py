"""Whose address a request comes from."""

import ipaddress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smmpanel.web.addresses import (
    TrustedProxies,
    address_in,
    client_address,
    neighbourhood,
    normal_network,
)

NOBODY = TrustedProxies(())
PROXIES = TrustedProxies(("10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1"))


def scope(peer, *forwarded):
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return {"client": (peer, 4711) if peer is not None else None, "headers": [(b"host", b"x"), *headers]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", (), "203.0.113.7"),
        ("203.0.113.7", ("198.51.100.1",), "203.0.113.7"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6, 198.51.100.1, 10.2.3.4",), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6", "198.51.100.1", "10.2.3.4"), "198.51.100.1"),
        ("10.0.0.1", ("10.9.9.9, 10.2.3.4",), "10.9.9.9"),
        ("10.0.0.1", ("198.51.100.1, nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1, nonsense, 10.2.3.4",), "10.2.3.4"),
        ("10.0.0.1", ("198.51.100.1:5000",), "198.51.100.1"),
        ("10.0.0.1", ("[2001:db8::7]:5000",), "2001:db8::7"),
        ("10.0.0.1", ("2001:DB8::7",), "2001:db8::7"),
        ("10.0.0.1", ("::ffff:198.51.100.1",), "198.51.100.1"),
        ("::ffff:10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("::ffff:203.0.113.7", (), "203.0.113.7"),
        ("2001:db8:ffff::1", ("198.51.100.1",), "198.51.100.1"),
        ("fe80::1%eth0", (), "fe80::1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", (",,,",), "10.0.0.1"),
        ("10.0.0.1", ("6.6.6.6, " * 5000 + "198.51.100.1",), "198.51.100.1"),
        (None, ("198.51.100.1",), ""),
        ("", ("198.51.100.1",), ""),
    ],
)
def test_the_last_hop_that_is_not_a_proxy_of_ours(peer, forwarded, address):
    assert client_address(scope(peer, *forwarded), PROXIES) == address


def test_without_trusted_proxies_nobody_is_believed():
    assert client_address(scope("127.0.0.1", "198.51.100.1"), NOBODY) == "127.0.0.1"


def test_a_setting_that_is_no_network_is_refused_at_start():
    with pytest.raises(ValueError, match="not a network"):
        TrustedProxies(("10.0.0.0/8", "proxy.example"))


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=60), max_size=4))
def test_whatever_is_forwarded_an_address_comes_out(values):
    address = client_address(scope("10.0.0.1", *values), PROXIES)

    assert str(ipaddress.ip_address(address)) == address


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.7/24", "203.0.113.0/24"),
        ("2001:DB8::1/32", "2001:db8::/32"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7/120", "203.0.113.0/24"),
        ("", None),
        ("203.0.113", None),
        ("203.0.113.7/33", None),
        ("x" * 100, None),
    ],
)
def test_networks_are_stored_in_one_form(text, stored):
    assert normal_network(text) == stored


def test_nonsense_belongs_nowhere():
    assert address_in("nonsense", ["0.0.0.0/0"]) is False
    assert address_in("203.0.113.7", ["nonsense"]) is False
    assert address_in("203.0.113.7", []) is False


def test_neighbours():
    assert neighbourhood("203.0.113.7") == "203.0.113.7"
    assert neighbourhood("::ffff:203.0.113.7") == "203.0.113.7"
    assert neighbourhood("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert neighbourhood("") == ""


@pytest.mark.parametrize(("trusted", "seen"), [("", "10.0.0.1"), ("10.0.0.0/8", "198.51.100.1")])
async def test_the_settings_decide_over_http(app_for, trusted, seen):
    transport = httpx.ASGITransport(app_for(trusted_proxies=trusted), client=("10.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://panel.example") as client:
        answer = await client.get("/api/address", headers={"x-forwarded-for": "6.6.6.6, 198.51.100.1"})

    assert answer.json() == seen
