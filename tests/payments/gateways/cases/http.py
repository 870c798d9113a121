"""Gateways by their descriptions: one that signs its messages with a time, and one whose token proves nothing."""

from decimal import Decimal

from payments.gateways.shop import Case

CASES = (
    Case(
        gateway="http",
        vendor="any_http",
        currency="USD",
        amount=Decimal("25.50"),
        required=("configuration", "secret", "api_key"),
        has_time=True,
        has_environment=True,
    ),
    Case(
        gateway="http",
        vendor="any_http_token",
        name="http, a token",
        currency="USD",
        amount=Decimal("25.50"),
        required=("configuration", "secret"),
        shown="form",
        creates=False,
        unproved=True,
        gives_back=False,
        binds_body=False,
    ),
)
