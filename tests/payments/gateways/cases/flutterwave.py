"""Flutterwave: messages of either version only have it asked; each payment under a reference is a transaction of its own."""

from decimal import Decimal

from payments.gateways.shop import Case

CASES = (
    Case(
        gateway="flutterwave",
        currency="NGN",
        amount=Decimal("5000.50"),
        required=("secret_key", "secret_hash"),
        unproved=True,
        binds_body=False,
        payments=2,
        charges_back=False,
    ),
    Case(
        gateway="flutterwave",
        vendor="flutterwave_v4",
        name="flutterwave, signed messages",
        currency="NGN",
        amount=Decimal("5000.50"),
        required=("secret_key", "secret_hash"),
        unproved=True,
        payments=2,
        charges_back=False,
    ),
)
