"""The words of the order forms: what fields and their choices are called, and what is wrong, said so that one can mend it."""

from collections.abc import Callable, Mapping

from starlette.requests import Request

from smmpanel.catalog.order_faults import OrderFault, OrderFieldError
from smmpanel.catalog.order_fields import BEYOND_ANY_LIMIT, Field, FieldKind
from smmpanel.catalog.platforms import PLATFORMS
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.kernel.errors import PanelError
from smmpanel.kernel.i18n import marked
from smmpanel.ledger import InsufficientFundsError, KeyReusedError
from smmpanel.orders.drafting import ServiceUnavailableError, ServiceUnknownError
from smmpanel.orders.guarding import LinkInUseError
from smmpanel.orders.mass import MassFault
from smmpanel.orders.placing import OutOfStockError
from smmpanel.web.errors import failure_of
from smmpanel.web.languages import say
from smmpanel.web.pages import formats_of

FIELD_LABELS: Mapping[str, str] = {
    "service": marked("Service"),
    "link": marked("Link"),
    "quantity": marked("Quantity"),
    "comments": marked("Comments"),
    "usernames": marked("User names"),
    "username": marked("User name"),
    "hashtags": marked("Hashtags"),
    "hashtag": marked("Hashtag"),
    "media": marked("Link of the media"),
    "answer_number": marked("Number of the answer"),
    "groups": marked("Groups"),
    "keywords": marked("Keywords"),
    "country": marked("Country"),
    "device": marked("Device"),
    "type_of_traffic": marked("Kind of traffic"),
    "google_keyword": marked("Google keyword"),
    "referring_url": marked("Referring address"),
    "min": marked("Least per post"),
    "max": marked("Most per post"),
    "posts": marked("New posts"),
    "old_posts": marked("Old posts"),
    "delay": marked("Delay"),
    "expiry": marked("Ends on"),
    "runs": marked("Runs"),
    "interval": marked("Minutes between runs"),
}
_ONE_PER_LINE = marked("One per line.")
FIELD_HINTS: Mapping[str, str] = {
    "link": marked("Public profile or post. Never share your password."),
    "comments": _ONE_PER_LINE,
    "usernames": _ONE_PER_LINE,
    "hashtags": _ONE_PER_LINE,
    "groups": _ONE_PER_LINE,
    "keywords": _ONE_PER_LINE,
    "username": marked("The name alone, without a link."),
    "answer_number": marked("Which answer of the poll is to be chosen, counted from one."),
    "google_keyword": marked("What visitors are to have searched for."),
    "referring_url": marked("Where visitors are to come from."),
    "posts": marked("How many future posts are served."),
    "old_posts": marked("How many of the latest posts are served too."),
    "delay": marked("How long to wait after a new post."),
    "expiry": marked("New posts after this day are not served."),
}
_CHOICES: Mapping[tuple[str, str], str] = {
    ("device", "1"): marked("Desktop"),
    ("device", "2"): marked("Mobile, Android"),
    ("device", "3"): marked("Mobile, iOS"),
    ("device", "4"): marked("Mobile, mixed"),
    ("device", "5"): marked("Mobile and desktop"),
    ("type_of_traffic", "1"): marked("From Google"),
    ("type_of_traffic", "2"): marked("From another site"),
    ("type_of_traffic", "3"): marked("Direct"),
    ("delay", "0"): marked("None"),
}
_MINUTES = marked("{n} min")

STATUS_KINDS: Mapping[str, str] = {
    "Processing": "is-info",
    "In progress": "is-brand",
    "Active": "is-ok",
    "Completed": "is-ok",
    "Partial": "is-warn",
    "Paused": "is-warn",
    "Canceled": "is-bad",
}
"""The colour of each word for a status; the others have none."""

_MINIMUM = marked("The minimum is {limit}. Enter {limit} or more.")
_MAXIMUM = marked("The maximum is {limit}. Enter {limit} or less.")
_LINES_MINIMUM = marked("At least {limit} lines are needed.")
_LINES_MAXIMUM = marked("At most {limit} lines are possible.")
_TOO_LARGE = marked("Together this is more than the {limit} that one order may have.")
_NOT_OF_PLATFORM = marked("This is not a link to {platform}. Paste the address of a profile or post there.")
_NOT_A_LINK = marked("This link cannot be used. Paste the full address, beginning with https://.")
_PLAIN_FAULTS: Mapping[str, str] = {
    OrderFault.MISSING_LINK: marked("Enter a link."),
    OrderFault.QUANTITY_NOT_INTEGER: marked("Enter a whole number."),
    OrderFault.COMMENTS_MISSING: marked("Write at least one comment."),
    OrderFault.FIELD_MISSING: marked("Fill in this field."),
    OrderFault.DRIPFEED_NOT_SUPPORTED: marked("This service has no drip-feed."),
    OrderFault.RUNS_INVALID: marked("Enter a whole number from 2 to {limit}."),
    OrderFault.INTERVAL_INVALID: marked("Enter a whole number from 1 to {limit}."),
}
_INVALID: Mapping[FieldKind, str] = {
    FieldKind.WORD: marked("Enter one word, without spaces."),
    FieldKind.URL: marked("Enter a web address that begins with https://."),
    FieldKind.CHOICE: marked("Choose one from the list."),
    FieldKind.DATE: marked("Choose a day in the future."),
}
_WRONG_TEXT = marked("This text is too long, or has characters that cannot be sent.")
_LEAST_ABOVE_MOST = marked("The least cannot be more than the most.")
_BETWEEN = marked("Enter a whole number from {least} to {most}.")
_AT_LEAST = marked("Enter a whole number, {least} or more.")

