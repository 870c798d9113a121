"""The catalogue as a CSV file: written for spreadsheets, read back whole or not at all.

A file that was written here and is read back changes nothing. Columns that are left out stay as they are; an empty cell
empties a field that may be empty. A line without an id makes a new service. `rate` is for reading only: prices are set by
`fixed_rate` and the markup. `provider` and `provider_service` name the first route.
"""

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.catalog.categories import ensure_categories
from smmpanel.catalog.change_log import begin_change, bump_version, record_changes
from smmpanel.catalog.csv_cells import CELLS, guarded, unguarded, write_cell
from smmpanel.catalog.csv_routes import RouteTable, route_table, write_first_routes
from smmpanel.catalog.editing import edit_services, read_services
from smmpanel.catalog.models import ServiceMode
from smmpanel.catalog.platforms import platform_of
from smmpanel.catalog.repricing import Scope, recompute
from smmpanel.catalog.service_fields import NEW_SERVICE, SERVICE_FIELDS, ServiceFields, merged
from smmpanel.catalog.upstream_lines import NAME_MAX
from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked

COLUMNS = (
    "id",
    "category",
    *(name for name in SERVICE_FIELDS if name != "category_id"),
    "rate",
    "provider",
    "provider_service",
)
LINES_MAX = 50_000
ERRORS_MAX = 1000
EXPORT_LINES_AT_ONCE = 500
_NOT_YET = 2**62
"""Stands for the id of a category until it is made."""


NO_CSV = marked("is not well-formed CSV; look for a quote that does not close")
NO_COLUMN = marked("is not a column of this file")
TWICE = marked("is there twice")
BEYOND = marked("is beyond the {most} lines that one file may have")
TOO_MANY_CELLS = marked("has more cells than the header")
NO_ID = marked("must be a service's number")
NO_SERVICE = marked("is not a service of this panel")
NEEDED = marked("is needed")


@dataclass(frozen=True, slots=True)
class LineError:
    """What is wrong with one line of a file; lines count from one, the header being the first."""

    line: int
    column: str
    template: str
    """What catalogues translate, with places for the facts."""
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """What is wrong, in English."""
        return self.template.format(**self.facts) if self.facts else self.template


@dataclass(frozen=True, slots=True)
class CsvReport:
    """What reading a file did, or would do. With errors it did nothing."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    new_categories: tuple[str, ...] = ()
    errors: tuple[LineError, ...] = ()


async def export_services(session: AsyncSession) -> AsyncIterator[str]:
    """Write all services as CSV, a few hundred lines at a time, in the order of the shelves."""
    yield _line(COLUMNS)
    rows = (await session.execute(_EXPORT)).mappings().all()
    for start in range(0, len(rows), EXPORT_LINES_AT_ONCE):
        yield "".join(_line(_cells(row)) for row in rows[start : start + EXPORT_LINES_AT_ONCE])


def _cells(row: RowMapping) -> list[str]:
    # What a provider's service costs follows the provider; it is not for editing.
    shown = dict(row)
    if row["mode"] == ServiceMode.PROVIDER:
        shown["cost"] = None
    return [guarded(write_cell(shown[name])) for name in COLUMNS]


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()


@dataclass(slots=True)
class _Row:
    """One line on its way in."""

    line: int
    cells: dict[str, str]
    service_id: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    new_category: str | None = None
    """Its lower-case name."""
    first_line: int | None = None
    """The provider's service that is to be asked first, if that is another than now."""


@dataclass(slots=True)
class _File:
    rows: list[_Row] = field(default_factory=list)
    errors: list[LineError] = field(default_factory=list)
    new_categories: dict[str, str] = field(default_factory=dict)
    """Categories to be made, by lower-case name."""

    def fault(self, line: int, column: str, template: str, **facts: object) -> None:
        if len(self.errors) < ERRORS_MAX:
            self.errors.append(LineError(line, column, template, facts))

    def wrong(self, line: int, column: str, error: InvalidInputError) -> None:
        self.fault(line, column, error.template, **error.facts)


async def import_services_csv(
    session: AsyncSession, content: str, *, dry_run: bool, currency: str, actor: Actor, now: datetime
) -> CsvReport:
    """Read a file and make and change services as it says: all lines, or, if any is wrong, none.

    With `dry_run` nothing is written either way, and the report says what would have been.
    """
    actor.require(Permission.SERVICES_EDIT)
    await begin_change(session)
    file = _read(content)
    categories = await _category_ids(session)
    before = await read_services(session, [row.service_id for row in file.rows if row.service_id is not None])
    routes = await route_table(session)
    for row in file.rows:
        _understand(file, row, before, categories, routes)
    if file.errors:
        return CsvReport(errors=tuple(sorted(file.errors, key=lambda one: (one.line, one.column))))
    changed = [row for row in file.rows if row.service_id is not None and _differs(row, before[row.service_id])]
    new = [row for row in file.rows if row.service_id is None]
    report = CsvReport(
        len(new), len(changed), len(file.rows) - len(new) - len(changed), tuple(file.new_categories.values())
    )
    if not dry_run and (new or changed):
        await _apply(session, file, new, changed, currency=currency, actor=actor, now=now)
    return report


def _read(content: str) -> _File:
    """Split a file into lines and cells; separated by semicolons or tabs as well, as some spreadsheets write them."""
    file = _File()
    content = content.removeprefix("\ufeff")
    head = content.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
    names: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            file.fault(line, "", NO_CSV)
            return file
        if cells is None:
            return file
        if not names:
            names = [name.strip().lower() for name in cells]
            _check_header(file, names)
            if file.errors:
                return file
        elif any(cell.strip() for cell in cells):
            _take_line(file, line, names, cells)


