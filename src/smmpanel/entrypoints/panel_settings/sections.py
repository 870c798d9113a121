"""The sections of the settings: which options each has, and how what was typed becomes them."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email

from smmpanel.catalog.markups import MARKUP_FIXED, MARKUP_PERCENT, ROUNDING_STEP
from smmpanel.catalog.pages.looking import PUBLIC_OPTION
from smmpanel.catalog.staff.typed import amount_in, written
from smmpanel.content.pages import TERMS_OPTION
from smmpanel.entrypoints.shell import LANGUAGE_OPTION, LANGUAGES_OPTION, LINKS_OPTION, TIME_ZONE_OPTION
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import LANGUAGES, SOURCE_LANGUAGE, marked
from smmpanel.orders.rerouting import REFUSED_OPTION
from smmpanel.payments.pages.add_funds import TRANSFER_OPTION
from smmpanel.payments.second_looks import LIMIT_OPTION as SECOND_OPTION
from smmpanel.web.amounts import amount_typed
from smmpanel.web.brand import ACCENT_OPTION, IS_HEX, NAME_OPTION
from smmpanel.web.formats import Formats

NAME_MAX = 60
LINK_ROWS = 6
LINK_NAME_MAX = 40
LINK_MAX = 500
TRANSFER_MAX, TERMS_MAX = 2_000, 20_000
PERCENT_MAX = Decimal(10_000)
WRONG_NAME = marked("Enter a name of up to 60 characters.")
WRONG_COLOUR = marked("Enter a colour such as #2f63e0.")
WRONG_ZONE = marked("Choose a time zone from the list, such as Asia/Jakarta.")
WRONG_LANGUAGE = marked("The usual language must be one of those that are offered.")
NO_LANGUAGE = marked("Offer one language at least.")
WRONG_LINK = marked("Enter an address such as https://t.me/yourname, or an e-mail address.")
WRONG_LINK_NAME = marked("Give it a name of up to 40 characters, another one in each line.")
LONG_TRANSFER = marked("Shorten it to 2,000 characters.")
LONG_TERMS = marked("Shorten it to 20,000 characters.")
WRONG_AMOUNT = marked("Enter an amount of zero or more, or leave it empty.")
WRONG_PERCENT = marked("Enter a percentage from 0 to 10,000, or leave it empty.")
COMMON_ZONES = (
    "Asia/Ho_Chi_Minh", "Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura", "Asia/Bangkok", "Asia/Singapore",
    "Asia/Kuala_Lumpur", "Asia/Manila", "Asia/Hong_Kong", "Asia/Shanghai", "Asia/Taipei", "Asia/Tokyo", "Asia/Seoul",
    "Asia/Kolkata", "Asia/Karachi", "Asia/Dhaka", "Asia/Dubai", "Asia/Riyadh", "Europe/Istanbul", "Europe/Moscow",
    "Europe/Berlin", "Europe/Paris", "Europe/London", "Africa/Lagos", "Africa/Cairo", "America/Sao_Paulo",
    "America/New_York", "America/Chicago", "America/Los_Angeles", "Australia/Sydney", "UTC",
)  # fmt: skip
_SPACES = re.compile(r"\s+")

Typed = Mapping[str, str]


class WrongFieldsError(InvalidInputError):
    """Some fields of a section are wrong; `errors` says which and how."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = errors
        field, reason = next(iter(errors.items()))
        super().__init__(field=field, reason=reason)


def read_brand(form: Typed) -> dict[str, Any]:
    """Read the panel's name and colour."""
    name = _SPACES.sub(" ", form.get("brand_name", "")).strip()
    accent = "" if form.get("own_colour") == "yes" else form.get("brand_accent", "").strip().lower()
    _refuse(
        brand_name="" if 1 <= len(name) <= NAME_MAX else WRONG_NAME,
        brand_accent=WRONG_COLOUR if accent and not IS_HEX.match(accent) else "",
    )
    return {NAME_OPTION: name, ACCENT_OPTION: accent}


def read_languages(form: Typed) -> dict[str, Any]:
    """Read which languages are offered, which one is usual, and the panel's time zone."""
    offered = [code for code in LANGUAGES if form.get(f"offer_{code}") == "yes"]
    usual, zone = form.get("language", ""), form.get("time_zone", "").strip()
    _refuse(
        languages="" if offered else NO_LANGUAGE,
        language="" if usual in offered or not offered else WRONG_LANGUAGE,
        time_zone="" if zone in available_timezones() else WRONG_ZONE,
    )
    return {LANGUAGES_OPTION: offered, LANGUAGE_OPTION: usual, TIME_ZONE_OPTION: zone}


def read_links(form: Typed) -> dict[str, Any]:
    """Read where customers find help: names and addresses, in order. Lines without either are left out."""
    links: dict[str, str] = {}
    errors: dict[str, str] = {}
    for row in range(LINK_ROWS):
        name = _SPACES.sub(" ", form.get(f"link_name_{row}", "")).strip()
        address = form.get(f"link_{row}", "").strip()
        if not name and not address:
            continue
        href = _address(address)
        if href is None:
            errors[f"link_{row}"] = WRONG_LINK
        if not 1 <= len(name) <= LINK_NAME_MAX or name in links:
            errors[f"link_name_{row}"] = WRONG_LINK_NAME
        links[name] = href or ""
    _refuse(**errors)
    return {LINKS_OPTION: links}


