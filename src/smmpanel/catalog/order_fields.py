"""The fields that orders are made of, and how each kind is read from what a form or a client sent."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from smmpanel.catalog.links import check_link
from smmpanel.catalog.order_faults import OrderFault, OrderFieldError
from smmpanel.kernel.i18n import marked

WORD_MAX = 255
LINES_LENGTH_MAX = 500_000
"""Longest list of comments or names, in characters: some five thousand comments of usual length."""
BEYOND_ANY_LIMIT = 10**18
_DIGITS_MAX = 18
MISSING = marked("is missing")

# Controls (PostgreSQL's text cannot hold NUL), lone surrogates (not encodable), and the two Unicode line separators, at
# which some providers would split one comment into two that nobody paid for.
_FORBIDDEN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")
_FORBIDDEN_IN_LINES = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")


class FieldKind(StrEnum):
    """How a field is read, and so how a form shows it."""

    LINK = "link"
    URL = "url"
    QUANTITY = "quantity"
    LINES = "lines"
    WORD = "word"
    TEXT = "text"
    INTEGER = "integer"
    CHOICE = "choice"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a service type, named as on the wire."""

    name: str
    kind: FieldKind
    required: bool = True
    only_if: tuple[str, str] | None = None
    """(other field, value): the field matters, and is then required, only while the other has this value."""
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = BEYOND_ANY_LIMIT
    max_length: int = WORD_MAX

    @property
    def label(self) -> str:
        """The translation key of the field's label."""
        return f"order_field.{self.name}"

    def choice_label(self, choice: str) -> str:
        """Return the translation key of one choice."""
        return f"order_field.{self.name}.{choice}"

    def matters(self, values: Mapping[str, str]) -> bool:
        """Tell whether the field is to be read, given the fields read before it."""
        return self.only_if is None or values.get(self.only_if[0]) == self.only_if[1]


def whole_number(text: str) -> int | None:
    """Read a trimmed text of ASCII digits; `None` for anything else: signs, points, exponents, digits of other scripts."""
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text) <= _DIGITS_MAX else BEYOND_ANY_LIMIT


def read_field(field: Field, text: str, *, now: datetime) -> str:
    """Read one field other than link and quantity; returns the text to store and to send, empty if absent and optional."""
    reader = _READERS[field.kind]
    if field.kind is not FieldKind.LINES:
        text = text.strip()
        if not text:
            if field.required:
                raise OrderFieldError(field=field.name, reason=MISSING, code=OrderFault.FIELD_MISSING)
            return ""
        _refuse_controls(field, text, _FORBIDDEN)
    if len(text) > field.max_length:
        raise _invalid(field, marked("is longer than {limit} characters"), limit=field.max_length)
    return reader(field, text, now)


def _invalid(field: Field, reason: str, *, limit: int | None = None, **named: object) -> OrderFieldError:
    return OrderFieldError(field=field.name, reason=reason, code=OrderFault.FIELD_INVALID, limit=limit, **named)


def _refuse_controls(field: Field, text: str, forbidden: re.Pattern[str]) -> None:
    if not text.isprintable() and (found := forbidden.search(text)):
        raise _invalid(field, marked("contains the control character {character}"), character=f"U+{ord(found[0]):04X}")


def _read_lines(field: Field, text: str, _now: datetime) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _refuse_controls(field, text, _FORBIDDEN_IN_LINES)
    lines = [trimmed for line in text.split("\n") if (trimmed := line.strip())]
    if not lines and field.required:
        code = OrderFault.COMMENTS_MISSING if field.name == "comments" else OrderFault.FIELD_MISSING
        raise OrderFieldError(field=field.name, reason=marked("has no lines"), code=code)
    return "\n".join(lines)


def _read_word(field: Field, text: str, _now: datetime) -> str:
    if any(character.isspace() for character in text):
        raise _invalid(field, marked("must be one word, without spaces"))
    return text


def _read_text(_field: Field, text: str, _now: datetime) -> str:
    return text


def _read_url(field: Field, text: str, _now: datetime) -> str:
    try:
        return check_link(text, "website", field=field.name).text
    except OrderFieldError as error:
        raise _invalid(field, error.template, limit=error.limit, **error.named) from None


def _read_integer(field: Field, text: str, _now: datetime) -> str:
    number = whole_number(text)
    if number is None:
        raise _invalid(field, marked("must be a whole number"))
    if number < field.minimum:
        raise _invalid(field, marked("must be at least {limit}"), limit=field.minimum)
    if number > field.maximum:
        raise _invalid(field, marked("must be at most {limit}"), limit=field.maximum)
    return str(number)


def _read_choice(field: Field, text: str, _now: datetime) -> str:
    if text not in field.choices:
        raise _invalid(field, marked("must be one of {choices}"), choices=", ".join(field.choices))
    return text


def _read_date(field: Field, text: str, now: datetime) -> str:
    numbers = [whole_number(part) for part in text.split("/")]
    match numbers:
        case [int(day), int(month), int(year)] if year < 10_000:
            try:
                read = date(year, month, day)
            except (ValueError, OverflowError):
                raise _invalid(field, marked("is not a date")) from None
        case _:
            raise _invalid(field, marked("must be a date as day/month/year"))
    if read <= now.date():
        raise _invalid(field, marked("must be in the future"))
    return f"{read.day:02d}/{read.month:02d}/{read.year:04d}"


_READERS: Mapping[FieldKind, Callable[[Field, str, datetime], str]] = {
    FieldKind.LINES: _read_lines,
    FieldKind.WORD: _read_word,
    FieldKind.TEXT: _read_text,
    FieldKind.URL: _read_url,
    FieldKind.INTEGER: _read_integer,
    FieldKind.CHOICE: _read_choice,
    FieldKind.DATE: _read_date,
}
