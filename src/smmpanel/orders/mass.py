"""Reading mass orders: text lines and CSV files, with a finding for each bad line instead of an error for the whole.

Text: `service | link | quantity`, one order per line; the quantity is left out for packages. A line has no room for
comments or drip-feed, so a fourth part is a finding, which also catches two lines that were pasted together.

CSV: comma, semicolon or tab. With a header, columns come in any order and those that no service type knows are ignored;
without one they are service, link, quantity, comments, runs, interval. Comments stand in one quoted cell, one per line.

What the fields mean is judged later, by `catalog.service_types.read_order`, when the services are known.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from io import StringIO
from typing import ClassVar

from smmpanel.catalog.order_fields import whole_number
from smmpanel.catalog.service_types import SERVICE_TYPES
from smmpanel.kernel.errors import InvalidInputError, PanelError
from smmpanel.kernel.i18n import marked

MASS_LINES_MAX = 10_000
MASS_BYTES_MAX = 8 * 1024 * 1024
SERVICE_ID_MAX = 2**53
_TEXT_PARTS_MAX = 3

CSV_COLUMNS = ("service", "link", "quantity", "comments", "runs", "interval")
"""What the columns are if the file has no header."""
_KNOWN_COLUMNS = {"service", "runs", "interval"} | {
    one.name for service_type in SERVICE_TYPES.values() for one in service_type.fields
}
_OTHER_COLUMN_NAMES = {"id": "service", "service_id": "service", "url": "link", "target": "link", "qty": "quantity"}
TOO_MANY_PARTS = marked("has more than three parts; comments and drip-feed need a CSV file")
TOO_MANY_CELLS = marked("has more than {most} cells")
INCOMPLETE = marked("must be: service | link | quantity")
NO_SERVICE = marked("names no service")
NOT_A_SERVICE = marked("must begin with the number of a service")
NO_CSV = marked("is not well-formed CSV; look for a quote that does not close")
NOT_TEXT = marked("it is not text in UTF-8; save it as “CSV UTF-8”")
SAME_NAME = marked("two columns are called {name}")
_SEPARATORS = re.compile(r"[\s_-]+")
_DELIMITERS = (",", ";", "\t")


class MassTooLargeError(PanelError):
    """There are more lines than we read."""

    code, status = "mass_too_large", 413
    message: ClassVar[str] = "A mass order may have at most {limit} lines."


class MassTooLongError(MassTooLargeError):
    """There is more text than we read."""

    message: ClassVar[str] = "A mass order may have at most {limit} bytes."


class MassUnreadableError(InvalidInputError):
    """The file as a whole cannot be understood; `reason` says why."""

    code, status = "mass_unreadable", 422
    message: ClassVar[str] = "The file cannot be read: {reason}."


class MassFault(StrEnum):
    """What can be wrong with a line before its service is known."""

    SERVICE_MISSING = "service_missing"
    SERVICE_INVALID = "service_invalid"
    LINE_INCOMPLETE = "line_incomplete"
    TOO_MANY_PARTS = "too_many_parts"
    CSV_BROKEN = "csv_broken"


@dataclass(frozen=True, slots=True)
class MassLine:
    """One order as written: the line it begins on (from 1), its service, and the fields that were filled in."""

    number: int
    service_id: int
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class MassError:
    """Why a line is no order."""

    number: int
    code: MassFault
    template: str
    """What catalogues translate, with places for the facts."""
    facts: Mapping[str, object] = field(default_factory=dict)


def read_text(text: str) -> list[MassLine | MassError]:
    """Read lines of `service | link | quantity`; blank ones are skipped but counted. Raises only for an oversized whole."""
    _demand_size(text)
    found: list[MassLine | MassError] = []
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        parts = [part.strip() for part in line.split("|")]
        while parts and not parts[-1]:
            parts.pop()
        if parts:
            _demand_room(found)
            found.append(_text_line(number, parts))
    return found


def read_csv(data: bytes | str) -> list[MassLine | MassError]:
    """Read a CSV file, in UTF-8 or as a spreadsheet's UTF-16. Raises only for an oversized or unreadable whole."""
    text = data.removeprefix("\ufeff") if isinstance(data, str) else _decoded(data)
    _demand_size(text)
    rows = _rows(text)
    found: list[MassLine | MassError] = []
    columns: tuple[str, ...] | None = None
    for number, row in rows:
        if isinstance(row, MassError):
            _demand_room(found)
            found.append(row)
            continue
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if columns is None:
            columns = _header(cells) or CSV_COLUMNS
            if columns is not CSV_COLUMNS:
                continue
        _demand_room(found)
        found.append(_csv_line(number, columns, cells))
    return found


