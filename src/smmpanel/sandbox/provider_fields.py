"""What an order of each service type must carry, how much it delivers and what it costs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from smmpanel.sandbox.provider_catalogue import Service
from smmpanel.sandbox.provider_errors import Refusal

_UNIT = Decimal("0.000001")
MAX_NUMBER_DIGITS = 12
DELAYS = frozenset((0, 5, 10, 15, 20, 30, 40, 50, 60, 90, 120, 150, 180, 210, 240, 270, 300, 360, 420, 480, 540, 600))


@dataclass(frozen=True, slots=True)
class TypeRule:
    """The fields of one service type. `counted` is the list whose lines are the quantity; `package` has no quantity."""

    required: tuple[str, ...]
    counted: str | None = None
    package: bool = False


TYPES: dict[str, TypeRule] = {
    "Default": TypeRule(("link", "quantity")),
    "Package": TypeRule(("link",), package=True),
    "Custom Comments": TypeRule(("link", "comments"), counted="comments"),
    "Custom Comments Package": TypeRule(("link", "comments"), package=True),
    "Mentions": TypeRule(("link", "quantity", "usernames")),
    "Mentions with Hashtags": TypeRule(("link", "quantity", "usernames", "hashtags")),
    "Mentions Custom List": TypeRule(("link", "usernames"), counted="usernames"),
    "Mentions Hashtag": TypeRule(("link", "quantity", "hashtag")),
    "Mentions User Followers": TypeRule(("link", "quantity", "username")),
    "Mentions Media Likers": TypeRule(("link", "quantity", "media")),
    "Comment Likes": TypeRule(("link", "quantity", "username")),
    "Comment Replies": TypeRule(("link", "username", "comments"), counted="comments"),
    "Poll": TypeRule(("link", "quantity", "answer_number")),
    "Invites from Groups": TypeRule(("link", "quantity", "groups")),
    "SEO": TypeRule(("link", "quantity", "keywords")),
    "Web Traffic": TypeRule(("link", "quantity", "country", "device", "type_of_traffic")),
    "Subscriptions": TypeRule(("username", "min", "max", "delay")),
}


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that was found correct, and its price."""

    service: Service
    link: str
    quantity: int
    charge: Decimal
    fields: Mapping[str, str]
    posts: int = 0
    """For a subscription, the orders it will produce; it is charged for each of them instead of at once."""
    longest: int = 0


def lines_of(text: str) -> list[str]:
    """The non-empty lines of a list field, trimmed."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def price(service: Service, quantity: int) -> Decimal:
    """What so many units cost, to six places."""
    if TYPES[service.type].package:
        return service.rate
    return (service.rate * quantity / 1000).quantize(_UNIT, rounding=ROUND_HALF_UP)


def _number(fields: Mapping[str, str], name: str, default: str = "") -> int:
    text = fields.get(name, default).strip()
    if not text.isascii() or not text.isdecimal() or len(text) > MAX_NUMBER_DIGITS:
        raise Refusal("field", name)
    return int(text)


def _check_required(rule: TypeRule, fields: Mapping[str, str]) -> None:
    for name in rule.required:
        if fields.get(name, "").strip():
            continue
        raise Refusal(name) if name in ("link", "comments") else Refusal("field", name)
    if "link" in rule.required and re.search(r"\s", fields["link"].strip()):
        raise Refusal("link")


def _within(service: Service, quantity: int) -> None:
    if quantity < service.min:
        raise Refusal("min", service.min)
    if quantity > service.max:
        raise Refusal("max", service.max)


def _check_traffic(fields: Mapping[str, str]) -> None:
    if _number(fields, "device") not in range(1, 6):
        raise Refusal("field", "device")
    traffic = _number(fields, "type_of_traffic")
    if traffic not in range(1, 4):
        raise Refusal("field", "type_of_traffic")
    needed = {1: "google_keyword", 2: "referring_url"}.get(traffic)
    if needed and not fields.get(needed, "").strip():
        raise Refusal("field", needed)


def _subscription(service: Service, fields: Mapping[str, str]) -> NewOrder:
    shortest, longest = _number(fields, "min"), _number(fields, "max")
    _within(service, shortest)
    _within(service, longest)
    if shortest > longest:
        raise Refusal("field", "max")
    if _number(fields, "delay") not in DELAYS:
        raise Refusal("field", "delay")
    expiry = fields.get("expiry", "")
    if expiry and not re.fullmatch(r"\d{1,2}/\d{1,2}/\d{4}", expiry):
        raise Refusal("field", "expiry")
    posts = _number(fields, "posts", "0") + _number(fields, "old_posts", "0")
    return NewOrder(service, fields["username"], shortest, Decimal(0), fields, posts=posts, longest=longest)


def _runs(service: Service, fields: Mapping[str, str]) -> int:
    """How often a drip-feed order runs; 1 for an ordinary one."""
    if not fields.get("runs", "").strip() and not fields.get("interval", "").strip():
        return 1
    runs, interval = _number(fields, "runs"), _number(fields, "interval")
    if runs < 1 or interval < 1 or not service.dripfeed:
        raise Refusal("interval")
    return runs


def read_new_order(service: Service, fields: Mapping[str, str]) -> NewOrder:
    """Check an order as a provider does; raises `Refusal` with the first thing that is wrong."""
    rule = TYPES[service.type]
    _check_required(rule, fields)
    if service.type == "Subscriptions":
        return _subscription(service, fields)
    link = fields["link"].strip()
    if rule.package:
        return NewOrder(service, link, 1, price(service, 1), fields)
    quantity = len(lines_of(fields[rule.counted])) if rule.counted else _number(fields, "quantity")
    _within(service, quantity)
    if service.type == "Poll":
        _number(fields, "answer_number")
    if service.type == "Web Traffic":
        _check_traffic(fields)
    quantity *= _runs(service, fields)
    return NewOrder(service, link, quantity, price(service, quantity), fields)
