"""SePay's payment gateway: a form that the browser posts, and messages with a key in them that only lead to a question."""

from decimal import Decimal

from payments.gateways.shop import Case

CASES = (
    Case(
        gateway="sepay_checkout",
        currency="VND",
        amount=Decimal(100_000),
        required=("merchant", "secret_key"),
        shown="form",
        creates=False,
        unproved=True,
        binds_body=False,
        tells_currency=False,
        varies=False,
        refunds_partly=False,
        charges_back=False,
    ),
)
