"""Types for what comes in from outside: what has passed them can be stored."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from smmpanel.kernel.i18n import marked

# U+FFFD is what decoders put in place of broken bytes: nobody types it.
_UNSTORABLE = re.compile("[\\x00\\ufffd\\ud800-\\udfff]")
ROW_ID_MAX = 2**63 - 1
_ID_DIGITS = 20


def is_clean(text: str) -> bool:
    """Whether the database can hold a text, and whether it was readable when it came in."""
    return _UNSTORABLE.search(text) is None


def _clean(text: str) -> str:
    if not is_clean(text):
        raise ValueError(marked("holds characters that cannot be stored"))
    return text


CleanText = Annotated[str, AfterValidator(_clean)]
"""Text without NUL, lone surrogates or broken characters. Every text field of a request is made of it."""


def _no_truth(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "is not a whole number")
    return value


Whole = Annotated[int, BeforeValidator(_no_truth)]
"""A whole number, also as text; `true` is none, although Python counts it as one."""

RowId = Annotated[Whole, Field(ge=1, le=ROW_ID_MAX)]
"""The id of a row, within what the database can compare it with."""


def number_in(typed: str) -> int | None:
    """Return the id of a row that an address names; nothing for what can be none."""
    if not (typed.isascii() and typed.isdigit()):
        return None
    return number if 0 < (number := int(typed[:_ID_DIGITS])) <= ROW_ID_MAX else None
