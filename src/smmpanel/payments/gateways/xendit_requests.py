"""What Xendit is sent: bodies in which amounts are numbers, written exactly."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

from smmpanel.payments.gateways.xendit_messages import WHOLE
from smmpanel.payments.minor_units import to_minor
from smmpanel.payments.protocol import Intent, Refund

DESCRIPTION_MAX = 200


def session_body(intent: Intent, *, country: str, channels: Sequence[str]) -> bytes:
    """Return what a session is asked for with. Customers are sent back over https only: Xendit takes no other address."""
    customer = {
        "reference_id": intent.reference,
        "type": "INDIVIDUAL",
        "individual_detail": {"given_names": intent.customer or intent.reference},
        **({"email": intent.email} if intent.email else {}),
    }
    fields: dict[str, Any] = {
        "reference_id": intent.reference,
        "session_type": "PAY",
        "mode": "PAYMENT_LINK",
        "currency": intent.currency,
        "country": country,
        "customer": customer,
        "expires_at": f"{intent.expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        **_description(intent),
    }
    if intent.return_url.startswith("https://"):
        fields |= {"success_return_url": intent.return_url, "cancel_return_url": intent.return_url}
    if channels:
        fields["allowed_payment_channels"] = list(channels)
    return _written(fields, intent.amount, intent.currency)


def invoice_body(intent: Intent, *, channels: Sequence[str]) -> bytes:
    """Return what an invoice is asked for with."""
    fields: dict[str, Any] = {
        "external_id": intent.reference,
        "currency": intent.currency,
        "invoice_duration": max(1, int((intent.expires_at - intent.now).total_seconds())),
        **_description(intent),
    }
    if intent.email:
        fields["payer_email"] = intent.email
    if intent.return_url:
        fields |= {"success_redirect_url": intent.return_url, "failure_redirect_url": intent.return_url}
    if channels:
        fields["payment_methods"] = list(channels)
    return _written(fields, intent.amount, intent.currency)


def refund_body(wanted: Refund, named: Mapping[str, str]) -> bytes:
    """Return what a refund is asked for with. Our reference goes along: messages about it tell no other name of the payment."""
    fields = {
        **named,
        "reference_id": wanted.key,
        "currency": wanted.payment.currency,
        "reason": "REQUESTED_BY_CUSTOMER",
        "metadata": {"reference": wanted.payment.reference},
    }
    return _written(fields, wanted.amount, wanted.payment.currency)


def _description(intent: Intent) -> dict[str, str]:
    return {"description": intent.description[:DESCRIPTION_MAX]} if intent.description else {}


def _written(fields: Mapping[str, Any], amount: Decimal, currency: str) -> bytes:
    places = 0 if currency in WHOLE else 2
    minor = to_minor(amount, currency, places=places)  # refuses what is finer
    number = f"{Decimal(minor).scaleb(-places):f}"
    body = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return f'{{"amount":{number},{body[1:]}'.encode("utf-8", "replace")
