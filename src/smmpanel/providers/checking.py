"""What may be said of a provider: each value checked where it comes in, with a sentence about what is wrong."""

import ipaddress
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypedDict
from urllib.parse import urlsplit

from smmpanel.kernel.addresses import AllowList, is_public
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.settings import Settings

NAME_MAX = 80
KEY_MAX = 500
URL_MAX = 500
RATE_MAX = 60_000
CONCURRENCY_MAX = 1000
TIMEOUT_MAX_SECONDS = 120
PERCENT_LEAST = Decimal("-99.9999")
PERCENT_MAX = Decimal(10_000)
AMOUNT_MAX = Decimal(10) ** 12

_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_CURRENCY = re.compile(r"[A-Z]{3,5}")
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f]")


class ProviderTerms(TypedDict, total=False):
    """What staff may say of a provider besides its key, when adding it and later."""

    name: str
    alias: str
    base_url: str
    options: Mapping[str, Any]
    currency: str
    rate_per_minute: int | None
    concurrency: int
    timeout_seconds: int
    markup_percent: Decimal | None
    markup_fixed: Decimal | None
    rounding_step: Decimal | None
    low_balance: Decimal | None


def checked_slug(slug: str) -> str:
    """Return a provider's short name; it starts with a letter, so that it cannot be mistaken for an id."""
    if not _SLUG.fullmatch(slug):
        raise InvalidInputError(field="slug", reason=marked("is made of a-z, 0-9, - and _, and starts with a letter"))
    return slug


def checked_key(api_key: str) -> str:
    """Return a key as it can be sent: copied without the spaces around it."""
    key = api_key.strip()
    if not key or len(key) > KEY_MAX or _UNFIT.search(key):
        raise InvalidInputError(field="api_key", reason=marked("must be a key without spaces or line breaks"))
    return key


def checked_url(base_url: str, settings: Settings) -> str:
    """Return an address that may be called; a literal private one needs the operator's allow-list.

    A name is looked at again with each call, since where it leads can change.
    """
    url = base_url.strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidInputError(field="base_url", reason=marked("is no URL")) from None
    if parts.scheme not in {"http", "https"} or not host or len(url) > URL_MAX or _UNFIT.search(url):
        raise InvalidInputError(field="base_url", reason=marked("must be a http:// or https:// address"))
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidInputError(field="base_url", reason=marked("must not contain a user name, a password or a #"))
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return url
    allowed = AllowList(settings.networks(settings.outgoing_allow))
    if not is_public(address) and not allowed.admits(host, port or (443 if parts.scheme == "https" else 80), address):
        raise InvalidInputError(
            field="base_url", reason=marked("is a private address; SMMPANEL_OUTGOING_ALLOW can admit it")
        )
    return url


def checked_currency(currency: str) -> str:
    """Return a currency code in capitals; some accounts are in codes of more than three letters, such as USDT."""
    code = currency.strip().upper()
    if not _CURRENCY.fullmatch(code):
        raise InvalidInputError(field="currency", reason=marked("must be a code such as USD"))
    return code


def checked_terms(terms: ProviderTerms, settings: Settings) -> ProviderTerms:
    """Return the terms as they are stored; raises `InvalidInputError` for the first that cannot be."""
    checked: ProviderTerms = {**terms}
    if "name" in terms:
        checked["name"] = _label("name", terms["name"])
    if "alias" in terms:
        checked["alias"] = _label("alias", terms["alias"])
    if "base_url" in terms:
        checked["base_url"] = checked_url(terms["base_url"], settings)
    if "options" in terms:
        checked["options"] = dict(terms["options"])
    if "currency" in terms:
        checked["currency"] = checked_currency(terms["currency"])
    _whole("rate_per_minute", terms.get("rate_per_minute"), RATE_MAX)
    _whole("concurrency", terms.get("concurrency"), CONCURRENCY_MAX)
    _whole("timeout_seconds", terms.get("timeout_seconds"), TIMEOUT_MAX_SECONDS)
    _between("markup_percent", terms.get("markup_percent"), PERCENT_LEAST, PERCENT_MAX)
    _between("markup_fixed", terms.get("markup_fixed"), Decimal(0), AMOUNT_MAX)
    _between("rounding_step", terms.get("rounding_step"), Decimal(0), AMOUNT_MAX)
    _between("low_balance", terms.get("low_balance"), Decimal(0), AMOUNT_MAX)
    return checked


def _label(field: str, text: str) -> str:
    label = " ".join(text.split())
    if not label or len(label) > NAME_MAX or not label.isprintable():
        raise InvalidInputError(
            field=field, reason=marked("must be a name of at most {most} characters"), most=NAME_MAX
        )
    return label


def _whole(field: str, number: int | None, most: int) -> None:
    if number is not None and not 1 <= number <= most:
        raise InvalidInputError(field=field, reason=marked("must be between {least} and {most}"), least=1, most=most)


def _between(field: str, amount: Decimal | None, least: Decimal, most: Decimal) -> None:
    if amount is not None and not (amount.is_finite() and least <= amount <= most):
        raise InvalidInputError(
            field=field, reason=marked("must be between {least} and {most}"), least=least, most=most
        )
