"""SePay: a bank account that is watched. Nothing is begun there, every transfer has a number of its own, and đồng are all there is."""

from decimal import Decimal

from payments.gateways.shop import Case

CASES = (
    Case(
        gateway="sepay",
        currency="VND",
        amount=Decimal(100_000),
        required=("account_number", "account_name", "memo_prefix", "secret"),
        shown="transfer",
        creates=False,
        has_time=True,
        tells_currency=False,
        payments=2,
        refunds=False,
        charges_back=False,
    ),
)