def _check_header(file: _File, names: Sequence[str]) -> None:
    for name in names:
        if name not in COLUMNS:
            file.fault(1, name, NO_COLUMN)
        elif names.count(name) > 1:
            file.fault(1, name, TWICE)


def _take_line(file: _File, line: int, names: Sequence[str], cells: Sequence[str]) -> None:
    if len(file.rows) >= LINES_MAX:
        file.fault(line, "", BEYOND, most=LINES_MAX)
        return
    if len(cells) > len(names):
        file.fault(line, "", TOO_MANY_CELLS)
        return
    row = _Row(line, {name: unguarded(cell) for name, cell in zip(names, cells, strict=False)})
    given = row.cells.pop("id", "").strip()
    if given:
        if not re.fullmatch("[0-9]{1,18}", given):
            file.fault(line, "id", NO_ID)
            return
        row.service_id = int(given)
    file.rows.append(row)


def _understand(
    file: _File,
    row: _Row,
    before: Mapping[int, Mapping[str, Any]],
    categories: Mapping[str, int],
    routes: RouteTable,
) -> None:
    """Turn a line's cells into fields; what cannot be understood is noted."""
    if row.service_id is not None and row.service_id not in before:
        file.fault(row.line, "id", NO_SERVICE)
        return
    faults = len(file.errors)
    if row.service_id is None and "category" not in row.cells:
        file.fault(row.line, "category", NEEDED)
    for name, cell in row.cells.items():
        try:
            _take_cell(file, row, name, cell, categories)
        except InvalidInputError as wrong:
            file.wrong(row.line, name, wrong)
    if len(file.errors) > faults:
        return
    old = NEW_SERVICE if row.service_id is None else before[row.service_id]
    if row.fields.get("cost") is None and row.fields.get("mode", old["mode"]) == ServiceMode.PROVIDER:
        row.fields.pop("cost", None)  # written empty for these, and not meant to be emptied
    try:
        whole = merged(old, row.fields)
        row.first_line = routes.wanted(row.service_id, row.cells, whole["type"], whole["mode"])
    except InvalidInputError as wrong:
        column = str(wrong.fields["field"])
        file.wrong(row.line, "category" if column == "category_id" else column, wrong)


def _take_cell(file: _File, row: _Row, name: str, cell: str, categories: Mapping[str, int]) -> None:
    if name == "category":
        _take_category(file, row, " ".join(cell.split()), categories)
    elif name in CELLS:
        row.fields[name] = CELLS[name](name, cell)


def _take_category(file: _File, row: _Row, name: str, categories: Mapping[str, int]) -> None:
    if not name:
        raise InvalidInputError(field="category", reason=marked("must not be empty"))
    found = categories.get(name.lower())
    if found is None:
        if len(name) > NAME_MAX or "\x00" in name:
            raise InvalidInputError(
                field="category", reason=marked("must be a name of at most {most} characters"), most=NAME_MAX
            )
        file.new_categories.setdefault(name.lower(), name)
        row.new_category, found = name.lower(), _NOT_YET
    row.fields["category_id"] = found


def _differs(row: _Row, before: Mapping[str, Any]) -> bool:
    return row.first_line is not None or merged(before, row.fields) != before


async def _apply(
    session: AsyncSession,
    file: _File,
    new: Sequence[_Row],
    changed: Sequence[_Row],
    *,
    currency: str,
    actor: Actor,
    now: datetime,
) -> None:
    made = await ensure_categories(session, {name: platform_of(name) for name in file.new_categories.values()})
    for row in (*new, *changed):
        if row.new_category is not None:
            row.fields["category_id"] = made[file.new_categories[row.new_category]]
    edits = {row.service_id: cast("ServiceFields", row.fields) for row in changed if row.service_id is not None}
    fresh = [cast("ServiceFields", row.fields) for row in new]
    edited = await edit_services(session, edits, fresh, currency=currency, actor=actor, now=now, cause="csv")
    for row, service_id in zip(new, edited.added, strict=True):
        row.service_id = service_id
    routed = {row.service_id: row.first_line for row in (*new, *changed) if row.service_id and row.first_line}
    if routed:
        await write_first_routes(session, routed.items())
        changes = await recompute(session, Scope(service_ids=list(routed)), currency=currency, now=now)
        known = [change for change in changes if change.service_id in edits]
        await record_changes(session, known, cause="csv", now=now)
    await bump_version(session)


async def _category_ids(session: AsyncSession) -> dict[str, int]:
    return {row.name.lower(): row.id for row in await session.execute(_CATEGORIES)}


_CATEGORIES = text("SELECT id, name FROM categories")
_EXPORT = text(
    f"SELECT s.id, c.name AS category, {', '.join(f's.{name}' for name in COLUMNS if name in SERVICE_FIELDS)}, s.rate,"
    " f.slug AS provider, f.external_id AS provider_service"
    " FROM services s JOIN categories c ON c.id = s.category_id"
    " LEFT JOIN LATERAL (SELECT p.slug, ps.external_id FROM service_routes r"
    " JOIN provider_services ps ON ps.id = r.provider_service_id JOIN providers p ON p.id = ps.provider_id"
    " WHERE r.service_id = s.id ORDER BY r.priority, r.id LIMIT 1) f ON true"
    " ORDER BY c.position, c.id, s.position, s.id"
)
