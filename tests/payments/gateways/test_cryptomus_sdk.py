"""Heleket's own library as the other side: of our signatures, of our reading of messages, and of the sandbox."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from heleket_sdk import (
    ApiError,
    ClientOptions,
    HeleketPayment,
    PaymentStatus,
    SignatureError,
    WebhookVerifier,
)
from heleket_sdk.types import CreateInvoiceRequest, InfoOptions

from payments.gateways.vectors import VECTORS
from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.cryptomus import Heleket
from smmpanel.payments.gateways.cryptomus_messages import WORDS, digest
from smmpanel.payments.protocol import Account, Message
from smmpanel.sandbox.gateway.process import GatewayProcess

KEY = "cryptomus_test_payment_key"
NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
BODY = VECTORS["cryptomus.wh.body"].encode()
SIGN = VECTORS["cryptomus.wh.sign"].encode()


def ours(body: bytes) -> bool:
    heleket = Heleket(Account("USD", {}, {"secret": (KEY,)}), Outgoing())
    return heleket.verify(Message({}, body), NOW) is not None


def theirs(body: bytes) -> bool:
    try:
        WebhookVerifier(KEY).verify_raw(body)
    except SignatureError:
        return False
    return True


@pytest.mark.parametrize(
    ("body", "is_right"),
    [
        (BODY, True),
        (b'{"sign":"%b"}' % digest(b"{}", KEY).encode(), True),
        (b'{"sign":"%b","a":1}' % digest(b'{"a":1}', KEY).encode(), True),
        (b'{"a":1,"sign":"%b","b":2}' % digest(b'{"a":1,"b":2}', KEY).encode(), True),
        (BODY.replace(b"25.00", b"26.00"), False),
        (BODY.replace(b"\\/", b"/"), False),
        (BODY.replace(SIGN, SIGN[::-1]), False),
        (VECTORS["cryptomus.wh.unsigned"].encode(), False),
        (b"{}", False),
    ],
)
def test_messages_are_signed_for_both_or_for_neither(body: bytes, *, is_right: bool) -> None:
    assert (ours(body), theirs(body)) == (is_right, is_right)


def test_the_words_are_theirs() -> None:
    assert {word.value for word in PaymentStatus} - {"unknown"} == set(WORDS)


def test_their_client_pays_in_the_sandbox(sandbox: GatewayProcess) -> None:
    setup = sandbox.setup("heleket")
    options = ClientOptions(base_url=setup["base_url"])
    client = HeleketPayment(merchant_id=setup["merchant"], api_key=setup["secret"], options=options)
    sandbox.configure(retry_seconds=[])
    wanted = CreateInvoiceRequest(
        amount="25.17", currency="USD", order_id="SDK1", lifetime=600, url_callback="http://127.0.0.1:9/nobody"
    )
    made = client.create_invoice(wanted)
    assert (made.order_id, made.amount, made.effective_status()) == ("SDK1", "25.17", "check")
    # The same number again is the same invoice, whatever it is said to cost.
    again = client.create_invoice(wanted.model_copy(update={"amount": "99.00"}))
    assert (again.uuid, again.amount) == (made.uuid, "25.17")
    assert made.uuid
    sandbox.do("heleket", made.uuid, "pay")
    paid = client.get_info(InfoOptions.by_uuid(made.uuid))
    assert (paid.effective_status(), paid.is_final, paid.from_address) == ("paid", True, "TSandboxSender")
    assert paid.payment_amount is not None
    assert Decimal(paid.payment_amount) > 25
    client.resend_webhook(InfoOptions.by_order_id("SDK1"))
    assert sandbox.wait_idle()
    told = [one["body"] for one in sandbox.deliveries(vendor="heleket")]
    (message,) = {body for body in told if json.loads(body)["uuid"] == made.uuid}
    assert told.count(message) == 2
    verified = WebhookVerifier(setup["secret"]).verify_raw(message.encode())
    assert (verified.order_id, verified.status) == ("SDK1", "paid")


def test_their_client_with_another_key_is_refused(sandbox: GatewayProcess) -> None:
    setup = sandbox.setup("heleket")
    options = ClientOptions(base_url=setup["base_url"])
    client = HeleketPayment(merchant_id=setup["merchant"], api_key="another", options=options)
    with pytest.raises(ApiError):
        client.get_info(InfoOptions.by_order_id("SDK1"))
