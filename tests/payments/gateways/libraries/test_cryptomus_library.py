"""A library for Cryptomus beside our adapter: it believes the messages that we believe, and sees the same invoices."""

from decimal import Decimal

import pytest

from payments.gateways.libraries.paying import NOBODY, NOW, asked, intent, told, words
from payments.gateways.libraries.process import Library, LibraryError, LibraryProcess
from payments.gateways.vectors import VECTORS
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.cryptomus import Cryptomus
from smmpanel.payments.gateways.cryptomus_messages import digest
from smmpanel.payments.protocol import Account, GatewayStatus, Message
from smmpanel.sandbox.gateway.process import GatewayProcess

S = GatewayStatus
ORDER = "LIBRARY1"
PAYMENT = asked(ORDER, "25.17", "USD")
KEY = "cryptomus_test_payment_key"
BODY, SIGN = VECTORS["cryptomus.wh.body"], VECTORS["cryptomus.wh.sign"]
OWN = '{"type":"payment","uuid":"1","order_id":"Đ/1","status":"paid"}'.replace("/", "\\/")


@pytest.fixture
def setup(vendors: GatewayProcess) -> dict[str, str]:
    return vendors.setup("cryptomus")


@pytest.fixture
def library(in_python: LibraryProcess, setup: dict[str, str]) -> Library:
    known = {"url": setup["base_url"], "merchant": setup["merchant"], "key": setup["secret"]}
    return Library(in_python, "cryptomus", known)


@pytest.fixture
def ours(http: Outgoing, setup: dict[str, str]) -> Cryptomus:
    options = {name: setup[name] for name in ("base_url", "merchant")}
    return Cryptomus(Account("USD", options, {"secret": (setup["secret"],)}), http)


def believes(library: Library, body: str) -> bool:
    try:
        library("read", body)
    except LibraryError as wrong:
        if wrong.name != "WebhookVerificationError":
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("body", "is_right"),
    [
        (BODY, True),
        (OWN[:-1] + f',"sign":"{digest(OWN.encode(), KEY)}"}}', True),
        (BODY.replace("25.00", "26.00"), False),
        (BODY.replace("TOPUP-000123", "TOPUP-000124"), False),
        (BODY.replace(SIGN, SIGN[::-1]), False),
        (VECTORS["cryptomus.wh.unsigned"], False),
        (OWN[:-1] + f',"sign":"{digest(OWN.encode(), KEY + "x")}"}}', False),
    ],
)
def test_the_same_messages_are_believed(in_python: LibraryProcess, body: str, *, is_right: bool) -> None:
    library = Library(in_python, "cryptomus", {"url": NOBODY, "merchant": "any", "key": KEY})
    ours = Cryptomus(Account("USD", {}, {"secret": (KEY,)}), Outgoing())
    proof = ours.verify(Message({}, body.encode()), NOW)
    assert (proof is not None, believes(library, body)) == (is_right, is_right)


async def test_an_invoice_of_the_library_is_paid_and_given_back(
    vendors: GatewayProcess, library: Library, ours: Cryptomus
) -> None:
    made = library("create", "25.17", "USD", ORDER, lifetime=600, url_callback=NOBODY)
    # It makes floats of amounts, which is one reason for which the panel does not run with it.
    assert (made["order_id"], made["amount"], made["payment_status"]) == (ORDER, 25.17, "check")
    assert [one.status for one in await told(ours, PAYMENT)] == [S.PENDING]

    vendors.do("cryptomus", ORDER, "pay")
    seen = library("ask", order_id=ORDER)
    assert (seen["uuid"], seen["payment_status"]) == (made["uuid"], "paid")
    assert await words(ours, PAYMENT) == [(S.PAID, Decimal("25.17"))]
    assert vendors.wait_idle()
    [message] = {one["body"] for one in vendors.deliveries(vendor="cryptomus")}
    assert believes(library, message)
    assert ours.verify(Message({}, message.encode()), NOW) == "md5"
    assert not believes(library, message.replace(ORDER, "LIBRARY2"))

    library("refund", "TSandboxSender", is_subtract=True, invoice_uuid=made["uuid"])
    assert S.REFUNDED in [one.status for one in await told(ours, PAYMENT)]


async def test_the_library_sees_what_we_made(vendors: GatewayProcess, library: Library, ours: Cryptomus) -> None:
    started = await ours.start(intent(ORDER, "25.17", "USD"))
    seen = library("ask", order_id=ORDER)
    assert (seen["uuid"], seen["amount"], seen["currency"]) == (started.external_ref, 25.17, "USD")
    assert seen["url"] == started.shown["redirect_url"]


def test_another_key_is_refused(library: Library) -> None:
    for spoilt in ({"key": "another"}, {"merchant": "another"}):
        other = Library(library.process, "cryptomus", library.setup | spoilt)
        with pytest.raises(LibraryError, match="Invalid Sign"):
            other("create", "25.17", "USD", ORDER)