def _demand_size(text: str) -> None:
    if len(text) > MASS_BYTES_MAX or len(text.encode("utf-8", "surrogatepass")) > MASS_BYTES_MAX:
        raise MassTooLongError(limit=MASS_BYTES_MAX)


def _demand_room(found: list[MassLine | MassError]) -> None:
    if len(found) >= MASS_LINES_MAX:
        raise MassTooLargeError(limit=MASS_LINES_MAX)


def _text_line(number: int, parts: list[str]) -> MassLine | MassError:
    if len(parts) > _TEXT_PARTS_MAX:
        return MassError(number, MassFault.TOO_MANY_PARTS, TOO_MANY_PARTS)
    if len(parts) == 1:
        return MassError(number, MassFault.LINE_INCOMPLETE, INCOMPLETE)
    return _line(number, dict(zip(("service", "link", "quantity"), parts, strict=False)))


def _line(number: int, fields: dict[str, str]) -> MassLine | MassError:
    written = fields.pop("service", "")
    if not written:
        return MassError(number, MassFault.SERVICE_MISSING, NO_SERVICE)
    service_id = whole_number(written)
    if service_id is None or not 0 < service_id <= SERVICE_ID_MAX:
        return MassError(number, MassFault.SERVICE_INVALID, NOT_A_SERVICE)
    return MassLine(number, service_id, {name: value for name, value in fields.items() if value})


def _decoded(data: bytes) -> str:
    if len(data) > 2 * MASS_BYTES_MAX:
        raise MassTooLongError(limit=MASS_BYTES_MAX)
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise MassUnreadableError(field="csv", reason=NOT_TEXT) from None


def _delimiter(text: str) -> str:
    """Take the delimiter that the first line with content has most of, outside quotes."""
    first = next((line for line in StringIO(text) if line.strip(' \t\r\n,;"')), "")
    unquoted = "".join(first.split('"')[::2])
    return max(_DELIMITERS, key=unquoted.count)


def _rows(text: str) -> Iterator[tuple[int, list[str] | MassError]]:
    """Yield each row with the line it begins on. A broken row is yielded as a finding, and reading goes on after it."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=_delimiter(text), strict=True, skipinitialspace=True)
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error:
            # Strict reading, because a quote that never closes would otherwise swallow all orders after it in silence.
            yield number, MassError(number, MassFault.CSV_BROKEN, NO_CSV)


def _header(cells: list[str]) -> tuple[str, ...] | None:
    """Read the first row as column names, if it names a service column; `None` if it is data already."""
    slugs = [_SEPARATORS.sub("_", cell.lower()) for cell in cells]
    names = tuple(_OTHER_COLUMN_NAMES.get(slug, slug) for slug in slugs)
    if "service" not in names:
        return None
    for name in _KNOWN_COLUMNS:
        if names.count(name) > 1:
            raise MassUnreadableError(field="csv", reason=SAME_NAME, name=name)
    return names


def _csv_line(number: int, columns: tuple[str, ...], cells: list[str]) -> MassLine | MassError:
    if any(cells[len(columns) :]):
        return MassError(number, MassFault.TOO_MANY_PARTS, TOO_MANY_CELLS, {"most": len(columns)})
    return _line(number, {name: cell for name, cell in zip(columns, cells, strict=False) if name in _KNOWN_COLUMNS})
