"""All types of service in one registry, which the API, the forms and the documentation read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from smmpanel.catalog.links import check_link
from smmpanel.catalog.order_faults import OrderFault, OrderFieldError
from smmpanel.catalog.order_fields import (
    BEYOND_ANY_LIMIT,
    LINES_LENGTH_MAX,
    MISSING,
    Field,
    FieldKind,
    read_field,
    whole_number,
)
from smmpanel.kernel.i18n import marked

QUANTITY_MAX = 1_000_000_000
"""No order bills more than this, all runs and posts together, whatever a service's maximum says."""
RUNS_MAX = 1000
INTERVAL_MINUTES_MAX = 7 * 24 * 60
POSTS_MAX = 10_000
ANSWER_MAX = 1000
TOO_FEW = marked("is less than the minimum of {limit}")
TOO_MANY = marked("is more than the maximum of {limit}")
TOO_LARGE = marked("makes the order larger than the maximum of {limit}")
NO_WHOLE_NUMBER = marked("must be a whole number, written with digits only")
NO_DRIPFEED = marked("are not possible: the service has no drip-feed")
WRONG_RUNS = marked("must be a whole number from 2 to {limit}")
WRONG_INTERVAL = marked("must be a whole number of minutes from 1 to {limit}")

_DELAY_MINUTES = (0, 5, 10, 15, 20, 30, 40, 50, 60, 90, 120, 150, 180, 210, 240, 270, 300, 360, 420, 480, 540, 600)
DELAYS = tuple(str(minutes) for minutes in _DELAY_MINUTES)


class PriceBasis(StrEnum):
    """What a service's rate is multiplied by."""

    PER_QUANTITY = "per_quantity"
    """The rate is per 1,000; the customer names the quantity."""
    PER_LINES = "per_lines"
    """The rate is per 1,000; the non-empty lines of a field are counted, and a posted quantity is ignored."""
    PER_PACKAGE = "per_package"
    """The rate is the price of one package."""
    PER_CHILD = "per_child"
    """The rate is per 1,000; each produced order is charged, and the most that they can come to is held."""


