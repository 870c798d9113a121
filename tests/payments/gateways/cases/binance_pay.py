"""Binance Pay: proved by a key of theirs; an order is paid once, and a dispute is unknown."""

from decimal import Decimal

from payments.gateways.shop import Case

CASES = (
    Case(
        gateway="binance_pay",
        currency="USDT",
        amount=Decimal("25.17"),
        required=("api_key", "secret"),
        charges_back=False,
    ),
)
