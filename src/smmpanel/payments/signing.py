"""What adapters share to prove messages: comparing on bytes, digests, and JSON read to the letter."""

import base64
import hmac
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from smmpanel.kernel.money import LIMIT
from smmpanel.payments.protocol import UnreadableMessageError

DIGITS_MAX = 24
"""More than any amount or number has; longer ones are somebody's attempt at something."""
NUMBER_MAX = 100


class Literal(str):
    """A number of a JSON document, as it was written: `25.0` stays `25.0`."""

    __slots__ = ()

    @property
    def value(self) -> Decimal:
        """What it means."""
        return Decimal(self)


def same(expected: str | bytes, given: str | bytes) -> bool:
    """Compare in constant time, on bytes: texts with other letters than ASCII would raise."""
    return hmac.compare_digest(_bytes(expected), _bytes(given))


def is_one_of(secrets: Iterable[str], given: str | bytes) -> bool:
    """Whether something is one of several secrets. All are compared, so time does not tell which it was."""
    found = False
    for secret in secrets:
        found |= bool(secret) and same(secret, given)
    return found


def hmac_text(secret: str, content: bytes, algorithm: str = "sha256", encoding: str = "hex") -> str:
    """Return the keyed digest of some bytes, written as `hex` or `base64`."""
    digest = hmac.digest(secret.encode(), content, algorithm)
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def read_json(body: bytes) -> Mapping[str, Any]:
    """Read a JSON object to the letter: numbers as they were written, no key twice. Raises `UnreadableMessageError`."""
    try:
        found = json.loads(
            body.decode("utf-8"),
            parse_int=_literal,
            parse_float=_literal,
            parse_constant=_refuse,
            object_pairs_hook=_without_doubles,
        )
    except (ValueError, RecursionError):
        raise UnreadableMessageError from None
    if not isinstance(found, dict):
        raise UnreadableMessageError
    return found


def read_base64_json(body: bytes) -> Mapping[str, Any]:
    """Read a JSON object that was written in base64, with its equals signs or without. Raises `UnreadableMessageError`."""
    bare = body.strip().rstrip(b"=")
    try:
        return read_json(base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True))
    except ValueError:
        raise UnreadableMessageError from None


def amount_in(value: object) -> Decimal:
    """Read an amount that a gateway wrote as a number or as text. Raises `UnreadableMessageError`, also for more than can be kept."""
    if not isinstance(value, str) or not (isinstance(value, Literal) or _is_plain(value)):
        raise UnreadableMessageError
    amount = Decimal(value)
    if abs(amount) >= LIMIT:
        raise UnreadableMessageError
    return amount


def text_in(value: object) -> str:
    """Read a text, or a number that serves as one; nothing is the empty text. NUL cannot be stored and is dropped."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnreadableMessageError
    return value.replace("\0", "").encode("utf-8", "replace").decode()


def number_in(value: object, *, longest: int = NUMBER_MAX) -> str:
    """Read the number or name that something has at its gateway, which must be there. Raises `UnreadableMessageError`."""
    number = text_in(value).strip()
    if not 0 < len(number) <= longest:
        raise UnreadableMessageError
    return number


def _is_plain(text: str) -> bool:
    return 0 < len(text) <= DIGITS_MAX and text.isascii() and text.replace(".", "", 1).isdigit()


def _literal(text: str) -> Literal:
    # Exponents are refused: no gateway writes money so, and they can mean numbers of any length.
    if len(text) > DIGITS_MAX or "e" in text.lower():
        raise ValueError(text[:DIGITS_MAX])
    return Literal(text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