@dataclass(frozen=True, slots=True)
class ServiceType:
    """One type: its names, its fields in the order in which a form shows them, and how it is priced."""

    slug: str
    wire_name: str
    fields: tuple[Field, ...]
    basis: PriceBasis
    dripfeed: bool = False
    """Whether a service of this type may offer drip-feed: `runs` and `interval` in minutes."""
    counted: str = ""
    """The field whose lines are counted, for `PriceBasis.PER_LINES`."""

    @property
    def label(self) -> str:
        """The translation key of the type's name."""
        return f"service_type.{self.slug}"

    @property
    def has_link(self) -> bool:
        """Whether orders name a link; subscriptions name a user instead."""
        return any(field.kind is FieldKind.LINK for field in self.fields)

    @property
    def has_quantity(self) -> bool:
        """Whether a quantity is asked for and sent."""
        return any(field.kind is FieldKind.QUANTITY for field in self.fields)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the ordered service demands: bounds of the quantity, whether it is drip-fed, whose links it takes."""

    min: int
    max: int
    dripfeed: bool = False
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class OrderContent:
    """A checked order: what is stored, billed and sent."""

    link: str
    """The link; for subscriptions the user name, so that lists have something to show."""
    link_key: str
    """For the guard against two running orders on one link."""
    quantity: int
    """The billed quantity: all runs together, all lines, one for packages, the most that a subscription can produce."""
    fields: dict[str, str]
    """The other fields of the type, normalised, as the provider is to receive them."""
    runs: int | None = None
    interval_minutes: int | None = None

    @property
    def run_quantity(self) -> int:
        """The quantity of one run; without drip-feed, of the order."""
        return self.quantity if self.runs is None else self.quantity // self.runs


def _lines(name: str) -> Field:
    return Field(name, FieldKind.LINES, max_length=LINES_LENGTH_MAX)


_LINK = Field("link", FieldKind.LINK)
_QUANTITY = Field("quantity", FieldKind.QUANTITY)
_COMMENTS = _lines("comments")
_USERNAMES = _lines("usernames")
_USERNAME = Field("username", FieldKind.WORD)
_COMMENT_OWNER = Field("username", FieldKind.TEXT)  # display names, which have spaces on some platforms


_WEB_TRAFFIC_FIELDS = (
    _LINK,
    _QUANTITY,
    Field("country", FieldKind.TEXT, max_length=60),
    Field("device", FieldKind.CHOICE, choices=("1", "2", "3", "4", "5")),
    Field("type_of_traffic", FieldKind.CHOICE, choices=("1", "2", "3")),
    Field("google_keyword", FieldKind.TEXT, only_if=("type_of_traffic", "1")),
    Field("referring_url", FieldKind.URL, only_if=("type_of_traffic", "2"), max_length=2000),
)
_SUBSCRIPTION_FIELDS = (
    _USERNAME,
    Field("min", FieldKind.INTEGER),
    Field("max", FieldKind.INTEGER),
    # On the wire zero posts mean "without end". There is no sum that could be held for that, so a number is demanded.
    Field("posts", FieldKind.INTEGER, minimum=1, maximum=POSTS_MAX),
    Field("old_posts", FieldKind.INTEGER, required=False, maximum=POSTS_MAX),
    Field("delay", FieldKind.CHOICE, choices=DELAYS),
    Field("expiry", FieldKind.DATE, required=False),
)

_BY_QUANTITY = PriceBasis.PER_QUANTITY
_BY_LINES = PriceBasis.PER_LINES
_ALL = (
    ServiceType("default", "Default", (_LINK, _QUANTITY), _BY_QUANTITY, dripfeed=True),
    ServiceType("package", "Package", (_LINK,), PriceBasis.PER_PACKAGE),
    ServiceType("custom_comments", "Custom Comments", (_LINK, _COMMENTS), _BY_LINES, counted="comments"),
    ServiceType("custom_comments_package", "Custom Comments Package", (_LINK, _COMMENTS), PriceBasis.PER_PACKAGE),
    ServiceType("mentions", "Mentions", (_LINK, _QUANTITY, _USERNAMES), _BY_QUANTITY),
    ServiceType(
        "mentions_with_hashtags",
        "Mentions with Hashtags",
        (_LINK, _QUANTITY, _USERNAMES, _lines("hashtags")),
        _BY_QUANTITY,
    ),
    ServiceType("mentions_custom_list", "Mentions Custom List", (_LINK, _USERNAMES), _BY_LINES, counted="usernames"),
    ServiceType(
        "mentions_hashtag", "Mentions Hashtag", (_LINK, _QUANTITY, Field("hashtag", FieldKind.WORD)), _BY_QUANTITY
    ),
    ServiceType("mentions_user_followers", "Mentions User Followers", (_LINK, _QUANTITY, _USERNAME), _BY_QUANTITY),
    ServiceType(
        "mentions_media_likers",
        "Mentions Media Likers",
        (_LINK, _QUANTITY, Field("media", FieldKind.URL, max_length=2000)),
        _BY_QUANTITY,
    ),
    ServiceType("comment_likes", "Comment Likes", (_LINK, _QUANTITY, _COMMENT_OWNER), _BY_QUANTITY),
    ServiceType(
        "comment_replies", "Comment Replies", (_LINK, _COMMENT_OWNER, _COMMENTS), _BY_LINES, counted="comments"
    ),
    ServiceType(
        "poll",
        "Poll",
        (_LINK, _QUANTITY, Field("answer_number", FieldKind.INTEGER, minimum=1, maximum=ANSWER_MAX)),
        _BY_QUANTITY,
    ),
    ServiceType("invites_from_groups", "Invites from Groups", (_LINK, _QUANTITY, _lines("groups")), _BY_QUANTITY),
    ServiceType("seo", "SEO", (_LINK, _QUANTITY, _lines("keywords")), _BY_QUANTITY),
    ServiceType("web_traffic", "Web Traffic", _WEB_TRAFFIC_FIELDS, _BY_QUANTITY, dripfeed=True),
    ServiceType("subscriptions", "Subscriptions", _SUBSCRIPTION_FIELDS, PriceBasis.PER_CHILD),
)

SERVICE_TYPES: Mapping[str, ServiceType] = {each.slug: each for each in _ALL}
"""All service types by slug, in the order of the documentation."""

_SEPARATORS = re.compile(r"[\s_-]+")
_OTHER_SPELLINGS = {
    "custom_comment": "custom_comments",
    "custom_comment_package": "custom_comments_package",
    "comment_like": "comment_likes",
    "comment_reply": "comment_replies",
    "mention": "mentions",
    "mention_list": "mentions_custom_list",
    "mention_hashtag": "mentions_hashtag",
    "mention_hastag": "mentions_hashtag",
    "mention_follower": "mentions_user_followers",
    "mention_media": "mentions_media_likers",
    "invite_from_groups": "invites_from_groups",
    "subscription": "subscriptions",
}


def type_named(word: str) -> ServiceType | None:
    """Find the type that a provider or a file means; case, spaces, hyphens and underscores make no difference."""
    slug = _SEPARATORS.sub("_", word.strip().lower())
    return SERVICE_TYPES.get(_OTHER_SPELLINGS.get(slug, slug))


def read_order(type_slug: str, raw: Mapping[str, str], *, terms: Terms, now: datetime) -> OrderContent:
    """Check what was sent for a service and return the order's content; raises `OrderFieldError`, and nothing else.

    Fields that the type does not have are ignored. The billed quantity never comes from outside where it can be counted.
    """
    service_type = SERVICE_TYPES.get(type_slug)
    if service_type is None:
        raise OrderFieldError(field="type", reason=marked("is not a known service type"), code=OrderFault.TYPE_UNKNOWN)
    link = link_key = ""
    quantity = 1
    values: dict[str, str] = {}
    for field in service_type.fields:
        text = raw.get(field.name, "")
        if field.kind is FieldKind.LINK:
            checked = check_link(text, terms.platform)
            link, link_key = checked.text, checked.key
        elif field.kind is FieldKind.QUANTITY:
            quantity = _quantity(field.name, text, terms)
        elif field.matters(values) and (value := read_field(field, text, now=now)):
            values[field.name] = value
    if service_type.counted:
        quantity = _count_lines(service_type.counted, values, terms)
    elif service_type.basis is PriceBasis.PER_CHILD:
        link, link_key = values["username"], values["username"].removeprefix("@").lower()
        quantity = _subscribed_quantity(values, terms)
    runs, interval_minutes = _dripfeed(service_type, raw, terms)
    if runs is not None:
        quantity *= runs
    if quantity > QUANTITY_MAX:
        name = "posts" if service_type.basis is PriceBasis.PER_CHILD else "quantity" if runs is None else "runs"
        raise _above(name, TOO_LARGE, QUANTITY_MAX)
    return OrderContent(link, link_key, quantity, values, runs, interval_minutes)


def provider_fields(type_slug: str, *, link: str, quantity: int, fields: Mapping[str, str]) -> dict[str, str]:
    """Return all fields that a provider is sent for one order or one run: only what its type has, all as text."""
    service_type = SERVICE_TYPES[type_slug]
    sent: dict[str, str] = {}
    for field in service_type.fields:
        if field.kind is FieldKind.LINK:
            sent["link"] = link
        elif field.kind is FieldKind.QUANTITY:
            sent["quantity"] = str(quantity)
        elif field.name in fields:
            sent[field.name] = fields[field.name]
    return sent


def _above(name: str, reason: str, limit: int) -> OrderFieldError:
    return OrderFieldError(field=name, reason=reason, code=OrderFault.QUANTITY_MAX, limit=limit)


def _within(name: str, number: int, terms: Terms) -> int:
    if number < terms.min:
        raise OrderFieldError(field=name, reason=TOO_FEW, code=OrderFault.QUANTITY_MIN, limit=terms.min)
    if number > terms.max:
        raise _above(name, TOO_MANY, terms.max)
    return number


def _quantity(name: str, text: str, terms: Terms) -> int:
    text = text.strip()
    if not text:
        raise OrderFieldError(field=name, reason=MISSING, code=OrderFault.FIELD_MISSING)
    number = whole_number(text)
    if number is None:
        raise OrderFieldError(field=name, reason=NO_WHOLE_NUMBER, code=OrderFault.QUANTITY_NOT_INTEGER)
    if number == 0:  # even a service with a minimum of zero sells nothing for nothing
        limit = max(1, terms.min)
        raise OrderFieldError(field=name, reason=TOO_FEW, code=OrderFault.QUANTITY_MIN, limit=limit)
    return _within(name, number, terms)


def _count_lines(name: str, values: Mapping[str, str], terms: Terms) -> int:
    return _within(name, values[name].count("\n") + 1, terms)


def _subscribed_quantity(values: Mapping[str, str], terms: Terms) -> int:
    """Return the most that a subscription can produce: each new and each old post with the largest quantity."""
    least = _quantity("min", values["min"], terms)
    most = _quantity("max", values["max"], terms)
    if least > most:
        raise OrderFieldError(field="min", reason=marked("is more than max"), code=OrderFault.FIELD_INVALID, limit=most)
    return most * (int(values["posts"]) + int(values.get("old_posts", "0")))


def _dripfeed(service_type: ServiceType, raw: Mapping[str, str], terms: Terms) -> tuple[int | None, int | None]:
    """Read runs and interval. No runs, zero or one are an ordinary order, for which an interval means nothing."""
    text = raw.get("runs", "").strip()
    if text in {"", "0", "1"}:
        return None, None
    if not (service_type.dripfeed and terms.dripfeed):
        raise OrderFieldError(field="runs", reason=NO_DRIPFEED, code=OrderFault.DRIPFEED_NOT_SUPPORTED)
    runs = whole_number(text)
    if runs is None or not 2 <= runs <= RUNS_MAX:
        raise OrderFieldError(field="runs", reason=WRONG_RUNS, code=OrderFault.RUNS_INVALID, limit=RUNS_MAX)
    minutes = whole_number(raw.get("interval", "").strip())
    if minutes is None or not 1 <= minutes <= INTERVAL_MINUTES_MAX:
        raise OrderFieldError(
            field="interval", reason=WRONG_INTERVAL, code=OrderFault.INTERVAL_INVALID, limit=INTERVAL_MINUTES_MAX
        )
    return runs, minutes


assert QUANTITY_MAX < BEYOND_ANY_LIMIT, "a number with too many digits must always be above the maximum"