def read_services(form: Typed) -> dict[str, Any]:
    """Read who sees the list of services."""
    return {PUBLIC_OPTION: form.get(PUBLIC_OPTION) == "yes"}


def read_orders(form: Typed) -> dict[str, Any]:
    """Read what becomes of orders that no provider takes."""
    return {REFUSED_OPTION: "hold" if form.get(REFUSED_OPTION) == "hold" else "refund"}


def read_transfer(form: Typed) -> dict[str, Any]:
    """Read how customers pay in by hand, for each language."""
    return {TRANSFER_OPTION: _texts(form, "transfer", TRANSFER_MAX, LONG_TRANSFER)}


def read_terms(form: Typed) -> dict[str, Any]:
    """Read the panel's own terms of use, for each language."""
    return {TERMS_OPTION: _texts(form, "terms", TERMS_MAX, LONG_TERMS)}


def read_markup(form: Typed) -> dict[str, Any]:
    """Read the markup of services for which nothing nearer says one."""
    errors: dict[str, str] = {}
    amounts: dict[str, str | None] = {}
    for name in (MARKUP_PERCENT, MARKUP_FIXED, ROUNDING_STEP):
        wrong = WRONG_PERCENT if name == MARKUP_PERCENT else WRONG_AMOUNT
        try:
            amount = amount_in(form, name)
        except InvalidInputError:
            errors[name] = wrong
            continue
        if amount is not None and (amount < 0 or (name == MARKUP_PERCENT and amount > PERCENT_MAX)):
            errors[name] = wrong
        # A step of nothing is none.
        amounts[name] = None if amount is None or (name == ROUNDING_STEP and not amount) else written(amount)
    _refuse(**errors)
    return dict(amounts)


def read_two_persons(form: Typed, formats: Formats) -> dict[str, Any]:
    """Read from which amount on money that staff credit or pay back takes two persons; empty: never."""
    try:
        amount = amount_typed(formats, form.get(SECOND_OPTION, ""))
    except InvalidInputError:
        amount = Decimal(-1)
    _refuse(**{SECOND_OPTION: WRONG_AMOUNT if amount is not None and amount < 0 else ""})
    return {SECOND_OPTION: written(amount) if amount else None}


READERS: Mapping[str, Callable[[Typed], dict[str, Any]]] = {
    "brand": read_brand,
    "languages": read_languages,
    "links": read_links,
    "services": read_services,
    "markup": read_markup,
    "orders": read_orders,
    "transfer": read_transfer,
    "terms": read_terms,
}
"""By section: how its form is read. Each raises `WrongFieldsError`."""


def typed_from(options: Mapping[str, Any]) -> dict[str, str]:
    """Return what stands in all fields as long as nobody has typed anything."""
    offered = options.get(LANGUAGES_OPTION) or list(LANGUAGES)
    typed = {
        "brand_name": str(options.get(NAME_OPTION) or ""),
        "brand_accent": str(options.get(ACCENT_OPTION) or ""),
        "own_colour": "" if options.get(ACCENT_OPTION) else "yes",
        "language": str(options.get(LANGUAGE_OPTION) or "en"),
        "time_zone": str(options.get(TIME_ZONE_OPTION) or "UTC"),
        PUBLIC_OPTION: "yes" if options.get(PUBLIC_OPTION, True) else "",
        **{f"offer_{code}": "yes" if code in offered else "" for code in LANGUAGES},
        **{name: written(options.get(name)) for name in (MARKUP_PERCENT, MARKUP_FIXED, ROUNDING_STEP)},
        SECOND_OPTION: written(options.get(SECOND_OPTION)),
    }
    typed[REFUSED_OPTION] = str(options.get(REFUSED_OPTION) or "refund")
    for field, option in (("transfer", TRANSFER_OPTION), ("terms", TERMS_OPTION)):
        texts = options.get(option) or {}
        # One text for everybody is what stands in for a language that has none: the English one.
        texts = texts if isinstance(texts, Mapping) else {SOURCE_LANGUAGE: str(texts)}
        typed |= {f"{field}_{code}": str(texts.get(code) or "") for code in LANGUAGES}
    links = list(dict(options.get(LINKS_OPTION) or {}).items())
    for row in range(LINK_ROWS):
        name, href = links[row] if row < len(links) else ("", "")
        typed |= {f"link_name_{row}": str(name), f"link_{row}": str(href).removeprefix("mailto:")}
    return typed


def _texts(form: Typed, field: str, most: int, too_long: str) -> dict[str, str] | None:
    texts = {code: form.get(f"{field}_{code}", "").replace("\r\n", "\n").strip() for code in LANGUAGES}
    _refuse(**{f"{field}_{code}": too_long for code, text in texts.items() if len(text) > most})
    return {code: text for code, text in texts.items() if text} or None


def _refuse(**errors: str) -> None:
    if found := {name: error for name, error in errors.items() if error}:
        raise WrongFieldsError(found)


def _address(typed: str) -> str | None:
    """Return the address that a link leads to; `None` if it is none that a browser should be sent to."""
    if not typed or len(typed) > LINK_MAX or not typed.isprintable() or " " in typed:
        return None
    if "@" in typed and "://" not in typed:
        try:
            return "mailto:" + validate_email(typed.removeprefix("mailto:"), check_deliverability=False).normalized
        except EmailNotValidError:
            return None
    try:
        parts = urlsplit(typed)
    except ValueError:
        return None
    return typed if parts.scheme in {"https", "http"} and parts.hostname and "." in parts.hostname else None
