"""Stripe's own library against our fake of Stripe: the fake is as much like Stripe as the library can tell."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import stripe

from smmpanel.sandbox.gateway.process import GatewayProcess

FORM: dict[str, object] = {
    "mode": "payment",
    "client_reference_id": "ABCDEFGHJKMNPQ",
    "line_items": [
        {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 2517, "product_data": {"name": "Top-up"}}}
    ],
    "metadata": {"reference": "ABCDEFGHJKMNPQ"},
    "payment_intent_data": {"metadata": {"reference": "ABCDEFGHJKMNPQ"}},
    "success_url": "https://panel.test/back",
}


@pytest.fixture
def client(sandbox: GatewayProcess) -> Iterator[stripe.StripeClient]:
    sandbox.reset()
    sandbox.set_clock(datetime.now(UTC))
    # A panel of other tests may be there, which answers no messages while these tests run.
    others = sandbox.control("GET", "settings")["notify_base"]
    sandbox.configure(retry_seconds=[], notify_base="http://127.0.0.1:9")
    yield to(sandbox, sandbox.setup("stripe")["secret_key"])
    sandbox.configure(notify_base=others)


def to(sandbox: GatewayProcess, key: str) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": f"{sandbox.url}/stripe"}, max_network_retries=0)


def test_a_session_is_made_once_paid_and_given_back(client: stripe.StripeClient, sandbox: GatewayProcess) -> None:
    made = client.v1.checkout.sessions.create(FORM, {"idempotency_key": "once"})  # type: ignore[arg-type]
    again = client.v1.checkout.sessions.create(FORM, {"idempotency_key": "once"})  # type: ignore[arg-type]
    assert (made.id, made.status, made.payment_status) == (again.id, "open", "unpaid")
    assert made.url is not None
    sandbox.do("stripe", "ABCDEFGHJKMNPQ", "pay")
    paid = client.v1.checkout.sessions.retrieve(made.id, {"expand": ["payment_intent.latest_charge"]})
    assert isinstance(paid.payment_intent, stripe.PaymentIntent)
    charge = paid.payment_intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (paid.payment_status, charge.amount, charge.metadata["reference"]) == ("paid", 2517, "ABCDEFGHJKMNPQ")
    refund = client.v1.refunds.create({"payment_intent": paid.payment_intent.id, "amount": 1000})
    assert (refund.status, refund.amount) == ("succeeded", 1000)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": paid.payment_intent.id, "amount": 2000})
    assert list(client.v1.disputes.list({"payment_intent": paid.payment_intent.id}).data) == []


def test_its_events_are_verified_and_read(client: stripe.StripeClient, sandbox: GatewayProcess) -> None:
    client.v1.checkout.sessions.create(FORM)  # type: ignore[arg-type]
    sandbox.do("stripe", "ABCDEFGHJKMNPQ", "pay")
    sandbox.do("stripe", "ABCDEFGHJKMNPQ", "refund_half")
    assert sandbox.wait_idle()
    told = sandbox.deliveries(vendor="stripe")
    secret = sandbox.setup("stripe")["webhook_secret"]
    events = [
        stripe.Webhook.construct_event(one["body"], dict(one["headers"])["stripe-signature"], secret) for one in told
    ]
    assert [one.type for one in events] == ["checkout.session.completed", "charge.refunded"]
    session, charge = (one.data.object for one in events)
    assert (session["payment_status"], session["payment_intent"]) == ("paid", charge["payment_intent"])
    assert charge["amount_refunded"] == 1258
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(told[0]["body"], dict(told[0]["headers"])["stripe-signature"], "whsec_other")


def test_what_stripe_refuses_is_refused(client: stripe.StripeClient, sandbox: GatewayProcess) -> None:
    with pytest.raises(stripe.AuthenticationError):
        to(sandbox, "sk_test_other").v1.checkout.sessions.create(FORM)  # type: ignore[arg-type]
    soon = {**FORM, "expires_at": int(datetime.now(UTC).timestamp()) + 60}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.create(soon)  # type: ignore[arg-type]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.retrieve("cs_test_1")
    client.v1.checkout.sessions.create(FORM, {"idempotency_key": "once"})  # type: ignore[arg-type]
    with pytest.raises(stripe.IdempotencyError):
        client.v1.checkout.sessions.create({**FORM, "success_url": "https://panel.test/x"}, {"idempotency_key": "once"})  # type: ignore[arg-type]
