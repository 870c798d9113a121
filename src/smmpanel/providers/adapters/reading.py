"""Reading what panels answer: JSON with and without a BOM, numbers as text, text as numbers, flags as anything.

Every function returns `None` for what it does not understand; none raises on any input.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

NUMBER_MAX = 10**12
RATE_MAX = Decimal(10**10)
TEXT_MAX = 20_000
ID_MAX = 64
REMEMBERED_CHARS = 40
"""Words and numbers up to this length come again and again, by the hundred in every list of states."""

_PLAIN = re.compile(r"[+-]?(\d{1,24}(\.\d{0,40})?|\.\d{1,40})(e[+-]?\d{1,2})?", re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d{0,40})?")
_SPACES = re.compile(r"\s+")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
_NOT_WORD = re.compile(r"[\W_]+")
_BREAK = re.compile(r"<(br|/p|/div|/li|/tr|/h\d)\b[^>]{0,100}>", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n{3,}")
_TAG = re.compile(r"<[^>]{0,500}>")


class NotJSONError(ValueError):
    """The body is no JSON document."""


def parse_json(body: bytes) -> Any:
    """Parse JSON with decimals kept exact; raises only `NotJSONError`, whatever the bytes are."""
    try:
        text = body.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
        # NaN and Infinity are no JSON, but some scripts write them for "nothing".
        return json.loads(text, parse_float=_decimal, parse_constant=lambda _name: None)
    except (ValueError, RecursionError) as wrong:
        raise NotJSONError(str(wrong)) from None


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def text_of(value: Any, *, max_chars: int = TEXT_MAX) -> str:
    """Return text or a number as clean text; anything else is empty."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    if isinstance(value, int):
        text = str(value) if abs(value) < 10**40 else ""
    elif isinstance(value, Decimal):
        text = _plain(value)
    else:
        text = value[: max_chars * 2]
    # Neither zero bytes nor half surrogates can be stored.
    text = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return text.strip()[:max_chars]


def label_of(value: Any, *, max_chars: int = 500) -> str:
    """Return a name for people: entities resolved, white space collapsed."""
    return _SPACES.sub(" ", html.unescape(text_of(value))).replace("\x00", "").strip()[:max_chars]


def prose_of(value: Any) -> str:
    """Return a description as plain text with its line breaks: what a panel writes in HTML stays out of our pages."""
    text = _TAG.sub("", _BREAK.sub("\n", text_of(value)))
    lines = (_SPACES.sub(" ", line).strip() for line in html.unescape(text).replace("\x00", "").splitlines())
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def message_of(value: Any) -> str:
    """Return an error's words, whatever they are wrapped in: text, a list, an object, or objects of lists."""
    found: list[str] = []
    _collect(value, found, depth=0)
    return _SPACES.sub(" ", _TAG.sub(" ", "; ".join(found))).strip()[:500]


def _collect(value: Any, found: list[str], *, depth: int) -> None:
    if depth > 4 or len(found) >= 5:
        return
    if isinstance(value, Mapping):
        named = [value[name] for name in ("message", "msg", "text", "error", "pesan", "detail") if value.get(name)]
        for each in named[:1] or list(value.values())[:5]:
            _collect(each, found, depth=depth + 1)
    elif isinstance(value, list):
        for each in value[:5]:
            _collect(each, found, depth=depth + 1)
    elif text := html.unescape(text_of(value, max_chars=500)):
        found.append(text)


def amount_of(value: Any) -> Decimal | None:
    """Return a finite decimal: a number, or text such as `0.90`, `+2` or `1,234.50`."""
    if type(value) is str and len(value) <= REMEMBERED_CHARS:
        return _remembered_amount(value)
    return _amount(value)


def _amount(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        number = Decimal(value) if -NUMBER_MAX <= value <= NUMBER_MAX else None
    elif isinstance(value, Decimal):
        number = value
    elif isinstance(value, str):
        number = _number(value)
    else:
        number = None
    if number is None or not number.is_finite() or number.copy_abs() > NUMBER_MAX:
        return None
    # Floats printed by PHP carry noise behind the tenth place, and an exponent could ask for a billion digits.
    return Decimal(0) if number.adjusted() < -12 else round(number, 10).normalize() + 0


_remembered_amount = lru_cache(maxsize=4096)(_amount)


def _number(text: str) -> Decimal | None:
    text = text.strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    return _decimal(text) if _PLAIN.fullmatch(text) else None


def whole_of(value: Any) -> int | None:
    """Return a whole number; the sign stays, because `-2` left means two too many were delivered."""
    if type(value) is str and len(value) <= 12 and value.isascii() and value.isdigit():
        return int(value)
    number = amount_of(value)
    return int(number) if number is not None and number == number.to_integral_value() else None


def flag_of(value: Any) -> bool | None:
    """Return a yes or no, or `None` where the panel says neither."""
    word = str(value).strip().lower() if isinstance(value, bool | int | str) else ""
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(word)


def id_of(value: Any) -> str | None:
    """Return an order's or refill's id as text. What only says "no id" (0, "", null, false, -1, words) is none."""
    text = text_of(value, max_chars=ID_MAX + 1).removeprefix("#")
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")  # number_format() of an id
    if len(text) > ID_MAX or not _ID.fullmatch(text) or not text.strip("0."):
        return None
    return text if any(letter.isdigit() for letter in text) else None


def word_of(value: Any) -> str:
    """Return a status or type word in lower case, with single underscores for whatever stood between its parts."""
    return _remembered_word(value) if type(value) is str and len(value) <= REMEMBERED_CHARS else _word(value)


def _word(value: Any) -> str:
    return _NOT_WORD.sub("_", label_of(value, max_chars=60).lower()).strip("_")


_remembered_word = lru_cache(maxsize=1024)(_word)


def rows_of(value: Any) -> Iterator[Mapping[str, Any]]:
    """Return the objects of a list, or of an object that PHP made of a list with gaps."""
    values = value if isinstance(value, list) else list(value.values()) if isinstance(value, Mapping) else []
    yield from (row for row in values if isinstance(row, Mapping))


def _plain(number: Decimal) -> str:
    if not number.is_finite() or abs(number.adjusted()) > 40:
        return ""
    whole = number.to_integral_value()
    return format(whole if number == whole else number, "f")
