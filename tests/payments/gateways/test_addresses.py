"""Where secrets may be sent."""

import pytest

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.payments.gateways.addresses import address_in, check_address, is_this_machine, link_in
from smmpanel.payments.protocol import Account, GatewayFailedError


def account(address: str) -> Account:
    return Account("IDR", {"base_url": address})


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://api.xendit.co",
        "https://api.midtrans.com/",
        "https://host:8443/v2",
        "http://127.0.0.1:9000/midtrans",
        "http://localhost/x",
    ],
)
def test_addresses_that_may_be_called(address: str) -> None:
    check_address(account(address), "base_url")


@pytest.mark.parametrize(
    "address",
    [
        "http://api.xendit.co",
        "http://127.0.0.1.evil.test",
        "http://127.0.0.1@evil.test",
        "https://user:word@api.xendit.co",
        "https://",
        "https://host:port",
        "https://host?next=1",
        "https://host#part",
        "https://ho st",
        "https://\u0430pi.xendit.co",
        "https://host\\evil.test",
        "ftp://127.0.0.1",
        "//127.0.0.1",
        "api.xendit.co",
        "https://[::1",
        "https://" + "a" * 200,
    ],
)
def test_addresses_that_may_not(address: str) -> None:
    with pytest.raises(InvalidInputError) as wrong:
        check_address(account(address), "base_url")
    assert wrong.value.fields["field"] == "base_url"


def test_paths_can_be_put_behind_an_address() -> None:
    assert address_in(account("https://host/v2/"), "base_url", "https://other") == "https://host/v2"
    assert address_in(account(""), "base_url", "https://other/") == "https://other"


def test_customers_are_only_sent_to_links_that_are_safe() -> None:
    for link in ("https://app.midtrans.com/snap/v4/redirection/1#/bank?x=1", "http://127.0.0.1:9/pay/1"):
        assert link_in(link) == link
    for wrong in (None, 7, "", "javascript:alert(1)", "http://shop.test/", "https://a@b/", "https://x/" + "a" * 2000):
        with pytest.raises(GatewayFailedError):
            link_in(wrong)


def test_this_machine_is_told_from_others() -> None:
    assert is_this_machine("http://127.0.0.1:9000/xendit")
    assert not is_this_machine("https://api.xendit.co")
