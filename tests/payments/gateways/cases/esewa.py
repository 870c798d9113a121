"""eSewa: a form that the browser posts, no messages, only questions; refunds are made in the merchant's account."""

from decimal import Decimal

from payments.gateways.shop import Case

CASES = (
    Case(
        gateway="esewa",
        currency="NPR",
        amount=Decimal("1500.50"),
        required=("product_code", "secret"),
        shown="form",
        creates=False,
        tells_paid=False,
        tells_currency=False,
        varies=False,
        refunds_partly=False,
        charges_back=False,
    ),
)
