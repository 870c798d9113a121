"""Pages by key: each page says where the next one starts, so a deep page costs as much as the first."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked

T = TypeVar("T")
PAGE_SIZE = 50
PAGE_SIZE_MAX = 500
NO_CURSOR = marked("is not a cursor of this list")


@dataclass(frozen=True, slots=True)
class Paged(Generic[T]):
    """Some rows, and the cursor of the page after them, if there is one."""

    rows: Sequence[T]
    after: str | None


def cursor_for(key: int) -> str:
    """Write the key of a page's last row as an opaque cursor."""
    return urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def key_from(cursor: str | None) -> int | None:
    """Read a cursor; raises `InvalidInputError` if it is none of ours."""
    if not cursor:
        return None
    try:
        key = int(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        raise InvalidInputError(field="after", reason=NO_CURSOR) from None
    if not 0 <= key < 2**63:
        raise InvalidInputError(field="after", reason=NO_CURSOR)
    return key


def paged(rows: Sequence[T], size: int, keys: Sequence[int]) -> Paged[T]:
    """Make a page of at most `size` rows from `size + 1` that were read, given their keys."""
    if len(rows) <= size:
        return Paged(rows, None)
    return Paged(rows[:size], cursor_for(keys[size - 1]))
