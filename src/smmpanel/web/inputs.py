"""Types for what comes in from outside: what has passed them can be stored."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from smmpanel.kernel.i18n import marked

# U+FFFD is what decoders put in place of broken bytes: nobody types it.
_UNSTORABLE = re.compile("[\\x00\\ufffd\\ud800-\\udfff]")
ROW_ID_MAX = 2**63 - 1


def is_clean(text: str) -> bool:
    """Whether the database can hold a text, and whether it was readable when it came in."""
    return _UNSTORABLE.search(text) is None


def _clean(text: str) -> str:
    if not is_clean(text):
        raise ValueError(marked("holds characters that cannot be stored"))
    return text


CleanText = Annotated[str, AfterValidator(_clean)]
"""Text without NUL, lone surrogates or broken characters. Every text field of a request is made of it."""

RowId = Annotated[int, Field(ge=1, le=ROW_ID_MAX)]
"""The id of a row, within what the database can compare it with."""
