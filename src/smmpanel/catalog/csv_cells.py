"""Single cells of the catalogue's CSV file, in both directions."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from smmpanel.catalog.service_fields import SERVICE_FIELDS
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.kernel.money import parse_amount, plain

# A spreadsheet would run such a cell as a formula. The apostrophe also goes before cells that begin with apostrophes and
# such a character, so that reading takes away exactly what writing put there.
_DANGEROUS = re.compile(r"'*[=+\-@\t\r\n]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n]")

_YES = frozenset({"yes", "true", "1", "y"})
_NO = frozenset({"no", "false", "0", "n"})


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _DANGEROUS.match(cell) else cell


def unguarded(cell: str) -> str:
    """Return what `guarded` was given."""
    return cell[1:] if _GUARDED.match(cell) else cell


def write_cell(value: Any) -> str:
    """Write a field's value so that its reader gets the same value back."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(value) if isinstance(value, Decimal) else str(value)


def _as_is(name: str, cell: str) -> str:  # noqa: ARG001 - all readers are called alike
    return cell


def _word(name: str, cell: str) -> str:  # noqa: ARG001
    return cell.strip().lower()


def _whole(name: str, cell: str) -> int | None:
    if not cell.strip():
        return None
    if not re.fullmatch(r"-?[0-9]{1,18}", cell.strip()):
        raise InvalidInputError(field=name, reason=marked("must be a whole number"))
    return int(cell)


def _amount(name: str, cell: str) -> Decimal | None:
    return parse_amount(cell, field=name) if cell.strip() else None


def _flag(name: str, cell: str) -> bool:
    word = cell.strip().lower()
    if word not in _YES | _NO:
        raise InvalidInputError(field=name, reason=marked("must be yes or no"))
    return word in _YES


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "text": _as_is,
    "bigint": _whole,
    "integer": _whole,
    "numeric": _amount,
    "boolean": _flag,
}
CELLS: Mapping[str, Callable[[str, str], Any]] = {
    **{name: _READERS[rule.sql] for name, rule in SERVICE_FIELDS.items()},
    "type": _as_is,
    "mode": _word,
}
"""How the cell of each field is read; raises `InvalidInputError`."""
