"""Paystack: proved by HMAC over the body; two payments on one page are two transactions."""

from decimal import Decimal

from payments.gateways.shop import Case

CASES = (
    Case(
        gateway="paystack",
        currency="NGN",
        amount=Decimal("5000.50"),
        required=("secret_key",),
        has_environment=True,
        payments=2,
    ),
)
