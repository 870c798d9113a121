"""What can be called, as the documentation tells it: fields, what they mean, and what is answered."""

from collections.abc import Sequence
from typing import NamedTuple

from smmpanel.kernel.i18n import marked

LINK = "https://www.instagram.com/cafe.sgn"
ORDERS = marked("Numbers of orders with commas between them, 100 at most.")
ORDER = marked("Number of an order.")
REFILLS = marked("Numbers of refills with commas between them, 100 at most.")
SERVICE = marked("Number of the service.")


class Parameter(NamedTuple):
    """A field of a call; its meaning is a text to be translated."""

    name: str
    meaning: str
    is_required: bool = True


class Call(NamedTuple):
    """One way of calling. Title and text are to be translated; the answer is what a panel sends."""

    anchor: str
    title: str
    text: str
    parameters: Sequence[Parameter]
    fields: Sequence[tuple[str, str]]
    answer: str


CALLS = (
    Call(
        "services",
        marked("List of services"),
        marked("All services on sale, at the prices of your account. Numbers come as text, as clients expect them."),
        (),
        (("action", "services"),),
        '[{"service": 1, "name": "Followers", "type": "Default",\n  "category": "Instagram Followers", "rate": "0.90",\n'
        '  "min": "50", "max": "10000", "dripfeed": false,\n  "refill": true, "cancel": true, "desc": ""}]',
    ),
    Call(
        "add",
        marked("Place an order"),
        marked("What is needed besides the service depends on its type: see the table below. This is the usual one."),
        (
            Parameter("service", SERVICE),
            Parameter("link", marked("The public address of the profile or post.")),
            Parameter("quantity", marked("How many, within the limits of the service; for a drip-feed in each run.")),
            Parameter("runs", marked("How many runs a drip-feed has, 2 to 1000."), is_required=False),
            Parameter("interval", marked("Minutes between the runs of a drip-feed."), is_required=False),
            Parameter("coupon", marked("A coupon's code: it takes something off the price."), is_required=False),
            Parameter(
                "ref_id", marked("Your own name for this order: the same one twice is one order."), is_required=False
            ),
        ),
        (("action", "add"), ("service", "1"), ("link", LINK), ("quantity", "1000"), ("ref_id", "invoice-1042")),
        '{"order": 23501}',
    ),
    Call(
        "add-comments",
        marked("Place an order with comments"),
        marked("One comment per line. The lines are counted; a quantity is not sent."),
        (
            Parameter("service", SERVICE),
            Parameter("link", marked("The public address of the post.")),
            Parameter("comments", marked("The comments, one per line.")),
        ),
        (("action", "add"), ("service", "2"), ("link", LINK), ("comments", "Great shot!\nWhere is this?")),
        '{"order": 23502}',
    ),
    Call(
        "status",
        marked("Status of an order"),
        marked(
            "The status is Pending, Processing, In progress, Completed, Partial or Canceled. After Partial and Canceled the"
            " charge is what remains of it."
        ),
        (Parameter("order", ORDER),),
        (("action", "status"), ("order", "23501")),
        '{"charge": "0.27819", "start_count": "3572",\n "status": "Partial", "remains": "157", "currency": "USD"}',
    ),
    Call(
        "statuses",
        marked("Status of several orders"),
        marked("One call for up to 100 orders costs as much of your limit as a call for one."),
        (Parameter("orders", ORDERS),),
        (("action", "status"), ("orders", "23501,23502")),
        '{"23501": {"charge": "0.27819", "start_count": "3572",\n   "status": "Partial", "remains": "157", "currency": "USD"},\n'
        ' "23502": {"error": "Incorrect order ID"}}',
    ),
    Call(
        "refill",
        marked("Ask for a refill"),
        marked("The answer is the number of the refill. It says that the request is registered, not that it is done."),
        (Parameter("order", ORDER),),
        (("action", "refill"), ("order", "23501")),
        '{"refill": "77"}',
    ),
    Call(
        "refills",
        marked("Ask for several refills"),
        marked("Each order is answered by itself, in the order in which they were named."),
        (Parameter("orders", ORDERS),),
        (("action", "refill"), ("orders", "23501,23502")),
        '[{"order": 23501, "refill": 77},\n {"order": 23502, "refill": {"error": "Incorrect order ID"}}]',
    ),
    Call(
        "refill-status",
        marked("Status of a refill"),
        marked("Pending, In progress, Completed, Rejected or Error."),
        (Parameter("refill", marked("Number of a refill.")),),
        (("action", "refill_status"), ("refill", "77")),
        '{"status": "Completed"}',
    ),
    Call(
        "refill-statuses",
        marked("Status of several refills"),
        marked("Each refill is answered by itself, in the order in which they were named."),
        (Parameter("refills", REFILLS),),
        (("action", "refill_status"), ("refills", "77,78")),
        '[{"refill": 77, "status": "Completed"},\n {"refill": 78, "status": {"error": "Refill not found"}}]',
    ),
    Call(
        "cancel",
        marked("Ask to cancel orders"),
        marked("A 1 says that the request is registered. What is paid back is told by the status later."),
        (Parameter("orders", ORDERS),),
        (("action", "cancel"), ("orders", "23501,23502")),
        '[{"order": 23501, "cancel": 1},\n {"order": 23502, "cancel": {"error": "Incorrect order ID"}}]',
    ),
    Call(
        "balance",
        marked("Balance of your account"),
        marked("What can be spent on orders now."),
        (),
        (("action", "balance"),),
        '{"balance": "100.84", "currency": "USD"}',
    ),
)
ERRORS = (
    ("Invalid API key", marked("The key is wrong or was revoked.")),
    ("IP address is not allowed", marked("The key may not be used from this address.")),
    ("Incorrect request", marked("A field that is needed is missing, or the call cannot be read.")),
    ("Incorrect action", marked("There is no such action.")),
    ("Incorrect service ID", marked("There is no such service.")),
    ("Disabled service ID", marked("The service is not on sale at the moment.")),
    ("Not enough funds on balance", marked("The balance does not cover the charge. Nothing was ordered.")),
    ("Daily spend limit of this API key reached", marked("The key has spent what it may spend in a day.")),
    ("Incorrect link", marked("The link is missing, or is no link to the platform of the service.")),
    ("Quantity less than minimal 50", marked("The quantity is below the minimum of the service.")),
    ("Quantity more than maximum 10000", marked("The quantity is above the maximum of the service.")),
    ("Incorrect coupon", marked("The coupon is unknown, used up or over, or is not for this order.")),
    (
        "You have active order with this link. Please wait until order being completed.",
        marked("Another order of this service still runs on this link."),
    ),
    (
        "Idempotency key was used for another order",
        marked("The same ref_id or Idempotency-Key came with other content."),
    ),
    ("Incorrect order ID", marked("There is no such order in your account.")),
    ("Refill not found", marked("There is no such refill in your account.")),
    ("Maximum 100 orders", marked("Too many numbers in one call.")),
)
"""What a refusal says, word for word, and what it means."""
ACTIONS = ("balance", "services", "add", "status", "refill", "refill_status", "cancel")