_SHORT_OF = marked("Your balance is short by {amount}. Add funds or order less.")
_REFUSALS: Mapping[type[PanelError], str] = {
    ServiceUnknownError: marked("This service does not exist."),
    ServiceUnavailableError: marked("This service cannot be ordered at the moment. Choose another one."),
    LinkInUseError: marked("An order for this link is still running. Wait until it is completed."),
    OutOfStockError: marked("There are not that many in stock."),
    KeyReusedError: marked("This form was sent before with other content. Check it and send it again."),
}
MASS_FAULTS: Mapping[MassFault, str] = {
    MassFault.SERVICE_MISSING: marked("The service is missing."),
    MassFault.SERVICE_INVALID: marked("The line must begin with the number of a service."),
    MassFault.LINE_INCOMPLETE: marked("Write: service | link | quantity"),
    MassFault.TOO_MANY_PARTS: marked("There are too many parts. Comments and drip-feed need a CSV file."),
    MassFault.CSV_BROKEN: marked("This row is not well-formed CSV. Look for a quote that does not close."),
}


def choice_label(request: Request, field: Field, choice: str) -> str:
    """Say what a choice of a field means."""
    known = _CHOICES.get((field.name, choice))
    return say(request, known) if known is not None else say(request, _MINUTES, n=choice)


def refusal_text(request: Request, error: PanelError, *, platform: str | None = None) -> str:
    """Say why an order cannot be placed, and what to do about it."""
    formats = formats_of(request)
    if isinstance(error, OrderFieldError):
        return fault_text(request, error, platform=platform)
    if isinstance(error, InsufficientFundsError):
        return say(request, _SHORT_OF, amount=formats.exact(error.needed.amount - error.available.amount))
    known = _REFUSALS.get(type(error))
    return say(request, known) if known is not None else failure_of(request, error).message


def fault_text(
    request: Request, error: OrderFieldError, *, platform: str | None = None, type_slug: str | None = None
) -> str:
    """Say what is wrong with a field, and what to enter instead."""
    number: Callable[[int], str] = formats_of(request).num
    limit = "" if error.limit is None else number(error.limit)
    fault = OrderFault(error.code)
    service_type = SERVICE_TYPES.get(type_slug or "")
    counted = service_type.counted if service_type is not None else ""
    lines = error.field in ({counted} if service_type is not None else {"comments", "usernames"})
    if fault is OrderFault.QUANTITY_MIN:
        return say(request, _LINES_MINIMUM if lines else _MINIMUM, limit=limit)
    if fault is OrderFault.QUANTITY_MAX:
        whole = _TOO_LARGE if error.field in {"runs", "posts"} else _LINES_MAXIMUM if lines else _MAXIMUM
        return say(request, whole, limit=limit)
    if fault is OrderFault.BAD_LINK:
        wanted = PLATFORMS.get(platform or "")
        named = wanted is not None and wanted.hosts
        return say(request, _NOT_OF_PLATFORM, platform=wanted.name) if wanted and named else say(request, _NOT_A_LINK)
    if fault is OrderFault.FIELD_INVALID:
        return _invalid_text(request, error, number)
    plain = _PLAIN_FAULTS.get(fault)
    return say(request, plain, limit=limit) if plain is not None else say(request, _WRONG_TEXT)


def _invalid_text(request: Request, error: OrderFieldError, number: Callable[[int], str]) -> str:
    field = next((each for one in SERVICE_TYPES.values() for each in one.fields if each.name == error.field), None)
    if field is None:
        return say(request, _WRONG_TEXT)
    if field.kind is FieldKind.INTEGER:
        if error.field == "min" and error.limit is not None:
            return say(request, _LEAST_ABOVE_MOST)
        if field.maximum < BEYOND_ANY_LIMIT:
            return say(request, _BETWEEN, least=number(field.minimum), most=number(field.maximum))
        return say(request, _AT_LEAST, least=number(field.minimum))
    return say(request, _INVALID.get(field.kind, _WRONG_TEXT))
