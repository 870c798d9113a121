"""Midtrans: a digest that binds little, so it is asked; an order is one payment of the exact amount."""

from decimal import Decimal

from payments.gateways.shop import Case

CASES = (
    Case(
        gateway="midtrans",
        currency="IDR",
        amount=Decimal(150_000),
        required=("server_key",),
        unproved=True,
        proof_in_headers=False,
        varies=False,
        wins=False,
    ),
)
