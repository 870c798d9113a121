"""Templates: texts with `{placeholders}`. What is put in is data: it is never looked at again, and never becomes JSON."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import orjson

KNOWN = frozenset(
    {
        "reference", "amount", "amount_minor", "currency", "description", "email", "user_id", "notify_url", "return_url",
        "cancel_url", "ts", "ts_ms", "nonce", "gateway_id", "gateway_txn", "refund_key", "reason", "secret", "api_key",
    }
)  # fmt: skip
SECRET = frozenset({"secret", "api_key"})
NUMBERS = frozenset({"amount", "amount_minor", "ts", "ts_ms"})
"""Those that may also be put in as numbers: `"{amount:number}"`, alone between quotes."""
_TOKEN = re.compile(r"\{\{|\}\}|\{([a-z_]+)(:number)?\}|[{}]")
_NUMBER = re.compile(r"\{([a-z_]+):number\}")

Values = Mapping[str, str]


def filled(template: str, values: Values, *, written: Callable[[str], str] = str) -> str:
    """Return a text with its placeholders filled; doubled braces are braces."""

    def put(token: re.Match[str]) -> str:
        if token[0] in {"{{", "}}"}:
            return token[0][0]
        return written(values[token[1]])

    return _TOKEN.sub(put, template)


def filled_address(template: str, values: Values) -> str:
    """Return an address with its placeholders filled, each of them as one piece of it."""
    return filled(template, values, written=lambda value: quote(value, safe=""))


def filled_json(template: Any, values: Values) -> Any:
    """Return a document with the placeholders in its texts filled, a text that is one for a number by the number."""
    if isinstance(template, Mapping):
        return {name: filled_json(value, values) for name, value in template.items()}
    if isinstance(template, (list, tuple)):
        return [filled_json(value, values) for value in template]
    if isinstance(template, str):
        number = _NUMBER.fullmatch(template)
        return Decimal(values[number[1]]) if number else filled(template, values)
    return template


def json_bytes(document: Any) -> bytes:
    """Write a document without blanks, decimals to the letter."""
    return orjson.dumps(document, default=_number)


def texts_in(template: Any) -> Iterator[str]:
    """Return all texts of a template, those of inner objects and lists too."""
    if isinstance(template, str):
        yield template
    elif isinstance(template, Mapping):
        for value in template.values():
            yield from texts_in(value)
    elif isinstance(template, (list, tuple)):
        for value in template:
            yield from texts_in(value)


def names_in(template: str) -> set[str]:
    """Return the placeholders of a text; raises `ValueError` for a brace that belongs to none, or a number that stands in a text."""
    names = set()
    for token in _TOKEN.finditer(template):
        if token[0] in {"{{", "}}"}:
            continue
        if token[1] is None:
            raise ValueError(token[0])
        if token[2] and (not _NUMBER.fullmatch(template) or token[1] not in NUMBERS):
            raise ValueError(token[0])
        names.add(token[1])
    return names


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(f"{value:f}")
    raise TypeError(f"{type(value).__name__} is no JSON")
