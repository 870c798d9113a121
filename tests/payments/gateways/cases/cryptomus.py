"""Cryptomus and Heleket: a weak digest within the body, so they are asked; invoices are given back whole."""

from decimal import Decimal

from payments.gateways.shop import Case

CASES = tuple(
    Case(
        gateway=name,
        currency="USD",
        amount=Decimal("25.17"),
        required=("merchant", "secret"),
        unproved=True,
        proof_in_headers=False,
        refunds_partly=False,
        charges_back=False,
    )
    for name in ("cryptomus", "heleket")
)
