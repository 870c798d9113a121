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
OTHER_ORDER = marked("is a cursor of this list in another order")


@dataclass(frozen=True, slots=True)
class Paged(Generic[T]):
    """Some rows, and the cursor of the page after them, if there is one."""

    rows: Sequence[T]
    after: str | None


def cursor_for(key: int, order: str = "") -> str:
    """Write the key of a page's last row as an opaque cursor; `order` is for lists that can be sorted in several ways."""
    written = f"{order}:{key}" if order else str(key)
    return urlsafe_b64encode(written.encode()).decode().rstrip("=")


def key_from(cursor: str | None, order: str = "") -> int | None:
    """Read a cursor; raises `InvalidInputError` if it is none of ours, or was made for another order."""
    if not cursor:
        return None
    try:
        written = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        made_for, _, number = written.rpartition(":")
        key = int(number)
    except (ValueError, UnicodeDecodeError):
        raise InvalidInputError(field="after", reason=NO_CURSOR) from None
    if not 0 <= key < 2**63:
        raise InvalidInputError(field="after", reason=NO_CURSOR)
    if made_for != order:
        raise InvalidInputError(field="after", reason=OTHER_ORDER)
    return key


def paged(rows: Sequence[T], size: int, keys: Sequence[int], order: str = "") -> Paged[T]:
    """Make a page of at most `size` rows from `size + 1` that were read, given their keys."""
    if len(rows) <= size:
        return Paged(rows, None)
    return Paged(rows[:size], cursor_for(keys[size - 1], order))
