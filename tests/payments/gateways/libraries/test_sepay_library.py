"""SePay's own library for Node.js, and one in Python: forms are signed as ours are, and it and our adapter see the same orders."""

import string
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.gateways.libraries.paying import NOBODY, asked, intent, told
from payments.gateways.libraries.process import Library, LibraryError, LibraryProcess
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.sepay_checkout import SePayCheckout, signature_of
from smmpanel.payments.protocol import Account, GatewayStatus, Refund
from smmpanel.sandbox.gateway.process import GatewayProcess

S = GatewayStatus
ORDER = "LIBRARY1"
PAYMENT = asked(ORDER, "100000", "VND")
KEY, MERCHANT = "spsk_test_khóa", "SP-TEST-MERCHANT"
FIELDS = {
    "operation": "PURCHASE",
    "payment_method": "BANK_TRANSFER",
    "order_amount": "100000",
    "currency": "VND",
    "order_invoice_number": ORDER,
    "order_description": f"Nạp tiền {ORDER}",
    "customer_id": "USR-1",
    "success_url": "https://panel.test/paid?a=1&b=2",
    "error_url": "https://panel.test/failed",
    "cancel_url": "https://panel.test/canceled",
}
LETTERS = string.printable.replace(",", "") + "ĐđằặữợỳñéüßжКАع日本“”…€\u2028\ufeff😀"
"""What may stand in a form: a comma would part fields, and our adapter sends none."""
TEXTS = st.text(LETTERS, min_size=1, max_size=60)
VALUES = st.fixed_dictionaries(
    {"merchant": TEXTS, "order_amount": st.integers(1, 10**12).map(str), "order_invoice_number": TEXTS},
    optional=dict.fromkeys(("payment_method", "currency", "order_description", "customer_id", "success_url"), TEXTS),
)
IN_ORDER = ("merchant", *FIELDS)
"""In which both libraries and we sign, and forms are sent."""


@pytest.fixture
def setup(vendors: GatewayProcess) -> dict[str, str]:
    return vendors.setup("sepay_checkout")


@pytest.fixture
def library(in_node: LibraryProcess, setup: dict[str, str]) -> Library:
    known = {"url": setup["base_url"], "merchant": setup["merchant"], "key": setup["secret_key"]}
    return Library(in_node, "sepay", known)


@pytest.fixture
def ours(http: Outgoing, setup: dict[str, str]) -> SePayCheckout:
    options = {name: setup[name] for name in ("base_url", "api_url", "merchant")} | {"payment_method": "BANK_TRANSFER"}
    return SePayCheckout(Account("VND", options, {"secret_key": (setup["secret_key"],)}), http)


def for_signing(process: LibraryProcess, node: LibraryProcess) -> Library:
    """Return the library that a process has: the one in Python is told of no address."""
    where = {"url": NOBODY} if process is node else {}
    return Library(process, "sepay", {"merchant": MERCHANT, "key": KEY, **where})


def sent(vendors: GatewayProcess, fields: list[Any]) -> httpx.Response:
    """Send a form, as a browser does."""
    url = f"{vendors.url}/sepay_checkout/v1/checkout/init"
    return httpx.post(url, data=dict(fields), trust_env=False)


def test_both_libraries_sign_as_we_do(in_node: LibraryProcess, in_python: LibraryProcess) -> None:
    libraries = [for_signing(process, in_node) for process in (in_node, in_python)]

    @settings(max_examples=40, deadline=None)
    @given(VALUES)
    def sign(values: dict[str, str]) -> None:
        fields = [(name, values[name]) for name in IN_ORDER if name in values]
        assert {library("sign", dict(fields)) for library in libraries} == {signature_of(fields, KEY)}

    sign()


async def test_both_libraries_sign_our_form(ours: SePayCheckout, library: Library, in_python: LibraryProcess) -> None:
    fields = (await ours.start(intent(ORDER, "100000", "VND"))).shown["fields"]
    assert [name for name, _ in fields] == [*IN_ORDER, "signature"]
    *named, signature = fields
    assert library("form", dict(named)) == fields
    # The one in Python has an order of its own, whatever it is given.
    fixed = Library(in_python, "sepay", {name: library.setup[name] for name in ("merchant", "key")})
    assert signature == ["signature", fixed("sign", dict(named))]


async def test_an_order_of_the_library_is_paid_and_annulled(
    vendors: GatewayProcess, library: Library, ours: SePayCheckout
) -> None:
    form = library("form", {"merchant": "", **FIELDS})
    assert [name for name, _ in form] == [*IN_ORDER, "signature"]
    forged = [[name, "1000" if name == "order_amount" else value] for name, value in form]
    assert sent(vendors, forged).status_code == 400
    assert sent(vendors, form).status_code == 302
    assert [one.status for one in await told(ours, PAYMENT)] == [S.PENDING]
    assert library("order", ORDER)["data"]["order_status"] == "AUTHENTICATION_NOT_NEEDED"

    vendors.do("sepay_checkout", ORDER, "pay")
    [listed] = library("list")["data"]
    assert (listed["order_invoice_number"], listed["order_status"]) == (ORDER, "CAPTURED")
    assert [one.status for one in await told(ours, PAYMENT)] == [S.PAID]
    assert library("void", ORDER)["message"] == "Success"
    assert S.REFUNDED in [one.status for one in await told(ours, PAYMENT)]


async def test_the_library_sees_what_we_made_and_annulled(
    vendors: GatewayProcess, library: Library, ours: SePayCheckout
) -> None:
    assert sent(vendors, (await ours.start(intent(ORDER, "100000", "VND"))).shown["fields"]).status_code == 302
    vendors.do("sepay_checkout", ORDER, "pay")
    [paid] = await told(ours, PAYMENT)
    await ours.refund(Refund(PAYMENT, paid.external_id, PAYMENT.amount, "key"))
    seen = library("order", ORDER)["data"]
    assert (seen["order_amount"], seen["order_status"]) == ("100000.00", "CANCELLED")
    assert [one["transaction_status"] for one in seen["transactions"]] == ["VOIDED"]


async def test_what_the_library_cancels_is_over_for_us(
    vendors: GatewayProcess, library: Library, ours: SePayCheckout
) -> None:
    assert sent(vendors, library("form", {"merchant": "", **FIELDS})).status_code == 302
    assert library("cancel", ORDER)["message"] == "Success"
    assert [one.status for one in await told(ours, PAYMENT)] == [S.FAILED]


async def test_a_form_of_the_library_in_python_is_taken(
    vendors: GatewayProcess, in_python: LibraryProcess, setup: dict[str, str], ours: SePayCheckout
) -> None:
    """It signs in one order and hands the fields out in another: the page has to put them right."""
    library = Library(in_python, "sepay", {"merchant": setup["merchant"], "key": setup["secret_key"]})
    form = library("form", FIELDS)
    in_order = [[name, form[name]] for name in (*IN_ORDER, "signature")]
    assert sorted(form) == sorted(name for name, _ in in_order)
    assert sent(vendors, in_order).status_code == 302
    assert [one.status for one in await told(ours, PAYMENT)] == [S.PENDING]


def test_another_key_is_refused(vendors: GatewayProcess, library: Library) -> None:
    other = Library(library.process, "sepay", {**library.setup, "key": "spsk_test_other"})
    assert sent(vendors, other("form", {"merchant": "", **FIELDS})).status_code == 400
    for call in (("list",), ("order", ORDER), ("void", ORDER), ("cancel", ORDER)):
        with pytest.raises(LibraryError, match="401"):
            other(*call)
