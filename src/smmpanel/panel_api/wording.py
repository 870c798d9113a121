"""Saying what is wrong in the words that clients of API v2 know, and in the shape that they expect.

Clients compare these texts, so they are never translated. They are the human family of the field's two.
"""

from smmpanel.catalog.order_faults import OrderFault, OrderFieldError
from smmpanel.kernel.errors import NotFoundError, PanelError

_BY_CODE = {
    "invalid_api_key": "Invalid API key",
    "account_suspended": "Account suspended",
    "account_banned": "Account suspended",
    "address_not_allowed": "IP address is not allowed",
    "insufficient_funds": "Not enough funds on balance",
    "spend_cap_reached": "Daily spend limit of this API key reached",
    "service_unknown": "Incorrect service ID",
    "service_unavailable": "Disabled service ID",
    "out_of_stock": "Not enough in stock",
    "link_in_use": "You have active order with this link. Please wait until order being completed.",
    "coupon_worthless": "Incorrect coupon",
    "key_reused": "Idempotency key was used for another order",
    "key_invalid": "Incorrect idempotency key",
}
_BY_FAULT = {
    OrderFault.MISSING_LINK: "Incorrect link",
    OrderFault.BAD_LINK: "Incorrect link",
    OrderFault.QUANTITY_MIN: "Quantity less than minimal {limit}",
    OrderFault.QUANTITY_MAX: "Quantity more than maximum {limit}",
    OrderFault.QUANTITY_NOT_INTEGER: "Incorrect quantity",
    OrderFault.COMMENTS_MISSING: "Incorrect comments",
    OrderFault.DRIPFEED_NOT_SUPPORTED: "Drip-feed is not available for this service",
    OrderFault.TYPE_UNKNOWN: "Disabled service ID",
}
INCORRECT_ORDER = "Incorrect order ID"
REFILL_NOT_FOUND = "Refill not found"
INCORRECT_REQUEST = "Incorrect request"
INCORRECT_ACTION = "Incorrect action"
TOO_MANY_REQUESTS = "Too many requests"
UNAVAILABLE = "Service temporarily unavailable, the request was not confirmed"


def wording(error: PanelError) -> str:
    """Return the text for an error."""
    if isinstance(error, OrderFieldError):
        known = _BY_FAULT.get(OrderFault(error.code))
        return known.format(limit=error.limit) if known else f"Incorrect {error.field}"
    if isinstance(error, NotFoundError):
        return INCORRECT_ORDER
    return _BY_CODE.get(error.code, str(error))
