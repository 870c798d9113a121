"""Xendit: a token proves its messages, so it is asked; sessions and invoices are paid once."""

from decimal import Decimal

from payments.gateways.shop import Case

_COMMON = {
    "gateway": "xendit",
    "currency": "IDR",
    "amount": Decimal(150_000),
    "required": ("secret_key", "callback_token"),
    "unproved": True,
    "binds_body": False,
    "charges_back": False,
}
CASES = (
    Case(**_COMMON),
    Case(**_COMMON, name="xendit-invoices", options={"surface": "invoices"}),
)
