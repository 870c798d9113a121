"""Stripe: proved by HMAC over time and body; a session is paid once."""

from decimal import Decimal

from payments.gateways.shop import Case

CASES = (
    Case(
        gateway="stripe",
        currency="USD",
        amount=Decimal("25.17"),
        required=("secret_key", "webhook_secret"),
        has_environment=True,
        has_time=True,
    ),
)
