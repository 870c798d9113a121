"""The catalogue as CSV: exact round trips, all lines or none, nothing that a spreadsheet would run."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smmpanel.accounts.access import Actor, MissingPermissionError
from smmpanel.accounts.states import Role
from smmpanel.catalog.csv_cells import guarded, unguarded
from smmpanel.catalog.csv_files import COLUMNS, NO_CSV, CsvReport, LineError, export_services, import_services_csv
from smmpanel.catalog.editing import create_category, create_service
from smmpanel.catalog.models import Category, ServiceRoute

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
STAFF = Actor.cli()


async def export(panel) -> str:
    async with panel.db.transaction() as session:
        return "".join([part async for part in export_services(session)])


async def read_back(panel, content: str, *, dry_run: bool = False, actor: Actor = STAFF) -> CsvReport:
    async with panel.db.transaction() as session:
        return await import_services_csv(session, content, dry_run=dry_run, currency="USD", actor=actor, now=NOW)


def table(*rows: dict[str, str]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


async def edited(panel, **cells: str) -> str:
    """The exported file with these cells in its first line changed."""
    rows = list(csv.DictReader(io.StringIO(await export(panel))))
    rows[0] |= cells
    return table(*rows)


def plain_row(**more: str) -> dict[str, str]:
    return {"category": "Own", "name": "By hand", "mode": "manual", "min": "1", "max": "5", "fixed_rate": "7", **more}


NASTY = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "'=quoted",
    "''-twice",
    "'plain",
    'a "quoted", comma',
    "ünïcødé ♻️",
    "two  words",
]


@given(st.text())
def test_guarding_is_undone_exactly(cell):
    assert unguarded(guarded(cell)) == cell
    assert not guarded(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


async def test_an_export_read_back_changes_nothing(panel, jap, shelves, line):
    await jap.take(*(line(str(place), name=name, description=f"{name}\nmore") for place, name in enumerate(NASTY)))
    async with panel.db.transaction() as session:
        shelf = await create_category(session, {"name": "=cmd|' /C calc'!A0"}, actor=STAFF)
        await create_service(
            session,
            {"category_id": shelf, "name": "Own", "mode": "stock", "min": 1, "max": 9, "cost": Decimal("0.000001"),
             "markup_percent": Decimal("-12.5"), "allow_below_cost": True, "position": -3, "refill_days": 30},
            currency="USD", actor=STAFF, now=NOW,
        )  # fmt: skip
    content = await export(panel)
    mark = await shelves.last_change()

    for row in csv.reader(io.StringIO(content)):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    assert [row["name"] for row in csv.DictReader(io.StringIO(content))][:2] == ["'=1+1", "'+1"]
    for variant in (content, "\ufeff" + content, content.replace("\r\n", "\n")):
        report = await read_back(panel, variant)
        assert (report.added, report.changed, report.unchanged, report.errors) == (0, 0, len(NASTY) + 1, ())
    assert await export(panel) == content
    assert await shelves.changes(after=mark) == []


async def test_every_edited_column_is_taken_over(panel, jap, shelves, line):
    await jap.take(line("1"))
    content = await edited(
        panel, category="New shelf TikTok", name="Ours", description="a\nb", average_time="2 h", min="20", max="30",
        dripfeed="no", refill="No", refill_days="60", cancel="TRUE", fixed_rate="2.5", markup_fixed="0.1", link_guard="1",
        rounding_step="0.01", allow_below_cost="yes", enabled="no", position="-7", markup_percent="-5",
    )  # fmt: skip

    report = await read_back(panel, content)

    assert (report.changed, report.new_categories, report.errors) == (1, ("New shelf TikTok",), ())
    one = await shelves.service()
    shelf = (await shelves.all(Category))[-1]
    assert (one.category_id, shelf.name, shelf.platform) == (shelf.id, "New shelf TikTok", "tiktok")
    assert (one.name, one.description, one.average_time, one.min, one.max) == ("Ours", "a\nb", "2 h", 20, 30)
    assert (one.dripfeed, one.refill, one.refill_days, one.cancel, one.link_guard) == (False, False, 60, True, True)
    assert (one.fixed_rate, one.rate, one.markup_fixed, one.markup_percent) == (
        Decimal("2.5"),
        Decimal("2.5"),
        Decimal("0.1"),
        Decimal(-5),
    )
    assert (one.rounding_step, one.allow_below_cost, one.enabled, one.position) == (Decimal("0.01"), True, False, -7)
    assert one.cost == Decimal(1)
    assert ("name", "Instagram Followers 1", "Ours", "csv") in await shelves.changes()


async def test_new_lines_make_services_with_routes(panel, jap, shelves, line):
    await jap.sync(line("9", rate=Decimal(3)), now=NOW)
    content = table(
        {"id": "", **plain_row(), "provider": "", "provider_service": ""},
        {
            "id": "",
            **plain_row(name="Theirs", mode="provider", fixed_rate=""),
            "provider": "jap",
            "provider_service": "9",
        },
    )

    report = await read_back(panel, content)

    assert (report.added, report.new_categories, report.errors) == (2, ("Own",), ())
    theirs = await shelves.service("9")
    assert (theirs.name, theirs.cost, theirs.rate) == ("Theirs", Decimal(3), Decimal(3))
    assert [one.rate for one in await shelves.services()] == [Decimal(7), Decimal(3)]


async def test_the_first_route_can_be_turned_to_another_provider(panel, jap, a_provider, shelves, line):
    peakerr = await a_provider("peakerr")
    await jap.take(line("1"))
    await peakerr.sync(line("x", rate=Decimal(4)), now=NOW)

    report = await read_back(panel, await edited(panel, provider="peakerr", provider_service="x"))

    assert report.changed == 1
    service = await shelves.service("x")
    assert (service.cost, service.rate) == (Decimal(4), Decimal(4))
    assert len(await shelves.all(ServiceRoute)) == 1
    assert ("rate", "1.00", "4.00", "csv") in await shelves.changes()


async def test_columns_left_out_stay_and_separators_vary(panel, jap, shelves, line):
    [service_id] = (await jap.take(line("1"))).service_ids

    report = await read_back(panel, f"ID;Name;fixed_rate\n{service_id};Ours;2\n\n;;\n")

    assert (report.changed, report.errors) == (1, ())
    service = await shelves.service()
    assert (service.name, service.rate, service.min) == ("Ours", Decimal(2), 10)


async def test_any_error_stops_all_and_each_is_told(panel, jap, shelves, line):
    [service_id] = (await jap.take(line("1"), line("2"))).service_ids[:1]
    before = await export(panel)
    content = table(
        {"id": str(service_id), **plain_row(name="Good", mode="provider", fixed_rate="")},
        {"id": "999", **plain_row()},
        {"id": "x", **plain_row()},
        {"id": "", **plain_row(min="ten", fixed_rate="1e")},
        {"id": "", **plain_row(min="9")},
        {"id": "", **plain_row(category="")},
        {"id": "", **plain_row(fixed_rate="")},
    )

    report = await read_back(panel, content)

    assert [(one.line, one.column) for one in report.errors] == [
        (3, "id"), (4, "id"), (5, "fixed_rate"), (5, "min"), (6, "max"), (7, "category"), (8, "fixed_rate"),
    ]  # fmt: skip
    assert (report.added, report.changed) == (0, 0)
    assert await export(panel) == before
    assert len(await shelves.all(Category)) == 1


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"provider": "jap", "provider_service": "77"}, "provider_service"),
        ({"provider": "nobody", "provider_service": "2"}, "provider_service"),
        ({"provider": "jap", "provider_service": "p"}, "provider_service"),
        ({"provider": "", "provider_service": ""}, "provider"),
        ({"provider": "jap", "provider_service": "2", "mode": "manual", "fixed_rate": "1"}, "provider"),
        ({"cost": "5"}, "cost"),
    ],
)
async def test_routes_that_cannot_be_are_errors(jap, shelves, cells, column, line):
    panel = jap.panel
    await jap.sync(line("1"), line("2"), line("p", type="package"), now=NOW)
    await jap.take(line("1"))
    report = await read_back(panel, await edited(panel, **cells))
    assert [(one.line, one.column) for one in report.errors] == [(2, column)]
    assert (await shelves.service("1")).name == "Instagram Followers 1"


async def test_a_dry_run_says_everything_and_writes_nothing(panel, jap, line):
    await jap.take(line("1"))
    before = await export(panel)
    content = await edited(panel, name="Ours", category="Elsewhere")

    dry = await read_back(panel, content, dry_run=True)
    assert await export(panel) == before
    assert await read_back(panel, content) == dry
    assert (dry.changed, dry.new_categories) == (1, ("Elsewhere",))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("id,name,rat\n1,a,b\n", LineError(1, "rat", "is not a column of this file")),
        ("id,name,name\n", LineError(1, "name", "is there twice")),
        ('id,name\n1,"open\n', LineError(2, "", NO_CSV)),
        ("id,name\n1,a,b\n", LineError(2, "", "has more cells than the header")),
    ],
)
async def test_files_that_are_none_are_refused(panel, content, error):
    assert error in (await read_back(panel, content)).errors


async def test_an_empty_file_does_nothing(panel):
    assert await read_back(panel, "") == CsvReport()
    assert await export(panel) == ",".join(COLUMNS) + "\r\n"


async def test_whoever_may_not_edit_services_may_not_import(panel):
    with pytest.raises(MissingPermissionError):
        await read_back(panel, "", actor=Actor("user", None, "viewer", Role.STAFF, frozenset()))


async def test_thousands_of_lines_at_once(panel, jap, shelves, line):
    await jap.take(*(line(str(number)) for number in range(3000)))
    rows = list(csv.DictReader(io.StringIO(await export(panel))))
    for row in rows:
        row["markup_percent"] = "25"
    report = await read_back(panel, table(*rows))
    assert (report.changed, report.errors) == (3000, ())
    assert {service.rate for service in await shelves.services()} == {Decimal("1.25")}
