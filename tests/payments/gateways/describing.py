"""Descriptions of gateways for tests: a whole one that is right, and ways to spoil it."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from smmpanel.kernel.http import Outgoing
from smmpanel.payments.gateways.generic.gateway import HttpGateway
from smmpanel.payments.protocol import Account, Asked, Intent

NOW = datetime(2026, 11, 21, 7, 2, 40, tzinfo=UTC)
REFERENCE = "TOPUP-000123"
SECRET = "generic_secret"
INTENT = Intent(
    REFERENCE,
    None,
    Decimal(150_000),
    "INR",
    NOW + timedelta(hours=1),
    NOW,
    customer="U-1",
    email='ada+"x"@example.com',
    description="Top-up {secret} & more",
    return_url=f"https://panel.test/deposits/return/{REFERENCE}",
    notify_url="https://panel.test/api/payment/http/webhook",
)
ASKED = Asked(REFERENCE, "G-1", None, Decimal(150_000), "INR", NOW, NOW, NOW + timedelta(hours=1))

Raw = dict[str, Any]


def described(**more: Any) -> Raw:
    """Return a description that is right; a part that is given takes the place of its own."""
    return {
        "name": "any",
        "create": {
            "url": "https://pay.test/v1/orders",
            "body": {"order_id": "{reference}", "amount": "{amount}", "currency": "{currency}"},
            "redirect_url_path": "$.data.url",
        },
        "notify": notify(),
        "query": query(),
        **more,
    }


def notify(**more: Any) -> Raw:
    """Return the part about messages: signed as a whole."""
    return {
        "reference_path": "$.order_id",
        "status_path": "$.status",
        "amount_path": "$.amount",
        "currency_path": "$.currency",
        "status_map": {"SUCCESS": "paid", "WAIT": "pending", "BACK": "refunded", "PART": "partially_refunded"},
        "sign": {"algo": "hmac-sha256", "location": "header:x-signature"},
        **more,
    }


def query(**more: Any) -> Raw:
    """Return the part about questions."""
    return {
        "url": "https://pay.test/v1/orders/{reference}",
        "reference_path": "$.order_id",
        "status_path": "$.status",
        "amount_path": "$.amount",
        "currency_path": "$.currency",
        "status_map": {"SUCCESS": "paid", "WAIT": "pending", "GONE": "expired", "BACK": "refunded"},
        **more,
    }


def gateway(raw: Raw | str, *secrets: str, http: Outgoing | None = None, **more: str) -> HttpGateway:
    """Return the gateway of a description, with these secrets of signatures, and others by their names."""
    text = raw if isinstance(raw, str) else json.dumps(raw)
    kept = {"secret": secrets or (SECRET,), **{name: (value,) for name, value in more.items()}}
    return HttpGateway(Account("INR", {"configuration": text}, kept), http or Outgoing())
