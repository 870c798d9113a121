"""Parts of gateways' JSON that several of them write alike: objects, lists, moments; and an address for customers without one."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from smmpanel.payments.protocol import Intent, UnreadableMessageError

MOMENT_DIGITS_MAX = 12
MOMENT_TEXT_MAX = 40
SECOND_DIGITS_MAX = 11
"""Longer numbers are milliseconds, for the next three thousand years."""


def object_in(value: object) -> Mapping[str, Any]:
    """Return what must be an object; raises `UnreadableMessageError`."""
    if not isinstance(value, Mapping):
        raise UnreadableMessageError
    return value


def objects_in(value: object) -> Sequence[Mapping[str, Any]]:
    """Return what must be a list of objects; raises `UnreadableMessageError`."""
    if not isinstance(value, list):
        raise UnreadableMessageError
    return [object_in(one) for one in value]


def iso_moment(value: object) -> datetime | None:
    """Return a moment written by ISO 8601 with its zone; `None` for nothing, and for what is none: it is told for comfort."""
    if not isinstance(value, str) or len(value) > MOMENT_TEXT_MAX:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def unix_moment(value: object) -> datetime | None:
    """Return a moment written in whole seconds since 1970; `None` for what is none."""
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > MOMENT_DIGITS_MAX:
        return None
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def moment_in(text: str) -> datetime | None:
    """Return a moment by ISO 8601, or in seconds or milliseconds since 1970; `None` for what is none."""
    is_long = len(text) > SECOND_DIGITS_MAX and text.isdigit()
    return iso_moment(text) or unix_moment(text[:-3] if is_long else text)


def email_of(intent: Intent) -> str:
    """Return the customer's address for gateways that demand one; without one: an address of the panel's own that is nobody's."""
    home = urlsplit(intent.return_url).hostname or "example.com"
    return intent.email or f"{intent.reference.lower()}@{home}"
